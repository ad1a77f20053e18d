//! Builds event rows from the fields of lines.

use super::ParseOptions;
use super::enrichment::{EnrichmentMemos, ResolvedIp, RowEnricher};
use super::extra_fields::InheritedFields;
use super::fields::{Field, FieldSet, TEXTS, TRIMMED, fields_in, standard_category};
use super::line_fields::LineFields;
use super::rejected::{RejectReason, RejectedIdentity};
use super::text::Interner;
use super::timestamp;
use super::warnings::{Warning, Warnings};
use crate::enrich::Enricher;
use crate::event::{Block, EventRow, KeyKind, NO_TIME, TextField, TextId};
use crate::json::{Member, Scanner, Span, TextBuffer, Value};
use crate::time::Micros;

/// Length of a short event line, in bytes. Bounds the rows for which memory is reserved.
const SHORT_LINE: usize = 128;
/// The longest `chatbot_id`, in bytes.
const CHATBOT_ID_LIMIT: u32 = 256;

/// The kind of event that a line, or an event of an envelope, represents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LineKind {
    /// It has an `event_name`.
    Event,
    /// `"type":"session"`.
    Session,
    /// `"type":"identify"`.
    Identify,
}

/// The source from which the id of an event without an id is generated.
#[derive(Clone, Copy, Debug)]
pub(super) enum IdSource {
    /// The text of the line.
    Line(Span),
    /// For an event of an envelope, the hash of the envelope's line and the event's index.
    Element(u128, u32),
    /// A hash of the content that identifies the event.
    Hash(u128),
}

/// The reason why an event has no row, and its time if it could be parsed.
pub(super) type Rejection = (RejectReason, Option<Micros>);

