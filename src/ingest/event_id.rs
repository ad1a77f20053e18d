//! The id of an event: the log's, or one made of the line.

use super::event::Rows;
use super::fields::Field;
use super::line::Line;
use super::span::Span;
use crate::event::{Row, Text, uuid_of_name};

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
    pub(super) fn id(&mut self, line: &Line, content: Content, row: &mut Row) {
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
        let chatbot = self.kept.get(row.get(Text::ChatbotId)).unwrap_or("");
        self.name_buffer.clear();
        self.name_buffer.extend_from_slice(&(chatbot.len() as u32).to_be_bytes());
        self.name_buffer.extend_from_slice(chatbot.as_bytes());
        self.name_buffer.extend_from_slice(id.as_bytes());
        row.id = uuid_of_name(&self.name_buffer).as_u128();
        row.set(Text::EventId, self.keep(text));
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
    // Digits and letters come at random: a branch would be guessed wrong every other time. The four
    // parts do not wait for each other.
    let (mut parts, mut wrong) = ([0u32; 4], 0u8);
    for at in 0..8 {
        // Where the first and the second half of each of the middle parts begin, hyphens between them.
        let second = if at < 4 { 9 } else { 10 };
        let third = if at < 4 { 19 } else { 20 };
        for (part, byte) in parts.iter_mut().zip([at, second + at, third + at, 28 + at]) {
            let digit = HEX_DIGITS[usize::from(text[byte])];
            wrong |= digit;
            *part = *part << 4 | u32::from(digit & 15);
        }
    }
    let whole = parts.iter().fold(0, |whole, part| whole << 32 | u128::from(*part));
    (wrong < 16).then_some(whole)
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
    use uuid::Uuid;

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
