//! Guarantee 6, bounded memory: peak memory does not grow with the input, however it is made.
#![cfg(target_os = "linux")]

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use super::disk::Chance;
use super::place::{self, wa};

const NOW: &str = "2026-11-10T02:00:00Z";

/// The least budget there is, in MiB.
const BUDGET: u64 = 256;

/// Runs an ingest and returns its exit status and its peak memory in MiB.
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
        // The peak only grows: the last look before the end is close to it.
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

/// Writes a gzip file of a piece repeated until it has so many bytes unpacked.
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
fn bounded_memory_a_gzip_bomb_takes_no_more_than_a_batch() {
    let folder = place::folder();
    // A line of as many elements as there can be, and lines of as few bytes beside one over the limit.
    let envelope = |element: &str| {
        format!("{{\"events\":[{}0]}}\n", element.repeat(((1 << 20) - 32) / element.len())).into_bytes()
    };
    let numbers = envelope("0,");
    let events = String::from_utf8(envelope("{\"event_name\":\"a\"},")).unwrap();
    let fields = "{\"chatbotId\":\"c\",\"userId\":\"u\",\"receivedAt\":1790000000,";
    let events =
        events.replacen('{', fields, 1).replacen(&",{\"event_name\":\"a\"}".repeat(8), "", 1).into_bytes();
    let beside = [b"0\n".repeat(400_000), vec![b'a'; (1 << 20) + 1], b"\n".to_vec()].concat();
    // One line without an end, lines without content, and lines that are all refused.
    for (name, piece, bytes) in [
        ("line.gz", &b"a"[..], 1 << 30),
        ("blank.gz", b"\n", 128 << 20),
        ("refused.gz", b"{}\n", 64 << 20),
        ("numbers.gz", &numbers, 24 << 20),
        ("events.gz", &events, 24 << 20),
        ("beside.gz", &beside, 24 << 20),
        ("no-utf8.gz", b"\xff\n", 24 << 20),
        ("distinct.gz", b"", 16 << 20),
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
        assert_eq!(status, Some(0), "{name}");
        assert!(peak <= BUDGET, "{name} took {peak} MiB");
    }
}

#[test]
fn bounded_memory_four_times_the_input_takes_no_more() {
    let folder = place::folder();
    let mut peaks = Vec::new();
    // Files of a partition grow up to a size, and with them what a merge holds: the smaller input is
    // one that reaches it. Two days and eight.
    for events in [400_000, 1_600_000] {
        super::kill::write_logs_with_gaps(folder.path(), 1, events, 860_000);
        let name = format!("{events}.ndjson");
        fs::rename(folder.path().join("00.ndjson"), folder.path().join(&name)).unwrap();
        let (status, peak) = ingest(folder.path(), &name);
        assert_eq!(status, Some(0));
        fs::remove_file(folder.path().join(&name)).unwrap();
        assert!(peak <= BUDGET, "{events} events took {peak} MiB");
        peaks.push(peak);
    }
    assert!(peaks[1] < peaks[0] + peaks[0] / 5 + 40, "{peaks:?} MiB");
}

#[test]
fn bounded_memory_thousands_of_small_files_take_no_more_than_one_of_their_size() {
    let folder = place::folder();
    let logs = folder.path().join("logs");
    fs::create_dir(&logs).unwrap();
    super::kill::write_logs(&logs, 3000, 10);
    let (status, peak) = ingest(folder.path(), "logs");
    assert_eq!(status, Some(0));
    // Each held a block's room of its own: a mebibyte a file.
    assert!(peak <= BUDGET, "{peak} MiB");
}

/// Every batch then touches every day, and most of the sessions that are stored.
#[test]
fn bounded_memory_a_shuffled_log_keeps_within_the_budget_too() {
    let folder = place::folder();
    let mut chance = Chance(7);
    let mut lines: Vec<(u64, String)> = Vec::new();
    for session in 0..45_000u64 {
        let mut time = 1_791_000_000_000_000 + chance.below(30 * 86_400_000_000);
        for event in 0..=chance.below(8) {
            time += chance.below(300_000_000);
            let line = format!(
                "{{\"event_id\":\"{session}-{event}\",\"chatbot_id\":\"c{}\",\"session_id\":\"session-{session}\",\
                 \"anonymous_id\":\"visitor-{}\",\"event_name\":\"message_sent\",\"timestamp\":{time},\
                 \"page_url\":\"https://shop.example.com/{}\",\"properties\":{{\"text\":\"{:0300}\"}}}}\n",
                session % 3,
                session / 2,
                chance.below(5000),
                chance.below(1 << 60),
            );
            lines.push((chance.below(1 << 60), line));
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

/// Writes an envelope of so many small events, with fields that all of them have.
fn write_envelope(path: &Path, fields: &str, events: usize, event: impl Fn(usize) -> String) {
    let events: Vec<String> = (0..events).map(event).collect();
    let line = format!(
        "{{\"chatbot_id\":\"c\",\"received_at\":\"2026-11-09T00:00:00Z\"{fields},\"events\":[{}]}}\n",
        events.join(",")
    );
    let mut file = File::options().create(true).append(true).open(path).unwrap();
    file.write_all(line.as_bytes()).unwrap();
}

/// Written out for each event, the text would be 2.3 GB: more than a page of Parquet can hold.
#[test]
fn bounded_memory_a_long_text_of_thousands_of_events_beside_many_short_ones_is_stored() {
    let folder = place::folder();
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
    assert!(peak <= BUDGET, "{peak} MiB");
    let store = wa::store::Store::new(folder.path().join("store-of-texts.ndjson"));
    let stored = store.snapshot().unwrap();
    let rows = stored.manifest().files(wa::store::columns::Table::Events).iter().map(|file| file.rows);
    assert_eq!(rows.sum::<u64>(), 5500 + 2 * 9000);
}

/// Written out for each event, the titles would be 4 GB.
#[test]
fn bounded_memory_a_store_of_long_texts_that_thousands_of_events_share_is_read_and_written_again() {
    let folder = place::folder();
    // Files that are not of one size, so that gc finds some to merge.
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
        assert!(peak <= BUDGET, "{arguments:?} took {peak} MiB");
    }
}

/// Written out for each session, the profiles would be 2.5 GB.
#[test]
fn bounded_memory_sessions_that_share_a_long_profile_are_checked_and_shown() {
    let folder = place::folder();
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
        assert!(peak <= BUDGET, "{arguments:?} took {peak} MiB");
    }
}
