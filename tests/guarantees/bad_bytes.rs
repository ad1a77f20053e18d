//! Guarantee 7, bad bytes: no input makes it panic, hang or lose another line.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use proptest::prelude::*;
use wa::ingest::IngestReport;
use wa::store::columns::Table;

use super::account::bytes;
use super::disk::MemoryDisk;
use super::logs::NOW;
use super::tables::Tables;
use super::{place, tables};

fn good(title: &str, second: usize) -> String {
    // The id says it three times: no single byte makes it that of another line.
    format!(
        "{{\"id\":\"good-{title}-{title}-{title}\",\"event_name\":\"message_sent\",\"chatbot_id\":\"good\",\
         \"session_id\":\"s\",\"timestamp\":{},\"page_title\":\"{title}\"}}\n",
        1_790_000_000 + second
    )
}

/// A folder of logs, and what an ingest of all of them comes to.
struct Logs {
    folder: tempfile::TempDir,
    disk: std::sync::Arc<MemoryDisk>,
}

impl Logs {
    fn new() -> Logs {
        Logs { folder: place::folder(), disk: MemoryDisk::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn with(self, name: &str, bytes: impl AsRef<[u8]>) -> Logs {
        fs::write(self.path(name), bytes).unwrap();
        self
    }

    fn take_in(&self) -> IngestReport {
        self.take_in_named(&[""])
    }

    fn take_in_named(&self, names: &[&str]) -> IngestReport {
        let inputs = names.iter().map(|name| self.path(name).display().to_string()).collect();
        let options = wa::ingest::IngestOptions { batch_bytes: Some(4000), ..place::options(inputs, NOW) };
        let report = place::ingest(&self.disk, &place::settings(), &options).unwrap();
        assert!(report.summary.adds_up(), "{:#?}", report.summary);
        assert!(report.failure.is_none(), "{:?}", report.failure);
        assert_eq!(place::unnamed_files(&self.disk), None);
        report
    }

    fn tables(&self) -> Tables {
        tables::read(&place::store_on(&self.disk).snapshot().unwrap()).unwrap()
    }

    fn titles(&self) -> Vec<String> {
        let title = |row: &tables::Row| row["page_title"].as_str().unwrap_or_default().to_owned();
        self.tables()["events"].iter().filter(|row| row["chatbot_id"] == "good").map(title).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: place::cases(300),
        failure_persistence: Some(Box::new(proptest::test_runner::FileFailurePersistence::Direct(
            concat!(env!("CARGO_MANIFEST_DIR"), "/tests/guarantees/regressions/bad_bytes.txt"),
        ))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn bad_bytes_between_good_files_lose_none_of_their_lines(bytes in bytes(), ending in 0..3) {
        let name = ["b.ndjson", "b.ndjson.gz", "b.json.zst"][ending as usize];
        let logs = Logs::new().with("a.ndjson", good("a", 0)).with(name, &bytes).with("c.ndjson", good("c", 1));
        logs.take_in();
        prop_assert_eq!(logs.titles(), ["a", "c"]);
    }

    #[test]
    fn bad_bytes_in_good_lines_lose_only_the_lines_that_they_hit(
        hits in prop::collection::vec((0..20_000usize, any::<u8>()), 1..20)
    ) {
        let mut text: Vec<Vec<u8>> = (0..20).map(|n| good(&format!("t{n:02}"), n).into_bytes()).collect();
        let mut hit = [false; 20];
        for (at, byte) in hits {
            let (line, at) = (at % 20, at / 20 % (text[at % 20].len() - 1));
            // A line end in its middle makes two of it; both are bad then, or one is empty.
            text[line][at] = byte;
            hit[line] = true;
        }
        let logs = Logs::new().with("a.ndjson", text.concat());
        logs.take_in();
        let stored = logs.titles();
        for n in (0..20).filter(|n| !hit[*n]) {
            prop_assert!(stored.contains(&format!("t{n:02}")), "line {n} is lost: {stored:?}");
        }
    }

    #[test]
    fn bad_bytes_in_compressed_files_lose_no_line_before_them(
        zstd in any::<bool>(), at in 0..100_000usize, change in prop_oneof![Just(None), (1..=255u8).prop_map(Some)]
    ) {
        let text: String = (0..200).map(|n| good(&format!("t{n:03}"), n)).collect();
        let mut packed = if zstd { zstd_with_checksum(text.as_bytes()) } else { gzip(text.as_bytes()) };
        let at = at % packed.len();
        match change {
            Some(change) => packed[at] ^= change,
            None => packed.truncate(at),
        }
        let logs = Logs::new().with("a.ndjson", &packed).with("b.ndjson", good("other", 0));
        let report = logs.take_in();
        prop_assert!(logs.titles().contains(&"other".to_owned()));
        // What is damaged is said to be, or nothing that counts was hit.
        let whole = logs.titles().len() == 201;
        let total = &report.summary.total;
        let told = !report.problems.is_empty() || total.rejected_total() + total.unfinished > 0;
        prop_assert!(whole || told || at == 0, "{:#?}", report.summary);
    }
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// Packs as the `zstd` program does: without a checksum, damage cannot be told from data.
fn zstd_with_checksum(bytes: &[u8]) -> Vec<u8> {
    let mut packer = zstd::Encoder::new(Vec::new(), 1).unwrap();
    packer.include_checksum(true).unwrap();
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

#[test]
fn bad_bytes_a_truncated_gzip_or_zstd_file_keeps_its_whole_lines_and_is_named() {
    let text: String = (0..5000).map(|n| good(&format!("t{n}"), n)).collect();
    for (name, packed) in
        [("a.gz", gzip(text.as_bytes())), ("a.zst", zstd::encode_all(text.as_bytes(), 1).unwrap())]
    {
        let name = format!("{}.ndjson{}", &name[..1], &name[1..]);
        let logs = Logs::new().with(&name, &packed[..packed.len() / 2]).with("b.ndjson", good("b", 0));
        let report = logs.take_in();
        assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
        assert!(report.problems[0].to_string().contains(&name), "{}", report.problems[0]);
        assert!(report.summary.is_partial());
        assert!(logs.titles().contains(&"b".to_owned()));
        // Mended, the same command takes in the rest.
        let logs = logs.with(&name, packed);
        assert!(logs.take_in().problems.is_empty());
        assert_eq!(logs.titles().len(), 5001);
    }
}

#[test]
fn bad_bytes_json_ten_thousand_deep_is_one_line() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(10_000), close.repeat(10_000));
        let inside = good("inside", 2)
            .replace("\"good-", &format!("\"x\":{deep},\"id\":\"good-").replacen("\"id\":", "", 1));
        let inside = inside.replacen("\"id\":\"x\":", "\"x\":", 1);
        let logs = Logs::new()
            .with("a.ndjson", format!("{}{deep}\n{}{}", good("a", 0), inside, good("b", 1)))
            .with("c.ndjson", good("c", 3));
        let report = logs.take_in();
        assert_eq!(report.summary.total.read, 5);
        let titles = logs.titles();
        for title in ["a", "b", "c"] {
            assert!(titles.contains(&title.to_owned()), "{title} is lost");
        }
    }
}

#[test]
fn bad_bytes_nul_bom_and_crlf_lose_no_line() {
    let text = format!(
        "\u{feff}{}\0\0\0\n{}{}",
        good("bom", 0).replace('\n', "\r\n"),
        good("crlf", 1).replace('\n', "\r\n"),
        good("nul", 2).replace("\"nul\"", "\"n\\u0000ul\""),
    );
    let logs = Logs::new().with("a.ndjson", text);
    let report = logs.take_in();
    assert_eq!(logs.titles(), ["bom", "crlf", "n\0ul"]);
    assert_eq!(report.summary.total.rejected_total(), 1);
}

/// A log of a million names of events, dealt to so many sessions.
fn a_million_names(sessions: usize) -> String {
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
fn bad_bytes_a_million_event_names_are_a_million_counts() {
    // In one session, and in twenty thousand of fifty names each.
    for sessions in [1, 20_000] {
        let logs = Logs::new().with("a.ndjson", a_million_names(sessions));
        let options = place::options(vec![logs.path("a.ndjson").display().to_string()], NOW);
        let report = place::ingest(&logs.disk, &place::settings(), &options).unwrap();
        assert_eq!(report.summary.total.stored, 1_000_000);
        let snapshot = place::store_on(&logs.disk).snapshot().unwrap();
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
fn bad_bytes_a_line_of_5_gb_is_one_refused_line_and_its_neighbours_are_kept() {
    use std::io::{Seek, SeekFrom};
    use wa::store::rejects::RejectRecord;

    const LENGTH: u64 = 5 << 30;
    // head -c 5368709120 /dev/zero | sha256sum
    const SHA256: &str = "7f06c62352aebd8125b2a1841e2b9e1ffcbed602f381c3dcb3200200e383d1d5";
    let folder = place::folder();
    let mut file = fs::File::create(folder.path().join("long.ndjson")).unwrap();
    // A hole takes no room on the disk, and reads as zeros.
    file.write_all(good("before", 0).as_bytes()).unwrap();
    file.seek(SeekFrom::Current(LENGTH as i64)).unwrap();
    file.write_all(format!("\n{}", good("after", 1)).as_bytes()).unwrap();
    drop(file);
    let (status, peak) = super::memory::ingest(folder.path(), "long.ndjson");
    assert_eq!(status, Some(0));
    assert!(peak < 200, "{peak} MiB");
    let snapshot = wa::store::Store::new(folder.path().join("store-of-long.ndjson")).snapshot().unwrap();
    let titles: Vec<_> =
        tables::read(&snapshot).unwrap()["events"].iter().map(|row| row["page_title"].clone()).collect();
    assert_eq!(titles, ["before", "after"]);
    let kept = &snapshot.manifest().rejects[..];
    assert_eq!((kept.len(), kept[0].rows), (1, 1));
    let reject: RejectRecord =
        serde_json::from_slice(&fs::read(snapshot.dir().join(&kept[0].path)).unwrap()).unwrap();
    assert_eq!((reject.reason.as_str(), reject.line, reject.length), ("line_too_long", 2, LENGTH));
    assert_eq!(reject.sha256, SHA256);
    assert_eq!(reject.raw, Some("\0".repeat(64 << 10)));
}

#[test]
fn bad_bytes_duplicate_keys_and_huge_numbers_are_read_by_the_rules() {
    let text = [
        // Of a key given twice, the last.
        r#"{"event_name":"x","event_name":"y","chatbot_id":"good","session_id":"s","timestamp":1790000000,"page_title":"twice"}"#,
        // Numbers that no column holds: the fields are null, the lines are kept.
        r#"{"event_name":"x","chatbot_id":"good","session_id":"s","timestamp":1790000000,"screen_width":1e999,"screen_height":99999999999999999999,"page_title":"huge"}"#,
        r#"{"event_name":"message_received","chatbot_id":"good","session_id":"s","timestamp":1790000000,"properties":{"response_time_ms":1e308},"page_title":"slow"}"#,
        // An id is text.
        r#"{"event_name":"x","chatbot_id":"good","session_id":123456789012345678901234567890,"timestamp":1790000000,"page_title":"id"}"#,
        // A time that is there but cannot be read refuses the line.
        r#"{"event_name":"x","chatbot_id":"good","session_id":"s","timestamp":1e400,"page_title":"never"}"#,
        r#"{"event_name":"x","chatbot_id":"good","session_id":"s","timestamp":99999999999999999999999,"page_title":"far"}"#,
    ]
    .join("\n");
    let logs = Logs::new().with("a.ndjson", text + "\n");
    let report = logs.take_in();
    assert_eq!(report.summary.total.rejected_total(), 2);
    let tables = logs.tables();
    let of = |title: &str| tables["events"].iter().find(|row| row["page_title"] == title).unwrap();
    assert_eq!(of("twice")["event_name"], "y");
    assert!(of("huge")["screen_width"].is_null() && of("huge")["screen_height"].is_null());
    assert_eq!(of("id")["session_id"], "123456789012345678901234567890");
    let with_s = tables["sessions"].iter().find(|row| row["session_id"] == "s").unwrap();
    assert!(with_s["response_time_count"].as_i64().unwrap() <= 1);
}

#[test]
fn bad_bytes_a_lone_surrogate_is_replaced_and_the_line_kept() {
    let logs = Logs::new().with("a.ndjson", good("lone", 0).replace("\"lone\"", "\"a\\ud800b\""));
    let report = logs.take_in();
    assert_eq!(report.summary.total.stored, 1);
    assert_eq!(logs.titles(), ["a\u{fffd}b"]);
}

#[test]
fn bad_bytes_a_folder_a_missing_file_and_an_unreadable_one_do_not_keep_the_others_out() {
    let logs = Logs::new().with("a.ndjson", good("a", 0)).with("closed.ndjson", good("closed", 1));
    fs::create_dir(logs.path("folder.ndjson")).unwrap();
    fs::write(logs.path("folder.ndjson/in.ndjson"), good("in", 2)).unwrap();
    let mut expected = vec!["a", "in"];
    let mut problems = 1;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(logs.path("closed.ndjson"), fs::Permissions::from_mode(0o000)).unwrap();
    }
    // Root reads everything: then it is the next tests that tell.
    match fs::read(logs.path("closed.ndjson")) {
        Ok(_) => expected.insert(1, "closed"),
        Err(_) => problems += 1,
    }
    let report = logs.take_in_named(&["a.ndjson", "closed.ndjson", "folder.ndjson", "missing.ndjson"]);
    assert_eq!(logs.titles(), expected);
    assert_eq!(report.problems.len(), problems, "{:?}", report.problems);
    assert!(report.problems.iter().any(|problem| problem.to_string().contains("missing.ndjson")));
}

#[cfg(target_os = "linux")]
#[test]
fn bad_bytes_a_file_without_read_permission_is_named_and_does_not_keep_the_others_out() {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    use std::os::unix::process::CommandExt;

    // Not in memory: programs may not be run from there.
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.ndjson"), good("a", 0)).unwrap();
    fs::write(folder.path().join("closed.ndjson"), good("closed", 1)).unwrap();
    fs::set_permissions(folder.path().join("closed.ndjson"), fs::Permissions::from_mode(0o000)).unwrap();
    let mut command = place::wa(folder.path(), "2027-01-01T00:00:00Z");
    if fs::metadata(folder.path()).unwrap().uid() == 0 {
        // Root reads everything, so somebody else has to try; the program may lie where only root goes.
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
            // A container in which root cannot become anybody else, or runs nothing from its temporary folder.
            eprintln!("not tried, since nobody without permission can be had here: {e}");
            return;
        }
        Ok(output) => output,
    };
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{said}");
    assert!(said.contains("closed.ndjson") && said.contains("permission"), "{said}");
    let snapshot = wa::store::Store::new(folder.path().join("store")).snapshot().unwrap();
    let stored = tables::read(&snapshot).unwrap();
    assert_eq!(stored["events"].len(), 1);
    assert_eq!(stored["events"][0]["page_title"], "a");
}

#[cfg(unix)]
#[test]
fn bad_bytes_files_that_cannot_be_opened_or_read_are_named_and_do_not_keep_the_others_out() {
    // Root too is refused these: a socket cannot be opened, and a link to itself leads nowhere.
    let logs = Logs::new().with("a.ndjson", good("a", 0)).with("z.ndjson", good("z", 1));
    let _socket = std::os::unix::net::UnixListener::bind(logs.path("socket.ndjson")).unwrap();
    std::os::unix::fs::symlink("loop.ndjson", logs.path("loop.ndjson")).unwrap();
    let mut names = vec!["a.ndjson", "socket.ndjson", "loop.ndjson"];
    if cfg!(target_os = "linux") {
        // It can be opened, but there is nothing at its beginning that can be read.
        std::os::unix::fs::symlink("/proc/self/mem", logs.path("broken.ndjson")).unwrap();
        names.push("broken.ndjson");
    }
    names.push("z.ndjson");
    let report = logs.take_in_named(&names);
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
fn bad_bytes_a_file_that_grows_while_it_is_read_loses_no_line() {
    let logs = Logs::new().with("a.ndjson", "");
    let path = logs.path("a.ndjson");
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            let mut file = fs::OpenOptions::new().append(true).open(&path).unwrap();
            for n in 0..3000 {
                let line = good(&format!("t{n}"), n);
                // In two pieces, so that readers find lines cut off.
                let (one, two) = line.as_bytes().split_at(line.len() / 2);
                file.write_all(one).unwrap();
                file.write_all(two).unwrap();
            }
        });
        while !writer.is_finished() {
            let report = logs.take_in();
            assert_eq!(report.summary.total.rejected_total(), 0);
        }
    });
    logs.take_in();
    assert_eq!(logs.titles().len(), 3000);
}

#[test]
fn bad_bytes_identical_lines_without_ids_are_counted_over_all_blocks_of_a_file() {
    // Twelve lines of 900 KB are three blocks of 4 MiB.
    let line = good("long", 0).replace("\"id\":\"good-long-long-long\",", "");
    let line = line.replace("\"long\"", &format!("\"{}\"", "x".repeat(900_000)));
    let logs = Logs::new().with("a.ndjson", line.repeat(12));
    assert_eq!(logs.take_in().summary.total.stored, 12);
    let logs = logs.with("b.ndjson", line.repeat(13));
    let report = logs.take_in();
    assert_eq!((report.summary.total.stored, report.summary.total.duplicate), (1, 12));
}
