//! The fields that events inherit from their envelope, and the `extra` column of events.

use super::extra_fields::{self, InheritedFields};
use super::fields::{Field, IDS, TEXTS, fields_in};
use super::line_fields::{FieldValue, LineFields, OtherMember};
use super::row_builder::{LineKind, RowBuilder};
use super::text::VariedColumn;
use super::warnings::Warning;
use crate::event::{EventRow, TextField, TextId};
use crate::json::{Kind, Member, Span};
use crate::settings::IpPolicy;

impl RowBuilder<'_> {
    /// Prepares the fields that the events of an envelope inherit, once for all of them: decodes
    /// strings, and moves fields of the wrong type to the unknown fields.
    pub fn prepare_envelope(&mut self, line: &mut LineFields) {
        self.pending.clear();
        self.wrong_types = 0;
        for field in fields_in(line.present() & (TEXTS | Field::IpAddress.bit())) {
            let text = self.text_field(line, field);
            line.set_text(field, text);
        }
        let times = Field::SentAt.bit() | Field::ReceivedAt.bit();
        for field in fields_in(line.present() & (IDS | times | Field::ChatbotId.bit())) {
            if let Some(value) = line.get(field).filter(|value| value.member.value.kind() == Kind::String) {
                let text = self.text(value).unwrap_or(Span::NONE);
                line.set_text(field, text);
            }
        }
        for field in fields_in(line.present() & IDS) {
            self.id_field(line, field);
        }
        for field in [Field::ScreenWidth, Field::ScreenHeight] {
            self.pixels(line, field);
        }
        if let Some(value) = line.get(Field::UserMetadata)
            && let Some((object, text)) = self.object(Field::UserMetadata, value)
        {
            let member = Member { value: object, ..value.member };
            line.set(Field::UserMetadata, FieldValue { member, text });
        }
        let no_ip = line.has(Field::IpAddress) && self.ip_address(line).is_none();
        let overridden_ip = line.overridden_short_name(Field::IpAddress);
        let keep_ips = self.options.ip == IpPolicy::Keep;
        let mut moved = self.wrong_types;
        if no_ip {
            moved |= Field::IpAddress.bit();
        }
        if let Some(value) = line.get(Field::CountryCode) {
            let text = self.trimmed(value.text);
            self.country_code(text);
            if self.pending.contains(&Warning::NotACountryCode) {
                moved |= Field::CountryCode.bit();
            }
        }
        for field in fields_in(moved) {
            if let Some(value) = line.get(field).filter(|_| keep_ips || field != Field::IpAddress) {
                line.others.push(OtherMember { member: value.member, field: Some(field) });
            }
            line.remove(field);
        }
        let overridden =
            |value: FieldValue| OtherMember { member: value.member, field: Some(Field::IpAddress) };
        line.others.extend(overridden_ip.map(overridden));
        self.count_envelope_warnings();
    }

    /// Counts the warnings about the fields of the envelope itself.
    pub fn count_envelope_warnings(&mut self) {
        for warning in self.pending.drain(..) {
            self.warnings.add(warning);
        }
        for field in fields_in(std::mem::take(&mut self.wrong_types)) {
            self.warnings.add(Warning::WrongType(field));
        }
    }

    /// Sets the `extra` column: the members without a column, first those of the envelope, then
    /// those of the event.
    pub(super) fn extra(
        &mut self,
        line: &LineFields,
        kind: LineKind,
        inherited: Option<&mut InheritedFields>,
        row: &mut EventRow,
    ) {
        let mut members = std::mem::take(&mut self.members);
        members.clear();
        self.collect_extra(line, kind, &mut members);
        let replaced = inherited.as_ref().map_or(0, |inherited| inherited.unusable & line.own);
        if members.is_empty() && replaced == 0 {
            row.set(TextField::Extra, self.intern(inherited.map_or(Span::NONE, |i| i.object)));
        } else {
            members.sort_unstable_by_key(|member| member.key.start);
            if let Some(inherited) = inherited.filter(|i| !i.members.is_empty()) {
                let size = inherited.object.len as usize;
                match inherited.budget.checked_sub(size) {
                    Some(rest) => {
                        inherited.budget = rest;
                        members.splice(0..0, inherited.members_without(replaced));
                    }
                    None => self.pending.push(Warning::EnvelopeFieldsLeftOut),
                }
            }
            // The object was just written, so a lookup by its span would find nothing.
            let span = self.write_extra(&mut members);
            let extra = self.buffer.get(span);
            let id = extra.map(|extra| self.interner.intern_varied(VariedColumn::Extra, extra));
            row.set(TextField::Extra, id.unwrap_or(TextId::NONE));
        }
        self.members = members;
    }

    /// Writes the object of the fields that events inherit. The last value of a repeated key is
    /// kept.
    pub fn write_inherited(&mut self, inherited: &mut InheritedFields) {
        let mut members = inherited.members_without(0).collect();
        inherited.object = self.write_extra(&mut members);
        let mut written = members.iter().map(|member| member.key.start).peekable();
        inherited.members.retain(|other| written.next_if_eq(&other.member.key.start).is_some());
    }

    /// Writes an object of members to the text buffer.
    pub fn write_extra(&mut self, members: &mut Vec<Member>) -> Span {
        let (span, lone) = extra_fields::write_object(&mut self.buffer, members, self.options.ip);
        if lone {
            self.pending.push(Warning::LoneSurrogate);
        }
        span
    }

    /// Collects the members of an event that belong in `extra`.
    #[inline]
    fn collect_extra(&mut self, line: &LineFields, kind: LineKind, members: &mut Vec<Member>) {
        for other in &line.others {
            if kind == LineKind::Event || other.field != Some(Field::Type) {
                members.push(other.member);
            }
        }
        let short_names = [Field::EventId, Field::IpAddress];
        for value in short_names.into_iter().filter_map(|field| line.overridden_short_name(field)) {
            members.push(value.member);
        }
        let mut originals = self.wrong_types;
        if kind != LineKind::Event {
            originals |= line.present() & Field::EventCategory.bit();
        }
        originals |= self.out_of_range;
        if self.pending.contains(&Warning::NotAnIpAddress) {
            originals |= Field::IpAddress.bit();
        }
        if self.pending.contains(&Warning::NotACountryCode) {
            originals |= Field::CountryCode.bit();
        }
        if self.options.ip != IpPolicy::Keep {
            // The value is not an IP address, but it may contain a part of one.
            originals &= !Field::IpAddress.bit();
        }
        // A value that a map built, or read from within a member, has no key.
        let values = fields_in(originals).filter_map(|field| line.get(field));
        members.extend(values.map(|value| value.member).filter(|m| m.key.kind() == Kind::String));
    }
}
