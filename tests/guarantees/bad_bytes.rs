//! Guarantee 7, bad bytes: no input makes it panic, hang or lose another line.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use proptest::prelude::*;
use wa::ingest::run::Report;

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

    fn take_in(&self) -> Report {
        self.take_in_named(&[""])
    }

    fn take_in_named(&self, names: &[&str]) -> Report {
        let inputs = names.iter().map(|name| self.path(name).display().to_string()).collect();
        let options = wa::ingest::run::Options { batch_bytes: Some(4000), ..place::options(inputs, NOW) };
        let report = place::ingest(&self.disk, &place::settings(), &options).unwrap();
        assert!(report.account.adds_up(), "{:#?}", report.account);
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
        let total = &report.account.total;
        let told = !report.problems.is_empty() || total.refused_total() + total.unfinished > 0;
        prop_assert!(whole || told || at == 0, "{:#?}", report.account);
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
        assert!(report.account.is_partial());
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
        assert_eq!(report.account.total.read, 5);
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
    assert_eq!(report.account.total.refused_total(), 1);
}

#[test]
fn bad_bytes_a_hundred_thousand_event_names_are_a_hundred_thousand_counts() {
    let text: String = (0..100_000)
        .map(|n| {
            format!(
                "{{\"id\":{n},\"event_name\":\"name {n}\",\"chatbot_id\":\"good\",\"session_id\":\"s\",\"timestamp\":{}}}\n",
                1_790_000_000 + n / 1000
            )
        })
        .collect();
    let logs = Logs::new().with("a.ndjson", text);
    let options = place::options(vec![logs.path("a.ndjson").display().to_string()], NOW);
    let report = place::ingest(&logs.disk, &place::settings(), &options).unwrap();
    assert_eq!(report.account.total.stored, 100_000);
    let tables = logs.tables();
    assert_eq!(tables["sessions"].len(), 1);
    assert_eq!(tables["sessions"][0]["event_counts"].as_object().unwrap().len(), 100_000);
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
    assert_eq!(report.account.total.refused_total(), 2);
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
    assert_eq!(report.account.total.stored, 1);
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
    // Root reads everything.
    match fs::read(logs.path("closed.ndjson")) {
        Ok(_) => expected.insert(1, "closed"),
        Err(_) => problems += 1,
    }
    let report = logs.take_in_named(&["a.ndjson", "closed.ndjson", "folder.ndjson", "missing.ndjson"]);
    assert_eq!(logs.titles(), expected);
    assert_eq!(report.problems.len(), problems, "{:?}", report.problems);
    assert!(report.problems.iter().any(|problem| problem.to_string().contains("missing.ndjson")));
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
            assert_eq!(report.account.total.refused_total(), 0);
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
    assert_eq!(logs.take_in().account.total.stored, 12);
    let logs = logs.with("b.ndjson", line.repeat(13));
    let report = logs.take_in();
    assert_eq!((report.account.total.stored, report.account.total.duplicate), (1, 12));
}
