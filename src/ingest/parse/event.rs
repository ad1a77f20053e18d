//! From the fields of a line to a row, or to the reason why there is none.

use super::ParseOptions;
use super::enrichment::{Address, EnrichmentMemos, RowEnricher};
use super::envelope::InheritedFields;
use super::event_id::IdSource;
use super::fields::{Field, FieldSet, OBJECTS, TEXTS, each, standard_category};
use super::line::LineFields;
use super::text::intern::Interner;
use super::text::text_buffer::TextBuffer;
use super::timestamp;
use crate::enrich::Enricher;
use crate::event::{Block, EventRow, KeyKind, NO_TIME, TextField, TextId};
use crate::ingest::summary::reason::RejectReason;
use crate::ingest::summary::rejected::RejectedIdentity;
use crate::ingest::summary::warnings::{Warning, Warnings};
use crate::json::Member;
use crate::json::Scanner;
use crate::json::Span;
use crate::time::Micros;

/// About the shortest line of an event, in bytes.
const LEAST_LINE: usize = 128;
/// The longest `chatbot_id`, in bytes.
const CHATBOT_LIMIT: u32 = 256;

/// What a line or an event of an envelope is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// It has an `event_name`.
    Event,
    /// `"type":"session"`.
    Session,
    /// `"type":"identify"`.
    Identify,
}

/// Why there is no row, and the event's time where it is known.
pub type Rejection = (RejectReason, Option<Micros>);

