//! The members of one object of a log, arranged by field.

use super::fields::{Field, FieldSet, NOT_INHERITED, Spelling, fields_in};
use crate::json::{ESCAPED, Kind, Member, Span, Value, unescape};

/// The value of a field in a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct FieldValue {
    /// Key and value, as written in the log.
    pub member: Member,
    /// The decoded text of a string, if it has no escapes or was decoded already; else null.
    pub text: Span,
}

/// The fields of one object, and its other members.
///
/// Between lines only the sets are cleared. A slot whose field is in none of the sets still holds
/// the value of an earlier line.
#[derive(Debug)]
pub(super) struct LineFields {
    /// The values by spelling and field.
    values: [[FieldValue; Field::COUNT]; 3],
    /// Per spelling, the fields that are present and not null.
    present: [FieldSet; 3],
    /// In an event of an envelope, the fields that the event itself has.
    pub own: FieldSet,
    /// The members without a column, in order, including `events` and `type`.
    pub others: Vec<OtherMember>,
}

/// A member without a column.
#[derive(Clone, Copy, Debug)]
pub(super) struct OtherMember {
    /// The member.
    pub member: Member,
    /// Set for `Events` or `Type`, which have a meaning on lines that are not events, and for a
    /// field of an envelope whose value cannot be used.
    pub field: Option<Field>,
}

const NO_VALUE: FieldValue = {
    let value = Value::new(0, 0, Kind::Null, 0);
    FieldValue { member: Member { key: value, value }, text: Span::NONE }
};

impl Default for LineFields {
    fn default() -> Self {
        LineFields { values: [[NO_VALUE; Field::COUNT]; 3], present: [0; 3], own: 0, others: Vec::new() }
    }
}

impl LineFields {
    /// Removes all members.
    #[inline]
    pub fn clear(&mut self) {
        self.present = [0; 3];
        self.others.clear();
    }

    /// Adds a member of the object. `text` is the text that the spans of the member refer to.
    #[inline(always)]
    pub fn insert(&mut self, text: &str, member: Member) {
        let Some((field, spelling)) = match_field(text, member) else {
            return self.insert_other(member, None);
        };
        let inner = member.value.inner();
        let string = member.value.kind() == Kind::String;
        // If a key is repeated, its last value is used. An empty string is null.
        let bit = field.bit();
        if let Some(present) = self.present.get_mut(spelling as usize) {
            let null = member.value.kind() == Kind::Null || (string && inner.len == 0);
            *present = if null { *present & !bit } else { *present | bit };
        }
        let plain = string && !member.value.has(ESCAPED);
        let slot = self.values.get_mut(spelling as usize).and_then(|fields| fields.get_mut(field as usize));
        if let Some(slot) = slot {
            *slot = FieldValue { member, text: if plain { inner } else { Span::NONE } };
        }
        if matches!(field, Field::Events | Field::Type) {
            self.insert_other(member, Some(field));
        }
    }

    #[cold]
    #[inline(never)]
    fn insert_other(&mut self, member: Member, field: Option<Field>) {
        self.others.push(OtherMember { member, field });
    }

    /// Returns the fields that are present and not null.
    #[inline]
    pub fn present(&self) -> FieldSet {
        let [snake, camel, short] = self.present;
        snake | camel | short
    }

    /// Returns whether a field is present and not null.
    #[inline]
    pub fn has(&self, field: Field) -> bool {
        self.present() & field.bit() != 0
    }

    /// Returns the value of a field, in the spelling with the highest precedence; `None` if the
    /// field is missing or null.
    #[inline]
    pub fn get(&self, field: Field) -> Option<FieldValue> {
        let spelling = self.spelling(field)?;
        self.values.get(spelling)?.get(field as usize).copied()
    }

    /// Returns `id` or `ip` if the line also has the long spelling of that field, which has
    /// precedence.
    pub fn overridden_short_name(&self, field: Field) -> Option<FieldValue> {
        let present = self.present.get(Spelling::Short as usize)? & field.bit() != 0;
        if !present || self.spelling(field)? == Spelling::Short as usize {
            return None;
        }
        self.values.get(Spelling::Short as usize)?.get(field as usize).copied()
    }

    /// Sets a field to a value that is not null.
    pub fn set(&mut self, field: Field, value: FieldValue) {
        if let Some(slot) = self.slot(field) {
            *slot = value;
            self.add(field);
        }
    }

    /// Returns the slot to which the value of a field is written before the field is added.
    #[inline]
    pub fn slot(&mut self, field: Field) -> Option<&mut FieldValue> {
        self.values.first_mut()?.get_mut(field as usize)
    }

    /// Adds a field, whose value is in its slot and is not null.
    #[inline]
    pub fn add(&mut self, field: Field) {
        self.present[Spelling::Snake as usize] |= field.bit();
    }

    /// Makes a field null.
    pub fn remove(&mut self, field: Field) {
        self.present.iter_mut().for_each(|present| *present &= !field.bit());
    }

    /// Copies the fields that this event lacks and may inherit from its envelope.
    pub fn inherit(&mut self, envelope: &LineFields) {
        self.own = self.present();
        for field in fields_in(envelope.present() & !self.present() & !NOT_INHERITED) {
            let slot = self.values.get_mut(Spelling::Snake as usize).and_then(|s| s.get_mut(field as usize));
            if let (Some(slot), Some(value)) = (slot, envelope.get(field)) {
                *slot = value;
                self.present[0] |= field.bit();
            }
        }
    }

    /// Stores the decoded text of a field, so that it is decoded only once.
    pub fn set_text(&mut self, field: Field, text: Span) {
        let slot = self.spelling(field).and_then(|s| self.values.get_mut(s)?.get_mut(field as usize));
        if let Some(slot) = slot {
            slot.text = text;
        }
    }

    #[inline]
    fn spelling(&self, field: Field) -> Option<usize> {
        self.present.iter().position(|present| present & field.bit() != 0)
    }
}

#[inline]
fn match_field(text: &str, member: Member) -> Option<(Field, Spelling)> {
    let key = member.key.inner();
    if !member.key.has(ESCAPED) {
        return Field::from_key_at(text.as_bytes(), key.start as usize, key.len as usize);
    }
    Field::from_key(unescape(key.slice(text)?).as_bytes())
}
