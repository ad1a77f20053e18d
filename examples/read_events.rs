//! Reads files as `wa ingest` does, up to the rows of the events, and discards the rows.
//!
//! Usage: `cargo run --release --example read_events -- [--map NAME|FILE] FILE…`
//!
//! `benches/compare/formats.py` compares its CPU time with that of DuckDB for the same file. It
//! prints the number of events and of rejected lines.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::SystemTime;

use wa::enrich::Enricher;
use wa::ingest::{BlockReader, Input, Map, ParseOptions, SharedMap, built_in_maps, parse_input};
use wa::settings::IpPolicy;

type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

fn main() -> ExitCode {
    match run(std::env::args().skip(1).collect()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut files: Vec<String>) -> Result<()> {
    let mut map = None;
    if files.first().is_some_and(|first| first == "--map") {
        let name = files.drain(..2.min(files.len())).next_back().unwrap_or_default();
        map = Some(load(&name)?);
    }
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?.as_micros();
    let options = ParseOptions {
        timezone: None,
        chatbot: Some("example".to_owned()),
        now: i64::try_from(now)?,
        ip: IpPolicy::Keep,
        visitor_key: [7; 32],
    };
    let enricher = Enricher::new(None)?;
    let (mut events, mut rejected) = (0, 0);
    for file in files {
        let blocks = BlockReader::open(&Input::File(PathBuf::from(file)))?;
        parse_input(blocks, map.as_ref(), &options, &enricher, &mut |parsed| {
            events += parsed.block.rows.len();
            rejected += parsed.rejected.len();
        })?;
    }
    println!("{events} events, {rejected} rejected");
    Ok(())
}

/// Returns the built-in map with a name, or else the map in the file at that path.
fn load(name: &str) -> Result<SharedMap> {
    if let Some(map) = built_in_maps().iter().find(|map| map.name == name) {
        return Ok(map.clone());
    }
    Ok(Arc::new(Map::parse(name, &std::fs::read_to_string(name)?)?))
}
