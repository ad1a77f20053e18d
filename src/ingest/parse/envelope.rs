//! What an envelope hands down to its events, and what no column holds.

use super::event::{LineKind, RowBuilder};
use super::extra_fields;
use super::fields::{Field, IDS, TEXTS, each};
use super::line::{LineFields, Other};
use crate::event::{EventRow, TextField};
use crate::ingest::summary::warnings::Warning;
use crate::json::Kind;
use crate::json::Member;
use crate::json::Span;
use crate::settings::IpPolicy;

/// The unknown fields that an envelope hands down to its events.
#[derive(Debug)]
pub struct InheritedFields {
    /// The fields.
    pub members: Vec<Member>,
    /// The object of them.
    pub object: Span,
    /// How many bytes may yet be written for events that add fields of their own.
    pub budget: usize,
}

impl RowBuilder<'_> {
    /// Looks at the fields that an envelope hands down, once for all its events: strings are decoded,
    /// and what has the wrong type joins the unknown fields.
    pub fn prepare_envelope(&mut self, line: &mut LineFields) {
        self.pending.clear();
        self.wrong = 0;
        for field in each(line.there() & (TEXTS | Field::IpAddress.bit())) {
            let text = self.text_field(line, field);
            line.set_text(field, text);
        }
        let times = Field::SentAt.bit() | Field::ReceivedAt.bit();
        for field in each(line.there() & (IDS | times | Field::ChatbotId.bit())) {
            if let Some(given) = line.get(field).filter(|given| given.member.value.kind() == Kind::String) {
                let text = self.text(given).unwrap_or(Span::NONE);
                line.set_text(field, text);
            }
        }
        for field in each(line.there() & IDS) {
            self.id_field(line, field);
        }
        for field in [Field::ScreenWidth, Field::ScreenHeight] {
            self.pixels(line, field);
        }
        if let Some(given) = line.get(Field::UserMetadata) {
            let span = self.object(Field::UserMetadata, given);
            line.set_text(Field::UserMetadata, span);
        }
        let no_address = line.has(Field::IpAddress) && self.address(line).is_none();
        let beside = line.beside(Field::IpAddress);
        let keep = self.options.ip == IpPolicy::Keep;
        let mut moved = self.wrong;
        if no_address {
            moved |= Field::IpAddress.bit();
        }
        for field in each(moved) {
            if let Some(given) = line.get(field).filter(|_| keep || field != Field::IpAddress) {
                line.others.push(Other { member: given.member, field: None });
            }
            line.remove(field);
        }
        line.others.extend(beside.map(|given| Other { member: given.member, field: None }));
        self.end_envelope();
    }

    /// Counts what was noticed about an envelope itself.
    pub fn end_envelope(&mut self) {
        for warning in self.pending.drain(..) {
            self.warnings.add(warning);
        }
        for field in each(std::mem::take(&mut self.wrong)) {
            self.warnings.add(Warning::WrongType(field));
        }
    }

    /// Gathers what no column holds.
    pub(crate) fn extra(
        &mut self,
        line: &LineFields,
        what: LineKind,
        inherited: Option<&mut InheritedFields>,
        row: &mut EventRow,
    ) {
        let mut members = std::mem::take(&mut self.members);
        members.clear();
        self.own_extra(line, what, &mut members);
        if members.is_empty() {
            row.set(TextField::Extra, self.keep(inherited.map_or(Span::NONE, |i| i.object)));
        } else {
            members.sort_unstable_by_key(|member| member.key.start);
            if let Some(inherited) = inherited.filter(|i| !i.members.is_empty()) {
                let size = inherited.object.len as usize;
                match inherited.budget.checked_sub(size) {
                    Some(rest) => {
                        inherited.budget = rest;
                        members.splice(0..0, inherited.members.iter().copied());
                    }
                    None => self.pending.push(Warning::EnvelopeFieldsLeftOut),
                }
            }
            let span = self.write_extra(&mut members);
            row.set(TextField::Extra, self.keep(span));
        }
        self.members = members;
    }

    /// Writes an object of members.
    pub fn write_extra(&mut self, members: &mut Vec<Member>) -> Span {
        let (span, lone) = extra_fields::object(&mut self.pool, members, self.options.ip);
        if lone {
            self.pending.push(Warning::LoneSurrogate);
        }
        span
    }

    #[inline]
    fn own_extra(&mut self, line: &LineFields, what: LineKind, members: &mut Vec<Member>) {
        for other in &line.others {
            if what == LineKind::Event || other.field != Some(Field::Type) {
                members.push(other.member);
            }
        }
        for given in [Field::EventId, Field::IpAddress].into_iter().filter_map(|field| line.beside(field)) {
            members.push(given.member);
        }
        let mut originals = self.wrong;
        if what != LineKind::Event {
            originals |= line.there() & Field::EventCategory.bit();
        }
        if self.pending.contains(&Warning::NotAnAddress) {
            originals |= Field::IpAddress.bit();
        }
        if self.options.ip != IpPolicy::Keep {
            // Whatever it is, it may be part of an address.
            originals &= !Field::IpAddress.bit();
        }
        members.extend(each(originals).filter_map(|field| line.get(field)).map(|given| given.member));
    }
}
