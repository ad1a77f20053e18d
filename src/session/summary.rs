//! The mergeable summary of a session.
//!
//! A [`SessionSummary`] of one event is made by [`SessionSummary::from_event`]; two summaries of disjoint sets of events
//! of one session combine by [`SessionSummary::merge`] into that of their union. Merging is associative
//! and commutative, so a session can be put together from any pieces in any order. Sums are
//! integers; firsts and lasts carry the [`Position`] of the event they came from.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{CowStr, EventCounts, TextInterner};
pub use crate::enrich::Agent;
use crate::event::{Event, KeyKind, Position, TextField};
use crate::time::Micros;

/// The key that all events of a session share.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey<'a> {
    /// The chatbot.
    pub chatbot_id: CowStr<'a>,
    /// Which id it is.
    pub kind: KeyKind,
    /// The id.
    pub value: CowStr<'a>,
}

impl SessionKey<'_> {
    /// Returns the hash by which sessions of one key are brought together.
    pub fn hash(&self) -> u128 {
        crate::event::session_key_hash(&self.chatbot_id, self.kind, &self.value)
    }
}

/// The value of the first event that has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct First<T>(pub Option<(Position, T)>);

impl<T> Default for First<T> {
    fn default() -> Self {
        First(None)
    }
}

impl<T> First<T> {
    fn merge(&mut self, other: First<T>) {
        if let Some((at, _)) = &other.0
            && self.0.as_ref().is_none_or(|(mine, _)| at < mine)
        {
            self.0 = other.0;
        }
    }

    /// Offers an event's value, made only where it is earlier than what is there.
    fn offer(&mut self, at: Position, value: impl FnOnce() -> Option<T>) {
        if self.0.as_ref().is_none_or(|(mine, _)| at < *mine)
            && let Some(value) = value()
        {
            self.0 = Some((at, value));
        }
    }

    /// Returns the value.
    pub fn value(&self) -> Option<&T> {
        self.0.as_ref().map(|(_, value)| value)
    }
}

/// The value of the last event that has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Last<T>(pub Option<(Position, T)>);

impl<T> Default for Last<T> {
    fn default() -> Self {
        Last(None)
    }
}

impl<T> Last<T> {
    fn merge(&mut self, other: Last<T>) {
        if let Some((at, _)) = &other.0
            && self.0.as_ref().is_none_or(|(mine, _)| at > mine)
        {
            self.0 = other.0;
        }
    }

    fn offer(&mut self, at: Position, value: impl FnOnce() -> Option<T>) {
        if self.0.as_ref().is_none_or(|(mine, _)| at > *mine)
            && let Some(value) = value()
        {
            self.0 = Some((at, value));
        }
    }

    /// Returns the value.
    pub fn value(&self) -> Option<&T> {
        self.0.as_ref().map(|(_, value)| value)
    }
}

/// Where the visitor came from: the fields of the first event that names a source.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrafficSource<'a> {
    /// The referring page.
    pub referrer: Option<CowStr<'a>>,
    /// Its domain; `None` for direct.
    pub referrer_domain: Option<CowStr<'a>>,
    /// The channel's name.
    pub channel: Option<CowStr<'a>>,
    /// The campaign's source.
    pub utm_source: Option<CowStr<'a>>,
    /// The campaign's medium.
    pub utm_medium: Option<CowStr<'a>>,
    /// The campaign's name.
    pub utm_campaign: Option<CowStr<'a>>,
}

/// Where the visitor is: the fields of the first event that has any of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Location<'a> {
    /// The address.
    pub ip_address: Option<CowStr<'a>>,
    /// The country.
    pub country_code: Option<CowStr<'a>>,
    /// The city.
    pub city: Option<CowStr<'a>>,
}

/// Who the visitor is: the fields of the last event that has any of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserProfile<'a> {
    /// E-mail address.
    pub user_email: Option<CowStr<'a>>,
    /// Name.
    pub user_name: Option<CowStr<'a>>,
    /// Metadata: JSON text of an object.
    pub user_metadata: Option<CowStr<'a>>,
}

