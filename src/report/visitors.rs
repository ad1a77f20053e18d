//! `visitors`: how many came, how many came back, and how often.

use std::collections::BTreeMap;

use serde::Serialize;

use super::answer::{Body, Head, Report};
use super::metric::diagnostics;
use super::metric::totals::{Totals, by_day};
use super::metric::unique_visitors::{Audience, OFTEN};
use super::metric::{Group, Listed, rows};
use super::query::Query;
use super::query::pruned;
use super::query::tables::Tables;
use super::query::window::Window;
use crate::decimal::fixed::{Distinct, Ratio};
use crate::error::Result;
use crate::time::Day;

rows! {
    /// The visitors of a window.
    VisitorFigures {
        names {}
        figures {
            /// Different visitors; `None`, like all but the sessions, where sessions are pruned.
            unique_visitors: Option<Distinct>,
            /// Those first seen in the window, or known only by a session.
            new_visitors: Option<Distinct>,
            /// The others.
            returning_visitors: Option<Distinct>,
            /// Sessions.
            total_sessions: u64,
            /// Sessions / visitors.
            sessions_per_visitor: Option<Ratio>,
        }
    }
}

rows! {
    /// Visitors that came equally often.
    Frequency {
        names {
            /// How many sessions they had: `1`, `2`, `3-5`, `6-10`, `11+`.
            sessions = "sessions",
        }
        figures {
            /// How many visitors had so many.
            visitors: u64,
        }
    }
}

rows! {
    /// The visitors of a day.
    VisitorDay {
        names {
            /// The day, `YYYY-MM-DD`.
            stat_date = "stat_date",
        }
        figures {
            /// Different visitors.
            unique_visitors: Distinct,
            /// Those first seen on the day, or known only by a session.
            new_visitors: Distinct,
            /// The others.
            returning_visitors: Distinct,
        }
    }
}

/// The answer of `visitors`.
#[derive(Clone, Debug, Serialize)]
pub struct Visitors {
    /// The figures of the window.
    pub visitors: VisitorFigures,
    /// Visitors by the number of their sessions; empty where sessions of the window are pruned.
    pub frequency: Listed<Frequency>,
    /// The days, from the first to the last with data.
    pub days: Listed<VisitorDay>,
}

impl Body for Visitors {
    const NAME: &'static str = "visitors";

    fn groups(&self) -> Vec<Group<'_>> {
        vec![
            Group::one("visitors", &self.visitors),
            Group::many("frequency", &self.frequency).share("visitors"),
            Group::many("days", &self.days).bar("unique_visitors"),
        ]
    }
}

/// The classes of frequency, each with the most sessions that a visitor of it has.
const CLASSES: [(&str, usize); 5] = [("1", 1), ("2", 2), ("3-5", 5), ("6-10", 10), ("11+", OFTEN)];

/// Answers `visitors`.
pub fn visitors(tables: &dyn Tables, query: &Query) -> Result<Report<Visitors>> {
    let pruned = pruned::in_window(tables, query)?;
    let audience = || match pruned {
        None => Audience::of(tables, query).map(Some),
        Some(_) => Ok(None),
    };
    let (audience, totals) = rayon::join(audience, || by_day(tables, query));
    let (audience, totals) = (audience?, totals?);
    let bots = totals.values().fold(0u64, |sum, day| sum.saturating_add(day.bots));
    let sessions = totals.values().fold(0u64, |sum, day| sum.saturating_add(day.sessions));
    let figures = VisitorFigures {
        unique_visitors: audience.as_ref().map(|all| Distinct(all.unique)),
        new_visitors: audience.as_ref().map(|all| Distinct(all.new)),
        returning_visitors: audience.as_ref().map(|all| Distinct(all.returning())),
        total_sessions: sessions,
        sessions_per_visitor: audience.as_ref().map(|all| Ratio::of(sessions, all.unique)),
    };
    let body = Visitors {
        visitors: figures,
        frequency: Listed::whole(audience.as_ref().map(frequency).unwrap_or_default()),
        days: Listed::whole(days(tables, query, totals)?),
    };
    let mut report = Report::new(Head::of(tables, query, bots), body);
    report.notes = diagnostics::on_window(tables, query, sessions == 0, bots)?;
    if let Some(day) = pruned {
        let mut note =
            format!("the visitors of the whole window are not known: sessions up to {day} are pruned");
        // Daily statistics count no robots.
        if !query.include_bots {
            note.push_str("; those of each day are known");
        }
        report.notes.push(note);
    }
    Ok(report)
}

fn frequency(audience: &Audience) -> Vec<Frequency> {
    let mut least = 0;
    let row = |(sessions, most): (&str, usize)| {
        let class = audience.by_sessions.get(least..most).unwrap_or_default();
        least = most;
        Frequency { sessions: sessions.to_owned(), visitors: class.iter().sum() }
    };
    CLASSES.map(row).into()
}

fn days(tables: &dyn Tables, query: &Query, mut totals: BTreeMap<Day, Totals>) -> Result<Vec<VisitorDay>> {
    totals.retain(|_, day| day.sessions > 0);
    if query.include_bots {
        // Daily statistics leave robots out, so each day is counted over its sessions.
        for (day, totals) in &mut totals {
            let window = Window { from: *day, to: *day, today: query.window.today };
            let audience = Audience::of(tables, &Query { window, ..query.clone() })?;
            (totals.visitors, totals.new_visitors) = (audience.unique, audience.new);
        }
    }
    let (Some((first, _)), Some((last, _))) = (totals.first_key_value(), totals.last_key_value()) else {
        return Ok(Vec::new());
    };
    let row = |day: i32| {
        let totals = totals.get(&Day(day)).copied().unwrap_or_default();
        VisitorDay {
            stat_date: Day(day).to_string(),
            unique_visitors: Distinct(totals.visitors),
            new_visitors: Distinct(totals.new_visitors),
            returning_visitors: Distinct(totals.visitors.saturating_sub(totals.new_visitors)),
        }
    };
    Ok((first.0..=last.0).map(row).collect())
}
