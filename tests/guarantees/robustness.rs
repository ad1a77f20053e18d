//! Guarantee 7, robustness: no input makes an ingest panic, hang or lose another line.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use proptest::prelude::*;
use wa::ingest::IngestReport;
use wa::store::columns::Table;

use super::ingest_summary::log_like_bytes;
use super::support::generated_logs::NOW;
use super::support::memory_file_system::MemoryFileSystem;
use super::support::tables::Tables;
use super::support::{fixtures, tables};

/// Returns a valid line of the chatbot `good`.
fn valid_line(title: &str, second: usize) -> String {
    // The id repeats the title, so that one changed byte cannot turn it into the id of another
    // line.
    format!(
        "{{\"id\":\"good-{title}-{title}-{title}\",\"event_name\":\"message_sent\",\"chatbot_id\":\"good\",\
         \"session_id\":\"s\",\"timestamp\":{},\"page_title\":\"{title}\"}}\n",
        1_790_000_000 + second
    )
}

/// A folder of logs, and a store in memory.
struct Logs {
    folder: tempfile::TempDir,
    disk: std::sync::Arc<MemoryFileSystem>,
}

impl Logs {
    fn new() -> Logs {
        Logs { folder: fixtures::folder(), disk: MemoryFileSystem::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn with(self, name: &str, bytes: impl AsRef<[u8]>) -> Logs {
        fs::write(self.path(name), bytes).unwrap();
        self
    }

    /// Ingests the whole folder.
    fn ingest(&self) -> IngestReport {
        self.ingest_files(&[""])
    }

    fn ingest_files(&self, names: &[&str]) -> IngestReport {
        let inputs = names.iter().map(|name| self.path(name).display().to_string()).collect();
        let options =
            wa::ingest::IngestOptions { batch_bytes: Some(4000), ..fixtures::ingest_options(inputs, NOW) };
        let report = fixtures::ingest(&self.disk, &fixtures::settings(), &options).unwrap();
        assert!(report.summary.adds_up(), "{:#?}", report.summary);
        assert!(report.failure.is_none(), "{:?}", report.failure);
        assert_eq!(fixtures::orphan_files(&self.disk), None);
        report
    }

    fn tables(&self) -> Tables {
        tables::read(&fixtures::store_in(&self.disk).snapshot().unwrap()).unwrap()
    }

    /// Returns the page titles of the stored events of the chatbot `good`.
    fn titles(&self) -> Vec<String> {
        let title = |row: &tables::Row| row["page_title"].as_str().unwrap_or_default().to_owned();
        self.tables()["events"].iter().filter(|row| row["chatbot_id"] == "good").map(title).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: fixtures::cases(300),
        failure_persistence: Some(Box::new(proptest::test_runner::FileFailurePersistence::Direct(
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guarantees/regressions/robustness.txt"),
        ))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn robustness_random_file_loses_no_line_of_other_files(bytes in log_like_bytes(), extension in 0..3) {
        let name = ["b.ndjson", "b.ndjson.gz", "b.json.zst"][extension as usize];
        let logs = Logs::new().with("a.ndjson", valid_line("a", 0)).with(name, &bytes).with("c.ndjson", valid_line("c", 1));
        logs.ingest();
        prop_assert_eq!(logs.titles(), ["a", "c"]);
    }

    #[test]
    fn robustness_changed_bytes_lose_only_their_own_lines(
        changes in prop::collection::vec((0..20_000usize, any::<u8>()), 1..20)
    ) {
        let mut text: Vec<Vec<u8>> = (0..20).map(|n| valid_line(&format!("t{n:02}"), n).into_bytes()).collect();
        let mut changed = [false; 20];
        for (at, byte) in changes {
            let (line, at) = (at % 20, at / 20 % (text[at % 20].len() - 1));
            // A line feed splits the line into two invalid lines, or into a valid and a blank line.
            text[line][at] = byte;
            changed[line] = true;
        }
        let logs = Logs::new().with("a.ndjson", text.concat());
        logs.ingest();
        let stored = logs.titles();
        for n in (0..20).filter(|n| !changed[*n]) {
            prop_assert!(stored.contains(&format!("t{n:02}")), "line {n} is lost: {stored:?}");
        }
    }

    #[test]
    fn robustness_damage_in_compressed_file_is_reported(
        zstd in any::<bool>(), at in 0..100_000usize, change in prop_oneof![Just(None), (1..=255u8).prop_map(Some)]
    ) {
        let text: String = (0..200).map(|n| valid_line(&format!("t{n:03}"), n)).collect();
        let mut packed = if zstd { zstd_with_checksum(text.as_bytes()) } else { gzip(text.as_bytes()) };
        let at = at % packed.len();
        match change {
            Some(change) => packed[at] ^= change,
            None => packed.truncate(at),
        }
        let logs = Logs::new().with("a.ndjson", &packed).with("b.ndjson", valid_line("other", 0));
        let report = logs.ingest();
        prop_assert!(logs.titles().contains(&"other".to_owned()));
        // Either the damage is reported, or no event is affected.
        let is_complete = logs.titles().len() == 201;
        let total = &report.summary.total;
        let is_reported = !report.problems.is_empty() || total.rejected_total() + total.unfinished > 0;
        prop_assert!(is_complete || is_reported || at == 0, "{:#?}", report.summary);
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// Compresses with a checksum, as the `zstd` program does. Without a checksum, damage can go
/// unnoticed.
fn zstd_with_checksum(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn robustness_truncated_compressed_file_keeps_complete_lines() {
    let text: String = (0..5000).map(|n| valid_line(&format!("t{n}"), n)).collect();
    for (name, packed) in
        [("a.gz", gzip(text.as_bytes())), ("a.zst", zstd::encode_all(text.as_bytes(), 1).unwrap())]
    {
        let name = format!("{}.ndjson{}", &name[..1], &name[1..]);
        let logs = Logs::new().with(&name, &packed[..packed.len() / 2]).with("b.ndjson", valid_line("b", 0));
        let report = logs.ingest();
        assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
        assert!(report.problems[0].to_string().contains(&name), "{}", report.problems[0]);
        assert!(report.summary.is_partial());
        assert!(logs.titles().contains(&"b".to_owned()));
        // Once the file is complete, the same command ingests the rest.
        let logs = logs.with(&name, packed);
        assert!(logs.ingest().problems.is_empty());
        assert_eq!(logs.titles().len(), 5001);
    }
}

#[test]
fn robustness_json_of_depth_10000_affects_one_line_only() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(10_000), close.repeat(10_000));
        let inside = valid_line("inside", 2)
            .replace("\"good-", &format!("\"x\":{deep},\"id\":\"good-").replacen("\"id\":", "", 1));
        let inside = inside.replacen("\"id\":\"x\":", "\"x\":", 1);
        let logs = Logs::new()
            .with("a.ndjson", format!("{}{deep}\n{}{}", valid_line("a", 0), inside, valid_line("b", 1)))
            .with("c.ndjson", valid_line("c", 3));
        let report = logs.ingest();
        assert_eq!(report.summary.total.read, 5);
        let titles = logs.titles();
        for title in ["a", "b", "c"] {
            assert!(titles.contains(&title.to_owned()), "{title} is lost");
        }
    }
}

#[test]
fn robustness_nul_bom_and_crlf_lose_no_line() {
    let text = format!(
        "\u{feff}{}\0\0\0\n{}{}",
        valid_line("bom", 0).replace('\n', "\r\n"),
        valid_line("crlf", 1).replace('\n', "\r\n"),
        valid_line("nul", 2).replace("\"nul\"", "\"n\\u0000ul\""),
    );
    let logs = Logs::new().with("a.ndjson", text);
    let report = logs.ingest();
    assert_eq!(logs.titles(), ["bom", "crlf", "n\0ul"]);
    assert_eq!(report.summary.total.rejected_total(), 1);
}

/// Returns a log of a million event names, distributed over sessions.
fn million_event_names(sessions: usize) -> String {
    use std::fmt::Write;
    let mut text = String::new();
    for n in 0..1_000_000 {
        writeln!(
            text,
            "{{\"id\":{n},\"event_name\":\"name {n}\",\"chatbot_id\":\"good\",\"session_id\":{},\"timestamp\":{}}}",
            n % sessions,
            1_790_000_000 + n / 1000
        )
        .unwrap();
    }
    text
}

#[test]
fn robustness_million_event_names_are_counted_separately() {
    // The names are in one session, or in 20,000 sessions with 50 names each.
    for sessions in [1, 20_000] {
        let logs = Logs::new().with("a.ndjson", million_event_names(sessions));
        let options = fixtures::ingest_options(vec![logs.path("a.ndjson").display().to_string()], NOW);
        let report = fixtures::ingest(&logs.disk, &fixtures::settings(), &options).unwrap();
        assert_eq!(report.summary.total.stored, 1_000_000);
        let snapshot = fixtures::store_in(&logs.disk).snapshot().unwrap();
        let mut found = 0;
        for frame in snapshot.read(Table::Sessions, None, &["event_counts"]).unwrap() {
            let counts = frame.texts("event_counts").unwrap();
            found += counts.len();
            for counts in counts.iter().flatten() {
                let counts: std::collections::HashMap<&str, u64> = serde_json::from_str(counts).unwrap();
                assert_eq!(counts.len(), 1_000_000 / sessions);
                assert!(counts.iter().all(|(name, count)| name.starts_with("name ") && *count == 1));
            }
        }
        assert_eq!(found, sessions);
    }
}

#[cfg(target_os = "linux")]
#[test]
fn robustness_line_of_5_gb_is_one_rejected_line() {
    use std::io::{Seek, SeekFrom};
    use wa::store::rejects::RejectRecord;

    const LENGTH: u64 = 5 << 30;
    // head -c 5368709120 /dev/zero | sha256sum
    const SHA256: &str = "7f06c62352aebd8125b2a1841e2b9e1ffcbed602f381c3dcb3200200e383d1d5";
    let folder = fixtures::folder();
    let mut file = fs::File::create(folder.path().join("long.ndjson")).unwrap();
    // A hole needs no space on the disk, and reads as zeros.
    file.write_all(valid_line("before", 0).as_bytes()).unwrap();
    file.seek(SeekFrom::Current(LENGTH as i64)).unwrap();
    file.write_all(format!("\n{}", valid_line("after", 1)).as_bytes()).unwrap();
    drop(file);
    let (status, peak) = super::bounded_memory::ingest(folder.path(), "long.ndjson");
    assert_eq!(status, Some(0));
    assert!(peak < 200, "{peak} MiB");
    let snapshot = wa::store::Store::new(folder.path().join("store-of-long.ndjson")).snapshot().unwrap();
    let titles: Vec<_> =
        tables::read(&snapshot).unwrap()["events"].iter().map(|row| row["page_title"].clone()).collect();
    assert_eq!(titles, ["before", "after"]);
    let rejects = &snapshot.manifest().rejects[..];
    assert_eq!((rejects.len(), rejects[0].rows), (1, 1));
    let reject: RejectRecord =
        serde_json::from_slice(&fs::read(snapshot.dir().join(&rejects[0].path)).unwrap()).unwrap();
    assert_eq!((reject.reason.as_str(), reject.line, reject.length), ("line_too_long", 2, LENGTH));
    assert_eq!(reject.sha256, SHA256);
    assert_eq!(reject.raw, Some("\0".repeat(64 << 10)));
}

#[test]
fn robustness_duplicate_keys_and_huge_numbers_are_handled() {
    let text = [
        // The last value of a duplicate key counts.
        r#"{"event_name":"x","event_name":"y","chatbot_id":"good","session_id":"s","timestamp":1790000000,"page_title":"twice"}"#,
        // Numbers that exceed the type of their column are null, and the line is stored.
        r#"{"event_name":"x","chatbot_id":"good","session_id":"s","timestamp":1790000000,"screen_width":1e999,"screen_height":99999999999999999999,"page_title":"huge"}"#,
        r#"{"event_name":"message_received","chatbot_id":"good","session_id":"s","timestamp":1790000000,"properties":{"response_time_ms":1e308},"page_title":"slow"}"#,
        // An id is stored as text.
        r#"{"event_name":"x","chatbot_id":"good","session_id":123456789012345678901234567890,"timestamp":1790000000,"page_title":"id"}"#,
        // A line with an invalid time is rejected.
        r#"{"event_name":"x","chatbot_id":"good","session_id":"s","timestamp":1e400,"page_title":"never"}"#,
        r#"{"event_name":"x","chatbot_id":"good","session_id":"s","timestamp":99999999999999999999999,"page_title":"far"}"#,
    ]
    .join("\n");
    let logs = Logs::new().with("a.ndjson", text + "\n");
    let report = logs.ingest();
    assert_eq!(report.summary.total.rejected_total(), 2);
    let tables = logs.tables();
    let event = |title: &str| tables["events"].iter().find(|row| row["page_title"] == title).unwrap();
    assert_eq!(event("twice")["event_name"], "y");
    assert!(event("huge")["screen_width"].is_null() && event("huge")["screen_height"].is_null());
    assert_eq!(event("id")["session_id"], "123456789012345678901234567890");
    let session = tables["sessions"].iter().find(|row| row["session_id"] == "s").unwrap();
    assert!(session["response_time_count"].as_i64().unwrap() <= 1);
}

#[test]
fn robustness_lone_surrogate_is_replaced_and_line_stored() {
    let logs = Logs::new().with("a.ndjson", valid_line("lone", 0).replace("\"lone\"", "\"a\\ud800b\""));
    let report = logs.ingest();
    assert_eq!(report.summary.total.stored, 1);
    assert_eq!(logs.titles(), ["a\u{fffd}b"]);
}

#[test]
fn robustness_missing_or_unreadable_file_does_not_stop_others() {
    let logs =
        Logs::new().with("a.ndjson", valid_line("a", 0)).with("closed.ndjson", valid_line("closed", 1));
    fs::create_dir(logs.path("folder.ndjson")).unwrap();
    fs::write(logs.path("folder.ndjson/in.ndjson"), valid_line("in", 2)).unwrap();
    let mut expected = vec!["a", "in"];
    let mut problems = 1;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(logs.path("closed.ndjson"), fs::Permissions::from_mode(0o000)).unwrap();
    }
    // Root can read everything; the next tests cover the unreadable file.
    match fs::read(logs.path("closed.ndjson")) {
        Ok(_) => expected.insert(1, "closed"),
        Err(_) => problems += 1,
    }
    let report = logs.ingest_files(&["a.ndjson", "closed.ndjson", "folder.ndjson", "missing.ndjson"]);
    assert_eq!(logs.titles(), expected);
    assert_eq!(report.problems.len(), problems, "{:?}", report.problems);
    assert!(report.problems.iter().any(|problem| problem.to_string().contains("missing.ndjson")));
}

#[cfg(target_os = "linux")]
#[test]
fn robustness_file_without_permission_is_named_by_the_binary() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;

    // Memory file systems may forbid running programs.
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.ndjson"), valid_line("a", 0)).unwrap();
    fs::write(folder.path().join("closed.ndjson"), valid_line("closed", 1)).unwrap();
    fs::set_permissions(folder.path().join("closed.ndjson"), fs::Permissions::from_mode(0o000)).unwrap();
    let mut command = fixtures::wa(folder.path(), "2027-01-01T00:00:00Z");
    if fs::metadata(folder.path()).unwrap().uid() == 0 {
        // Root can read everything, so another user has to run a copy of the binary that it can
        // access.
        let program = folder.path().join("wa");
        fs::copy(env!("CARGO_BIN_EXE_wa"), &program).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o777)).unwrap();
        command = std::process::Command::new(program);
        command.env_clear().current_dir(folder.path()).args(["--now", "2027-01-01T00:00:00Z"]);
        command.uid(65_534).gid(65_534);
    }
    command.args(["--store", "store", "ingest", "a.ndjson", "closed.ndjson"]);
    let output = match command.output() {
        Err(e) => {
            // A container may forbid changing the user, or running programs from the temporary
            // folder.
            eprintln!("skipped: cannot run the binary as another user: {e}");
            return;
        }
        Ok(output) => output,
    };
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{stderr}");
    assert!(stderr.contains("closed.ndjson") && stderr.contains("permission"), "{stderr}");
    let snapshot = wa::store::Store::new(folder.path().join("store")).snapshot().unwrap();
    let stored = tables::read(&snapshot).unwrap();
    assert_eq!(stored["events"].len(), 1);
    assert_eq!(stored["events"][0]["page_title"], "a");
}

