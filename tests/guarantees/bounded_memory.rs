//! Guarantee 6, bounded memory: the peak memory does not grow with the input, for any input.
#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use super::support::fixtures::{self, wa};
use super::support::generated_logs;
use super::support::rng::Rng;

const NOW: &str = "2026-11-10T02:00:00Z";

/// The minimum memory budget, in MiB.
const BUDGET: u64 = 256;

/// Ingests a file into the store `store-of-FILE` with the minimum budget. Returns the exit status
/// and the peak memory in MiB.
pub fn ingest(folder: &Path, file: &str) -> (Option<i32>, u64) {
    run(folder, &["--store", &format!("store-of-{file}"), "--quiet", "ingest", file, "--memory", "256M"])
}

/// Runs a command and returns its exit status and its peak memory in MiB.
fn run(folder: &Path, arguments: &[&str]) -> (Option<i32>, u64) {
    let mut child =
        wa(folder, NOW).args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    loop {
        // The peak only grows, so the last value before the exit is close to the final one.
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok());
        peak = peak.max(kib.unwrap_or(0));
        if let Some(status) = child.try_wait().unwrap() {
            return (status.code(), peak / 1024);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Writes a gzip file that repeats a piece up to `bytes` uncompressed bytes.
fn gzip(path: &Path, piece: &[u8], bytes: usize) {
    let mut gzip = flate2::write::GzEncoder::new(
        BufWriter::new(File::create(path).unwrap()),
        flate2::Compression::fast(),
    );
    let block = piece.repeat(((1 << 20) / piece.len()).max(1));
    for _ in 0..bytes / block.len() {
        gzip.write_all(&block).unwrap();
    }
    gzip.finish().unwrap().flush().unwrap();
}

#[test]
fn bounded_memory_gzip_bomb_stays_within_budget() {
    let folder = fixtures::folder();
    // Lines with as many elements as the limit allows, and short lines next to a line over the
    // limit.
    let envelope = |element: &str| {
        format!("{{\"events\":[{}0]}}\n", element.repeat(((1 << 20) - 32) / element.len())).into_bytes()
    };
    let numbers = envelope("0,");
    let events = String::from_utf8(envelope("{\"event_name\":\"a\"},")).unwrap();
    let fields = "{\"chatbotId\":\"c\",\"userId\":\"u\",\"receivedAt\":1790000000,";
    let events =
        events.replacen('{', fields, 1).replacen(&",{\"event_name\":\"a\"}".repeat(8), "", 1).into_bytes();
    let short_and_overlong = [b"0\n".repeat(400_000), vec![b'a'; (1 << 20) + 1], b"\n".to_vec()].concat();
    // A line without an end, blank lines, and files whose lines are all rejected, which results in
    // status 4.
    for (name, piece, bytes, expected) in [
        ("line.gz", &b"a"[..], 1 << 30, 4),
        ("blank.gz", b"\n", 128 << 20, 0),
        ("rejected.gz", b"{}\n", 64 << 20, 4),
        ("numbers.gz", &numbers, 24 << 20, 4),
        ("events.gz", &events, 24 << 20, 0),
        ("overlong.gz", &short_and_overlong, 24 << 20, 4),
        ("no-utf8.gz", b"\xff\n", 24 << 20, 4),
        ("distinct.gz", b"", 16 << 20, 4),
    ] {
        let path = folder.path().join(name);
        if piece.is_empty() {
            let mut text = String::new();
            for n in 0..bytes / 10 {
                text.push_str(&format!("[{n:07}]\n"));
            }
            let mut gzip =
                flate2::write::GzEncoder::new(File::create(&path).unwrap(), flate2::Compression::fast());
            gzip.write_all(text.as_bytes()).unwrap();
            gzip.finish().unwrap();
        } else {
            gzip(&path, piece, bytes);
        }
        let (status, peak) = ingest(folder.path(), name);
        eprintln!("{name}: {peak} MiB");
        assert_eq!(status, Some(expected), "{name}");
        assert!(peak <= BUDGET, "{name} took {peak} MiB");
    }
}

#[test]
fn bounded_memory_does_not_grow_with_four_times_the_input() {
    let folder = fixtures::folder();
    let mut peaks = Vec::new();
    // A merge keeps the files of a partition in memory, which grow up to a maximum size. The
    // smaller input has two days and reaches this size; the larger input has eight days.
    for events in [400_000, 1_600_000] {
        generated_logs::write_logs_with_gaps(folder.path(), 1, events, 860_000);
        let name = format!("{events}.ndjson");
        fs::rename(folder.path().join("00.ndjson"), folder.path().join(&name)).unwrap();
        let (status, peak) = ingest(folder.path(), &name);
        assert_eq!(status, Some(0));
        fs::remove_file(folder.path().join(&name)).unwrap();
        eprintln!("{events} events: {peak} MiB");
        assert!(peak <= BUDGET, "{events} events took {peak} MiB");
        peaks.push(peak);
    }
    assert!(peaks[1] < peaks[0] + peaks[0] / 5 + 40, "{peaks:?} MiB");
}

#[test]
fn bounded_memory_thousands_of_small_files_stay_bounded() {
    let folder = fixtures::folder();
    let logs = folder.path().join("logs");
    fs::create_dir(&logs).unwrap();
    generated_logs::write_logs(&logs, 3000, 10);
    let (status, peak) = ingest(folder.path(), "logs");
    assert_eq!(status, Some(0));
    eprintln!("3000 files: {peak} MiB");
    // If each file retained its block buffer of 1 MiB, the peak would exceed the budget.
    assert!(peak <= BUDGET, "{peak} MiB");
}

#[test]
fn bounded_memory_merge_of_large_days_stays_within_budget() {
    let folder = fixtures::folder();
    // Two files have events of one day. Decoded as a whole, the events of one file take more than
    // the budget.
    let events = generated_logs::write_logs_with_gaps(folder.path(), 2, 400_000, 200_000);
    for number in [0, 1] {
        let (log, store) = (format!("{number:02}.ndjson"), format!("web-{number}"));
        fs::create_dir(folder.path().join(&store)).unwrap();
        fixtures::write_key(&folder.path().join(&store).join("key"));
        // With the default budget, the day is one file.
        let (status, _) = run(folder.path(), &["--store", &store, "--quiet", "ingest", &log]);
        assert_eq!(status, Some(0));
        fs::remove_file(folder.path().join(&log)).unwrap();
        let stored = wa::store::Store::new(folder.path().join(&store)).snapshot().unwrap();
        let files = stored.manifest().files(wa::store::columns::Table::Events);
        assert!(files.iter().any(|file| file.rows > 200_000), "{files:?}");
    }
    let (status, peak) =
        run(folder.path(), &["--store", "all", "--quiet", "merge", "web-0", "web-1", "--memory", "256M"]);
    assert_eq!(status, Some(0));
    eprintln!("merge of {events} events: {peak} MiB");
    // A row group that is decoded as a whole would take 90 MiB more.
    assert!(peak <= BUDGET, "{peak} MiB");
    let merged = wa::store::Store::new(folder.path().join("all")).snapshot().unwrap();
    let rows = merged.manifest().files(wa::store::columns::Table::Events).iter().map(|file| file.rows);
    assert_eq!(rows.sum::<u64>(), events);
}

#[test]
fn bounded_memory_shuffled_log_stays_within_budget() {
    // Every batch changes every day and most stored sessions.
    check_shuffled(30);
}

#[test]
fn bounded_memory_shuffled_day_stays_within_budget() {
    // The events of a day do not fit into a batch.
    check_shuffled(1);
}

/// Checks the peak memory and the result for a shuffled log of several days.
fn check_shuffled(days: u64) {
    let folder = fixtures::folder();
    let mut rng = Rng(7);
    let mut lines: Vec<(u64, String)> = Vec::new();
    for session in 0..45_000u64 {
        let mut time = 1_791_000_000_000_000 + rng.below(days * 86_400_000_000);
        for event in 0..=rng.below(8) {
            time += rng.below(300_000_000);
            let line = format!(
                "{{\"event_id\":\"{session}-{event}\",\"chatbot_id\":\"c{}\",\"session_id\":\"session-{session}\",\
                 \"anonymous_id\":\"visitor-{}\",\"event_name\":\"message_sent\",\"timestamp\":{time},\
                 \"page_url\":\"https://shop.example.com/{}\",\"properties\":{{\"text\":\"{:0300}\"}}}}\n",
                session % 3,
                session / 2,
                rng.below(5000),
                rng.below(1 << 60),
            );
            lines.push((rng.below(1 << 60), line));
        }
    }
    lines.sort_unstable();
    let text: String = lines.iter().map(|(_, line)| line.as_str()).collect();
    fs::write(folder.path().join("shuffled.ndjson"), text).unwrap();
    let (status, peak) = ingest(folder.path(), "shuffled.ndjson");
    assert_eq!(status, Some(0));
    eprintln!("{} shuffled events: {peak} MiB", lines.len());
    assert!(peak <= BUDGET, "{peak} MiB");
    let store = wa::store::Store::new(folder.path().join("store-of-shuffled.ndjson"));
    let stored = store.snapshot().unwrap();
    let rows = stored.manifest().files(wa::store::columns::Table::Events).iter().map(|file| file.rows);
    assert_eq!(rows.sum::<u64>(), lines.len() as u64);
}

/// Appends an envelope of small events that inherit fields.
fn write_envelope(path: &Path, fields: &str, events: usize, event: impl Fn(usize) -> String) {
    let events: Vec<String> = (0..events).map(event).collect();
    let line = format!(
        "{{\"chatbot_id\":\"c\",\"received_at\":\"2026-11-09T00:00:00Z\"{fields},\"events\":[{}]}}\n",
        events.join(",")
    );
    let mut file = File::options().create(true).append(true).open(path).unwrap();
    file.write_all(line.as_bytes()).unwrap();
}

#[test]
fn bounded_memory_long_inherited_text_is_stored() {
    // Repeated for each event, the text would be 2.3 GB, which exceeds a Parquet page.
    let folder = fixtures::folder();
    let path = folder.path().join("texts.ndjson");
    let long = format!(",\"session_id\":\"S\",\"user_metadata\":{{\"a\":\"{}\"}}", "x".repeat(420_000));
    write_envelope(&path, &long, 5500, |n| format!("{{\"event_name\":\"a{}\"}}", n % 7));
    for part in ["p", "q"] {
        let short =
            |n: usize| format!("{{\"event_name\":\"a\",\"user_metadata\":{{\"k\":\"{part}{n:05}\"}}}}");
        write_envelope(&path, ",\"session_id\":\"S\"", 9000, short);
    }
    let (status, peak) = ingest(folder.path(), "texts.ndjson");
    assert_eq!(status, Some(0));
    eprintln!("long inherited strings: {peak} MiB");
    assert!(peak <= BUDGET, "{peak} MiB");
    let store = wa::store::Store::new(folder.path().join("store-of-texts.ndjson"));
    let stored = store.snapshot().unwrap();
    let rows = stored.manifest().files(wa::store::columns::Table::Events).iter().map(|file| file.rows);
    assert_eq!(rows.sum::<u64>(), 5500 + 2 * 9000);
}

#[test]
fn bounded_memory_commands_on_shared_titles_stay_bounded() {
    // Repeated for each event, the titles would be 4 GB.
    let folder = fixtures::folder();
    // Files of different sizes, so that gc merges some of them.
    for (number, events) in [8000, 1000, 250, 60].into_iter().enumerate() {
        let name = format!("{number}.ndjson");
        let title = format!(",\"page_title\":\"{}\"", number.to_string().repeat(450_000));
        write_envelope(&folder.path().join(&name), &title, events, |n| {
            format!("{{\"event_name\":\"a\",\"session_id\":\"s{}\"}}", n % 8)
        });
        let (status, _) = run(folder.path(), &["ingest", &name]);
        assert_eq!(status, Some(0));
    }
    for arguments in [
        &["verify"][..],
        &["rebuild"],
        &["gc"],
        &["verify"],
        &["report", "sessions", "--days", "3"],
        &["report", "performance", "--days", "3"],
        &["events", "--limit", "5"],
        &["export", "--session-id", "s3"],
        &["forget", "--session-id", "s3"],
        &["verify"],
    ] {
        let (status, peak) = run(folder.path(), arguments);
        assert_eq!(status, Some(0), "{arguments:?}");
        eprintln!("{}: {peak} MiB", arguments[0]);
        assert!(peak <= BUDGET, "{arguments:?} took {peak} MiB");
    }
}

#[test]
fn bounded_memory_commands_on_shared_profiles_stay_bounded() {
    // Repeated for each session, the profiles would be 2.5 GB.
    let folder = fixtures::folder();
    let profile = format!(",\"user_metadata\":{{\"a\":\"{}\"}}", "x".repeat(420_000));
    write_envelope(&folder.path().join("a.ndjson"), &profile, 6000, |n| {
        format!("{{\"event_name\":\"a\",\"session_id\":\"s{n}\"}}")
    });
    for arguments in [
        &["ingest", "a.ndjson"][..],
        &["verify"],
        &["rebuild"],
        &["report", "sessions", "--days", "3", "--limit", "1"],
        &["forget", "--user", "nobody"],
    ] {
        let (status, peak) = run(folder.path(), arguments);
        assert_eq!(status, Some(0), "{arguments:?}");
        eprintln!("{}: {peak} MiB", arguments[0]);
        assert!(peak <= BUDGET, "{arguments:?} took {peak} MiB");
    }
}

#[test]
fn bounded_memory_huge_values_of_maps_stay_within_budget() {
    let folder = fixtures::folder();
    // A list on one line, objects without line feeds, and fields over the limit of a record.
    let event = |n: usize| {
        format!(
            "{{\"event_name\":\"a\",\"chatbot_id\":\"c\",\"session_id\":{n},\"timestamp\":{},\"x\":\"{}\"}}",
            1_790_000_000 + n,
            "x".repeat(2000)
        )
    };
    let events: Vec<String> = (0..20_000).map(event).collect();
    fs::write(folder.path().join("list.json"), format!("[{}]\n", events.join(","))).unwrap();
    fs::write(folder.path().join("joined.json"), events.concat()).unwrap();
    let long = "x".repeat(40 << 20);
    let rows = format!("event_name,session_id,timestamp,x\na,s,1790000000,y\na,s,1790000001,\"{long}\"\n");
    fs::write(folder.path().join("field.csv"), format!("{rows}a,s,1790000002,z\n")).unwrap();
    // 8,388,608 lines in one field.
    let lines = "abcd\n".repeat((40 << 20) / 5);
    let rows = rows.replace(&long, &lines);
    fs::write(folder.path().join("lines.csv"), format!("{rows}a,s,1790000002,z\n")).unwrap();
    fs::write(folder.path().join("open.csv"), rows.replace("\"\n", "\n")).unwrap();
    fs::write(folder.path().join("text.json"), format!("{{\"x\":\"{long}\"}}\n{}\n", event(1))).unwrap();
    let columns = "event_name = '/event_name'\nsession_id = '/session_id'\ntimestamp = '/timestamp'\n";
    for reader in ["csv", "json"] {
        let map = format!("reader = '{reader}'\n[event]\n{columns}");
        fs::write(folder.path().join(format!("{reader}.toml")), map).unwrap();
    }
    let both = format!("reader = ['csv', 'json']\n[event]\n{columns}");
    fs::write(folder.path().join("both.toml"), both).unwrap();
    for (file, map, stored, rejected) in [
        ("list.json", "json", 20_000, 0),
        ("joined.json", "json", 20_000, 0),
        ("field.csv", "csv", 2, 1),
        ("lines.csv", "csv", 2, 1),
        ("open.csv", "csv", 1, 1),
        ("text.json", "json", 1, 1),
        ("text.json", "both", 1, 1),
    ] {
        let (store, map) = (format!("store-of-{file}-{map}"), format!("{map}.toml"));
        let mut ingest = vec!["--store", &store, "--quiet", "ingest", file, "--memory", "256M"];
        ingest.extend(["--chatbot", "c", "--map", &map]);
        let (status, peak) = run(folder.path(), &ingest);
        eprintln!("{file}: {peak} MiB");
        assert_eq!(status, Some(0), "{file}");
        assert!(peak <= BUDGET, "{file} took {peak} MiB");
        let report = wa(folder.path(), NOW)
            .args(["--store", &store, "report", "events", "--as-of", "latest", "--format", "json"])
            .output()
            .unwrap();
        let report: serde_json::Value = serde_json::from_slice(&report.stdout).unwrap();
        assert_eq!(report["events"][0]["event_count"], stored, "{file}");
        let rejects =
            wa(folder.path(), NOW).args(["--store", &store, "rejects", "--format", "json"]).output().unwrap();
        let rejects: serde_json::Value = serde_json::from_slice(&rejects.stdout).unwrap();
        let lines = rejects["rejects"].as_array().unwrap();
        assert_eq!(lines.len(), rejected, "{file}");
        assert!(lines.iter().all(|line| line["reason"] == "line_too_long"), "{file}: {rejects}");
    }
}

#[test]
fn bounded_memory_breakdown_by_many_values_stays_bounded() {
    const VALUES: usize = 20_000;
    let folder = fixtures::folder();
    let mut log = BufWriter::new(File::create(folder.path().join("values.ndjson")).unwrap());
    for n in 0..2 * VALUES {
        let (value, name) = (n / 2, ["message_sent", "message_received"][n % 2]);
        writeln!(
            log,
            "{{\"chatbot_id\":\"c\",\"session_id\":\"s{value}\",\"event_name\":\"{name}\",\
             \"timestamp\":{},\"properties\":{{\"k\":\"k{value}\"}}}}",
            1_794_100_000 + value as i64 * 8 + n as i64 % 2 * 3
        )
        .unwrap();
    }
    log.flush().unwrap();
    assert_eq!(ingest(folder.path(), "values.ndjson").0, Some(0));
    // JSON and CSV of a heatmap have 168 cells for each value.
    for report in ["heatmap csv", "heatmap json", "funnel json", "conversations csv", "paths json"] {
        let (name, format) = report.split_once(' ').unwrap();
        let mut arguments = vec!["--store", "store-of-values.ndjson", "report", name, "--format", format];
        arguments.extend(["--by", "properties.k", "--limit", "all", "--days", "7"]);
        let (status, peak) = run(folder.path(), &arguments);
        eprintln!("{report}: {peak} MiB");
        assert_eq!(status, Some(0), "{report}");
        assert!(peak <= BUDGET, "{report} took {peak} MiB");
    }
}

/// A small gzip file inside a record can hold a thousand times its size.
#[test]
fn bounded_memory_wrapped_gzip_bomb_stays_within_budget() {
    use base64::Engine;
    let folder = fixtures::folder();
    let zipped = |text: &[u8]| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        gzip.write_all(text).unwrap();
        base64::engine::general_purpose::STANDARD.encode(gzip.finish().unwrap())
    };
    let record = |data: &str| format!("{{\"awslogs\":{{\"data\":\"{data}\"}}}}\n");
    let message = |events: &str, owner: &str| {
        format!("{{\"messageType\":\"DATA_MESSAGE\",\"logEvents\":[{events}],\"owner\":\"{owner}\"}}")
    };
    let event = "{\\\"event_name\\\":\\\"a\\\",\\\"session_id\\\":1,\\\"timestamp\\\":1790000000}";
    let event = format!("{{\"id\":\"1\",\"timestamp\":1790000000000,\"message\":\"{event}\"}}");
    let good = record(&zipped(message(&event, "o").as_bytes()));
    let bomb = record(&zipped(message("", &"x".repeat(15_000_000)).as_bytes()));
    // Bombs within a record that is itself highly compressed.
    let nested = record(&zipped(bomb.repeat(200).as_bytes()));
    fs::write(folder.path().join("bombs.ndjson"), good + &bomb.repeat(200) + &nested).unwrap();
    let (status, peak) =
        run(folder.path(), &["--quiet", "ingest", "bombs.ndjson", "--memory", "256M", "--chatbot", "c"]);
    eprintln!("{peak} MiB");
    assert_eq!(status, Some(0));
    assert!(peak <= BUDGET, "{peak} MiB");
    let rejects = wa(folder.path(), NOW).args(["rejects", "--format", "json"]).output().unwrap();
    let rejects: serde_json::Value = serde_json::from_slice(&rejects.stdout).unwrap();
    // Equal lines are stored once.
    assert_eq!(rejects["reasons"], serde_json::json!({"bad_wrapping": 2}));
    let (_, peak) = run(folder.path(), &["preview", "bombs.ndjson"]);
    assert!(peak <= BUDGET, "preview took {peak} MiB");
}
