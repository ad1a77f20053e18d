//! From the fields of a line to a row, or to the reason why there is none.

use uuid::Uuid;

use super::decimal::whole;
use super::derive::{Address, Derive};
use super::extra;
use super::fields::{Field, FieldSet, IDS, OBJECTS, TEXTS, each, standard_category};
use super::json::scan::{ESCAPED, Member, Value};
use super::json::{Kind, Scanner, escapes};
use super::line::{Given, Line};
use super::memo::Pool;
use super::parse::ParseOptions;
use super::reason::Reason;
use super::refuse::Person;
use super::time;
use super::warnings::{Warning, Warnings};
use crate::context::Context;
use crate::event::{KeyKind, NAMESPACE, NO_NUMBER, NO_TIME, Row, Span, Text, key_hash};
use crate::settings::IpPolicy;
use crate::time::Micros;

/// The longest `chatbot_id`, in bytes.
const CHATBOT_LIMIT: u32 = 256;
/// The longest number that is read as a size of the screen, in bytes.
const NUMBER_LIMIT: usize = 64;

/// What a line or an event of an envelope is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// It has an `event_name`.
    Event,
    /// `"type":"session"`.
    Session,
    /// `"type":"identify"`.
    Identify,
}

/// What the id of an event without one is derived from.
#[derive(Clone, Copy, Debug)]
pub enum Content {
    /// A line.
    Line(Span),
    /// An event of an envelope: the hash of the envelope's line, and the event's index.
    Element(u128, u32),
}

/// The unknown fields that an envelope hands down to its events.
#[derive(Debug)]
pub struct Inherited {
    /// The fields.
    pub members: Vec<Member>,
    /// The object of them.
    pub object: Span,
    /// How many bytes may yet be written for events that add fields of their own.
    pub budget: usize,
}

/// Why there is no row, and the event's time where it is known.
pub type Refusal = (Reason, Option<Micros>);