/// Makes the rows of a block.
pub struct RowBuilder<'a> {
    pub(crate) options: &'a ParseOptions,
    /// The block's text.
    pub pool: TextBuffer<'a>,
    /// What is derived from it.
    pub derive: RowEnricher<'a>,
    /// The rows.
    pub rows: Vec<EventRow>,
    /// What was noticed about them.
    pub warnings: Warnings,
    /// What was noticed about the event at hand: forgotten when that is refused.
    pub(crate) pending: Vec<Warning>,
    /// Its fields of the wrong type.
    pub(crate) wrong: FieldSet,
    /// Room for what goes to `extra`.
    pub(crate) members: Vec<Member>,
    /// The chatbot of lines that name none.
    chatbot: Span,
    names: [Span; 2],
    categories: [(&'static str, Span); 4],
    /// Room for what an id is hashed of.
    pub(crate) name_buffer: Vec<u8>,
    /// What is kept of the texts.
    pub(crate) kept: Interner,
}

/// What a maker of rows leaves for the next block: memory that is there already.
#[derive(Debug, Default)]
pub struct ParserScratch {
    memos: EnrichmentMemos,
    kept: Interner,
    decoded: String,
    /// The mean size of the last block's lines with a row, in bytes.
    line_size: usize,
}

impl<'a> RowBuilder<'a> {
    /// Makes a maker of rows.
    pub fn new(
        lines: &'a str,
        options: &'a ParseOptions,
        context: &'a Enricher,
        leftover: ParserScratch,
    ) -> Self {
        let ParserScratch { memos, mut kept, mut decoded, line_size } = leftover;
        kept.clear();
        decoded.clear();
        let mut pool = TextBuffer { lines, decoded };
        let chatbot = pool.add_some(options.chatbot.as_deref());
        let names = ["session_updated", "user_identified"].map(|name| pool.add(name));
        let categories = ["engagement", "system", "error", "performance"].map(|name| (name, pool.add(name)));
        RowBuilder {
            options,
            pool,
            derive: RowEnricher::new(context, options.ip, &options.visitor_key, memos),
            // A little more than the last block had.
            rows: Vec::with_capacity(lines.len() / line_size.max(LEAST_LINE) / 15 * 16),
            warnings: Warnings::default(),
            pending: Vec::new(),
            wrong: 0,
            members: Vec::new(),
            chatbot,
            names,
            categories,
            name_buffer: Vec::new(),
            kept,
        }
    }

    /// Returns about how many bytes the rows and their texts take.
    #[inline]
    pub fn size(&self) -> usize {
        self.rows.len() * size_of::<EventRow>() + self.kept.texts.size()
    }

    /// Ends a piece of the block; the rows that follow are of another one, with texts of its own.
    pub fn cut(&mut self) -> (Block, Warnings) {
        let (agents, texts) = (self.derive.cut(), self.kept.texts.clone());
        self.kept.clear();
        let block = Block { texts, rows: std::mem::take(&mut self.rows), agents };
        (block, std::mem::take(&mut self.warnings))
    }

    /// Ends the block.
    pub fn end(self) -> (Block, Warnings, ParserScratch) {
        let (agents, memos) = self.derive.end();
        let line_size = self.pool.lines.len() / self.rows.len().max(1);
        // A copy takes no more than it holds.
        let block = Block { texts: self.kept.texts.clone(), rows: self.rows, agents };
        let leftover = ParserScratch { memos, kept: self.kept, decoded: self.pool.decoded, line_size };
        (block, self.warnings, leftover)
    }

    /// Makes a row of an event.
    pub fn add(
        &mut self,
        scanner: &mut Scanner,
        line: &LineFields,
        what: LineKind,
        content: IdSource,
        inherited: Option<&mut InheritedFields>,
    ) -> Result<(), Rejection> {
        self.pending.clear();
        self.wrong = 0;
        let mut row = EventRow::EMPTY;
        self.fill(&mut row, scanner, line, what, content, inherited)?;
        self.rows.push(row);
        Ok(())
    }

    #[inline]
    fn fill(
        &mut self,
        row: &mut EventRow,
        scanner: &mut Scanner,
        line: &LineFields,
        what: LineKind,
        content: IdSource,
        inherited: Option<&mut InheritedFields>,
    ) -> Result<(), Rejection> {
        // What can refuse the event comes first, in the order of the reasons.
        let name = self.event_name(line, what).ok_or((RejectReason::NoEventName, None))?;
        let chatbot = self.chatbot(line).map_err(|reason| (reason, None))?;
        let user_agent = self.text_field(line, Field::UserAgent);
        let address = self.address(line);
        row.set(TextField::ChatbotId, self.keep(chatbot));
        for (field, column) in [
            (Field::SessionId, TextField::SessionId),
            (Field::AnonymousId, TextField::AnonymousId),
            (Field::UserId, TextField::UserId),
        ] {
            let id = self.id_field(line, field);
            row.set(column, self.keep(id));
        }
        if self.key(row).is_none() {
            let (Some((text, address)), false) = (address, user_agent.is_none()) else {
                return Err((RejectReason::NoSessionKey, None));
            };
            let user_agent = self.keep(user_agent);
            let chatbot = row.get(TextField::ChatbotId);
            let visitor = self.derive.visitor(&mut self.kept, chatbot, text, address, user_agent);
            row.set(TextField::AnonymousId, visitor);
            let _ = self.key(row);
        }
        self.times(line, row)?;

        // The event is good.
        row.set(TextField::EventName, self.keep(name));
        self.id(line, content, row);
        for field in each(line.there() & TEXTS & !Field::UserAgent.bit()) {
            if let Some(column) = field.column() {
                let text = self.text_field(line, field);
                row.set(column, self.keep(text));
            }
        }
        self.category(line, what, name, row);
        self.objects(line, row);
        row.screen_width = self.pixels(line, Field::ScreenWidth);
        row.screen_height = self.pixels(line, Field::ScreenHeight);
        self.properties(scanner, line, name, row);
        self.context(user_agent, address, row);
        self.extra(line, what, inherited, row);

        for warning in self.pending.drain(..) {
            self.warnings.add(warning);
        }
        for field in each(self.wrong) {
            self.warnings.add(Warning::WrongType(field));
        }
        Ok(())
    }

    fn event_name(&mut self, line: &LineFields, what: LineKind) -> Option<Span> {
        let [session, identify] = self.names;
        match what {
            LineKind::Event => self.text(line.get(Field::EventName)?),
            LineKind::Session => Some(session),
            LineKind::Identify => Some(identify),
        }
    }

    fn chatbot(&mut self, line: &LineFields) -> Result<Span, RejectReason> {
        match line.get(Field::ChatbotId) {
            None if self.chatbot.is_none() => Err(RejectReason::NoChatbotId),
            None => Ok(self.chatbot),
            Some(given) => {
                self.id_text(given).filter(|id| id.len <= CHATBOT_LIMIT).ok_or(RejectReason::BadChatbotId)
            }
        }
    }

    /// Returns the address that a line gives, and its text.
    pub fn address(&mut self, line: &LineFields) -> Option<(TextId, Address)> {
        let text = self.text_field(line, Field::IpAddress);
        if text.is_none() {
            return None;
        }
        let text = self.keep(text);
        let address = self.derive.address(&mut self.kept, text);
        if address.is_none() {
            self.pending.push(Warning::NotAnAddress);
        }
        Some((text, address?))
    }

    /// Makes the session key of the first id there is.
    #[inline]
    fn key(&mut self, row: &mut EventRow) -> Option<()> {
        let kinds = [
            (KeyKind::Session, TextField::SessionId),
            (KeyKind::Anonymous, TextField::AnonymousId),
            (KeyKind::User, TextField::UserId),
        ];
        let (kind, value) =
            kinds.into_iter().map(|(kind, column)| (kind, row.get(column))).find(|(_, id)| !id.is_none())?;
        row.key_kind = kind;
        row.key = self.derive.key(&self.kept, row.get(TextField::ChatbotId), kind, value);
        Some(())
    }

    /// Keeps a text of the line, and returns which of the block's texts it is.
    #[inline]
    pub(crate) fn keep(&mut self, text: Span) -> TextId {
        self.kept.keep(&self.pool, text)
    }

    #[inline]
    fn times(&mut self, line: &LineFields, row: &mut EventRow) -> Result<(), Rejection> {
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
            Err((RejectReason::NoTimestamp, None))
        } else if bad {
            Err((RejectReason::BadTimestamp, None))
        } else if row.time > self.options.now.saturating_add(timestamp::AHEAD) {
            Err((RejectReason::FutureTimestamp, Some(row.time)))
        } else if row.time < timestamp::EARLIEST {
            Err((RejectReason::ImplausibleTimestamp, Some(row.time)))
        } else {
            Ok(())
        }
    }

    fn category(&mut self, line: &LineFields, what: LineKind, name: Span, row: &mut EventRow) {
        let given = match what {
            LineKind::Event => self.text_field(line, Field::EventCategory),
            LineKind::Session | LineKind::Identify => Span::NONE,
        };
        let category = if given.is_none() {
            let standard = match what {
                LineKind::Event => self.pool.get(name).and_then(standard_category),
                LineKind::Session | LineKind::Identify => Some("system"),
            };
            let known = self.categories.iter().find(|(category, _)| Some(*category) == standard);
            known.map_or(Span::NONE, |(_, span)| *span)
        } else {
            given
        };
        row.set(TextField::EventCategory, self.keep(category));
    }

    fn objects(&mut self, line: &LineFields, row: &mut EventRow) {
        for field in each(line.there() & OBJECTS) {
            let Some((given, column)) = line.get(field).zip(field.column()) else { continue };
            let object = self.object(field, given);
            row.set(column, self.keep(object));
        }
    }

    #[inline]
    fn context(&mut self, user_agent: Span, address: Option<(TextId, Address)>, row: &mut EventRow) {
        if !user_agent.is_none() {
            let user_agent = self.keep(user_agent);
            row.agent = self.derive.agent(&self.kept, user_agent);
            row.set(TextField::UserAgent, user_agent);
        }
        if let Some((_, address)) = address {
            row.set(TextField::IpAddress, address.stored);
            // A place that the log gives wins, as a whole.
            if row.get(TextField::CountryCode).is_none() && row.get(TextField::City).is_none() {
                row.set(TextField::CountryCode, address.country);
                row.set(TextField::City, address.city);
            }
        }
        let (page, referrer) = (row.get(TextField::PageUrl), row.get(TextField::Referrer));
        let utm_columns = [TextField::UtmSource, TextField::UtmMedium, TextField::UtmCampaign];
        let utm = utm_columns.map(|column| row.get(column));
        if page.is_none() && referrer.is_none() && utm.iter().all(|utm| utm.is_none()) {
            return;
        }
        let source = self.derive.source(&mut self.kept, page, referrer, utm);
        row.set(TextField::ReferrerDomain, source.domain);
        row.channel = source.channel;
        row.names_source = source.names_source;
        for ((column, given), found) in utm_columns.into_iter().zip(utm).zip(source.utm) {
            if given.is_none() {
                row.set(column, found);
            }
        }
    }

    /// Returns whose line it is, as far as it says so.
    pub fn person(&mut self, line: &LineFields) -> RejectedIdentity {
        let chatbot = self.id_field(line, Field::ChatbotId);
        let chatbot_id = self.keep(if chatbot.is_none() { self.chatbot } else { chatbot });
        let mut id = |field| {
            let span = self.id_field(line, field);
            self.keep(span)
        };
        let [session_id, anonymous_id, user_id] =
            [Field::SessionId, Field::AnonymousId, Field::UserId].map(&mut id);
        let user_email = self.text_field(line, Field::UserEmail);
        let user_email = self.keep(user_email);
        RejectedIdentity { chatbot_id, session_id, anonymous_id, user_id, user_email, time: None }
    }

    /// Tells what the `type` of a line makes of it.
    pub fn typed(&mut self, line: &LineFields) -> Option<LineKind> {
        let text = self.text(line.get(Field::Type)?)?;
        match self.pool.get(text)? {
            "session" => Some(LineKind::Session),
            "identify" => Some(LineKind::Identify),
            _ => None,
        }
    }
}
