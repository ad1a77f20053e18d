//! `conversations`: replies, waiting times, ratings, handoffs and resolutions.
//!
//! The report is computed from the events of the sessions with at least one `message_sent`. Times
//! are measured between events, not taken from the property `response_time_ms` of replies.
//! Conversations whose replies lack the property therefore count too.

mod exchange;
mod list;
mod period;
mod rating;
mod totals;

use serde::Serialize;

use super::answer::rows::{Group, RowList, rows};
use super::answer::{Report, ReportBody, ReportHead, diagnostics};
use super::metric::time_counts::TimeCounts;
use super::metric::values::{Millis, Percent, Ratio, Seconds};
use super::query::tables::Tables;
use super::query::view_cache::{NULL_TOKEN, TokenMap};
use super::query::{Query, pruned};
use super::sequence::definitions::ConversationEvents;
use super::sequence::event_pattern::{self, EventPattern, PatternMatcher};
use super::sequence::{
    BoundTags, EventTags, Folded, SessionGroups, TieOrder, fold_groups, fold_sessions, on_pruned_events,
};
use crate::error::Result;
use crate::store::frame::Frame;
use crate::time::Zone;
use list::ListedConversation;
use period::{Hour, Weekday};
use totals::{ConversationFold, SessionFacts, Totals};

rows! {
    /// The main figures.
    ConversationFigures {
        dimensions {}
        metrics {
            /// The number of sessions with at least one message sent.
            conversations: u64,
            /// The number of conversations with a reply after the first message.
            answered: u64,
            /// The number of conversations without such a reply.
            unanswered: u64,
            /// The number of conversations whose last message is the visitor's, with or without an
            /// earlier reply.
            dropped: u64,
            /// 100 × answered / conversations.
            answered_rate: Percent,
            /// Messages sent and received per conversation.
            messages_per_conversation: Ratio,
            /// The mean duration of the sessions with conversations.
            avg_duration_seconds: Seconds,
        }
    }
}

rows! {
    /// The distribution of waiting times in milliseconds. Without times, all metrics except the
    /// count are `None`.
    WaitDistribution {
        dimensions {}
        metrics {
            /// The number of times.
            count: u64,
            /// The mean, rounded half up.
            mean: Option<Millis>,
            /// The median.
            p50: Option<Millis>,
            /// The 75th percentile.
            p75: Option<Millis>,
            /// The 90th percentile.
            p90: Option<Millis>,
        }
    }
}

impl WaitDistribution {
    fn new(times: &TimeCounts) -> WaitDistribution {
        let [p50, p75, p90] = times.percentiles([50, 75, 90]);
        WaitDistribution { count: times.count(), mean: times.mean(), p50, p75, p90 }
    }
}

rows! {
    /// The satisfaction of visitors.
    Csat {
        dimensions {}
        metrics {
            /// The number of ratings.
            ratings: u64,
            /// The number of ratings of 4 and 5, and of thumbs up.
            positive: u64,
            /// 100 × positive / ratings.
            rate: Percent,
            /// The conversations with a rating, in percent of all conversations.
            response_rate: Percent,
        }
    }
}

rows! {
    /// The conversations that have a certain event, such as a handoff.
    ConversationShare {
        dimensions {}
        metrics {
            /// The number of these conversations.
            conversations: u64,
            /// Their share of all conversations.
            rate: Percent,
        }
    }
}

/// The body of `conversations`.
#[derive(Clone, Debug, Serialize)]
pub struct Conversations {
    /// The main figures.
    #[serde(flatten)]
    pub figures: ConversationFigures,
    /// The time from the first message to the first reply.
    pub first_response_ms: WaitDistribution,
    /// The time from each earliest unanswered message to the next reply.
    pub reply_ms: WaitDistribution,
    /// The ratings.
    pub csat: Csat,
    /// Handoffs, if their events are defined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handoffs: Option<ConversationShare>,
    /// Resolutions, if their events are defined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolutions: Option<ConversationShare>,
    /// By hour of the session's start, in the tables' time zone.
    pub hours: RowList<Hour>,
    /// By weekday of the session's start.
    pub weekdays: RowList<Weekday>,
    /// The conversations, newest first, on request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub list: Option<RowList<ListedConversation>>,
}

impl ReportBody for Conversations {
    const NAME: &'static str = "conversations";

