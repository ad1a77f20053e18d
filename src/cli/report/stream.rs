//! Prints all sessions as CSV, day by day.

use std::collections::BTreeSet;

use super::{Options, request, resolve};
use crate::cli::Printer;
use crate::error::{Error, Result};
use crate::render::render;
use crate::report::{self, ReportRequest, Window};
use crate::store::columns::Table;
use crate::store::{Snapshot, Store};
use crate::time::Day;

/// Prints all selected sessions, newest first. Only the sessions of one day are in memory at a
/// time. Returns the notes.
///
/// # Errors
/// The error of the report, or of standard output.
pub(super) fn sessions(options: &Options, printer: &Printer) -> Result<Vec<String>> {
    Store::new(&options.store).read_consistently(|snapshot| {
        let window = resolve(options.window, snapshot, snapshot.zone().day(options.clock.now))?;
        let mut request = request(options, snapshot, window);
        let names = report::resolve_fields(snapshot, &mut request)?;
        // This request for one session provides the notes.
        let first = report::run(snapshot, &ReportRequest { limit: Some(1), ..request.clone() })?;
        // As long as nothing is printed, the report can start over from a newer snapshot.
        let mut printed = false;
        match print(options, snapshot, printer, &request, &mut printed) {
            Err(error) if printed && error.is_missing_file() => {
                Err(Error::failed("the list is incomplete, because the store changed meanwhile")
                    .caused_by(error)
                    .hint("run it again, or list fewer days at a time"))
            }
            Err(error) => Err(error),
            Ok(()) => Ok([first.notes(), names].concat()),
        }
    })
}

fn print(
    options: &Options,
    snapshot: &Snapshot,
    printer: &Printer,
    request: &ReportRequest,
    printed: &mut bool,
) -> Result<()> {
    let window = request.query.window;
    let days = request.has_window.then_some((window.from, window.to));
    let days: BTreeSet<Day> = snapshot.files_in(Table::Sessions, days).iter().map(|file| file.day).collect();
    let snapshot = snapshot.pin_files(Table::Sessions, days.first().copied().zip(days.last().copied()))?;
    // Without sessions, the report on an empty day provides the header.
    let empty = days.is_empty().then_some(window.from);
    for day in days.into_iter().rev().chain(empty) {
        let mut request = request.clone();
        request.query.window = Window { from: day, to: day, ..window };
        request.has_window = true;
        let text = render(&report::run(&snapshot, &request)?, options.format, &printer.style())?;
        let rows = if *printed { text.split_once('\n').map_or("", |(_, rows)| rows) } else { &text };
        if !rows.is_empty() {
            *printed = true;
            printer.result(rows)?;
        }
        if printer.is_pipe_closed() {
            break;
        }
    }
    Ok(())
}