/// A session, or a piece of one, as it is kept and merged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSummary<'a> {
    /// What holds the session together.
    pub key: SessionKey<'a>,
    /// The first event: least time, then id.
    pub first: Position,
    /// Time of the last event.
    pub ended_at: Micros,
    /// The visitor's id.
    pub anonymous_id: First<CowStr<'a>>,
    /// Where the visitor came from.
    pub source: First<TrafficSource<'a>>,
    /// The user agent and what it says.
    pub agent: First<Arc<Agent>>,
    /// Width and height of the screen in pixels.
    pub screen: First<(Option<i32>, Option<i32>)>,
    /// Address and place.
    pub place: First<Location<'a>>,
    /// The logged landing page.
    pub landing_page: First<CowStr<'a>>,
    /// The path of the first page, which stands in where no landing page is logged.
    pub landing_path: First<CowStr<'a>>,
    /// What opened the widget.
    pub triggered_by: First<CowStr<'a>>,
    /// The identified user.
    pub user_id: Last<CowStr<'a>>,
    /// Profiles by the user that their event names; the last of the session's own user or of
    /// nobody is shown. All are kept, since a late event can change who the session's user is.
    pub profiles: BTreeMap<Option<CowStr<'a>>, Last<UserProfile<'a>>>,
    /// Number of events by name.
    pub counts: EventCounts<'a>,
    /// Number of events of category `error`.
    pub errors: u64,
    /// Sum of response times in microseconds; stays at the greatest `i64`, which is the most that a column
    /// holds, where it would be more.
    pub response_sum_us: u64,
    /// Number of response times.
    pub response_count: u64,
    /// When the first piece was stored.
    pub created_at: Micros,
    /// When the last piece was stored.
    pub updated_at: Micros,
}

