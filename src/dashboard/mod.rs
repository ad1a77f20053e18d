//! The dashboard: the reports of a store as one HTML file that works offline.
//!
//! The page has controls for the chatbot and the window. Its figures are the answers of a [`Grid`],
//! so they equal those of `wa report`; the page does not add up figures.
//!
//! - `options` chooses windows and reports;
//! - `encode` writes answers as compact JSON; `data` adds the scopes and the store's `health`, and
//!   compresses the result;
//! - `page` writes the document. Its script, in `assets/`, draws the chosen view with DOM methods
//!   that take text, never markup. Without JavaScript, the page shows the default view as tables.

mod data;
mod encode;
mod health;
pub(crate) mod options;
mod page;

use std::sync::OnceLock;

use crate::error::Result;
use crate::render;
use crate::report::{Answer, Grid, GridPeriod, GridPosition, run_grid};
use crate::settings::Settings;
use crate::store::{Snapshot, Store};
use crate::time::Clock;
use encode::EncodedAnswer;
use health::Health;
use options::DashboardOptions;

/// A dashboard, and the notes for standard error.
pub(crate) struct Dashboard {
    /// The HTML document.
    pub html: String,
    /// Notes on the default view.
    pub notes: Vec<String>,
}

/// An answer, converted to the forms that the page needs.
struct Prepared {
    encoded: EncodedAnswer,
    /// The tables of the default view.
    fallback: Option<Result<String>>,
    /// Notes of the default view.
    notes: Vec<String>,
}

/// Computes the dashboard of a snapshot.
///
/// # Errors
/// Returns a usage error for unknown chatbots and fields; fails if a file cannot be read.
pub(crate) fn build(
    store: &Store,
    snapshot: &Snapshot,
    settings: &Settings,
    clock: Clock,
    options: &DashboardOptions,
) -> Result<Dashboard> {
    // The groups and columns of a report are the same in all its answers.
    let schemas: Vec<OnceLock<serde_json::Value>> =
        options.grid.parts.iter().map(|_| OnceLock::new()).collect();
    let convert = |position: GridPosition, answer: &dyn Answer| {
        let period = options.grid.parts.get(position.part).map(|(_, period)| *period);
        let is_previous = period == Some(GridPeriod::Previous);
        if let Some(schema) = schemas.get(position.part) {
            schema.get_or_init(|| encode::schema(answer, is_previous));
        }
        let is_default = position.scope == 0 && position.window == options.selected && !is_previous;
        let mut encoded = EncodedAnswer::new(answer);
        if is_previous {
            // The page shows only the notes on the window, not those on the previous period.
            encoded.clear_notes();
        }
        Prepared {
            encoded,
            fallback: is_default.then(|| render::html_part(answer)),
            notes: if is_default { answer.notes().to_vec() } else { Vec::new() },
        }
    };
    let mut grid: Grid<Prepared> = run_grid(snapshot, &options.grid, convert)?;
    let health = Health::read(store, snapshot, settings, clock)?;
    let mut notes = std::mem::take(&mut grid.notes);
    let mut fallback = Vec::new();
    if let Some(view) = grid.answers.first_mut().and_then(|windows| windows.get_mut(options.selected)) {
        for answer in view {
            fallback.extend(answer.fallback.take().transpose()?);
            for note in std::mem::take(&mut answer.notes) {
                if !notes.contains(&note) {
                    notes.push(note);
                }
            }
        }
    }
    let schemas: Vec<serde_json::Value> =
        schemas.into_iter().map(|schema| schema.into_inner().unwrap_or_default()).collect();
    let json = data::json(snapshot, options, &grid, &schemas, &health, clock);
    let html = page::write(&data::compressed(&json)?, &fallback)?;
    Ok(Dashboard { html, notes })
}
