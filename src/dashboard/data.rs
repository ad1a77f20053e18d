//! The data of the page.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use hashbrown::HashMap;
use serde_json::{Value, json};

use super::Prepared;
use super::encode::Texts;
use super::health::Health;
use super::options::DashboardOptions;
use crate::config::Annotation;
use crate::error::{Error, Result};
use crate::render::text::escape_control;
use crate::report::{Grid, Window};
use crate::store::Snapshot;
use crate::time::{Clock, format_utc};

/// The version of the format, which the script expects.
const VERSION: u32 = 1;
/// The maximum number of listed chatbots without separate figures.
const MAX_OTHERS: usize = 50;

/// Returns the data as JSON. Equal answers are written once.
pub(super) fn json(
    snapshot: &Snapshot,
    options: &DashboardOptions,
    grid: &Grid<Prepared>,
    schemas: &[Value],
    health: &Health,
    clock: Clock,
) -> String {
    let mut texts = Texts::default();
    let mut answers: Vec<String> = Vec::new();
    let mut numbers: HashMap<String, usize> = HashMap::new();
    let mut number = |answer: &Prepared| {
        let text = answer.encoded.write(&mut texts);
        *numbers.entry(text).or_insert_with_key(|text| {
            answers.push(text.clone());
            answers.len() - 1
        })
    };
    let cells: Vec<Vec<Vec<usize>>> = grid
        .answers
        .iter()
        .map(|windows| windows.iter().map(|parts| parts.iter().map(&mut number).collect()).collect())
        .collect();
    let names =
        |ids: &[String]| ids.iter().map(|id| escape_control(id).into_owned()).collect::<Vec<String>>();
    let request = &options.grid.reports;
    let shown = |note: &&Annotation| {
        options.grid.windows.iter().any(|days| days.from <= note.day && note.day <= days.to)
    };
    let annotations = request.annotations.iter().filter(shown);
    let annotations = annotations.map(|note| json!([note.day.to_string(), escape_control(&note.text)]));
    let head = json!({
        "version": VERSION,
        "wa": env!("CARGO_PKG_VERSION"),
        "generated": format_utc(clock.now / 1_000_000 * 1_000_000),
        "zone": snapshot.zone().name(),
        "includeBots": request.query.include_bots,
        "conditions": names(&options.conditions),
        "parts": schemas,
        "scopes": grid.scopes.iter().map(|ids| names(ids)).collect::<Vec<_>>(),
        "others": names(grid.others.get(..MAX_OTHERS).unwrap_or(&grid.others)),
        "otherCount": grid.others.len(),
        "windows": options.grid.windows.iter().map(window).collect::<Vec<Value>>(),
        "selected": options.selected,
        "annotations": annotations.collect::<Vec<Value>>(),
        "health": health.json(),
        "cells": cells,
        "texts": texts.into_texts(),
    });
    let mut json = head.to_string();
    // The answers are already JSON, so they are inserted as text before the closing brace.
    json.truncate(json.len().saturating_sub(1));
    json.push_str(",\"answers\":[");
    json.push_str(&answers.join(","));
    json.push_str("]}");
    json
}

fn window(window: &Window) -> Value {
    let previous = window.previous();
    json!([
        window.days(),
        window.from.to_string(),
        window.to.to_string(),
        previous.from.to_string(),
        previous.to.to_string(),
        window.is_partial(),
    ])
}

/// Compresses a string (zlib) and encodes it as base64, which needs no escaping in HTML.
///
/// # Errors
/// Never fails in practice, since the compressed text is written to memory.
pub(super) fn compressed(text: &str) -> Result<String> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    let bytes = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish());
    let bytes = bytes.map_err(|e| Error::failed("cannot compress the dashboard").caused_by(e))?;
    Ok(STANDARD.encode(bytes))
}