/// Builds the rows of a block.
pub(super) struct RowBuilder<'a> {
    pub(super) options: &'a ParseOptions,
    /// The lines of the block, and the text that was decoded from them.
    pub(super) buffer: TextBuffer<'a>,
    enricher: RowEnricher<'a>,
    rows: Vec<EventRow>,
    pub(super) warnings: Warnings,
    /// The warnings about the current event. They are not counted if the event is rejected.
    pub(super) pending: Vec<Warning>,
    /// The fields of the current event that have the wrong type.
    pub(super) wrong_types: FieldSet,
    /// The times of the current event that are outside the years 1 to 9999.
    pub(super) out_of_range: FieldSet,
    /// Whether the current event has a time without an offset that was read as UTC.
    pub(super) has_utc_time: bool,
    /// Number of events with a time without an offset that was read as UTC.
    pub(super) utc_times: u64,
    /// The strings of the current event that were already read as times with an offset.
    pub(super) known_times: Vec<(Span, Micros)>,
    /// The properties of the current event and the property that sessions read, if a map has
    /// already looked it up.
    pub(super) known_property: Option<(Value, Option<Value>)>,
    /// Buffer for the members of `extra`.
    pub(super) members: Vec<Member>,
    /// The chatbot of lines without `chatbot_id`.
    chatbot: Span,
    /// The event names of session and identify lines.
    type_names: [Span; 2],
    categories: [(&'static str, Span); 4],
    /// Buffer for the text from which an id is hashed.
    pub(super) id_input: Vec<u8>,
    /// The strings of the rows.
    pub(super) interner: Interner,
    /// Length of the decoded text that later records need.
    fixed_length: usize,
}

/// The memory that a [`RowBuilder`] passes to the next one.
#[derive(Debug, Default)]
pub(super) struct ParserScratch {
    memos: EnrichmentMemos,
    interner: Interner,
    decoded: String,
    /// Bytes per row of the last block.
    line_size: usize,
}

impl<'a> RowBuilder<'a> {
    /// Creates a builder for the lines of a block.
    pub fn new(
        lines: &'a str,
        options: &'a ParseOptions,
        enricher: &'a Enricher,
        scratch: ParserScratch,
    ) -> Self {
        let ParserScratch { memos, mut interner, mut decoded, line_size } = scratch;
        interner.clear();
        decoded.clear();
        let mut buffer = TextBuffer { lines, decoded };
        let chatbot = buffer.push_optional(options.chatbot.as_deref());
        let type_names = ["session_updated", "user_identified"].map(|name| buffer.push(name));
        let categories =
            ["engagement", "system", "error", "performance"].map(|name| (name, buffer.push(name)));
        let mut builder = RowBuilder {
            options,
            buffer,
            enricher: RowEnricher::new(enricher, options.ip, &options.visitor_key, memos),
            // Reserve a fifteenth more than the last block needed.
            rows: Vec::with_capacity(lines.len() / line_size.max(SHORT_LINE) / 15 * 16),
            warnings: Warnings::default(),
            pending: Vec::new(),
            wrong_types: 0,
            out_of_range: 0,
            has_utc_time: false,
            utc_times: 0,
            known_times: Vec::new(),
            known_property: None,
            members: Vec::new(),
            chatbot,
            type_names,
            categories,
            id_input: Vec::new(),
            interner,
            fixed_length: 0,
        };
        builder.keep_decoded();
        builder
    }

    /// Keeps the text that was decoded so far: later records or events refer to it.
    pub fn keep_decoded(&mut self) {
        self.fixed_length = self.buffer.decoded.len();
        self.interner.fixed_end = (self.buffer.lines.len() + self.fixed_length) as u32;
    }

    /// Discards the text that was decoded for earlier records. The text of a block would otherwise
    /// grow beyond the CPU cache.
    #[inline]
    pub fn discard_decoded(&mut self) {
        self.buffer.decoded.truncate(self.fixed_length);
    }

    /// Returns the approximate size of the rows and their strings in bytes.
    #[inline]
    pub fn size(&self) -> usize {
        self.rows.len() * size_of::<EventRow>() + self.interner.texts.size()
    }

    /// Returns the rows so far as a separate block, and starts another one.
    pub fn take_chunk(&mut self) -> (Block, Warnings) {
        let (agents, texts) = (self.enricher.take_agents(), self.interner.texts.clone());
        self.interner.clear();
        let block = Block { texts, rows: std::mem::take(&mut self.rows), agents };
        (block, std::mem::take(&mut self.warnings))
    }

    /// Returns the rows since the last chunk, their warnings, and the memory for the next block.
    pub fn finish(self) -> (Block, Warnings, ParserScratch) {
        let (agents, memos) = self.enricher.finish();
        let line_size = self.buffer.lines.len() / self.rows.len().max(1);
        // A clone allocates only as much as it uses, and the interner keeps its capacity for the
        // next block.
        let block = Block { texts: self.interner.texts.clone(), rows: self.rows, agents };
        let scratch =
            ParserScratch { memos, interner: self.interner, decoded: self.buffer.decoded, line_size };
        (block, self.warnings, scratch)
    }

    /// Adds the row of an event, or returns the reason to reject it.
    pub fn add(
        &mut self,
        scanner: &mut Scanner,
        line: &LineFields,
        kind: LineKind,
        id_source: IdSource,
        inherited: Option<&mut InheritedFields>,
    ) -> Result<(), Rejection> {
        self.pending.clear();
        (self.wrong_types, self.out_of_range, self.has_utc_time) = (0, 0, false);
        let mut row = EventRow::EMPTY;
        self.fill(&mut row, scanner, line, kind, id_source, inherited)?;
        self.rows.push(row);
        Ok(())
    }

    #[inline]
    fn fill(
        &mut self,
        row: &mut EventRow,
        scanner: &mut Scanner,
        line: &LineFields,
        kind: LineKind,
        id_source: IdSource,
        inherited: Option<&mut InheritedFields>,
    ) -> Result<(), Rejection> {
        // The checks that can reject the event come first, in the order of precedence of the
        // reasons.
        let name = self.event_name(line, kind).ok_or((RejectReason::NoEventName, None))?;
        let chatbot = self.chatbot(line).map_err(|reason| (reason, None))?;
        let user_agent = self.text_field(line, Field::UserAgent);
        let ip = self.ip_address(line);
        row.set(TextField::ChatbotId, self.intern(chatbot));
        for (field, column) in [
            (Field::SessionId, TextField::SessionId),
            (Field::AnonymousId, TextField::AnonymousId),
            (Field::UserId, TextField::UserId),
        ] {
            let id = self.id_field(line, field);
            row.set(column, self.intern(id));
        }
        if self.session_key(row).is_none() {
            let (Some((text, ip)), false) = (ip, user_agent.is_none()) else {
                return Err((RejectReason::NoSessionKey, None));
            };
            let user_agent = self.intern(user_agent);
            let chatbot = row.get(TextField::ChatbotId);
            let visitor = self.enricher.visitor_id(&mut self.interner, chatbot, text, ip, user_agent);
            row.set(TextField::AnonymousId, visitor);
            let _ = self.session_key(row);
        }
        self.times(line, row)?;

        // From here on the event is valid.
        row.set(TextField::EventName, self.intern(name));
        self.id(line, id_source, row);
        for field in fields_in(line.present() & TEXTS & !Field::UserAgent.bit()) {
            if let Some(column) = field.column() {
                let mut text = self.text_field(line, field);
                if field.bit() & TRIMMED != 0 {
                    text = self.trimmed(text);
                    if field == Field::CountryCode {
                        text = self.country_code(text);
                    }
                }
                row.set(column, self.intern(text));
            }
        }
        self.category(line, kind, name, row);
        let properties = self.objects(line, row);
        row.screen_width = self.pixels(line, Field::ScreenWidth);
        row.screen_height = self.pixels(line, Field::ScreenHeight);
        self.properties(scanner, properties, name, row);
        self.enrich(user_agent, ip, row);
        self.extra(line, kind, inherited, row);

        self.utc_times += u64::from(self.has_utc_time);
        for warning in self.pending.drain(..) {
            self.warnings.add(warning);
        }
        for field in fields_in(self.wrong_types) {
            self.warnings.add(Warning::WrongType(field));
        }
        for field in fields_in(self.out_of_range) {
            self.warnings.add(Warning::TimeOutOfRange(field));
        }
        Ok(())
    }

    fn event_name(&mut self, line: &LineFields, kind: LineKind) -> Option<Span> {
        let [session, identify] = self.type_names;
        match kind {
            LineKind::Event => self.text(line.get(Field::EventName)?),
            LineKind::Session => Some(session),
            LineKind::Identify => Some(identify),
        }
    }

    fn chatbot(&mut self, line: &LineFields) -> Result<Span, RejectReason> {
        match line.get(Field::ChatbotId) {
            None if self.chatbot.is_none() => Err(RejectReason::NoChatbotId),
            None => Ok(self.chatbot),
            Some(value) => {
                let id = self.id_text(value).filter(|id| id.len <= CHATBOT_ID_LIMIT);
                id.ok_or(RejectReason::BadChatbotId)
            }
        }
    }

    /// Returns the text of `ip_address` and the IP address in it; `None` if there is none.
    pub fn ip_address(&mut self, line: &LineFields) -> Option<(TextId, ResolvedIp)> {
        let text = self.text_field(line, Field::IpAddress);
        if text.is_none() {
            return None;
        }
        let text = self.intern(text);
        let ip = self.enricher.ip_address(&mut self.interner, text);
        if ip.is_none() {
            self.pending.push(Warning::NotAnIpAddress);
        }
        Some((text, ip?))
    }

    /// Sets the session key from the first id of the row; `None` if it has no id.
    #[inline]
    fn session_key(&mut self, row: &mut EventRow) -> Option<()> {
        let kinds = [
            (KeyKind::Session, TextField::SessionId),
            (KeyKind::Anonymous, TextField::AnonymousId),
            (KeyKind::User, TextField::UserId),
        ];
        let (kind, value) =
            kinds.into_iter().map(|(kind, column)| (kind, row.get(column))).find(|(_, id)| !id.is_none())?;
        row.key_kind = kind;
        row.key = self.enricher.session_key(&self.interner, row.get(TextField::ChatbotId), kind, value);
        Some(())
    }

    /// Interns a string of the block, and returns its id.
    #[inline]
    pub(super) fn intern(&mut self, text: Span) -> TextId {
        self.interner.intern_span(&self.buffer, text)
    }

    /// Reads the times of an event and derives the event time from them, by the rule in
    /// `docs/input.md`.
    #[inline]
    fn times(&mut self, line: &LineFields, row: &mut EventRow) -> Result<(), Rejection> {
        let mut bad = false;
        let mut time = |field: Field| match line.get(field) {
            None => NO_TIME,
            Some(value) => self.time(value).unwrap_or_else(|| {
                bad = true;
                NO_TIME
            }),
        };
        let timestamp = time(Field::Timestamp);
        let optional = [Field::ClientTimestamp, Field::SentAt, Field::ReceivedAt];
        let times = optional.map(&mut time);
        let held = times.map(|time| if timestamp::CALENDAR.contains(&time) { time } else { NO_TIME });
        if held != times {
            let lost = optional.into_iter().zip(times).zip(held).filter(|((_, time), held)| time != held);
            self.out_of_range = lost.fold(0, |set, ((field, _), _)| set | field.bit());
        }
        [row.client_timestamp, row.sent_at, row.received_at] = held;
        row.time = if timestamp != NO_TIME { timestamp } else { derived_time(held) };
        if row.time == NO_TIME {
            // The event is rejected: its time is too early or too late.
            row.time = derived_time(times);
        }
        let any = Field::Timestamp.bit() | Field::ClientTimestamp.bit() | Field::ReceivedAt.bit();
        if line.present() & any == 0 {
            Err((RejectReason::NoTimestamp, None))
        } else if bad {
            Err((RejectReason::BadTimestamp, None))
        } else if row.time > self.options.now.saturating_add(timestamp::MAX_AHEAD) {
            Err((RejectReason::FutureTimestamp, Some(row.time)))
        } else if row.time < timestamp::EARLIEST {
            Err((RejectReason::ImplausibleTimestamp, Some(row.time)))
        } else {
            Ok(())
        }
    }

    fn category(&mut self, line: &LineFields, kind: LineKind, name: Span, row: &mut EventRow) {
        let from_line = match kind {
            LineKind::Event => self.text_field(line, Field::EventCategory),
            LineKind::Session | LineKind::Identify => Span::NONE,
        };
        let category = if from_line.is_none() {
            let standard = match kind {
                LineKind::Event => self.buffer.get(name).and_then(standard_category),
                LineKind::Session | LineKind::Identify => Some("system"),
            };
            let category = self.categories.iter().find(|(category, _)| Some(*category) == standard);
            category.map_or(Span::NONE, |(_, span)| *span)
        } else {
            from_line
        };
        row.set(TextField::EventCategory, self.intern(category));
    }

    /// Sets the columns that are derived from user agent, IP address, URLs and campaign.
    #[inline]
    fn enrich(&mut self, user_agent: Span, ip: Option<(TextId, ResolvedIp)>, row: &mut EventRow) {
        if !user_agent.is_none() {
            let user_agent = self.intern(user_agent);
            row.agent = self.enricher.agent(&self.interner, user_agent);
            row.set(TextField::UserAgent, user_agent);
        }
        if let Some((_, ip)) = ip {
            row.set(TextField::IpAddress, ip.stored);
            // A location in the line has precedence as a whole: its city is not combined with a
            // country from the location database.
            if row.get(TextField::CountryCode).is_none() && row.get(TextField::City).is_none() {
                row.set(TextField::CountryCode, ip.country);
                row.set(TextField::City, ip.city);
            }
        }
        let (page, referrer) = (row.get(TextField::PageUrl), row.get(TextField::Referrer));
        let utm_columns = [TextField::UtmSource, TextField::UtmMedium, TextField::UtmCampaign];
        let utm = utm_columns.map(|column| row.get(column));
        if page.is_none() && referrer.is_none() && utm.iter().all(|utm| utm.is_none()) {
            return;
        }
        let source = self.enricher.source(&mut self.interner, page, referrer, utm);
        row.set(TextField::ReferrerDomain, source.domain);
        row.channel = source.channel;
        row.names_source = source.names_source;
        for ((column, from_line), from_url) in utm_columns.into_iter().zip(utm).zip(source.utm) {
            if from_line.is_none() {
                row.set(column, from_url);
            }
        }
    }

    /// Returns the ids that a rejected line names.
    pub fn rejected_identity(&mut self, line: &LineFields) -> RejectedIdentity {
        let chatbot = self.id_field(line, Field::ChatbotId);
        let chatbot_id = self.intern(if chatbot.is_none() { self.chatbot } else { chatbot });
        let mut id = |field| {
            let span = self.id_field(line, field);
            self.intern(span)
        };
        let [session_id, anonymous_id, user_id] =
            [Field::SessionId, Field::AnonymousId, Field::UserId].map(&mut id);
        let user_email = self.text_field(line, Field::UserEmail);
        let user_email = self.intern(user_email);
        RejectedIdentity { chatbot_id, session_id, anonymous_id, user_id, user_email, time: None }
    }

    /// Returns the kind of line that the field `type` names; `None` for any other value.
    pub fn kind_from_type(&mut self, line: &LineFields) -> Option<LineKind> {
        let text = self.text(line.get(Field::Type)?)?;
        match self.buffer.get(text)? {
            "session" => Some(LineKind::Session),
            "identify" => Some(LineKind::Identify),
            _ => None,
        }
    }
}

/// Returns the time of an event without `timestamp`, derived from `client_timestamp`, `sent_at` and
/// `received_at`; [`NO_TIME`] if it has neither `client_timestamp` nor `received_at`.
fn derived_time([client, sent, received]: [Micros; 3]) -> Micros {
    if client != NO_TIME && sent != NO_TIME && received != NO_TIME {
        received.saturating_sub(sent.saturating_sub(client))
    } else if received != NO_TIME {
        received
    } else {
        client
    }
}