    fn groups(&self) -> Vec<Group<'_>> {
        if let Some(list) = &self.list {
            return vec![Group::list("list", list)];
        }
        let mut groups = vec![
            Group::single("conversations", &self.figures),
            Group::single("first_response_ms", &self.first_response_ms),
            Group::single("reply_ms", &self.reply_ms),
            Group::single("csat", &self.csat),
        ];
        let named = [("handoffs", &self.handoffs), ("resolutions", &self.resolutions)];
        groups.extend(named.into_iter().filter_map(|(name, row)| Some(Group::single(name, row.as_ref()?))));
        groups.push(Group::list("hours", &self.hours).with_bar("conversations"));
        groups.push(Group::list("weekdays", &self.weekdays).with_bar("conversations"));
        groups
    }
}

/// The options of `conversations`.
#[derive(Clone, Debug, Default)]
pub struct ConversationsOptions {
    /// Whether the conversations are listed. Tables and CSV then contain the list instead of the
    /// figures; JSON contains both.
    pub lists: bool,
    /// The maximum number of listed conversations; `None` for all, 0 for an empty list.
    pub limit: Option<usize>,
}

/// Computes `conversations`.
pub(crate) fn conversations(
    tables: &dyn Tables,
    query: &Query,
    events: &ConversationEvents,
    options: &ConversationsOptions,
) -> Result<Report<Conversations>> {
    let fold = ConversationFold { zone: tables.zone(), lists: options.lists, limit: options.limit };
    let facts = SessionFacts { with_ids: options.lists };
    let (tags, notes) = ConversationTags::new(tables, query, events);
    let mut folded = fold_sessions(tables, query, &facts, &tags, &fold)?;
    let list = match options.lists {
        true => Some(list::read(tables, query, std::mem::take(&mut folded.sum.listed), options.limit)?),
        false => None,
    };
    let mut report = report(tables, query, events, &folded, notes)?;
    if let Some(list) = &list
        && options.limit != Some(0)
        && (list.all.len() as u64) < folded.sum.conversations
    {
        let (listed, all) = (list.all.len(), folded.sum.conversations);
        report.notes.push(format!(
            "the newest {listed} of {all} conversations are listed; use --limit all to list all of them"
        ));
    }
    report.body.list = list;
    Ok(report)
}

/// Computes `conversations` for each group of a breakdown, and for all sessions at the end. Returns
/// `None` in the same cases as [`fold_groups`].
pub(crate) fn conversations_by_group(
    groups: &SessionGroups<'_>,
    query: &Query,
    events: &ConversationEvents,
) -> Result<Option<Vec<Report<Conversations>>>> {
    let fold = ConversationFold { zone: groups.all().zone(), lists: false, limit: None };
    let (tags, notes) = ConversationTags::new(groups.all(), query, events);
    let facts = SessionFacts { with_ids: false };
    let Some(folded) = fold_groups(groups, query, &facts, &tags, &fold)? else { return Ok(None) };
    let report = |tables: &dyn Tables, folded| report(tables, query, events, &folded, notes.clone());
    groups.reports(folded, report).map(Some)
}

fn report(
    tables: &dyn Tables,
    query: &Query,
    events: &ConversationEvents,
    folded: &Folded<Totals>,
    notes: Vec<String>,
) -> Result<Report<Conversations>> {
    let body = body(&folded.sum, events);
    let mut report = Report::new(ReportHead::new(tables, query, folded.bots), body);
    report.notes = diagnostics::on_window(tables, query, folded.sessions == 0, folded.bots)?;
    report.notes.extend(diagnostics::on_pruned_sessions(pruned::in_window(tables, query)?));
    report.notes.extend(on_pruned_events(tables, query));
    report.notes.extend(notes);
    let without_rating = folded.sum.without_rating;
    if without_rating > 0 {
        let events = if without_rating == 1 { "rating event has" } else { "rating events have" };
        report.notes.push(format!(
            "{without_rating} {events} no valid rating: expected a number from 1 to 5, or good or bad, in a \
             property such as rating"
        ));
    }
    Ok(report)
}

