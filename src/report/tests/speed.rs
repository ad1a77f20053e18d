//! How long the reports take over 30 days of 7,000 sessions: run with
//! `cargo test --release --lib speed -- --ignored --nocapture`.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Instant;

use polars::prelude::*;
use rayon::prelude::*;

use crate::report::tables::Tables;
use crate::report::{Kind, Query, Request, Window, run};
use crate::store::columns;
use crate::store::frame::{Cell, ColumnBuilder};
use crate::time::{DAY, Day, Micros, SECOND, Zone};

const DAYS: i32 = 30;
const SESSIONS: u64 = 7_000;

/// Files as the store writes them, read as the store reads them.
struct Files {
    dir: PathBuf,
}

impl Tables for Files {
    fn read(
        &self,
        table: columns::Table,
        days: Option<(Day, Day)>,
        columns: &[&str],
    ) -> crate::error::Result<Vec<DataFrame>> {
        let monthly = matches!(table, columns::Table::DailyStats | columns::Table::Visitors);
        let mut files: Vec<PathBuf> = std::fs::read_dir(self.dir.join(table.name()))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| {
                let day = Day::parse(path.file_stem().unwrap().to_str().unwrap()).unwrap();
                days.is_none_or(|(a, b)| (if monthly { a.month_start() } else { a }) <= day && day <= b)
            })
            .collect();
        files.sort();
        let names: Vec<String> = columns.iter().map(|name| (*name).to_owned()).collect();
        let read = |path: &PathBuf| {
            ParquetReader::new(File::open(path).unwrap())
                .with_columns(Some(names.clone()))
                .read_parallel(ParallelStrategy::None)
                .finish()
                .unwrap()
        };
        Ok(files.par_iter().map(read).collect())
    }

    fn zone(&self) -> Zone {
        Zone::UTC
    }

    fn timeout(&self) -> Micros {
        1800 * SECOND
    }

    fn days(&self) -> Option<(Day, Day)> {
        Some((first(), first().plus(DAYS - 1)))
    }

    fn sessions_pruned_through(&self) -> Option<Day> {
        None
    }
}

/// Tables of which each read is kept: what is left is the reports' own time.
struct Kept {
    files: Files,
    reads: std::sync::Mutex<std::collections::HashMap<String, Vec<DataFrame>>>,
}

impl Tables for Kept {
    fn read(
        &self,
        table: columns::Table,
        days: Option<(Day, Day)>,
        columns: &[&str],
    ) -> crate::error::Result<Vec<DataFrame>> {
        let key = format!("{table:?} {days:?} {columns:?}");
        if let Some(frames) = self.reads.lock().unwrap().get(&key) {
            return Ok(frames.clone());
        }
        let frames = self.files.read(table, days, columns)?;
        self.reads.lock().unwrap().insert(key, frames.clone());
        Ok(frames)
    }

    fn zone(&self) -> Zone {
        Zone::UTC
    }

    fn timeout(&self) -> Micros {
        1800 * SECOND
    }

    fn days(&self) -> Option<(Day, Day)> {
        self.files.days()
    }

    fn sessions_pruned_through(&self) -> Option<Day> {
        None
    }
}

/// The time that this process has spent on processors.
fn processor_ms() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) * 10.0
}

fn first() -> Day {
    Day::parse("2026-10-20").unwrap()
}

/// A small generator of numbers that only have to look different.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        xxhash_rust::xxh3::xxh3_64(&self.0.to_le_bytes())
    }

    fn pick<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[(self.next() % of.len() as u64) as usize]
    }
}

struct Builder {
    table: columns::Table,
    builders: Vec<ColumnBuilder>,
    rows: usize,
}

impl Builder {
    fn new(table: columns::Table) -> Builder {
        let builders = table.columns().iter().map(|c| ColumnBuilder::new(c, 0)).collect();
        Builder { table, builders, rows: 0 }
    }

