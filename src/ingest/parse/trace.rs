//! The context of lines: the values that are stored with a rejected line, and the event names that
//! a tracing parser counts.

use std::collections::BTreeMap;

use super::block_parser::BlockLines;
use super::fields::{Field, FieldSet, fields_in};
use super::ip_masking;
use super::rejected::{RejectContext, RejectedLine};

/// The columns of a wrapping that are stored with a rejected line. Other columns can identify a
/// person.
const GIVEN: FieldSet = Field::EventId.bit()
    | Field::Timestamp.bit()
    | Field::ClientTimestamp.bit()
    | Field::SentAt.bit()
    | Field::ReceivedAt.bit();

/// Counts that a tracing parser collects for `wa preview`.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// The number of events by their name in the log and their name after `[names]` of the map,
    /// which is empty for ignored events.
    pub names: BTreeMap<(String, String), u64>,
}

impl Trace {
    /// Counts an event by its name in the log and the name that the map gives it.
    #[cold]
    pub(super) fn add_name(&mut self, name: &str, new: Option<&str>) {
        *self.names.entry((name.to_owned(), new.unwrap_or(name).to_owned())).or_default() += 1;
    }
}

impl BlockLines<'_, '_> {
    /// Adds a rejected line with its context.
    pub(super) fn push_rejected(&mut self, mut rejected: RejectedLine) {
        if !self.reject_selected(rejected.reason) {
            return;
        }
        let mut context = RejectContext {
            map: self.record.map.clone(),
            columns: self.record.columns.clone(),
            given: None,
            is_part: rejected.index.is_some(),
        };
        if let (Some(span), Some(defaults)) = (self.record.given, &self.record.defaults) {
            let json = self.rows.buffer.get(span).unwrap_or("");
            let is_safe =
                defaults.present() & !GIVEN == 0 && ip_masking::mask_text(json.as_bytes(), self.ip).is_none();
            match is_safe {
                true => context.given = Some(json.into()),
                false => context.is_part = true,
            }
        }
        if !context.is_empty() {
            rejected.context = Some(Box::new(context));
        }
        if self.trace.is_some() {
            rejected.fields = self.line_texts();
        }
        self.counts.add_rejected(rejected);
    }

    /// Returns the fields of the current line with their values.
    fn line_texts(&self) -> Vec<(Field, Box<str>)> {
        let text = |field| {
            let value = self.line.get(field)?;
            let span = if value.text.is_none() { value.member.value.raw() } else { value.text };
            Some((field, self.rows.buffer.get(span)?.into()))
        };
        fields_in(self.line.present()).filter_map(text).collect()
    }
}