fn body(totals: &Totals, events: &ConversationEvents) -> Conversations {
    let conversations = totals.conversations;
    let share = |patterns: &[EventPattern], count: u64| {
        let share =
            ConversationShare { conversations: count, rate: Percent::from_parts(count, conversations) };
        (!patterns.is_empty()).then_some(share)
    };
    Conversations {
        figures: ConversationFigures {
            conversations,
            answered: totals.answered,
            unanswered: conversations - totals.answered,
            dropped: totals.dropped,
            answered_rate: Percent::from_parts(totals.answered, conversations),
            messages_per_conversation: Ratio::from_parts(totals.messages, conversations),
            avg_duration_seconds: Seconds::mean(totals.seconds, conversations),
        },
        first_response_ms: WaitDistribution::new(&totals.first_responses()),
        reply_ms: WaitDistribution::new(&totals.replies),
        csat: Csat {
            ratings: totals.ratings,
            positive: totals.positive_ratings,
            rate: Percent::from_parts(totals.positive_ratings, totals.ratings),
            response_rate: Percent::from_parts(totals.rated, conversations),
        },
        handoffs: share(&events.handoff, totals.handed_off),
        resolutions: share(&events.resolution, totals.resolved),
        hours: RowList::complete(totals.hours()),
        weekdays: RowList::complete(totals.weekdays()),
        list: None,
    }
}

/// Tags the messages, ratings, handoffs and resolutions.
struct ConversationTags {
    /// The patterns. [`ConversationTags::tags`] has their tags in the same order.
    patterns: Vec<EventPattern>,
    tags: Vec<u32>,
    zone: Zone,
    /// Whether a pattern has a field that is looked up in the events of the window.
    depends_on_events: bool,
}

/// All tags of ratings. The properties of a rating event determine which one it gets.
const RATING: u32 = exchange::POSITIVE | exchange::NOT_POSITIVE | exchange::NO_RATING;

impl ConversationTags {
    /// Returns the tags, and notes on fields that are not columns.
    fn new(
        tables: &dyn Tables,
        query: &Query,
        events: &ConversationEvents,
    ) -> (ConversationTags, Vec<String>) {
        let messages =
            [("message_sent", exchange::SENT), ("message_received", exchange::RECEIVED)].into_iter();
        let mut patterns: Vec<(EventPattern, u32)> =
            messages.map(|(name, tag)| (EventPattern::event(name), tag)).collect();
        for (events, tag) in [
            (&events.handoff, exchange::HANDOFF),
            (&events.resolution, exchange::RESOLUTION),
            (&events.rating, RATING),
        ] {
            patterns.extend(events.iter().map(|event| (event.clone(), tag)));
        }
        let (mut patterns, tags): (Vec<EventPattern>, Vec<u32>) = patterns.into_iter().unzip();
        let depends_on_events = event_pattern::depend_on_events(&patterns);
        let notes = event_pattern::resolve(tables, query, &mut patterns);
        (ConversationTags { patterns, tags, zone: tables.zone(), depends_on_events }, notes)
    }
}

impl EventTags for ConversationTags {
    fn columns(&self) -> Vec<&'static str> {
        let mut columns = event_pattern::columns(&self.patterns);
        if !columns.contains(&"properties") {
            columns.push("properties");
        }
        columns
    }

    fn bind<'f>(&'f self, frame: &'f Frame) -> Result<BoundTags<'f>> {
        let mut matcher = PatternMatcher::new(&self.patterns, frame, self.zone)?;
        let properties = frame.texts("properties")?;
        let mut ratings: TokenMap<u32> = TokenMap::default();
        let mut rating = move |row: usize| {
            let tag = || match rating::is_positive(properties.get(row).unwrap_or("")) {
                Some(true) => exchange::POSITIVE,
                Some(false) => exchange::NOT_POSITIVE,
                None => exchange::NO_RATING,
            };
            *ratings.entry(properties.token(row).unwrap_or(NULL_TOKEN)).or_insert_with(tag)
        };
        Ok(Box::new(move |row| {
            let bits = matcher.bits(row);
            if bits == 0 {
                return None;
            }
            let matching = self.tags.iter().enumerate().filter(|(number, _)| bits >> number & 1 == 1);
            let tag = matching.fold(0, |tag, (_, other)| tag | other);
            Some(if tag & RATING == 0 { tag } else { tag & !RATING | rating(row) })
        }))
    }

    fn shared_name(&self) -> Option<&'static str> {
        (!self.depends_on_events).then_some("conversations")
    }

    fn tie_order(&self) -> TieOrder {
        TieOrder::Tag
    }
}
