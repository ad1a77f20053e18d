//! What a session's columns do not say, and a merge needs: the column `merge_state`.
//!
//! A first or last that comes from the session's first event need not be recorded: its position is
//! `started_at` and `first_event_id`. The others stand here with their position, as
//! `[microseconds after started_at, event id]`. Where nothing needs to, the column is null.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::event::Position;
use crate::session::{CowStr, First, Last, Location, SessionSummary, UserProfile};
use crate::time::Micros;

/// A position, relative to the session's start.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct At(Micros, uuid::Uuid);

impl At {
    fn of(position: Position, first: Position) -> At {
        At(position.time.wrapping_sub(first.time), uuid::Uuid::from_u128(position.id))
    }

    fn position(&self, first: Position) -> Position {
        Position { time: first.time.wrapping_add(self.0), id: self.1.as_u128() }
    }
}

/// A profile with the user that its event names, and its position.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Held<'a> {
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    user_id: Option<CowStr<'a>>,
    at: At,
    /// It is the one that the session shows, so that its texts are those of the columns.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    shown: bool,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    user_email: Option<CowStr<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    user_name: Option<CowStr<'a>>,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    user_metadata: Option<CowStr<'a>>,
}

/// Where the landing page came from, where it is not the plain case: logged, and equal to the path
/// of the page, both in the first event.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Landing<'a> {
    /// Position of the logged landing page; `None` where none is logged.
    logged: Option<At>,
    /// The path of the first page, with its position.
    #[serde(borrow)]
    path: Option<(CowStr<'a>, At)>,
}

/// What a merge needs beside the columns.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MergeState<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    anonymous_id: Option<At>,
    #[serde(skip_serializing_if = "Option::is_none")]
    source: Option<At>,
    #[serde(skip_serializing_if = "Option::is_none")]
    agent: Option<At>,
    #[serde(skip_serializing_if = "Option::is_none")]
    screen: Option<At>,
    #[serde(skip_serializing_if = "Option::is_none")]
    place: Option<At>,
    #[serde(skip_serializing_if = "Option::is_none")]
    landing: Option<Landing<'a>>,
    /// No landing page is logged, and the path is that of the first event: the usual case of logs
    /// without landing pages, kept short.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    path_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    triggered_by: Option<At>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<At>,
    #[serde(borrow, skip_serializing_if = "Vec::is_empty")]
    profiles: Vec<Held<'a>>,
}

impl<'a> MergeState<'a> {
    /// Returns what the columns of a session do not say.
    pub fn of(summary: &'a SessionSummary<'_>) -> MergeState<'a> {
        let first = summary.first;
        let off = |at: Option<Position>| at.filter(|&at| at != first).map(|at| At::of(at, first));
        let mut state = MergeState {
            anonymous_id: off(position(&summary.anonymous_id)),
            source: off(position(&summary.source)),
            agent: off(position(&summary.agent)),
            screen: off(position(&summary.screen)),
            // A place whose address was removed may say nothing any more: it reads back as none.
            place: off(
                position(&summary.place).filter(|_| summary.place.value() != Some(&Location::default()))
            ),
            triggered_by: off(position(&summary.triggered_by)),
            user_id: off(summary.user_id.0.as_ref().map(|(at, _)| *at)),
            ..MergeState::default()
        };
        match (&summary.landing_page.0, &summary.landing_path.0) {
            (None, None) => {}
            (Some((a, page)), Some((b, path))) if *a == first && *b == first && page == path => {}
            (None, Some((at, _))) if *at == first => state.path_only = true,
            (logged, path) => {
                state.landing = Some(Landing {
                    logged: logged.as_ref().map(|(at, _)| At::of(*at, first)),
                    path: path
                        .as_ref()
                        .map(|(at, path)| (CowStr::Borrowed(path.as_ref()), At::of(*at, first))),
                });
            }
        }
        let shown = summary.shown_profile();
        for (user_id, profile) in &summary.profiles {
            let Some(place @ (at, profile)) = &profile.0 else { continue };
            let mut held = Held { user_id: borrowed(user_id), at: At::of(*at, first), ..Held::default() };
            if shown.is_some_and(|shown| std::ptr::eq(shown, place)) {
                held.shown = true;
            } else {
                held.user_email = borrowed(&profile.user_email);
                held.user_name = borrowed(&profile.user_name);
                held.user_metadata = borrowed(&profile.user_metadata);
            }
            state.profiles.push(held);
        }
        state
    }

    /// Writes the state as JSON text; `None` where there is nothing to say.
    ///
    /// # Errors
    /// What makes it impossible to write: a session without it would be merged wrongly.
    pub fn to_text(&self) -> Result<Option<String>, serde_json::Error> {
        if *self == MergeState::default() { Ok(None) } else { serde_json::to_string(self).map(Some) }
    }

    /// Reads the state of a session; what cannot be read says why.
    pub fn from_text(text: Option<&'a str>) -> Result<MergeState<'a>, serde_json::Error> {
        text.map_or(Ok(MergeState::default()), serde_json::from_str)
    }

    /// Gives the values of a summary that came from its columns their positions.
    ///
    /// `summary` holds each value at the position of the first event, and the column
    /// `landing_page` in `landing_page`; `shown` is the profile of the columns.
    pub fn restore(self, summary: &mut SessionSummary<'a>, shown: UserProfile<'a>) {
        let first = summary.first;
        place(&mut summary.anonymous_id, self.anonymous_id, first);
        place(&mut summary.source, self.source, first);
        place(&mut summary.agent, self.agent, first);
        place(&mut summary.screen, self.screen, first);
        place(&mut summary.place, self.place, first);
        place(&mut summary.triggered_by, self.triggered_by, first);
        if let (Some((at, _)), Some(moved)) = (&mut summary.user_id.0, &self.user_id) {
            *at = moved.position(first);
        }
        let column = summary.landing_page.0.take().map(|(_, page)| page);
        match self.landing {
            Some(landing) => {
                summary.landing_path = First(landing.path.map(|(path, at)| (at.position(first), path)));
                summary.landing_page =
                    First(landing.logged.zip(column).map(|(at, page)| (at.position(first), page)));
            }
            None => {
                summary.landing_path = First(column.clone().map(|path| (first, path)));
                if !self.path_only {
                    summary.landing_page = First(column.map(|page| (first, page)));
                }
            }
        }
        summary.profiles = BTreeMap::new();
        for held in self.profiles {
            let Held { user_id, at, user_email, user_name, user_metadata, .. } = held;
            let profile =
                if held.shown { shown.clone() } else { UserProfile { user_email, user_name, user_metadata } };
            summary.profiles.insert(user_id, Last(Some((at.position(first), profile))));
        }
    }
}

fn position<T>(first: &First<T>) -> Option<Position> {
    first.0.as_ref().map(|(at, _)| *at)
}

fn place<T>(value: &mut First<T>, moved: Option<At>, first: Position) {
    if let (Some((at, _)), Some(moved)) = (&mut value.0, moved) {
        *at = moved.position(first);
    }
}

fn borrowed<'a>(text: &'a Option<CowStr<'_>>) -> Option<CowStr<'a>> {
    text.as_deref().map(CowStr::Borrowed)
}
