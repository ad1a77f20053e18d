//! The files that `wa ingest` finds: logs with any name, but no files of a store.

use crate::harness::Sandbox;

const EVENT: &str =
    "{\"chatbot_id\":\"c\",\"session_id\":\"s\",\"event_name\":\"x\",\"timestamp\":1790000000}\n";

#[cfg(target_os = "linux")]
#[test]
fn log_with_a_name_that_is_not_utf8_is_read() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let sandbox = Sandbox::new();
    sandbox.write("logs/a.log", EVENT.replace("\"s\"", "\"t\""));
    let name = OsStr::from_bytes(b"logs/caf\xe9.log");
    std::fs::write(sandbox.path("").join(name), EVENT).unwrap();
    for inputs in [[OsStr::new("logs"), OsStr::new("-")], [OsStr::new("logs/a.log"), name]] {
        let _ = std::fs::remove_dir_all(sandbox.path("wa-store"));
        let flags = ["ingest", "--format", "json"].map(OsStr::new);
        let summary = sandbox.run(flags.into_iter().chain(inputs)).json();
        assert_eq!(summary["total"]["stored"], 2, "{summary}");
        let names: Vec<&str> =
            summary["files"].as_array().unwrap().iter().filter_map(|f| f["file"].as_str()).collect();
        assert!(names.contains(&"logs/caf\\xe9.log"), "{names:?}");
    }
}

#[test]
fn run_without_readable_input_creates_no_store() {
    let sandbox = Sandbox::new();
    let run = sandbox.wa("ingest gone.ndjson gone-too.ndjson").exits(1);
    let run = run
        .warns("gone.ndjson")
        .warns("gone-too.ndjson")
        .warns("no input could be read; nothing was ingested");
    assert!(!sandbox.path("wa-store").exists() && !run.stdout.contains("max-rejects"), "{run}");
    sandbox.write("a.ndjson", EVENT);
    sandbox.wa("ingest a.ndjson").exits(0);
    sandbox.wa("ingest gone.ndjson --format json").exits(1).says("\"committed\": false");
    // An unchanged file is not a failure.
    sandbox.wa("ingest a.ndjson gone.ndjson").exits(4);
    sandbox.wa("ingest gone.ndjson").exits(1);
    // A damaged file is read up to the damage.
    sandbox.write("broken.gz", [0x1f, 0x8b, 8, 0xff, 1, 2, 3]);
    sandbox.wa("ingest broken.gz").exits(4);
}

#[test]
fn skipped_files_of_a_folder_are_counted() {
    let sandbox = Sandbox::new();
    sandbox.write("logs/a.ndjson", EVENT);
    for name in ["b.txt", "sub/c.TXT", "widget.ndjson.1", "LICENSE"] {
        sandbox.write(&format!("logs/{name}"), "text");
    }
    let note = "wa: 4 files in folders are not named like logs and were skipped: 2 *.txt, \
                1 without an extension, 1 *.1; name a file to read it";
    sandbox.wa("preview logs").exits(0).warns(note);
    sandbox.wa("ingest logs").exits(0).warns(note);
    sandbox.wa("--quiet ingest logs --force").exits(0).prints_nothing();
    sandbox
        .wa("preview logs/sub")
        .exits(0)
        .warns("1 file in a folder is not named like a log and was skipped: 1 *.txt; ");
    // The most frequent extensions are listed.
    for name in ["a.a", "b.b", "c.c", "d.d", "e.e", "f.f", "g.g", "h.g"] {
        sandbox.write(&format!("many/{name}"), "text");
    }
    let all = "8 files in folders are not named like logs and were skipped: 2 *.g, 1 *.a, 1 *.b, 1 *.c, \
               1 *.d, 2 others;";
    sandbox.wa("preview many").exits(0).warns(all);
}

#[test]
fn files_of_other_stores_are_not_read() {
    let sandbox = Sandbox::new();
    sandbox.write("bad.log", EVENT.to_owned() + "no json\n");
    sandbox.wa("--store other ingest bad.log").exits(0);
    let run = sandbox.wa("ingest bad.log other/rejects").exits(4);
    run.warns("cannot ingest other/rejects: it belongs to a wa store");
}

