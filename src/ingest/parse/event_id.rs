//! The id of an event: the log's, or one made of the line.

use super::event::RowBuilder;
use super::fields::Field;
use super::line::LineFields;
use crate::event::{EventRow, TextField, name_uuid, parse_uuid};
use crate::json::Span;

/// What the id of an event without one is derived from.
#[derive(Clone, Copy, Debug)]
pub enum IdSource {
    /// A line.
    Line(Span),
    /// An event of an envelope: the hash of the envelope's line, and the event's index.
    Element(u128, u32),
}

impl RowBuilder<'_> {
    /// Gives a row its id.
    pub(crate) fn id(&mut self, line: &LineFields, content: IdSource, row: &mut EventRow) {
        let given = line.get(Field::EventId);
        let text = self.id_field(line, Field::EventId);
        if given.is_none() || text.is_none() {
            row.id = match content {
                IdSource::Line(span) => {
                    xxhash_rust::xxh3::xxh3_128(self.pool.get(span).unwrap_or("").as_bytes())
                }
                IdSource::Element(line, index) => {
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
        if let Some(id) = parse_uuid(id) {
            row.id = id;
            return;
        }
        let chatbot = self.kept.get(row.get(TextField::ChatbotId)).unwrap_or("");
        self.name_buffer.clear();
        self.name_buffer.extend_from_slice(&(chatbot.len() as u32).to_be_bytes());
        self.name_buffer.extend_from_slice(chatbot.as_bytes());
        self.name_buffer.extend_from_slice(id.as_bytes());
        row.id = name_uuid(&self.name_buffer).as_u128();
        row.set(TextField::EventId, self.keep(text));
    }
}
