//! `pages`: sessions and conversations by landing page.

use serde::Serialize;

use super::answer::rows::{Group, RowList, rows};
use super::answer::{Report, ReportBody, session_report};
use super::metric::group_count::count_by_text;
use super::metric::values::Percent;
use super::metric::visits::{self, Visits};
use super::query::Query;
use super::query::cells::merge_frames;
use super::query::tables::Tables;
use crate::error::Result;
use crate::store::frame::Frame;

rows! {
    /// A landing page.
    LandingPage {
        dimensions {
            /// The page; `unknown` for sessions without one.
            landing_page = "landing_page",
        }
        metrics {
            /// The number of sessions.
            sessions: u64,
            /// The number of sessions with at least one message sent.
            conversations: u64,
            /// 100 × conversations / sessions.
            conversion_rate: Percent,
        }
    }
}

impl LandingPage {
    fn new((landing_page, visits): (String, Visits)) -> LandingPage {
        LandingPage {
            landing_page,
            sessions: visits.sessions,
            conversations: visits.conversations,
            conversion_rate: visits.conversion_rate(),
        }
    }
}

/// The body of `pages`.
#[derive(Clone, Debug, Serialize)]
pub struct Pages {
    /// The landing pages, most sessions first.
    pub pages: RowList<LandingPage>,
}

impl ReportBody for Pages {
    const NAME: &'static str = "pages";

    fn groups(&self) -> Vec<Group<'_>> {
        vec![Group::list("pages", &self.pages).with_share("sessions")]
    }
}

/// Computes `pages` with at most `limit` pages. With `compare`, compares it with the previous
/// period.
pub(crate) fn pages(
    tables: &dyn Tables,
    query: &Query,
    limit: Option<usize>,
    compare: bool,
) -> Result<Report<Pages>> {
    session_report::build(tables, query, compare, |query| {
        let (visits, bots) = count(tables, query)?;
        let all = visits.into_iter().map(LandingPage::new).collect();
        let pages = RowList::limited(all, limit, |hidden| {
            let visits = hidden.iter().map(|page| (page.sessions, page.conversations));
            LandingPage::new((String::new(), Visits::sum(visits)))
        });
        Ok((Pages { pages }, bots))
    })
}

/// Counts the sessions and conversations of each page, most sessions first, and the bot sessions.
fn count(tables: &dyn Tables, query: &Query) -> Result<(Vec<(String, Visits)>, u64)> {
    let columns = query.columns(&["landing_page", "had_conversation"]);
    let count = |frame: &Frame, query: &Query| {
        let selected = query.select(frame)?;
        let had_conversation = frame.bools("had_conversation")?;
        let pages = frame.texts("landing_page")?;
        let visits = count_by_text(pages, &selected.rows, "unknown", |row| {
            Visits::from_session(had_conversation.is_true(row))
        });
        Ok((visits, selected.bots))
    };
    let (visits, bots) = merge_frames(tables, Pages::NAME, query, &columns, count, visits::merge)?;
    Ok((Visits::ranked(visits), bots))
}