#[cfg(unix)]
#[test]
fn robustness_unreadable_special_files_are_named() {
    // Even root cannot read a socket, or a link to itself.
    let logs = Logs::new().with("a.ndjson", valid_line("a", 0)).with("z.ndjson", valid_line("z", 1));
    let _socket = std::os::unix::net::UnixListener::bind(logs.path("socket.ndjson")).unwrap();
    std::os::unix::fs::symlink("loop.ndjson", logs.path("loop.ndjson")).unwrap();
    let mut names = vec!["a.ndjson", "socket.ndjson", "loop.ndjson"];
    if cfg!(target_os = "linux") {
        // This file can be opened, but reading its start fails.
        std::os::unix::fs::symlink("/proc/self/mem", logs.path("broken.ndjson")).unwrap();
        names.push("broken.ndjson");
    }
    names.push("z.ndjson");
    let report = logs.ingest_files(&names);
    assert_eq!(logs.titles(), ["a", "z"]);
    assert_eq!(report.problems.len(), names.len() - 2, "{:?}", report.problems);
    for name in &names[1..names.len() - 1] {
        assert!(
            report.problems.iter().any(|problem| problem.to_string().contains(name)),
            "{name} is not named"
        );
    }
}

#[test]
fn robustness_growing_file_loses_no_line() {
    let logs = Logs::new().with("a.ndjson", "");
    let path = logs.path("a.ndjson");
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
            for n in 0..3000 {
                let line = valid_line(&format!("t{n}"), n);
                // Write in two parts, so that readers find unfinished lines.
                let (start, rest) = line.as_bytes().split_at(line.len() / 2);
                file.write_all(start).unwrap();
                file.write_all(rest).unwrap();
            }
        });
        while !writer.is_finished() {
            let report = logs.ingest();
            assert_eq!(report.summary.total.rejected_total(), 0);
        }
    });
    logs.ingest();
    assert_eq!(logs.titles().len(), 3000);
}

#[test]
fn robustness_identical_lines_are_counted_across_blocks() {
    // Each line of 900 KB fills a block of 1 MiB.
    let line = valid_line("long", 0).replace("\"id\":\"good-long-long-long\",", "");
    let line = line.replace("\"long\"", &format!("\"{}\"", "x".repeat(900_000)));
    let logs = Logs::new().with("a.ndjson", line.repeat(12));
    assert_eq!(logs.ingest().summary.total.stored, 12);
    let logs = logs.with("b.ndjson", line.repeat(13));
    let report = logs.ingest();
    assert_eq!((report.summary.total.stored, report.summary.total.duplicate), (1, 12));
}
