//! Parses a whole input as [`run`](super::run) does, without a store. The fuzz targets use it.

use std::sync::Arc;

use super::input::blocks::BlockReader;
use super::input::records::format_detection::detect_format;
use super::input::records::record_reader::RecordReader;
use super::map::{SharedMap, presets};
use super::parse::{ParseOptions, Parsed, Parser};
use crate::enrich::Enricher;
use crate::error::Result;

/// Parses an input with a map, or detects its format, and calls `each` with each parsed block.
/// Returns the map that reads the records; `None` for the native form.
///
/// # Errors
/// Fails if two maps match equally well, or the input cannot be read to its end.
pub fn parse_input(
    mut blocks: BlockReader,
    map: Option<&SharedMap>,
    options: &ParseOptions,
    enricher: &Enricher,
    each: &mut dyn FnMut(Parsed),
) -> Result<Option<SharedMap>> {
    let candidates = Arc::new(presets::candidates());
    let (format, _) = detect_format(&mut blocks, &candidates, map)?;
    let map = format.map.clone();
    let mut reader = RecordReader::new(blocks, format, &candidates, None);
    let (mut parser, mut buffer) = (Parser::default(), Vec::new());
    while let Some((raw, _)) = reader.next_block(buffer)? {
        let (parsed, lines) = parser.parse(raw, options, enricher);
        each(parsed);
        buffer = lines;
    }
    Ok(map)
}

/// Returns all built-in maps.
pub fn built_in_maps() -> &'static [SharedMap] {
    presets::all()
}
