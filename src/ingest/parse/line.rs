//! The members of one object of a log, sorted by the fields they name.

use super::fields::{Field, FieldSet, NOT_INHERITED, Spelling};
use crate::json::Span;
use crate::json::{ESCAPED, Member};
use crate::json::{Kind, escapes};

/// A field as a line gives it.
#[derive(Clone, Copy, Debug)]
pub struct FieldValue {
    /// Key and value, as they are written.
    pub member: Member,
    /// The value's text, where it is a string: decoded, if that was necessary already.
    pub text: Span,
}

/// The fields of one object, and what else is in it.
///
/// Nothing is cleared between lines but a few sets: what a set does not name is from another line.
#[derive(Debug)]
pub struct LineFields {
    /// By spelling and field.
    given: [[FieldValue; Field::COUNT]; 3],
    /// The fields that are there in each spelling, and not null.
    there: [FieldSet; 3],
    /// The other members, in order; `events` and `type` among them.
    pub others: Vec<Other>,
}

/// A member that no column holds.
#[derive(Clone, Copy, Debug)]
pub struct Other {
    /// The member.
    pub member: Member,
    /// `Events` or `Type`, which have a meaning on some lines.
    pub field: Option<Field>,
}

const NOTHING: FieldValue = {
    let value = crate::json::Value::new(0, 0, Kind::Null, 0);
    FieldValue { member: Member { key: value, value }, text: Span::NONE }
};

impl Default for LineFields {
    fn default() -> Self {
        LineFields { given: [[NOTHING; Field::COUNT]; 3], there: [0; 3], others: Vec::new() }
    }
}

impl LineFields {
    /// Forgets the line before.
    #[inline]
    pub fn clear(&mut self) {
        self.there = [0; 3];
        self.others.clear();
    }

    /// Takes in a member of the object; `text` is what its span offsets point into.
    #[inline(always)]
    pub fn take(&mut self, text: &str, member: Member) {
        let Some((field, spelling)) = field_of(text, member) else {
            return self.take_other(member, None);
        };
        let inner = member.value.inner();
        let string = member.value.kind() == Kind::String;
        // Of a key given twice the last counts, and an empty string is null.
        let bit = field.bit();
        if let Some(there) = self.there.get_mut(spelling as usize) {
            let null = member.value.kind() == Kind::Null || (string && inner.len == 0);
            *there = if null { *there & !bit } else { *there | bit };
        }
        let plain = string && !member.value.has(ESCAPED);
        let slot = self.given.get_mut(spelling as usize).and_then(|fields| fields.get_mut(field as usize));
        if let Some(slot) = slot {
            *slot = FieldValue { member, text: if plain { inner } else { Span::NONE } };
        }
        if matches!(field, Field::Events | Field::Type) {
            self.take_other(member, Some(field));
        }
    }

    #[cold]
    #[inline(never)]
    fn take_other(&mut self, member: Member, field: Option<Field>) {
        self.others.push(Other { member, field });
    }

    /// Returns the fields that are there and not null.
    #[inline]
    pub fn there(&self) -> FieldSet {
        let [snake, camel, short] = self.there;
        snake | camel | short
    }

    /// Tells whether a field is there and not null.
    #[inline]
    pub fn has(&self, field: Field) -> bool {
        self.there() & field.bit() != 0
    }

    /// Returns a field, in the spelling that counts; `None` where it is null or not there.
    #[inline]
    pub fn get(&self, field: Field) -> Option<FieldValue> {
        let spelling = self.spelling(field)?;
        self.given.get(spelling)?.get(field as usize).copied()
    }

    /// Returns `id` beside `event_id`, or `ip` beside `ip_address`: another thing under its name.
    pub fn beside(&self, field: Field) -> Option<FieldValue> {
        let there = self.there.get(Spelling::Short as usize)? & field.bit() != 0;
        if !there || self.spelling(field)? == Spelling::Short as usize {
            return None;
        }
        self.given.get(Spelling::Short as usize)?.get(field as usize).copied()
    }

    /// Makes a field null.
    pub fn remove(&mut self, field: Field) {
        self.there.iter_mut().for_each(|there| *there &= !field.bit());
    }

    /// Takes over from an envelope the fields that this event lacks and may inherit.
    pub fn inherit(&mut self, envelope: &LineFields) {
        for field in super::fields::each(envelope.there() & !self.there() & !NOT_INHERITED) {
            let slot = self.given.get_mut(Spelling::Snake as usize).and_then(|s| s.get_mut(field as usize));
            if let (Some(slot), Some(given)) = (slot, envelope.get(field)) {
                *slot = given;
                self.there[0] |= field.bit();
            }
        }
    }

    /// Remembers the decoded text of a field, so that it is decoded only once.
    pub fn set_text(&mut self, field: Field, text: Span) {
        let slot = self.spelling(field).and_then(|s| self.given.get_mut(s)?.get_mut(field as usize));
        if let Some(slot) = slot {
            slot.text = text;
        }
    }

    #[inline]
    fn spelling(&self, field: Field) -> Option<usize> {
        self.there.iter().position(|there| there & field.bit() != 0)
    }
}

#[inline]
fn field_of(text: &str, member: Member) -> Option<(Field, Spelling)> {
    let key = member.key.inner();
    let (start, len) = (key.start as usize, key.len as usize);
    if !member.key.has(ESCAPED) {
        return Field::from_key_at(text.as_bytes(), start, len);
    }
    let mut decoded = String::new();
    escapes::decode(text.get(start..start + len)?, &mut decoded);
    Field::from_key(decoded.as_bytes())
}
