//! The mergeable summary of a session.
//!
//! [`SessionSummary::from_event`] builds the summary of one event. [`SessionSummary::merge`]
//! combines the summaries of two disjoint sets of events of a session into the summary of their
//! union. Merging is associative and commutative: a session can be assembled from any fragments in
//! any order. Sums are integers; first and last values carry the [`Position`] of their event.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{CowStr, EventCounts, TextInterner};
use crate::event::{Event, KeyKind, Position, TextField, UserAgent};
use crate::time::Micros;

/// The key that all events of a session share: chatbot, kind of id, and id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey<'a> {
    /// The chatbot.
    pub chatbot_id: CowStr<'a>,
    /// The kind of id.
    pub kind: KeyKind,
    /// The id.
    pub value: CowStr<'a>,
}

impl SessionKey<'_> {
    /// Returns the hash of the key, which groups the sessions of one key.
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

    /// Replaces the value with that of the event at `at`, if this event is earlier and has one.
    /// Calls `value` only for an earlier event.
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

/// The traffic source of a session: the fields of the first event that names one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrafficSource<'a> {
    /// The referring page.
    pub referrer: Option<CowStr<'a>>,
    /// The referrer's domain; `None` for direct visits.
    pub referrer_domain: Option<CowStr<'a>>,
    /// The name of the channel.
    pub channel: Option<CowStr<'a>>,
    /// The campaign source.
    pub utm_source: Option<CowStr<'a>>,
    /// The campaign medium.
    pub utm_medium: Option<CowStr<'a>>,
    /// The campaign name.
    pub utm_campaign: Option<CowStr<'a>>,
}

/// The location of a visitor: the fields of the first event that has any of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Location<'a> {
    /// The IP address.
    pub ip_address: Option<CowStr<'a>>,
    /// The country code.
    pub country_code: Option<CowStr<'a>>,
    /// The city.
    pub city: Option<CowStr<'a>>,
}

/// The profile of a user: the fields of the last event that has any of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserProfile<'a> {
    /// The email address.
    pub user_email: Option<CowStr<'a>>,
    /// The name.
    pub user_name: Option<CowStr<'a>>,
    /// The metadata: JSON text of an object.
    pub user_metadata: Option<CowStr<'a>>,
}

/// The mergeable summary of a session or of a fragment of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionSummary<'a> {
    /// The session key.
    pub key: SessionKey<'a>,
    /// The position of the first event.
    pub first: Position,
    /// The time of the last event.
    pub ended_at: Micros,
    /// The anonymous id.
    pub anonymous_id: First<CowStr<'a>>,
    /// The traffic source.
    pub source: First<TrafficSource<'a>>,
    /// The parsed user agent.
    pub agent: First<Arc<UserAgent>>,
    /// The width and height of the screen, in pixels.
    pub screen: First<(Option<i32>, Option<i32>)>,
    /// The IP address and location.
    pub location: First<Location<'a>>,
    /// The landing page, as logged.
    pub landing_page: First<CowStr<'a>>,
    /// The path of the first page; the landing page if none is logged.
    pub landing_path: First<CowStr<'a>>,
    /// The trigger that opened the widget.
    pub triggered_by: First<CowStr<'a>>,
    /// The identified user.
    pub user_id: Last<CowStr<'a>>,
    /// Profiles by the user id of their event. The session shows the last profile of its own user
    /// or of an event without a user id. All profiles are retained, because a late event can change
    /// the session's user.
    pub profiles: BTreeMap<Option<CowStr<'a>>, Last<UserProfile<'a>>>,
    /// The number of events by name.
    pub counts: EventCounts<'a>,
    /// The number of events of category `error`.
    pub errors: u64,
    /// The sum of response times in microseconds, saturated at `i64::MAX`, the largest value that
    /// the column can hold.
    pub response_sum_us: u64,
    /// The number of response times.
    pub response_count: u64,
    /// The time at which the first fragment was stored.
    pub created_at: Micros,
    /// The time at which the last fragment was stored.
    pub updated_at: Micros,
}

impl<'a> SessionSummary<'a> {
    /// Returns the summary of one event, stored at `now`.
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
            location: First::default(),
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