    fn row(&mut self, values: &[(&str, Cell<'_>)]) {
        for builder in &mut self.builders {
            let value = values.iter().find(|(name, _)| *name == builder.name());
            builder.push(value.map_or(Cell::Null, |(_, cell)| *cell));
        }
        self.rows += 1;
    }

    fn write(self, dir: &Path, day: Day) {
        let columns = self.builders.into_iter().map(ColumnBuilder::finish).collect();
        let mut frame = DataFrame::new(self.rows, columns).unwrap();
        let dir = dir.join(self.table.name());
        std::fs::create_dir_all(&dir).unwrap();
        ParquetWriter::new(File::create(dir.join(format!("{day}.parquet"))).unwrap())
            .with_compression(ParquetCompression::Zstd(None))
            .finish(&mut frame)
            .unwrap();
    }
}

fn make(dir: &Path) {
    let mut dice = Dice(1);
    let bots: Vec<String> =
        (0..5).map(|_| uuid::Uuid::from_u128(u128::from(dice.next()) << 64 | 1).to_string()).collect();
    let bots: Vec<&str> = bots.iter().map(String::as_str).collect();
    let names = [
        "widget_minimized",
        "widget_opened",
        "pre_chat_form_shown",
        "feedback_given",
        "widget_error",
        "api_error",
        "button_clicked",
    ];
    let mut visitors: Vec<(String, Micros)> = Vec::new();
    let mut stats = Builder::new(columns::Table::DailyStats);
    for d in 0..DAYS {
        let day = first().plus(d);
        let mut sessions = Builder::new(columns::Table::Sessions);
        let mut events = Builder::new(columns::Table::Events);
        for n in 0..SESSIONS {
            let start = i64::from(day.0) * DAY + (n as i64) * (DAY - 3600 * SECOND) / SESSIONS as i64;
            let visitor = if dice.next() % 100 < 35 && !visitors.is_empty() {
                visitors[(dice.next() % visitors.len() as u64) as usize].0.clone()
            } else {
                let id = format!("v_{:016x}", dice.next());
                visitors.push((id.clone(), start));
                id
            };
            let session = format!("s_{:020x}", dice.next());
            let bot = dice.pick(&bots);
            let count = 1 + dice.next() % 12;
            let mut counts = std::collections::BTreeMap::from([("widget_loaded", 1u64)]);
            let mut event = |name: &str, at: i64, properties: &str, dice: &mut Dice| {
                let id = uuid::Uuid::from_u128(u128::from(dice.next()) << 64 | u128::from(dice.next()))
                    .to_string();
                let category = if name.ends_with("error") { "error" } else { "engagement" };
                events.row(&[
                    ("id", Cell::Text(&id)),
                    ("chatbot_id", Cell::Text(bot)),
                    ("session_id", Cell::Text(&session)),
                    ("anonymous_id", Cell::Text(&visitor)),
                    ("event_name", Cell::Text(name)),
                    ("event_category", Cell::Text(category)),
                    ("properties", Cell::Json(properties)),
                    ("timestamp", Cell::Time(start + at * SECOND)),
                ]);
            };
            event(
                "widget_loaded",
                0,
                &format!("{{\"load_time_ms\":{}}}", 100 + dice.next() % 900),
                &mut dice,
            );
            let mut at = 0;
            for _ in 0..count / 2 {
                at += 10;
                if dice.next().is_multiple_of(2) {
                    *counts.entry("message_sent").or_default() += 1;
                    *counts.entry("message_received").or_default() += 1;
                    event(
                        "message_sent",
                        at,
                        &format!("{{\"message_length\":{},\"has_attachment\":false}}", dice.next() % 200),
                        &mut dice,
                    );
                    let time = format!(
                        "{{\"response_time_ms\":{},\"message_length\":{}}}",
                        dice.next() % 5000,
                        dice.next() % 900
                    );
                    event("message_received", at + 2, &time, &mut dice);
                } else {
                    for _ in 0..2 {
                        let name = dice.pick(&names);
                        *counts.entry(name).or_default() += 1;
                        event(
                            name,
                            at,
                            "{\"button_id\":\"send_message\",\"button_text\":\"Send\"}",
                            &mut dice,
                        );
                    }
                }
            }
            let id = uuid::Uuid::from_u128(u128::from(dice.next()) << 64).to_string();
            let json = serde_json::to_string(&counts).unwrap();
            sessions.row(&[
                ("id", Cell::Text(&id)),
                ("chatbot_id", Cell::Text(bot)),
                ("session_id", Cell::Text(&session)),
                ("anonymous_id", Cell::Text(&visitor)),
                ("started_at", Cell::Time(start)),
                ("ended_at", Cell::Time(start + at * SECOND + 2 * SECOND)),
                ("duration_seconds", Cell::Int(at + 2)),
                ("event_counts", Cell::Json(&json)),
                ("is_bot", Cell::Bool(n.is_multiple_of(50))),
                ("had_conversation", Cell::Bool(counts.contains_key("message_sent"))),
                (
                    "landing_page",
                    Cell::Text(dice.pick(&[
                        "/",
                        "/pricing",
                        "/docs",
                        "/docs/start",
                        "/blog/a-long-title-of-a-post",
                    ])),
                ),
                (
                    "utm_source",
                    if dice.next().is_multiple_of(2) {
                        Cell::Null
                    } else {
                        Cell::Text(dice.pick(&["google", "facebook", "twitter"]))
                    },
                ),
                (
                    "referrer_domain",
                    Cell::Text(dice.pick(&["google.com", "facebook.com", "news.ycombinator.com", "t.co"])),
                ),
                ("channel", Cell::Text(dice.pick(&["Organic Search", "Paid Search", "Referral"]))),
                ("device_type", Cell::Text(dice.pick(&["desktop", "mobile", "tablet"]))),
                ("browser_name", Cell::Text(dice.pick(&["Chrome", "Safari", "Samsung Internet"]))),
                ("os_name", Cell::Text(dice.pick(&["Windows", "Android", "iOS"]))),
                ("country_code", Cell::Text(dice.pick(&["DE", "FR", "US"]))),
                ("city", Cell::Text(dice.pick(&["Bonn", "Paris", "San Francisco, California"]))),
            ]);
        }
        for bot in &bots {
            stats.row(&[
                ("chatbot_id", Cell::Text(bot)),
                ("stat_date", Cell::Date(day)),
                ("total_sessions", Cell::Int(SESSIONS as i64 / 5)),
                ("bot_sessions", Cell::Int(2)),
                ("unique_visitors", Cell::Int(1000)),
                ("new_visitors", Cell::Int(500)),
            ]);
        }
        sessions.write(dir, day);
        events.write(dir, day);
    }
    stats.write(dir, first().month_start());
    let mut seen = Builder::new(columns::Table::Visitors);
    for (id, time) in &visitors {
        let hash = crate::event::key_hash(bots[0], crate::event::KeyKind::Anonymous, id);
        seen.row(&[
            ("hash_high", Cell::Int((hash >> 64) as i64)),
            ("hash_low", Cell::Int(hash as i64)),
            ("chatbot_id", Cell::Text(bots[0])),
            ("id_kind", Cell::Text("anonymous")),
            ("visitor_id", Cell::Text(id)),
            ("first_seen_at", Cell::Time(*time)),
        ]);
    }
    seen.write(dir, first().month_start());
}

#[test]
#[ignore = "measures"]
fn speed_of_every_report() {
    let dir = std::env::temp_dir().join("wa-report-speed-2");
    if !dir.join("visitors").exists() {
        make(&dir);
    }
    let tables = Files { dir: dir.clone() };
    let kept = Kept { files: Files { dir }, reads: Default::default() };
    let query = Query::new(Window { from: first(), to: first().plus(DAYS - 1), today: first().plus(DAYS) });
    let only = std::env::var("WA_REPORT").ok();
    for kind in Kind::ALL.into_iter().filter(|kind| only.as_deref().is_none_or(|only| only == kind.name())) {
        let request = Request { limit: kind.default_limit(true), ..Request::new(kind, query.clone(), 0) };
        let best = |tables: &dyn Tables| {
            let time = |_| {
                let start = Instant::now();
                std::hint::black_box(run(tables, &request).unwrap());
                start.elapsed().as_micros() as f64 / 1e3
            };
            (0..9).map(time).fold(f64::MAX, f64::min)
        };
        // Both cores may be busy with other work, which the processor's time leaves out.
        let work = |tables: &dyn Tables| {
            let start = processor_ms();
            for _ in 0..20 {
                std::hint::black_box(run(tables, &request).unwrap());
            }
            (processor_ms() - start) / 20.0
        };
        if std::env::var("WA_KEPT").is_ok() {
            work(&kept);
            println!("{} {:.2} {:.2}", kind.name(), best(&kept), work(&kept));
            continue;
        }
        println!(
            "{:12} {:7.2} ms ({:.2} of work), without reading {:.2} ms ({:.2} of work)",
            kind.name(),
            best(&tables),
            work(&tables),
            best(&kept),
            work(&kept),
        );
    }
    if only.is_some() {
        return;
    }
    let read = |table, names: &[&str]| {
        let start = Instant::now();
        let frames = tables.read(table, Some(query.window.range()), names).unwrap();
        let rows: usize = frames.iter().map(DataFrame::height).sum();
        println!(
            "read {:?} {names:?}: {:.2} ms, {rows} rows",
            table,
            start.elapsed().as_micros() as f64 / 1e3
        );
    };
    use columns::Table::*;
    for _ in 0..2 {
        read(Sessions, &["chatbot_id", "anonymous_id", "user_id", "is_bot"]);
        read(Sessions, &["anonymous_id"]);
        read(Sessions, &["is_bot"]);
        read(Visitors, &["hash_high", "hash_low", "first_seen_at"]);
        read(DailyStats, &["stat_date", "total_sessions"]);
        read(Sessions, &["event_counts", "is_bot"]);
        read(Sessions, &["device_type", "browser_name", "os_name", "is_bot"]);
        read(
            Sessions,
            &["chatbot_id", "session_id", "anonymous_id", "user_id", "started_at", "ended_at", "is_bot"],
        );
        read(
            Events,
            &[
                "chatbot_id",
                "session_id",
                "anonymous_id",
                "user_id",
                "event_name",
                "event_category",
                "timestamp",
                "properties",
            ],
        );
        read(
            Events,
            &["chatbot_id", "session_id", "event_name", "event_category", "timestamp", "properties"],
        );
        read(Events, &["properties"]);
        read(Events, &["session_id"]);
        read(Events, &["anonymous_id"]);
    }
}
