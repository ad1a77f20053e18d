//! `pages`: on which pages visits began, and how many of them became conversations.

use polars::prelude::DataFrame;
use rayon::prelude::*;
use serde::Serialize;

use super::answer::{Body, Head, Report};
use super::figure::{Group, Listed, rows};
use super::notes;
use super::number::Percent;
use super::query::Query;
use super::tables::Tables;
use super::tally::{Add, Tally, by_text};
use crate::error::Result;
use crate::store::columns::Table;
use crate::store::frame::{bools, texts};

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
pub(super) struct Visits {
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
    let columns = query.columns(&["landing_page", "had_conversation"]);
    let frames = tables.read(Table::Sessions, Some(query.window.range()), &columns)?;
    let part = |frame: &DataFrame| {
        let selected = query.select(frame)?;
        let conversation = bools(frame, "had_conversation")?;
        let pages = texts(frame, "landing_page")?;
        let tally = by_text(&pages, &selected.rows, "unknown", |row| Visits::one(conversation.is(row)));
        Ok((tally, selected.bots))
    };
    let parts = frames.par_iter().map(part).collect::<Result<Vec<_>>>()?;
    let bots = parts.iter().map(|(_, bots)| bots).sum();
    let sum = parts.into_iter().map(|(tally, _)| tally).fold(Tally::default(), Tally::merge);
    let mut all: Vec<(String, Visits)> = sum.0.into_iter().collect();
    all.sort_unstable_by(|a, b| b.1.sessions.cmp(&a.1.sessions).then_with(|| a.0.cmp(&b.0)));
    let row = |(landing_page, visits): (String, Visits)| LandingPage {
        landing_page,
        sessions: visits.sessions,
        conversations: visits.conversations,
        conversion_rate: visits.rate(),
    };
    let pages = Listed::cut(all.into_iter().map(row).collect(), limit, |rest| {
        row((String::new(), sum_of(rest.iter().map(|page| (page.sessions, page.conversations)))))
    });
    let mut report = Report::new(Head::of(tables, query, bots), Pages { pages });
    report.notes = notes::on_window(tables, query, report.body.pages.all.is_empty())?;
    report.notes.extend(notes::on_pruned_sessions(tables, query));
    Ok(report)
}

pub(super) fn sum_of(visits: impl Iterator<Item = (u64, u64)>) -> Visits {
    visits.fold(Visits::default(), |sum, (sessions, conversations)| Visits {
        sessions: sum.sessions + sessions,
        conversations: sum.conversations + conversations,
    })
}
