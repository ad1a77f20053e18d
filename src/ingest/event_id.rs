//! The id of an event: the log's, or one made of the line.

use uuid::Uuid;

use super::event::Rows;
use super::fields::Field;
use super::line::Line;
use super::span::{Draft, Span, get, set};
use crate::event::{NAMESPACE, Text};

/// What the id of an event without one is derived from.
#[derive(Clone, Copy, Debug)]
pub enum Content {
    /// A line.
    Line(Span),
    /// An event of an envelope: the hash of the envelope's line, and the event's index.
    Element(u128, u32),
}

impl Rows<'_> {
    /// Gives a row its id.
    pub(super) fn id(&mut self, line: &Line, content: Content, row: &mut Draft) {
        let given = line.get(Field::EventId);
        let text = self.id_field(line, Field::EventId);
        if given.is_none() || text.is_none() {
            row.id = match content {
                Content::Line(span) => {
                    xxhash_rust::xxh3::xxh3_128(self.pool.get(span).unwrap_or("").as_bytes())
                }
                Content::Element(line, index) => {
                    let mut bytes = [0; 20];
                    let (head, tail) = bytes.split_at_mut(16);
                    head.copy_from_slice(&line.to_le_bytes());
                    tail.copy_from_slice(&index.to_le_bytes());
                    xxhash_rust::xxh3::xxh3_128(&bytes)
                }
            };
            return;
        }
        row.has_own_id = true;
        let id = self.pool.get(text).unwrap_or("");
        if let Some(id) = canonical_uuid(id.as_bytes()) {
            row.id = id;
            return;
        }
        let chatbot = self.pool.get(get(row, Text::ChatbotId)).unwrap_or("");
        self.name_buffer.clear();
        self.name_buffer.extend_from_slice(&(chatbot.len() as u32).to_be_bytes());
        self.name_buffer.extend_from_slice(chatbot.as_bytes());
        self.name_buffer.extend_from_slice(id.as_bytes());
        row.id = Uuid::new_v5(&NAMESPACE, &self.name_buffer).as_u128();
        set(row, Text::EventId, text);
    }
}

/// Reads a UUID as `wa` writes it: 36 characters, lower case, with hyphens.
#[inline]
fn canonical_uuid(text: &[u8]) -> Option<u128> {
    let text: &[u8; 36] = text.try_into().ok()?;
    let [_, _, _, _, _, _, _, _, b'-', _, _, _, _, b'-', _, _, _, _, b'-', _, _, _, _, b'-', ..] = text
    else {
        return None;
    };
    // Digits and letters come at random: a branch would be guessed wrong every other time.
    let (mut bits, mut wrong) = (0u128, 0u8);
    for range in [0..8, 9..13, 14..18, 19..23, 24..36] {
        for byte in text.get(range)? {
            let digit = HEX_DIGITS[usize::from(*byte)];
            wrong |= digit;
            bits = bits << 4 | u128::from(digit & 15);
        }
    }
    (wrong < 16).then_some(bits)
}

/// The value of every lower-case hexadecimal digit; of other bytes, more than any digit's.
const HEX_DIGITS: [u8; 256] = {
    let mut digits = [0xf0; 256];
    let mut value = 0;
    while value < 16 {
        digits[b"0123456789abcdef"[value] as usize] = value as u8;
        value += 1;
    }
    digits
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_uuid_as_it_is_usually_written_is_its_own_id() {
        let text = "b270790b-1d46-432b-80ff-41b0524bedc7";
        assert_eq!(canonical_uuid(text.as_bytes()), Some(text.parse::<Uuid>().unwrap().as_u128()));
        for other in [
            "B270790B-1D46-432B-80FF-41B0524BEDC7",
            "b270790b1d46432b80ff41b0524bedc7",
            "{b270790b-1d46-432b-80ff-41b0524bedc7}",
            "b270790b-1d46-432b-80ff-41b0524bedc",
            "b270790b-1d46-432b-80ff-41b0524bedcg",
            "b270790b-1d46-432b-80ff041b0524bedc7",
            "b270790b-1d46-432b-80ff-41b0524bedcé",
            "",
        ] {
            assert_eq!(canonical_uuid(other.as_bytes()), None, "{other}");
        }
    }
}