/// Makes the rows of a block.
pub struct Rows<'a> {
    options: &'a ParseOptions,
    /// The block's text.
    pub pool: Pool<'a>,
    /// What is derived from it.
    pub derive: Derive<'a>,
    /// The rows.
    pub rows: Vec<Row>,
    /// What was noticed about them.
    pub warnings: Warnings,
    /// What was noticed about the event at hand: forgotten when that is refused.
    pending: Vec<Warning>,
    /// Its fields of the wrong type.
    wrong: FieldSet,
    members: Vec<Member>,
    chatbot: Span,
    names: [Span; 2],
    categories: [(&'static str, Span); 4],
    last_key: Option<(Span, Span, KeyKind, u128)>,
    name_buffer: Vec<u8>,
}

impl<'a> Rows<'a> {
    /// Makes a maker of rows.
    pub fn new(lines: &'a str, options: &'a ParseOptions, context: &'a Context) -> Self {
        let mut pool = Pool { lines, decoded: String::new() };
        let chatbot = pool.add_some(options.chatbot.as_deref());
        let names = ["session_updated", "user_identified"].map(|name| pool.add(name));
        let categories = ["engagement", "system", "error", "performance"].map(|name| (name, pool.add(name)));
        Rows {
            options,
            pool,
            derive: Derive::new(context, options.ip, &options.visitor_key),
            rows: Vec::with_capacity(lines.len() / 512),
            warnings: Warnings::default(),
            pending: Vec::new(),
            wrong: 0,
            members: Vec::new(),
            chatbot,
            names,
            categories,
            last_key: None,
            name_buffer: Vec::new(),
        }
    }

    /// Makes a row of an event.
    pub fn add(
        &mut self,
        scanner: &mut Scanner,
        line: &Line,
        what: What,
        content: Content,
        inherited: Option<&mut Inherited>,
    ) -> Result<(), Refusal> {
        self.pending.clear();
        self.wrong = 0;
        let mut row = Row::EMPTY;

        // What can refuse the event comes first, in the order of the reasons.
        let name = self.event_name(line, what).ok_or((Reason::NoEventName, None))?;
        let chatbot = self.chatbot(line).map_err(|reason| (reason, None))?;
        let user_agent = self.text_field(line, Field::UserAgent);
        let address = self.address(line);
        set(&mut row, Text::ChatbotId, chatbot);
        for (field, column) in [
            (Field::SessionId, Text::SessionId),
            (Field::AnonymousId, Text::AnonymousId),
            (Field::UserId, Text::UserId),
        ] {
            set(&mut row, column, self.id_field(line, field));
        }
        if self.key(&mut row).is_none() {
            let (Some((text, address)), false) = (address, user_agent.is_none()) else {
                return Err((Reason::NoSessionKey, None));
            };
            let visitor = self.derive.visitor(&mut self.pool, chatbot, text, address, user_agent);
            set(&mut row, Text::AnonymousId, visitor);
            let _ = self.key(&mut row);
        }
        self.times(line, &mut row)?;

        // The event is good.
        set(&mut row, Text::EventName, name);
        self.id(line, content, &mut row);
        for field in each(line.there() & TEXTS & !Field::UserAgent.bit()) {
            if let Some(column) = field.column() {
                set(&mut row, column, self.text_field(line, field));
            }
        }
        self.category(line, what, name, &mut row);
        self.objects(line, &mut row);
        row.screen_width = self.pixels(line, Field::ScreenWidth);
        row.screen_height = self.pixels(line, Field::ScreenHeight);
        self.properties(scanner, line, name, &mut row);
        self.context(user_agent, address, &mut row);
        self.extra(line, what, inherited, &mut row);

        self.rows.push(row);
        for warning in self.pending.drain(..) {
            self.warnings.add(warning);
        }
        for field in each(self.wrong) {
            self.warnings.add(Warning::WrongType(field));
        }
        Ok(())
    }

    fn event_name(&mut self, line: &Line, what: What) -> Option<Span> {
        let [session, identify] = self.names;
        match what {
            What::Event => self.text(line.get(Field::EventName)?),
            What::Session => Some(session),
            What::Identify => Some(identify),
        }
    }

    fn chatbot(&mut self, line: &Line) -> Result<Span, Reason> {
        match line.get(Field::ChatbotId) {
            None if self.chatbot.is_none() => Err(Reason::NoChatbotId),
            None => Ok(self.chatbot),
            Some(given) => {
                self.id_text(given).filter(|id| id.len <= CHATBOT_LIMIT).ok_or(Reason::BadChatbotId)
            }
        }
    }

    /// Returns the address that a line gives, and its text.
    pub fn address(&mut self, line: &Line) -> Option<(Span, Address)> {
        let text = self.text_field(line, Field::IpAddress);
        if text.is_none() {
            return None;
        }
        let address = self.derive.address(&mut self.pool, text);
        if address.is_none() {
            self.pending.push(Warning::NotAnAddress);
        }
        Some((text, address?))
    }

    /// Makes the session key of the first id there is.
    #[inline]
    fn key(&mut self, row: &mut Row) -> Option<()> {
        let chatbot = get(row, Text::ChatbotId);
        let kinds = [
            (KeyKind::Session, Text::SessionId),
            (KeyKind::Anonymous, Text::AnonymousId),
            (KeyKind::User, Text::UserId),
        ];
        let (kind, value) = kinds
            .into_iter()
            .map(|(kind, column)| (kind, get(row, column)))
            .find(|(_, span)| !span.is_none())?;
        row.key_kind = kind;
        row.key = match self.last_key {
            Some((c, v, k, key)) if (c, v, k) == (chatbot, value, kind) => key,
            _ => key_hash(self.pool.get(chatbot)?, kind, self.pool.get(value)?),
        };
        self.last_key = Some((chatbot, value, kind, row.key));
        Some(())
    }

    #[inline]
    fn times(&mut self, line: &Line, row: &mut Row) -> Result<(), Refusal> {
        let mut bad = false;
        let mut time = |field: Field| match line.get(field) {
            None => NO_TIME,
            Some(given) => self.time(given).unwrap_or_else(|| {
                bad = true;
                NO_TIME
            }),
        };
        let timestamp = time(Field::Timestamp);
        row.client_timestamp = time(Field::ClientTimestamp);
        row.sent_at = time(Field::SentAt);
        row.received_at = time(Field::ReceivedAt);

        let (client, sent, received) = (row.client_timestamp, row.sent_at, row.received_at);
        row.time = if timestamp != NO_TIME {
            timestamp
        } else if client != NO_TIME && sent != NO_TIME && received != NO_TIME {
            received.saturating_sub(sent.saturating_sub(client))
        } else if received != NO_TIME {
            received
        } else {
            client
        };
        let any = Field::Timestamp.bit() | Field::ClientTimestamp.bit() | Field::ReceivedAt.bit();
        if line.there() & any == 0 {
            Err((Reason::NoTimestamp, None))
        } else if bad {
            Err((Reason::BadTimestamp, None))
        } else if row.time > self.options.now.saturating_add(time::AHEAD) {
            Err((Reason::FutureTimestamp, Some(row.time)))
        } else if row.time < time::EARLIEST {
            Err((Reason::ImplausibleTimestamp, Some(row.time)))
        } else {
            Ok(())
        }
    }

    #[inline]
    fn time(&mut self, given: Given) -> Option<Micros> {
        match given.member.value.kind() {
            Kind::String => {
                let text = self.text(given)?;
                time::from_text(self.pool.get(text)?.as_bytes())
            }
            Kind::Number => time::from_number(self.pool.get(given.member.value.raw())?.as_bytes()),
            _ => None,
        }
    }

    fn id(&mut self, line: &Line, content: Content, row: &mut Row) {
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

    fn category(&mut self, line: &Line, what: What, name: Span, row: &mut Row) {
        let given = match what {
            What::Event => self.text_field(line, Field::EventCategory),
            What::Session | What::Identify => Span::NONE,
        };
        let category = if given.is_none() {
            let standard = match what {
                What::Event => self.pool.get(name).and_then(standard_category),
                What::Session | What::Identify => Some("system"),
            };
            let known = self.categories.iter().find(|(category, _)| Some(*category) == standard);
            known.map_or(Span::NONE, |(_, span)| *span)
        } else {
            given
        };
        set(row, Text::EventCategory, category);
    }

    fn objects(&mut self, line: &Line, row: &mut Row) {
        for field in each(line.there() & OBJECTS) {
            let Some((given, column)) = line.get(field).zip(field.column()) else { continue };
            let span = self.object(field, given);
            set(row, column, span);
        }
    }

    /// Returns the span of a field that must hold an object.
    pub fn object(&mut self, field: Field, given: Given) -> Span {
        match given.member.value.kind() {
            // An envelope's has been looked at already.
            Kind::Object if !given.text.is_none() => given.text,
            Kind::Object => {
                let (span, lone) = extra::as_written(&mut self.pool, given.member.value, self.options.ip);
                if lone {
                    self.pending.push(Warning::LoneSurrogate);
                }
                span
            }
            _ => {
                self.wrong |= field.bit();
                Span::NONE
            }
        }
    }

    /// Reads a size of the screen: a whole number, however it is written (`1920`, `1920.0`).
    pub fn pixels(&mut self, line: &Line, field: Field) -> i32 {
        let Some(given) = line.get(field) else { return NO_NUMBER };
        let number = match given.member.value.kind() {
            Kind::Number => self.pool.get(given.member.value.raw()),
            _ => None,
        };
        let pixels = number
            .filter(|text| text.len() <= NUMBER_LIMIT)
            .and_then(|text| whole(text.as_bytes(), 0))
            .filter(|number| number.exact)
            .and_then(|number| i32::try_from(number.cut()?).ok())
            .filter(|pixels| *pixels != NO_NUMBER);
        pixels.unwrap_or_else(|| {
            self.wrong |= field.bit();
            NO_NUMBER
        })
    }

    /// Takes from the properties what sessions keep: the response time and what opened the widget.
    fn properties(&mut self, scanner: &mut Scanner, line: &Line, name: Span, row: &mut Row) {
        let key = match self.pool.get(name) {
            Some("message_received") => "response_time_ms",
            Some("widget_opened") => "triggered_by",
            _ => return,
        };
        let object = line.get(Field::Properties).map(|given| given.member.value);
        let Some(object) = object.filter(|value| value.kind() == Kind::Object) else { return };
        let Some(value) = property(scanner, &self.pool, object, key) else { return };
        if key == "triggered_by" {
            if value.kind() == Kind::String && value.inner().len > 0 {
                row.triggered_by = self.string(value);
            }
        } else if value.kind() != Kind::Null {
            match response_micros(&self.pool, value) {
                Some(micros) => row.response_us = micros,
                None => self.pending.push(Warning::BadResponseTime),
            }
        }
    }

    #[inline]
    fn context(&mut self, user_agent: Span, address: Option<(Span, Address)>, row: &mut Row) {
        if !user_agent.is_none() {
            row.agent = self.derive.agent(&mut self.pool, user_agent);
            set(row, Text::UserAgent, user_agent);
        }
        if let Some((_, address)) = address {
            set(row, Text::IpAddress, address.stored);
            // A place that the log gives wins, as a whole.
            if get(row, Text::CountryCode).is_none() && get(row, Text::City).is_none() {
                set(row, Text::CountryCode, address.country);
                set(row, Text::City, address.city);
            }
        }
        let (page, referrer) = (get(row, Text::PageUrl), get(row, Text::Referrer));
        let utm_columns = [Text::UtmSource, Text::UtmMedium, Text::UtmCampaign];
        let utm = utm_columns.map(|column| get(row, column));
        if page.is_none() && referrer.is_none() && utm.iter().all(|utm| utm.is_none()) {
            return;
        }
        let source = self.derive.source(&mut self.pool, page, referrer, utm);
        set(row, Text::ReferrerDomain, source.domain);
        row.channel = source.channel;
        row.names_source = source.names_source;
        for ((column, given), found) in utm_columns.into_iter().zip(utm).zip(source.utm) {
            if given.is_none() {
                set(row, column, found);
            }
        }
    }

    /// Gathers what no column holds.
    fn extra(&mut self, line: &Line, what: What, inherited: Option<&mut Inherited>, row: &mut Row) {
        let mut members = std::mem::take(&mut self.members);
        members.clear();
        self.own_extra(line, what, &mut members);
        if members.is_empty() {
            set(row, Text::Extra, inherited.map_or(Span::NONE, |i| i.object));
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
            set(row, Text::Extra, span);
        }
        self.members = members;
    }

    /// Writes an object of members.
    pub fn write_extra(&mut self, members: &mut Vec<Member>) -> Span {
        let (span, lone) = extra::object(&mut self.pool, members, self.options.ip);
        if lone {
            self.pending.push(Warning::LoneSurrogate);
        }
        span
    }

    #[inline]
    fn own_extra(&mut self, line: &Line, what: What, members: &mut Vec<Member>) {
        for other in &line.others {
            if what == What::Event || other.field != Some(Field::Type) {
                members.push(other.member);
            }
        }
        for given in [Field::EventId, Field::IpAddress].into_iter().filter_map(|field| line.beside(field)) {
            members.push(given.member);
        }
        let mut originals = self.wrong;
        if what != What::Event {
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

    /// Returns the text of a field that must hold a string; null where it is not there.
    #[inline]
    pub fn text_field(&mut self, line: &Line, field: Field) -> Span {
        let Some(given) = line.get(field) else { return Span::NONE };
        self.text(given).unwrap_or_else(|| {
            self.wrong |= field.bit();
            Span::NONE
        })
    }

    /// Returns the text of a field that may hold a string or an integer; null where it is not there.
    #[inline]
    pub fn id_field(&mut self, line: &Line, field: Field) -> Span {
        let Some(given) = line.get(field) else { return Span::NONE };
        self.id_text(given).unwrap_or_else(|| {
            self.wrong |= field.bit();
            Span::NONE
        })
    }

    #[inline]
    fn id_text(&mut self, given: Given) -> Option<Span> {
        let value = given.member.value;
        if value.kind() != Kind::Number {
            return self.text(given);
        }
        let integer = |text: &str| text.bytes().all(|b| b == b'-' || b.is_ascii_digit());
        self.pool.get(value.raw()).filter(|text| integer(text)).map(|_| value.raw())
    }

    /// Returns the text of a string; `None` where it is something else.
    #[inline]
    fn text(&mut self, given: Given) -> Option<Span> {
        match given.member.value.kind() {
            Kind::String if given.text.is_none() => Some(self.string(given.member.value)),
            Kind::String => Some(given.text),
            _ => None,
        }
    }

    fn string(&mut self, value: Value) -> Span {
        if !value.has(ESCAPED) {
            return value.inner();
        }
        if value.has(super::json::scan::LONE) {
            self.pending.push(Warning::LoneSurrogate);
        }
        let (from, inner) = (self.pool.decoded.len(), value.inner());
        let inner =
            self.pool.lines.get(inner.start as usize..(inner.start + inner.len) as usize).unwrap_or("");
        escapes::decode(inner, &mut self.pool.decoded);
        self.pool.since(from)
    }

    /// Looks at the fields that an envelope hands down, once for all its events: strings are decoded,
    /// and what has the wrong type joins the unknown fields.
    pub fn prepare_envelope(&mut self, line: &mut Line) {
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
                line.others.push(super::line::Other { member: given.member, field: None });
            }
            line.remove(field);
        }
        line.others.extend(beside.map(|given| super::line::Other { member: given.member, field: None }));
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

    /// Returns whose line it is, as far as it says so.
    pub fn person(&mut self, line: &Line) -> Person {
        let chatbot = self.id_field(line, Field::ChatbotId);
        Person {
            chatbot_id: if chatbot.is_none() { self.chatbot } else { chatbot },
            session_id: self.id_field(line, Field::SessionId),
            anonymous_id: self.id_field(line, Field::AnonymousId),
            user_id: self.id_field(line, Field::UserId),
            user_email: self.text_field(line, Field::UserEmail),
            time: None,
        }
    }

    /// Tells what the `type` of a line makes of it.
    pub fn typed(&mut self, line: &Line) -> Option<What> {
        let text = self.text(line.get(Field::Type)?)?;
        match self.pool.get(text)? {
            "session" => Some(What::Session),
            "identify" => Some(What::Identify),
            _ => None,
        }
    }
}

#[inline]
fn set(row: &mut Row, column: Text, span: Span) {
    if let Some(slot) = row.text.get_mut(column as usize) {
        *slot = span;
    }
}

#[inline]
fn get(row: &Row, column: Text) -> Span {
    row.text.get(column as usize).copied().unwrap_or(Span::NONE)
}

/// Finds a property at the top level; of one given twice the last.
fn property(scanner: &mut Scanner, pool: &Pool, object: Value, name: &str) -> Option<Value> {
    let mut found = None;
    scanner.object(object.start as usize, |member| {
        let inner = member.key.inner();
        let key = pool.get(inner).unwrap_or("");
        let same = if !member.key.has(ESCAPED) {
            key == name
        } else {
            let mut decoded = String::new();
            escapes::decode(key, &mut decoded);
            decoded == name
        };
        if same {
            found = Some(member.value);
        }
    });
    found
}

/// Reads a response time: milliseconds, as whole microseconds, half a microsecond up.
fn response_micros(pool: &Pool, value: Value) -> Option<i64> {
    if value.kind() != Kind::Number {
        return None;
    }
    let number = whole(pool.get(value.raw())?.as_bytes(), 3)?;
    let micros = number.magnitude.checked_add(u64::from(number.half))?;
    let nothing = micros == 0 && number.exact;
    // Minus zero is zero; minus a nanosecond is negative.
    if number.negative && !nothing { None } else { i64::try_from(micros).ok() }
}

/// Reads a UUID as `wa` writes it: 36 characters, lower case, with hyphens.
#[inline]
fn canonical_uuid(text: &[u8]) -> Option<u128> {
    let text: &[u8; 36] = text.try_into().ok()?;
    let [_, _, _, _, _, _, _, _, b'-', _, _, _, _, b'-', _, _, _, _, b'-', _, _, _, _, b'-', ..] = text else {
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
