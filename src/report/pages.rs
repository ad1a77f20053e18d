//! `pages`: on which pages visits began, and how many of them became conversations.

use hashbrown::HashMap;
use serde::Serialize;

use super::answer::{Body, Report};
use super::metric::group_count::{Add, Tally, by_text};
use super::metric::{Group, Listed, rows};
use super::query::Query;
use super::query::session_report;
use super::query::tables::{Tables, map_frames};
use crate::decimal::fixed::Percent;
use crate::error::Result;
use crate::store::columns::Table;

rows! {
    /// A landing page.
    LandingPage {
        names {
            /// The page; `unknown` where no event names one.
            landing_page = "landing_page",
        }
        figures {
            /// Sessions.
            sessions: u64,
            /// Those with at least one message sent.
            conversations: u64,
            /// 100 × conversations / sessions.
            conversion_rate: Percent,
        }
    }
}

/// The answer of `pages`.
#[derive(Clone, Debug, Serialize)]
pub struct Pages {
    /// The landing pages, most sessions first.
    pub pages: Listed<LandingPage>,
}

impl Body for Pages {
    const NAME: &'static str = "pages";

    fn groups(&self) -> Vec<Group<'_>> {
        vec![Group::many("pages", &self.pages).share("sessions")]
    }
}

/// Sessions, and conversations among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Visits {
    pub sessions: u64,
    pub conversations: u64,
}

impl Visits {
    pub fn one(conversation: bool) -> Visits {
        Visits { sessions: 1, conversations: u64::from(conversation) }
    }

    pub fn rate(self) -> Percent {
        Percent::of(self.conversations, self.sessions)
    }
}

impl Add for Visits {
    fn add(&mut self, other: Visits) {
        self.sessions += other.sessions;
        self.conversations += other.conversations;
    }
}

/// Answers `pages`, the first `limit` of them.
pub fn pages(tables: &dyn Tables, query: &Query, limit: Option<usize>) -> Result<Report<Pages>> {
    session_report::report(tables, query, false, |query| {
        let (all, bots) = count(tables, query)?;
        let row = |(landing_page, visits): (String, Visits)| LandingPage {
            landing_page,
            sessions: visits.sessions,
            conversations: visits.conversations,
            conversion_rate: visits.rate(),
        };
        let pages = Listed::cut(all.into_iter().map(row).collect(), limit, |rest| {
            row((String::new(), sum_of(rest.iter().map(|page| (page.sessions, page.conversations)))))
        });
        Ok((Pages { pages }, bots))
    })
}

/// Counts the visits of each page, most first, and the robots' sessions.
fn count(tables: &dyn Tables, query: &Query) -> Result<(Vec<(String, Visits)>, u64)> {
    let columns = query.columns(&["landing_page", "had_conversation"]);
    let days = Some(query.window.range());
    let parts = map_frames(tables, Table::Sessions, days, &columns, |_, frame| {
        let selected = query.select(frame)?;
        let conversation = frame.bools("had_conversation")?;
        let pages = frame.texts("landing_page")?;
        let tally = by_text(pages, &selected.rows, "unknown", |row| Visits::one(conversation.is_true(row)));
        Ok((tally, selected.bots))
    })?;
    let bots = parts.iter().map(|(_, bots)| bots).sum();
    let sum = parts.into_iter().map(|(tally, _)| tally).fold(Tally::default(), Tally::merge);
    Ok((ranked(sum.0), bots))
}

/// Puts visits in order: by sessions, falling, then by name.
pub(crate) fn ranked(visits: HashMap<String, Visits>) -> Vec<(String, Visits)> {
    let mut all: Vec<(String, Visits)> = visits.into_iter().collect();
    all.sort_unstable_by(|a, b| b.1.sessions.cmp(&a.1.sessions).then_with(|| a.0.cmp(&b.0)));
    all
}

pub(crate) fn sum_of(visits: impl Iterator<Item = (u64, u64)>) -> Visits {
    visits.fold(Visits::default(), |sum, (sessions, conversations)| Visits {
        sessions: sum.sessions + sessions,
        conversations: sum.conversations + conversations,
    })
}