impl<'a> SessionSummary<'a> {
    /// Makes the summary of one event, stored at `now`.
    pub fn from_event(event: Event<'a>, now: Micros) -> SessionSummary<'a> {
        let mut summary = SessionSummary {
            key: SessionKey {
                chatbot_id: event.chatbot_id().into(),
                kind: event.row.key_kind,
                value: event.key_value().into(),
            },
            first: event.position(),
            ended_at: event.row.time,
            anonymous_id: First::default(),
            source: First::default(),
            agent: First::default(),
            screen: First::default(),
            place: First::default(),
            landing_page: First::default(),
            landing_path: First::default(),
            triggered_by: First::default(),
            user_id: Last::default(),
            profiles: BTreeMap::new(),
            counts: EventCounts::default(),
            errors: 0,
            response_sum_us: 0,
            response_count: 0,
            created_at: now,
            updated_at: now,
        };
        summary.add(event);
        summary
    }

    /// Makes the summary of the events of one session, stored at `now`; `None` without any.
    pub fn from_events(events: &[Event<'a>], now: Micros) -> Option<SessionSummary<'a>> {
        let (first, rest) = events.split_first()?;
        let mut summary = SessionSummary::from_event(*first, now);
        rest.iter().for_each(|event| summary.add(*event));
        Some(summary)
    }

    /// Adds an event of the same session that is not in the summary yet: the same as merging with
    /// the event's own summary, without making one.
    pub fn add(&mut self, event: Event<'a>) {
        let row = event.row;
        let at = event.position();
        let text = |field| event.text(field).map(CowStr::Borrowed);
        self.first = self.first.min(at);
        self.ended_at = self.ended_at.max(row.time);
        self.anonymous_id.offer(at, || text(TextField::AnonymousId));
        if row.names_source {
            self.source.offer(at, || {
                Some(TrafficSource {
                    referrer: text(TextField::Referrer),
                    referrer_domain: text(TextField::ReferrerDomain),
                    channel: row.channel.map(|c| CowStr::Borrowed(c.name())),
                    utm_source: text(TextField::UtmSource),
                    utm_medium: text(TextField::UtmMedium),
                    utm_campaign: text(TextField::UtmCampaign),
                })
            });
        }
        self.agent.offer(at, || event.agent().cloned());
        self.screen.offer(at, || {
            let number = |n: i32| (n != crate::event::NO_NUMBER).then_some(n);
            let size = (number(row.screen_width), number(row.screen_height));
            (size != (None, None)).then_some(size)
        });
        self.place.offer(at, || {
            let place = Location {
                ip_address: text(TextField::IpAddress),
                country_code: text(TextField::CountryCode),
                city: text(TextField::City),
            };
            (place != Location::default()).then_some(place)
        });
        self.landing_page.offer(at, || text(TextField::LandingPage));
        self.landing_path
            .offer(at, || event.text(TextField::PageUrl).and_then(crate::enrich::path).map(CowStr::Borrowed));
        self.triggered_by.offer(at, || event.block.text(row.triggered_by).map(CowStr::Borrowed));
        self.user_id.offer(at, || text(TextField::UserId));
        let has_profile = [TextField::UserEmail, TextField::UserName, TextField::UserMetadata]
            .into_iter()
            .any(|field| !row.text[field as usize].is_none());
        if has_profile {
            self.profiles.entry(text(TextField::UserId)).or_default().offer(at, || {
                Some(UserProfile {
                    user_email: text(TextField::UserEmail),
                    user_name: text(TextField::UserName),
                    user_metadata: text(TextField::UserMetadata),
                })
            });
        }
        self.counts.add(CowStr::Borrowed(event.name()), 1);
        self.errors += u64::from(event.text(TextField::EventCategory) == Some("error"));
        if row.response_us >= 0 {
            self.response_sum_us = saturating_sum(self.response_sum_us, row.response_us as u64);
            self.response_count += 1;
        }
    }

    /// Takes in another piece of the same session, with none of this one's events in it.
    pub fn merge(&mut self, other: SessionSummary<'a>) {
        self.first = self.first.min(other.first);
        self.ended_at = self.ended_at.max(other.ended_at);
        self.anonymous_id.merge(other.anonymous_id);
        self.source.merge(other.source);
        self.agent.merge(other.agent);
        self.screen.merge(other.screen);
        self.place.merge(other.place);
        self.landing_page.merge(other.landing_page);
        self.landing_path.merge(other.landing_path);
        self.triggered_by.merge(other.triggered_by);
        self.user_id.merge(other.user_id);
        for (user, profile) in other.profiles {
            self.profiles.entry(user).or_default().merge(profile);
        }
        self.counts.merge(other.counts);
        self.errors += other.errors;
        self.response_sum_us = saturating_sum(self.response_sum_us, other.response_sum_us);
        self.response_count += other.response_count;
        self.created_at = self.created_at.min(other.created_at);
        self.updated_at = self.updated_at.max(other.updated_at);
    }

    /// Returns how often an event of this name happened.
    pub fn count(&self, name: &str) -> u64 {
        self.counts.get(name)
    }

    /// Returns the number of events.
    pub fn event_count(&self) -> u64 {
        self.counts.total()
    }

    /// Returns whole seconds from the first to the last event.
    pub fn duration_seconds(&self) -> i64 {
        self.ended_at.saturating_sub(self.first.time) / crate::time::SECOND
    }

    /// Returns the landing page: the logged one, else the path of the first page.
    pub fn landing(&self) -> Option<&str> {
        self.landing_page.value().or(self.landing_path.value()).map(CowStr::as_ref)
    }

    /// Returns the profile: of the last event that has one and does not name another user.
    pub fn profile(&self) -> Option<&UserProfile<'a>> {
        self.shown().map(|(_, profile)| profile)
    }

    /// Returns the profile that the session shows, and the position of its event.
    pub fn shown(&self) -> Option<&(Position, UserProfile<'a>)> {
        if self.profiles.is_empty() {
            return None;
        }
        let of = |user: &Option<CowStr<'a>>| self.profiles.get(user).and_then(|profile| profile.0.as_ref());
        let nobody = of(&None);
        let user = self.user_id.0.as_ref().and_then(|(_, user)| of(&Some(user.clone())));
        match (nobody, user) {
            (Some(a), Some(b)) => Some(if a.0 > b.0 { a } else { b }),
            (a, b) => a.or(b),
        }
    }

    /// Converts into a summary that borrows nothing; its long texts are those of `texts`.
    pub fn into_owned(self, texts: &TextInterner) -> SessionSummary<'static> {
        let own = |text: CowStr<'a>| texts.own(text);
        let first = |value: First<CowStr<'a>>| First(value.0.map(|(at, text)| (at, own(text))));
        let some = |text: Option<CowStr<'a>>| text.map(own);
        SessionSummary {
            key: SessionKey {
                chatbot_id: own(self.key.chatbot_id),
                kind: self.key.kind,
                value: own(self.key.value),
            },
            first: self.first,
            ended_at: self.ended_at,
            anonymous_id: first(self.anonymous_id),
            source: First(self.source.0.map(|(at, source)| {
                let source = TrafficSource {
                    referrer: some(source.referrer),
                    referrer_domain: some(source.referrer_domain),
                    channel: some(source.channel),
                    utm_source: some(source.utm_source),
                    utm_medium: some(source.utm_medium),
                    utm_campaign: some(source.utm_campaign),
                };
                (at, source)
            })),
            agent: self.agent,
            screen: self.screen,
            place: First(self.place.0.map(|(at, place)| {
                let place = Location {
                    ip_address: some(place.ip_address),
                    country_code: some(place.country_code),
                    city: some(place.city),
                };
                (at, place)
            })),
            landing_page: first(self.landing_page),
            landing_path: first(self.landing_path),
            triggered_by: first(self.triggered_by),
            user_id: Last(self.user_id.0.map(|(at, user)| (at, own(user)))),
            profiles: self
                .profiles
                .into_iter()
                .map(|(user, Last(profile))| {
                    let own = |profile: UserProfile<'a>| UserProfile {
                        user_email: some(profile.user_email),
                        user_name: some(profile.user_name),
                        user_metadata: some(profile.user_metadata),
                    };
                    (some(user), Last(profile.map(|(at, profile)| (at, own(profile)))))
                })
                .collect(),
            counts: self.counts.into_owned(texts),
            errors: self.errors,
            response_sum_us: self.response_sum_us,
            response_count: self.response_count,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }

    /// Tells whether the user agent is a known robot.
    pub fn is_bot(&self) -> bool {
        self.agent.value().is_some_and(|agent| agent.is_bot)
    }

    /// Returns the session's id: the version 5 UUID of its key and its start.
    pub fn id(&self) -> uuid::Uuid {
        let kind = match self.key.kind {
            KeyKind::Session => "session",
            KeyKind::Anonymous => "anonymous",
            KeyKind::User => "user",
        };
        let (chatbot, value) = (self.key.chatbot_id.as_ref(), self.key.value.as_ref());
        // Lengths keep ("a", "bc") and ("ab", "c") apart.
        let mut numbers = [itoa::Buffer::new(); 3];
        let [of_chatbot, of_value, start] = &mut numbers;
        let name = [
            of_chatbot.format(chatbot.len()),
            ":",
            chatbot,
            kind,
            ":",
            of_value.format(value.len()),
            ":",
            value,
            "@",
            start.format(self.first.time),
        ];
        crate::event::name_uuid(name.concat().as_bytes())
    }
}

/// Adds two sums of response times. What it comes to does not depend on the order in which many are added, also
/// where they are too many.
fn saturating_sum(a: u64, b: u64) -> u64 {
    a.saturating_add(b).min(i64::MAX as u64)
}
