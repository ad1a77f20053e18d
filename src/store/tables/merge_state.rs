//! The column `merge_state`: data that merging a session needs and that no other column contains.
//!
//! Each value of a session comes from an event, and merging two sessions compares the positions of
//! these events. Values of the session's first event have its position, `started_at` and
//! `first_event_id`. The positions of other values are recorded here, as `[microseconds after
//! started_at, event id]`. The column is null if there are no such positions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::Position;
use crate::session::{CowStr, First, Last, Location, SessionSummary, UserProfile};
use crate::time::Micros;

/// The position of an event, relative to the start of its session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct RelativePosition(Micros, uuid::Uuid);

impl RelativePosition {
    fn new(position: Position, first: Position) -> RelativePosition {
        RelativePosition(position.time.wrapping_sub(first.time), uuid::Uuid::from_u128(position.id))
    }

    fn absolute(&self, first: Position) -> Position {
        Position { time: first.time.wrapping_add(self.0), id: self.1.as_u128() }
    }
}

/// A user profile, the user that its event names, and the position of the event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct StoredProfile<'a> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    user_id: Option<CowStr<'a>>,
    at: RelativePosition,
    /// Whether this is the profile in the row's columns. Its values are then not repeated here.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    shown: bool,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    user_email: Option<CowStr<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    user_name: Option<CowStr<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    user_metadata: Option<CowStr<'a>>,
}

/// The origin of the landing page. Omitted if the first event has a logged landing page that equals
/// the path of its page URL.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Landing<'a> {
    /// Position of the logged landing page; `None` if none is logged.
    logged: Option<RelativePosition>,
    /// The path of the first page URL, with its position.
    #[serde(borrow)]
    path: Option<(CowStr<'a>, RelativePosition)>,
}

/// The value of the column `merge_state`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MergeState<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    anonymous_id: Option<RelativePosition>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<RelativePosition>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<RelativePosition>,
    #[serde(skip_serializing_if = "Option::is_none")]
    screen: Option<RelativePosition>,
    #[serde(skip_serializing_if = "Option::is_none")]
    location: Option<RelativePosition>,
    #[serde(skip_serializing_if = "Option::is_none")]
    landing: Option<Landing<'a>>,
    /// Whether no landing page is logged and the path belongs to the first event. This is a short
    /// form of `landing` for logs without landing pages.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    path_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    triggered_by: Option<RelativePosition>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<RelativePosition>,
    #[serde(borrow, skip_serializing_if = "Vec::is_empty")]
    profiles: Vec<StoredProfile<'a>>,
}

impl<'a> MergeState<'a> {
    /// Returns the state of a session.
    pub fn from_summary(summary: &'a SessionSummary<'_>) -> MergeState<'a> {
        let first = summary.first;
        let relative = |position: Position| RelativePosition::new(position, first);
        let unless_first =
            |position: Option<Position>| position.filter(|&position| position != first).map(relative);
        let mut state = MergeState {
            anonymous_id: unless_first(position(&summary.anonymous_id)),
            source: unless_first(position(&summary.source)),
            agent: unless_first(position(&summary.agent)),
            screen: unless_first(position(&summary.screen)),
            // A location can be empty because its IP address was removed. Reading it back returns
            // no location.
            location: unless_first(
                position(&summary.location)
                    .filter(|_| summary.location.value() != Some(&Location::default())),
            ),
            triggered_by: unless_first(position(&summary.triggered_by)),
            user_id: unless_first(summary.user_id.0.as_ref().map(|(position, _)| *position)),
            ..MergeState::default()
        };
        match (&summary.landing_page.0, &summary.landing_path.0) {
            (None, None) => {}
            (Some((a, page)), Some((b, path))) if *a == first && *b == first && page == path => {}
            (None, Some((position, _))) if *position == first => state.path_only = true,
            (logged, path) => {
                let path = path.as_ref().map(|(position, path)| (borrowed(path), relative(*position)));
                let logged = logged.as_ref().map(|(position, _)| relative(*position));
                state.landing = Some(Landing { logged, path });
            }
        }
        let shown = summary.shown_profile();
        for (user_id, last) in &summary.profiles {
            let Some(entry @ (position, profile)) = &last.0 else { continue };
            let shown = shown.is_some_and(|shown| std::ptr::eq(shown, entry));
            let user_id = user_id.as_ref().map(borrowed);
            let mut stored =
                StoredProfile { user_id, at: relative(*position), shown, ..StoredProfile::default() };
            if !shown {
                stored.user_email = profile.user_email.as_ref().map(borrowed);
                stored.user_name = profile.user_name.as_ref().map(borrowed);
                stored.user_metadata = profile.user_metadata.as_ref().map(borrowed);
            }
            state.profiles.push(stored);
        }
        state
    }

    /// Returns the state as JSON; `None` if it is empty.
    ///
    /// # Errors
    /// Fails if the state cannot be serialized. Without it the session would be merged wrongly.
    pub fn to_text(&self) -> Result<Option<String>, serde_json::Error> {
        if *self == MergeState::default() { Ok(None) } else { serde_json::to_string(self).map(Some) }
    }

    /// Parses the state of a session.
    ///
    /// # Errors
    /// Fails if the string is not the JSON of a state.
    pub fn from_text(text: Option<&'a str>) -> Result<MergeState<'a>, serde_json::Error> {
        text.map_or(Ok(MergeState::default()), serde_json::from_str)
    }

    /// Restores the positions of the values in a summary that was read from the other columns.
    ///
    /// In `summary`, all values must have the position of the first event, and `landing_page` the
    /// value of its column. `shown` is the profile in the columns.
    pub fn restore(self, summary: &mut SessionSummary<'a>, shown: UserProfile<'a>) {
        let first = summary.first;
        set_position(&mut summary.anonymous_id, self.anonymous_id, first);
        set_position(&mut summary.source, self.source, first);
        set_position(&mut summary.agent, self.agent, first);
        set_position(&mut summary.screen, self.screen, first);
        set_position(&mut summary.location, self.location, first);
        set_position(&mut summary.triggered_by, self.triggered_by, first);
        if let (Some((position, _)), Some(stored)) = (&mut summary.user_id.0, &self.user_id) {
            *position = stored.absolute(first);
        }
        let column = summary.landing_page.0.take().map(|(_, page)| page);
        match self.landing {
            Some(landing) => {
                summary.landing_path = First(landing.path.map(|(path, at)| (at.absolute(first), path)));
                summary.landing_page =
                    First(landing.logged.zip(column).map(|(at, page)| (at.absolute(first), page)));
            }
            None => {
                summary.landing_path = First(column.clone().map(|path| (first, path)));
                if !self.path_only {
                    summary.landing_page = First(column.map(|page| (first, page)));
                }
            }
        }
        summary.profiles = BTreeMap::new();
        for stored in self.profiles {
            let StoredProfile { user_id, at, shown: is_shown, user_email, user_name, user_metadata } = stored;
            let profile =
                if is_shown { shown.clone() } else { UserProfile { user_email, user_name, user_metadata } };
            summary.profiles.insert(user_id, Last(Some((at.absolute(first), profile))));
        }
    }
}

fn position<T>(first: &First<T>) -> Option<Position> {
    first.0.as_ref().map(|(position, _)| *position)
}

fn set_position<T>(value: &mut First<T>, stored: Option<RelativePosition>, first: Position) {
    if let (Some((position, _)), Some(stored)) = (&mut value.0, stored) {
        *position = stored.absolute(first);
    }
}

fn borrowed<'a>(text: &'a CowStr<'_>) -> CowStr<'a> {
    CowStr::Borrowed(text.as_ref())
}
