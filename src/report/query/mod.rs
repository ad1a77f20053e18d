//! Queries: the days and chatbots that a report covers, and the reads of their rows.
//!
//! Reports read a snapshot of the tables through the trait [`Tables`](tables::Tables), in frames of
//! one data file each. This module does not depend on metrics or reports.
//!
//! - [`window`] is a range of days; [`filter`] contains conditions on sessions and events, and
//!   [`operator`] their operators;
//! - [`tables`] is the interface to the tables, [`snapshot`] implements it for the store, and
//!   [`by_chatbot`] for one chatbot of many, with a [`column_cache`]; [`pruned`] finds pruned days
//!   in a window;
//! - [`shared_results`] are computed once for several reports, and [`cells`] once for all answers
//!   of a grid;
//! - [`chatbots`] lists, ranks and checks chatbots;
//! - [`selection`] restricts the tables to sessions that satisfy conditions or have a value of a
//!   breakdown;
//! - [`session_keys`] hashes the keys that link events to sessions and visitors;
//! - [`view_cache`] caches values that are computed from repeated strings; [`json_lookup`] finds
//!   values in serialized JSON.

pub(crate) mod by_chatbot;
pub(crate) mod cells;
pub mod chatbots;
mod column_cache;
pub mod filter;
pub(crate) mod json_lookup;
pub(crate) mod operator;
pub(crate) mod pruned;
pub(crate) mod selection;
pub(crate) mod session_keys;
pub(crate) mod shared_results;
pub(crate) mod snapshot;
pub mod tables;
pub(crate) mod view_cache;
pub mod window;

use crate::error::{Error, Result};
use crate::store::frame::{Frame, Texts};
use tables::Tables;
use window::Window;

/// The scope of a report.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Query {
    /// The days.
    pub window: Window,
    /// The chatbots; empty for all of them.
    pub chatbots: Vec<String>,
    /// Whether bot sessions are counted.
    pub include_bots: bool,
}

impl Query {
    /// Returns a query for all chatbots without bot sessions.
    pub fn new(window: Window) -> Query {
        Query { window, chatbots: Vec::new(), include_bots: false }
    }

    /// Returns the same query for the previous period.
    pub(crate) fn previous(&self) -> Query {
        Query { window: self.window.previous(), ..self.clone() }
    }

    /// Returns whether the daily statistics of the tables can answer the query. They exclude bot
    /// sessions and cover all other sessions of a day.
    pub(crate) fn has_daily_stats(&self, tables: &dyn Tables) -> bool {
        !self.include_bots && !tables.is_filtered()
    }

    /// Returns the given columns, and the columns that [`select`](Query::select) needs.
    pub(crate) fn columns<'a>(&self, columns: &[&'a str]) -> Vec<&'a str> {
        let mut all = columns.to_vec();
        let needed = ["is_bot"].into_iter().chain((!self.chatbots.is_empty()).then_some("chatbot_id"));
        for name in needed {
            if !all.contains(&name) {
                all.push(name);
            }
        }
        all
    }

    /// Selects the rows of a frame of sessions by chatbot and bot sessions.
    pub(crate) fn select(&self, frame: &Frame) -> Result<SelectedRows> {
        let height = u32::try_from(frame.height())
            .map_err(|_| Error::failed("a file of the store has more than four billion rows"))?;
        let is_bot = frame.bools("is_bot")?;
        if self.chatbots.is_empty() && !is_bot.has_true() {
            return Ok(SelectedRows { rows: (0..height).collect(), bots: 0 });
        }
        let (all_chatbots, mut chatbots) = (self.chatbots.is_empty(), self.chatbot_filter(frame)?);
        let mut selected = SelectedRows { rows: Vec::with_capacity(frame.height()), bots: 0 };
        for row in 0..height {
            let index = row as usize;
            if !all_chatbots && !chatbots.contains(index) {
                continue;
            }
            if is_bot.is_true(index) {
                selected.bots += 1;
                if !self.include_bots {
                    continue;
                }
            }
            selected.rows.push(row);
        }
        Ok(selected)
    }

    /// Returns the filter of a frame's rows by chatbot.
    pub(crate) fn chatbot_filter<'a>(&'a self, frame: &'a Frame) -> Result<ChatbotFilter<'a>> {
        let column = if self.chatbots.is_empty() { None } else { Some(frame.texts("chatbot_id")?) };
        Ok(ChatbotFilter { chatbots: &self.chatbots, column, last: None })
    }
}

/// The rows of a frame that a query selects.
#[derive(Clone, Debug, Default)]
pub(crate) struct SelectedRows {
    /// The row numbers, in ascending order.
    pub rows: Vec<u32>,
    /// The number of bot sessions of the selected chatbots, whether included or not.
    pub bots: u64,
}

/// A filter of rows by chatbot.
pub(crate) struct ChatbotFilter<'a> {
    chatbots: &'a [String],
    column: Option<&'a Texts>,
    /// The token and the result of the previous row, since neighbouring rows mostly have the same
    /// chatbot.
    last: Option<(u128, bool)>,
}

impl ChatbotFilter<'_> {
    /// Returns whether a row belongs to one of the chatbots.
    pub fn contains(&mut self, row: usize) -> bool {
        let Some(column) = self.column else { return true };
        let Some(token) = column.token(row) else { return false };
        match self.last {
            Some((last, result)) if last == token => result,
            _ => {
                let result = column.get(row).is_some_and(|id| self.chatbots.iter().any(|c| c == id));
                self.last = Some((token, result));
                result
            }
        }
    }
}
