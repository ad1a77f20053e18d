//! Random logs and their distribution over files and ingest runs. The logs have few session keys,
//! gaps near the timeout, equal times, lines with and without ids, visitors on two chatbots, and
//! sessions past midnight.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;

use serde_json::{Map, Value, json};
use wa::time::Micros;

use super::reference_model::AGENTS;
use super::rng::Rng;

/// The random bytes that determine an event, and the file and run of its line.
pub type Seed = [u8; 14];

/// The current time of the tests, long after all events.
pub const NOW: Micros = 1_798_761_600_000_000; // 2027-01-01T00:00:00Z

/// The start times of logs: on the night of a clock change, at the end of a month, and at the end
/// of a year.
const START_TIMES: [Micros; 3] = [1_792_877_400_000_000, 1_793_485_800_000_000, 1_767_220_200_000_000];

/// The maximum duration of a log.
const MAX_DURATION: Micros = 50 * 24 * 3_600_000_000;

const NAMES: [&str; 12] = [
    "widget_loaded",
    "widget_opened",
    "message_sent",
    "message_received",
    "message_sent",
    "widget_minimized",
    "page_viewed",
    "page_view",
    "widget_error",
    "custom_thing",
    "pre_chat_form_submitted",
    "api_error",
];

/// Lines that are blank or rejected.
const INVALID_LINES: [&str; 5] =
    ["not json", r#"{"a":1}"#, "[1]", "", r#"{"event_name":"x","chatbot_id":"c0","session_id":"s0"}"#];

/// Returns the lines of a log, ordered by time within each session key.
pub fn lines(seeds: &[Seed], start: u8, timeout: Micros) -> Vec<String> {
    let start = START_TIMES[usize::from(start) % START_TIMES.len()];
    let mut clocks: BTreeMap<u8, Micros> = BTreeMap::new();
    let line = |(number, seed): (usize, &Seed)| {
        let key = seed[0] % 8;
        let clock = clocks.entry(key).or_insert(start);
        let step = match seed[1] % 12 {
            0 | 1 => 0,
            2 => 1,
            3 => timeout - 1,
            4 | 5 => timeout,
            6 | 7 => timeout + 1,
            8 => 5_000_000,
            9 => 2 * timeout,
            10 => 3_600_000_000,
            _ => 26 * 3_600_000_000,
        };
        // With a long timeout, the log would otherwise extend into the future.
        *clock = (*clock + step).min(start + MAX_DURATION);
        line(number, seed, key, *clock)
    };
    seeds.iter().enumerate().map(line).collect()
}

/// Returns a line with an event, or with an envelope of two events, of one of eight session keys.
/// The page title contains the number of the line.
pub fn line(number: usize, seed: &Seed, key: u8, time: Micros) -> String {
    let [_, _, name, variant, source, agent, user, location, form, id, ..] = *seed;
    let mut event = Map::new();
    let mut put = |name: &str, value: Value| event.insert(name.to_owned(), value);
    let agent_text = AGENTS[usize::from(agent) % AGENTS.len()].text;
    match key {
        0..=2 => {
            put("chatbot_id", ["c0", "c0", "c1"][usize::from(key)].into());
            put("session_id", ["s0", "s1", "s0"][usize::from(key)].into());
            if variant % 2 == 0 {
                put("anonymous_id", "a0".into());
            }
        }
        3 => {
            put("chatbot_id", "c0".into());
            put("session_id", 7.into());
        }
        4 => {
            put("chatbot_id", "c0".into());
            put("anonymous_id", "a1".into());
        }
        5 => {
            put("chatbot_id", "c0".into());
            put("user_id", "u0".into());
        }
        6 => {
            put("chatbot_id", "c1".into());
            put("ip_address", ["192.0.2.1", "192.0.2.2"][usize::from(location % 2)].into());
            put("user_agent", agent_text.into());
        }
        _ => {
            put("chatbot_id", "c1".into());
            put("session_id", "s3".into());
            put("anonymous_id", ["a0", "a2"][usize::from(variant % 2)].into());
        }
    }
    if key != 6 {
        if user % 4 == 0 && key != 4 {
            put("user_id", ["u0", "u1"][usize::from(user / 4 % 2)].into());
        }
        if agent >= 128 {
            put("user_agent", agent_text.into());
        }
        if location < 60 {
            put("ip_address", ["192.0.2.7", "2001:db8::7"][usize::from(location % 2)].into());
        }
    }
    match user % 7 {
        0 => drop(put("user_email", "ann@example.org".into())),
        1 => {
            put("user_name", "Bob".into());
            put("user_metadata", json!({"plan": "pro", "seat": user}));
        }
        _ => {}
    }
    if (60..90).contains(&location) {
        put("country_code", "DE".into());
        put("city", if location % 2 == 0 { "Köln".into() } else { "".into() });
    }
    match location % 9 {
        0 => drop(put("screen_width", 1920.into())),
        1 => {
            put("screen_width", 390.into());
            put("screen_height", 844.into());
        }
        _ => {}
    }
    match source % 10 {
        0 => drop(put("referrer", "https://www.google.com/search?q=widgets".into())),
        1 => drop(put("referrer", "https://news.example.org/story".into())),
        2 => {
            put("referrer", "https://shop.example.com/cart".into());
            put("page_url", "https://shop.example.com/pricing?x=1#top".into());
        }
        3 => {
            put("utm_source", "newsletter".into());
            put("utm_medium", "email".into());
            put("utm_campaign", "spring".into());
        }
        4 => {
            let url = "https://shop.example.com/?utm_source=google&utm_medium=cpc";
            put("page_url", url.into());
        }
        5 => drop(put("referrer", "https://www.facebook.com/".into())),
        6 => drop(put("page_url", "https://shop.example.com".into())),
        7 => drop(put("landing_page", "/start".into())),
        _ => {}
    }
    if source >= 230 {
        put("shoe_size", 44.into());
    }
    // The parser handles text with escapes on another path.
    put(
        "page_title",
        if source % 3 == 0 { format!("n{number} \"é\"").into() } else { format!("n{number}").into() },
    );
    match id % 5 {
        0 | 1 => {}
        2 => drop(put("event_id", format!("00000000-0000-4000-8000-{number:012x}").into())),
        3 => drop(put("id", format!("E-{number}").into())),
        _ => drop(put("event_id", number.into())),
    }
    let name = NAMES[usize::from(name) % NAMES.len()];
    let properties = match name {
        "message_received" => match variant % 6 {
            0 => json!({"response_time_ms": 250}),
            1 => json!({"response_time_ms": 1234.567}),
            2 => json!({"response_time_ms": -5}),
            3 => json!({"response_time_ms": 0.5, "model": "x"}),
            4 => json!({"response_time_ms": 3_000_000}),
            _ => json!({}),
        },
        "widget_opened" if variant % 3 == 0 => {
            json!({"triggered_by": if variant % 2 == 0 { "button" } else { "auto" }})
        }
        _ => json!({"n": variant}),
    };
    match form % 16 {
        12 => drop(put("type", "session".into())),
        13 => drop(put("type", "identify".into())),
        _ => {
            put("event_name", name.into());
            put("properties", properties);
        }
    }
    let utc = |time: Micros| chrono::DateTime::from_timestamp_micros(time).unwrap();
    match form % 6 {
        0 | 1 => put("timestamp", utc(time).format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string().into()),
        2 => {
            let there = utc(time).with_timezone(&chrono::FixedOffset::east_opt(7200).unwrap());
            put("timestamp", there.format("%Y-%m-%dT%H:%M:%S%.6f+02:00").to_string().into())
        }
        3 => put("timestamp", time.into()),
        4 => put("timestamp", utc(time).format("%Y-%m-%d %H:%M:%S%.6f").to_string().into()),
        _ => {
            put("client_timestamp", (time - 90_000_000).into());
            put("sent_at", (time - 80_000_000).into());
            put("received_at", (time + 10_000_000).into())
        }
    };
    match form % 16 {
        14 => camel_case(event),
        15 => envelope(event, number),
        _ => Value::Object(event).to_string(),
    }
}

/// Returns an event with the names of its fields in camelCase.
fn camel_case(event: Map<String, Value>) -> String {
    let rename = |name: String| {
        let mut words = name.split('_');
        let first = words.next().unwrap().to_owned();
        words.fold(first, |text, word| text + &word[..1].to_uppercase() + &word[1..])
    };
    Value::Object(event.into_iter().map(|(name, value)| (rename(name), value)).collect()).to_string()
}

/// Returns an envelope of the event and a second event with fewer fields.
fn envelope(mut event: Map<String, Value>, number: usize) -> String {
    let mut first = Map::new();
    for name in ["event_id", "id", "event_name", "properties", "timestamp", "client_timestamp", "page_title"]
    {
        first.extend(event.remove_entry(name));
    }
    let mut second = json!({"event_name": "message_sent", "page_title": format!("n{number}b")});
    for name in ["timestamp", "client_timestamp"] {
        if let Some(time) = first.get(name) {
            second[name] = time.clone();
        }
    }
    event.insert("events".into(), json!([first, second]));
    Value::Object(event).to_string()
}

/// An ingest run: its options, its files, and the maintenance after it.
#[derive(Clone, Debug)]
pub struct Run {
    pub files: Vec<LogFile>,
    pub batch_bytes: usize,
    pub batches_per_commit: usize,
    pub force: bool,
    pub atomic: bool,
    pub whole_folder: bool,
    pub gc: bool,
    pub rebuild: bool,
}

/// The state of a log file at one run.
#[derive(Clone, Debug)]
pub struct LogFile {
    pub name: String,
    pub lines: Vec<String>,
    /// The start of a last line that is still being written.
    pub unfinished: String,
    /// Whether the complete last line lacks a line feed.
    pub no_newline: bool,
}

impl LogFile {
    /// Returns the contents, compressed as the extension of the name indicates.
    pub fn bytes(&self) -> Vec<u8> {
        let mut text = String::new();
        for line in &self.lines {
            text.push_str(line);
            text.push('\n');
        }
        // Without a line feed, a line counts as complete only if it is complete JSON.
        let is_complete = self.lines.last().is_some_and(|line| serde_json::from_str::<Value>(line).is_ok());
        if self.no_newline && is_complete && self.unfinished.is_empty() {
            text.pop();
        }
        text.push_str(&self.unfinished);
        if self.name.ends_with(".gz") {
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            gzip.write_all(text.as_bytes()).unwrap();
            gzip.finish().unwrap()
        } else if self.name.ends_with(".zst") {
            zstd::encode_all(text.as_bytes(), 1).unwrap()
        } else {
            text.into_bytes()
        }
    }
}

/// Distributes lines to the files of runs. Some lines go to two files.
pub fn distribute(lines: &[String], seeds: &[Seed], runs: &[[u8; 6]]) -> Vec<Run> {
    const FILES: usize = 3;
    let slots = runs.len() * FILES;
    let mut slot_lines: Vec<Vec<(u8, &str)>> = vec![Vec::new(); slots];
    for (line, seed) in lines.iter().zip(seeds) {
        let [.., first_slot, copies, other, order] = *seed;
        let slot = usize::from(first_slot) % slots;
        slot_lines[slot].push((order, line));
        match copies {
            0..20 => slot_lines[slot].push((order.wrapping_mul(7), line)),
            20..90 => slot_lines[usize::from(other) % slots].push((other, line)),
            90..100 => {
                slot_lines[slot].push((other, INVALID_LINES[usize::from(other) % INVALID_LINES.len()]))
            }
            _ => {}
        }
    }
    let mut growing: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    let mut result = Vec::new();
    for (number, run) in runs.iter().enumerate() {
        let mut files = Vec::new();
        for file in 0..FILES {
            let slot = &mut slot_lines[number * FILES + file];
            slot.sort_by_key(|(order, _)| *order);
            let mut lines: Vec<String> = slot.iter().map(|(_, line)| (*line).to_owned()).collect();
            if run[0] >> file & 1 == 1 {
                // A file that has grown since an earlier run.
                let all_lines = growing.entry(file).or_default();
                all_lines.append(&mut lines);
                let mut lines = all_lines.clone();
                let mut unfinished = String::new();
                if run[1] >> file & 1 == 1 && lines.last().is_some_and(|line| line.starts_with('{')) {
                    unfinished = lines.pop().unwrap_or_default();
                    // Cut at a character boundary. Other tests cut within characters.
                    let at = (1..unfinished.len() / 2)
                        .rev()
                        .find(|at| unfinished.is_char_boundary(*at))
                        .unwrap_or(1);
                    unfinished.truncate(at);
                }
                files.push(LogFile {
                    name: format!("grows-{file}.ndjson"),
                    lines,
                    unfinished,
                    no_newline: false,
                });
            } else {
                let ending =
                    ["ndjson", "ndjson", "ndjson.gz", "ndjson.zst"][usize::from(run[2] >> (2 * file) & 3)];
                let name = format!("run-{number}-{file}.{ending}");
                files.push(LogFile {
                    name,
                    lines,
                    unfinished: String::new(),
                    no_newline: run[3] >> file & 1 == 1,
                });
            }
        }
        result.push(Run {
            files,
            batch_bytes: [1, 3000, 20_000, 1 << 30][usize::from(run[4] & 3)],
            batches_per_commit: [1, 1, 1, 3][usize::from(run[5] >> 6)],
            force: run[4] & 4 != 0,
            atomic: run[4] & 56 == 0,
            whole_folder: run[5] & 3 == 0,
            gc: run[5] & 12 == 0,
            rebuild: run[5] & 48 == 0,
        });
    }
    result
}

/// Writes events of 40 visitors to numbered files (`00.ndjson`, …). Sessions continue from file to
/// file, and some gaps exceed the session timeout. Returns the number of events.
pub fn write_logs(folder: &Path, files: usize, events: usize) -> u64 {
    write_logs_with_gaps(folder, files, events, 20_000_000)
}

/// Writes files like [`write_logs`], with less than `gap` microseconds between successive events.
pub fn write_logs_with_gaps(folder: &Path, files: usize, events: usize, gap: u64) -> u64 {
    let mut rng = Rng(42);
    let mut time = 1_793_404_800_000_000_i64; // 2026-10-31T00:00:00Z
    for number in 0..files {
        let mut text = String::new();
        for event in 0..events {
            time += rng.below(gap) as i64;
            let visitor = rng.below(40);
            let name = ["widget_opened", "message_sent", "message_received"][rng.below(3) as usize];
            // One line in five has no id.
            let id = match rng.below(5) {
                0 => String::new(),
                _ => format!("\"event_id\":\"{number}-{event}\","),
            };
            text.push_str(&format!(
                "{{{id}\"chatbot_id\":\"c{}\",\"session_id\":\"s{visitor}\",\"anonymous_id\":\"a{visitor}\",\
                 \"event_name\":\"{name}\",\"timestamp\":{time},\"page_title\":\"{number}-{event}\",\
                 \"page_url\":\"https://shop.example.com/{}\"}}\n",
                visitor % 2,
                rng.below(50),
            ));
        }
        fs::write(folder.join(format!("{number:02}.ndjson")), text).unwrap();
    }
    (files * events) as u64
}