/// Returns the text as UTF-16, little-endian, with a byte order mark.
fn utf16(text: &str) -> Vec<u8> {
    format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let options = lzma_rust2::XzOptions::with_preset(6);
    let mut writer = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
    std::io::Write::write_all(&mut writer, bytes).unwrap();
    writer.finish().unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::new(9));
    std::io::Write::write_all(&mut encoder, bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn xz_bzip2_and_utf16_logs_are_read() {
    let sandbox = Sandbox::new();
    let event = |session: &str| EVENT.replace("\"s\"", &format!("\"{session}\""));
    sandbox.write("logs/a.ndjson.xz", [xz(event("a").as_bytes()), xz(event("b").as_bytes())].concat());
    sandbox.write("logs/b.log.bz2", [bzip2(event("c").as_bytes()), bzip2(event("d").as_bytes())].concat());
    sandbox.write("logs/c.json", utf16(&event("e")));
    sandbox.write("logs/d.jsonl.bz2", bzip2(&utf16(&event("f"))));
    let run = sandbox.wa("--quiet ingest logs").exits(0);
    assert_eq!((run.stdout.as_str(), run.stderr.as_str()), ("", ""));
    let sessions = sandbox.wa("export").output();
    assert_eq!(sessions.lines().count(), 6, "{sessions}");
    let again = sandbox.wa("ingest logs --format json").json();
    assert!(again["files"].as_array().unwrap().iter().all(|file| file["outcome"] == "unchanged"), "{again}");
    // A truncated file is read up to the cut.
    let mut cut = xz(event("g").repeat(3).as_bytes());
    cut.truncate(cut.len() - 8);
    sandbox.write("cut.ndjson.xz", cut);
    sandbox.wa("--quiet ingest cut.ndjson.xz").exits(4).warns("cannot read cut.ndjson.xz to its end");
    // Lines in another encoding are rejected, and a note says how to convert them.
    sandbox.write("latin1.log", [b"{\"city\":\"K\xf6ln\"}\n".as_slice(), event("h").as_bytes()].concat());
    sandbox.wa("ingest latin1.log").exits(0).warns("iconv -f WINDOWS-1252 -t UTF-8 FILE");
}

#[test]
fn input_that_is_not_a_log_is_an_error() {
    let utf32: Vec<u8> = EVENT.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect();
    let tar = [b"day.ndjson".as_slice(), &[0; 247], b"ustar\x0000", &[0; 248], EVENT.as_bytes()].concat();
    let long_line = "{\"x\":\"".to_owned() + &"y".repeat(2 << 20);
    for (name, bytes, what, hint) in [
        ("day.ndjson.lz4", b"\x04\x22\x4d\x18\x64\x40\xa7".to_vec(), "lz4 data", "lz4 -dc FILE"),
        ("day.zip", b"PK\x03\x04\x14\0\0\0".to_vec(), "a zip archive", "unzip -p FILE"),
        ("events.parquet", b"PAR1\x15\x04\x15\x10".to_vec(), "a Parquet file", "as one JSON object per line"),
        (
            "events.db",
            b"SQLite format 3\0\x10\0".to_vec(),
            "a SQLite database",
            "as one JSON object per line",
        ),
        ("utf32.ndjson", utf32, "UTF-32 text", "iconv -f UTF-32LE -t UTF-8 FILE"),
        ("noise.log", (1..=255u8).cycle().skip(127).take(5000).collect(), "binary data", "file FILE"),
        ("zeros.log", vec![0; 5000], "nothing but zero bytes", "restore it"),
        ("words.log", b"hello".to_vec(), "one line that is not a JSON object", "file FILE"),
        ("line.ndjson", long_line.into(), "one line of more than 1 MiB", "one JSON object per line"),
        ("day.tar.bz2", bzip2(&tar), "a tar archive", "tar -xOf FILE"),
        ("day.gz.xz", xz(b"\x1f\x8b\x08\0\0\0\0"), "data compressed twice", "its outer layer"),
    ] {
        let sandbox = Sandbox::new();
        sandbox.write(name, bytes);
        sandbox.write("good.log", EVENT);
        // A second ingest reports the same error.
        for stored in [1, 0] {
            let run = sandbox.wa(&format!("--quiet ingest {name} good.log --format json")).exits(4);
            let run = run.warns(&format!("cannot read {name}: it is {what}")).warns(hint);
            let summary: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
            assert_eq!(summary["total"]["stored"], stored, "{name}: {summary}");
            assert_eq!(summary["total"]["rejected"], serde_json::json!({}), "{name}");
        }
    }
}

#[test]
fn joined_logs_with_byte_order_marks_are_read() {
    let sandbox = Sandbox::new();
    let day = |session: &str| format!("\u{feff}{}", EVENT.replace("\"s\"", &format!("\"{session}\"")));
    sandbox.write("joined.log", day("a") + &day("b") + &day("c"));
    let total = sandbox.wa("ingest joined.log --format json").json()["total"].clone();
    assert_eq!([&total["stored"], &total["read"]], [&serde_json::json!(3), &serde_json::json!(3)]);
}