    /// Returns the summary of the events of one session, stored at `now`; `None` without events.
    pub fn from_events(events: &[Event<'a>], now: Micros) -> Option<SessionSummary<'a>> {
        let (first, rest) = events.split_first()?;
        let mut summary = SessionSummary::from_event(*first, now);
        rest.iter().for_each(|event| summary.add(*event));
        Some(summary)
    }

    /// Adds an event of the same session that is not in the summary yet.
    ///
    /// Equals merging with the summary of the event, without building that summary.
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
        self.location.offer(at, || {
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

    /// Merges the summary of another fragment of the same session. The two share no event.
    pub fn merge(&mut self, other: SessionSummary<'a>) {
        self.first = self.first.min(other.first);
        self.ended_at = self.ended_at.max(other.ended_at);
        self.anonymous_id.merge(other.anonymous_id);
        self.source.merge(other.source);
        self.agent.merge(other.agent);
        self.screen.merge(other.screen);
        self.location.merge(other.location);
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

    /// Returns the number of events with a name.
    pub fn count(&self, name: &str) -> u64 {
        self.counts.get(name)
    }

    /// Returns the number of events.
    pub fn event_count(&self) -> u64 {
        self.counts.total()
    }

    /// Returns the whole seconds from the first to the last event.
    pub fn duration_seconds(&self) -> i64 {
        self.ended_at.saturating_sub(self.first.time) / crate::time::SECOND
    }

    /// Returns the logged landing page, else the path of the first page.
    pub fn landing(&self) -> Option<&str> {
        self.landing_page.value().or(self.landing_path.value()).map(CowStr::as_ref)
    }

    /// Returns the profile of the last event that has one, ignoring events of users other than the
    /// session's user.
    pub fn profile(&self) -> Option<&UserProfile<'a>> {
        self.shown_profile().map(|(_, profile)| profile)
    }

    /// Returns the profile that the session's row shows, and the position of its event.
    pub fn shown_profile(&self) -> Option<&(Position, UserProfile<'a>)> {
        if self.profiles.is_empty() {
            return None;
        }
        let profile_of =
            |user: &Option<CowStr<'a>>| self.profiles.get(user).and_then(|profile| profile.0.as_ref());
        let without_user = profile_of(&None);
        let user = self.user_id.0.as_ref().and_then(|(_, user)| profile_of(&Some(user.clone())));
        match (without_user, user) {
            (Some(a), Some(b)) => Some(if a.0 > b.0 { a } else { b }),
            (a, b) => a.or(b),
        }
    }

    /// Converts into a summary that owns its strings; long strings are shared through `texts`.
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
            location: First(self.location.0.map(|(at, location)| {
                let location = Location {
                    ip_address: some(location.ip_address),
                    country_code: some(location.country_code),
                    city: some(location.city),
                };
                (at, location)
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

    /// Returns whether the user agent is a known bot.
    pub fn is_bot(&self) -> bool {
        self.agent.value().is_some_and(|agent| agent.is_bot)
    }

    /// Returns the id of the session: the version 5 UUID of its key and its start.
    pub fn id(&self) -> uuid::Uuid {
        let kind = match self.key.kind {
            KeyKind::Session => "session",
            KeyKind::Anonymous => "anonymous",
            KeyKind::User => "user",
        };
        let (chatbot, value) = (self.key.chatbot_id.as_ref(), self.key.value.as_ref());
        // The lengths distinguish ("a", "bc") from ("ab", "c").
        let mut numbers = [itoa::Buffer::new(); 3];
        let [chatbot_length, value_length, start] = &mut numbers;
        let name = [
            chatbot_length.format(chatbot.len()),
            ":",
            chatbot,
            kind,
            ":",
            value_length.format(value.len()),
            ":",
            value,
            "@",
            start.format(self.first.time),
        ];
        crate::event::name_uuid(name.concat().as_bytes())
    }
}

/// Adds two sums of response times, saturated at `i64::MAX`.
///
/// Saturating addition of non-negative numbers is associative, so the order of merges does not
/// matter even on overflow.
fn saturating_sum(a: u64, b: u64) -> u64 {
    a.saturating_add(b).min(i64::MAX as u64)
}
