//! Logs that were ingested before: unchanged, resumed, or read again.

use serde_json::{Value, json};

use crate::harness::Sandbox;

/// Returns the line of an event with an event id.
fn event(number: usize) -> String {
    format!(
        "{{\"id\":\"e{number}\",\"chatbot_id\":\"c\",\"session_id\":\"s\",\"event_name\":\"message_sent\",\
         \"timestamp\":\"2026-11-09T08:00:{:02}Z\"}}\n",
        number % 60
    )
}

/// Ingests a folder with one log and returns the summary of that log.
fn ingest(sandbox: &Sandbox, store: &str) -> Value {
    let summary = sandbox.wa(&format!("--store {store} ingest logs --format json")).json();
    let [file] = summary["files"].as_array().unwrap().as_slice() else { panic!("{summary}") };
    file.clone()
}

fn generation(sandbox: &Sandbox) -> Value {
    let manifest: Value = serde_json::from_str(&sandbox.read("store/manifest.json")).unwrap();
    let generation = &manifest["manifest"]["generation"];
    assert!(generation.is_u64(), "{manifest}");
    generation.clone()
}

#[test]
fn resumed_log_is_unchanged_until_it_grows() {
    let sandbox = Sandbox::new();
    sandbox.write("logs/a.ndjson", event(1));
    assert_eq!(ingest(&sandbox, "store")["outcome"], "read");
    let first = event(1).len();
    sandbox.write("logs/a.ndjson", event(1) + &event(2));
    let resumed = ingest(&sandbox, "store");
    assert_eq!(
        (&resumed["outcome"], &resumed["from"], &resumed["stored"]),
        (&json!("resumed"), &json!(first), &json!(1))
    );
    let committed = generation(&sandbox);
    for _ in 0..2 {
        assert_eq!(ingest(&sandbox, "store")["outcome"], "unchanged");
    }
    assert_eq!(generation(&sandbox), committed);
    sandbox.write("logs/a.ndjson", event(1) + &event(2) + &event(3));
    assert_eq!(ingest(&sandbox, "store")["from"], 2 * first);
}

#[test]
fn unfinished_line_over_the_limit_is_one_line() {
    let sandbox = Sandbox::new();
    let beginning = event(1) + &"x".repeat(1_200_000);
    sandbox.write("logs/a.ndjson", &beginning);
    let first = ingest(&sandbox, "store");
    assert_eq!((&first["read"], &first["stored"], &first["unfinished"]), (&json!(2), &json!(1), &json!(1)));
    assert_eq!(first["rejected"], json!({}));
    // The unfinished line is longer than the hashed end of the file, so the file is not skipped.
    let again = ingest(&sandbox, "store");
    assert_eq!((&again["outcome"], &again["stored"]), (&json!("resumed"), &json!(0)));
    // The next bytes continue that line.
    sandbox.write("logs/a.ndjson", beginning + &event(2) + &event(3));
    let (resumed, fresh) = (ingest(&sandbox, "store"), ingest(&sandbox, "other"));
    assert_eq!(resumed["from"], event(1).len());
    assert_eq!((&resumed["stored"], &fresh["stored"]), (&json!(1), &json!(2)));
    assert_eq!(
        (&resumed["rejected"], &fresh["rejected"]),
        (&json!({"line_too_long": 1}), &json!({"line_too_long": 1}))
    );
    let stored = |store: &str| {
        let text = sandbox.wa(&format!("--store {store} export")).output();
        text.lines().map(str::to_owned).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(stored("store"), stored("other"));
}

#[test]
fn log_completed_in_place_is_resumed() {
    let sandbox = Sandbox::new();
    // A preallocated log, which contains zeros after the written part.
    let log = |lines: usize| {
        let mut bytes: Vec<u8> = (0..lines).map(event).collect::<String>().into();
        bytes.resize(300 << 10, 0);
        sandbox.write("logs/a.ndjson", bytes);
    };
    log(1);
    assert_eq!(ingest(&sandbox, "store")["stored"], 1);
    log(3);
    assert_eq!(ingest(&sandbox, "store")["stored"], 2);
}

#[test]
fn forced_log_is_registered_once() {
    let sandbox = Sandbox::new();
    for events in 1..5 {
        sandbox.write("logs/a.ndjson", (0..events).map(event).collect::<String>());
        sandbox.wa("--store store ingest --force logs").exits(0);
    }
    let run = sandbox.wa("--store store status").exits(0);
    assert!(run.stdout.contains("ingested files  1\n"), "{run}");
    assert_eq!(ingest(&sandbox, "store")["outcome"], "unchanged");
}

#[test]
fn folder_named_twice_causes_no_warning() {
    let sandbox = Sandbox::new();
    sandbox.write("logs/a.ndjson", event(1));
    sandbox.write("empty/readme.txt", "");
    for inputs in ["logs logs", "log* logs"] {
        let run = sandbox.wa(&format!("ingest {inputs}")).exits(0);
        assert!(!run.stderr.contains("no logs"), "{run}");
    }
    let run = sandbox.wa("--store other ingest empty").exits(0).warns("no logs");
    assert!(!sandbox.path("other").exists(), "{run}");
}

#[test]
fn unfinished_last_lines_are_counted() {
    let sandbox = Sandbox::new();
    for name in ["a", "b"] {
        sandbox.write(&format!("logs/{name}.ndjson"), event(1) + "{\"chatbot_id\"");
    }
    sandbox.wa("ingest logs/a.ndjson").exits(0).warns("1 unfinished last line is left");
    sandbox.wa("--store other ingest logs").exits(0).warns("2 unfinished last lines are left");
}

#[test]
fn last_row_without_a_line_feed_is_read_when_it_is_complete() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "csv.toml",
        "reader = \"csv\"\n[event]\nevent_id = \"/id\"\ntimestamp = \"/at\"\nevent_name = \"/what\"\n\
         anonymous_id = \"/who\"\n",
    );
    sandbox.write(
        "tsv.toml",
        "reader = \"tsv\"\ncolumns = \"at what who\"\n[event]\ntimestamp = \"/at\"\n\
         event_name = \"/what\"\nanonymous_id = \"/who\"\n",
    );
    let request = |second: u32, path: &str| {
        format!(
            "192.0.2.1 - - [09/Nov/2026:12:00:0{second} +0000] \"GET {path} HTTP/1.1\" 200 5 \"-\" \"Mozilla/5.0\""
        )
    };
    let logs = [
        (
            "log.csv",
            "--map csv.toml",
            "id,at,what,who\n1,2026-11-09T12:00:00Z,a,visitor-1\n".to_owned(),
            ("2,2026-11-09T12:00:01Z,b,visitor-1".to_owned(), "2\n".to_owned()),
        ),
        (
            "quoted.csv",
            "--map csv.toml",
            "id,at,what,who\n1,2026-11-09T12:00:00Z,a,\"x\ny\"\n".to_owned(),
            ("2,2026-11-09T12:00:01Z,b,\"visitor\n1\"".to_owned(), "\n".to_owned()),
        ),
        (
            "log.tsv",
            "--map tsv.toml",
            "2026-11-09T12:00:00Z\ta\tvisitor-1\n".to_owned(),
            ("2026-11-09T12:00:01Z\tb\tvisitor-1".to_owned(), "2\n".to_owned()),
        ),
        (
            "access.log",
            "",
            request(0, "/a") + "\n",
            (request(1, "/b") + " 0.", format!("123\n{}\n", request(2, "/c"))),
        ),
    ];
    for (name, map, whole, (beginning, end)) in logs {
        let command = |store: &str| format!("--store {store} ingest {name} {map} --chatbot c --format json");
        let total = |store: &str| sandbox.wa(&command(store)).json()["total"].clone();
        let exported = |store: &str| {
            let text = sandbox.wa(&format!("--store {store} export")).output();
            // Each store has its own key, from which it derives this id.
            let without_key = |line: &str| match line.split_once("ipua-") {
                Some((before, after)) => format!("{before}{}", &after[32..]),
                None => line.to_owned(),
            };
            text.lines().map(without_key).collect::<std::collections::BTreeSet<_>>()
        };
        let (grown, at_once) = (format!("grown-{name}"), format!("at-once-{name}"));
        sandbox.write(name, format!("{whole}{beginning}"));
        let first = total(&grown);
        assert_eq!((&first["stored"], &first["unfinished"]), (&json!(1), &json!(1)), "{name}");
        sandbox.wa(&command(&format!("other-{name}")).replace(" --format json", "")).warns("add a line feed");
        // A preview shows the row.
        let preview = sandbox.wa(&format!("preview {name} {map} --chatbot c --format json")).json();
        assert_eq!(preview["files"][0]["counts"]["events"], 2, "{name}");
        sandbox.write(name, format!("{whole}{beginning}{end}"));
        let second = total(&grown);
        assert_eq!((&second["unfinished"], &second["rejected"]), (&json!(0), &json!({})), "{name}");
        total(&at_once);
        assert_eq!(exported(&grown), exported(&at_once), "{name}");
    }
}

#[test]
fn cut_off_row_and_record_of_a_wrapping_are_unfinished() {
    let sandbox = Sandbox::new();
    let map =
        "reader = \"csv\"\n[event]\ntimestamp = \"/at\"\nevent_name = \"/what\"\nanonymous_id = \"/who\"\n";
    sandbox.write("csv.toml", map);
    let utf16 = |text: &str| -> Vec<u8> {
        "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(u16::to_le_bytes).collect()
    };
    let rows = "at,what,who\n2026-11-09T12:00:00Z,a,v\n2026-11-09T12:00:01Z,b,\"v; w\"\n";
    let event = r#"{\"event_name\":\"café\",\"session_id\":\"s\",\"timestamp\":1794225600}"#;
    let cri = format!("2026-11-09T12:00:00Z stdout F {}\n", event.replace('\\', ""));
    let docker =
        format!("{{\"log\":\"{event}\\n\",\"stream\":\"stdout\",\"time\":\"2026-11-09T12:00:00Z\"}}\n");
    let second_e = docker.len() + docker.find('é').unwrap() + 1;
    for (name, map, whole, cut) in [
        ("quoted.csv", "--map csv.toml", rows.as_bytes().to_vec(), rows.len() - 4),
        ("utf16.csv", "--map csv.toml", utf16(rows), utf16(rows).len() - 8),
        ("docker.log", "", docker.repeat(2).into_bytes(), second_e),
        ("cri.log", "", cri.repeat(2).into_bytes(), cri.len() + 4),
    ] {
        sandbox.write(name, &whole[..cut]);
        let command = format!("--store {name}-store ingest {name} {map} --chatbot c --format json");
        let total = sandbox.wa(&command).json()["total"].clone();
        let figures = (&total["stored"], &total["unfinished"], &total["rejected"]);
        assert_eq!(figures, (&json!(1), &json!(1), &json!({})), "{name}");
        sandbox.write(name, &whole);
        let total = sandbox.wa(&command).json()["total"].clone();
        assert_eq!((&total["unfinished"], &total["rejected"]), (&json!(0), &json!({})), "{name}");
        let events = sandbox.wa(&format!("--store {name}-store export")).output();
        assert_eq!(events.lines().count(), 2, "{name}");
    }
}

/// Returns a log of more than 128 KiB, so that its middle is neither in its head nor in its tail.
fn long_log() -> String {
    let padding = "x".repeat(200);
    let event = |n: usize| event(n).replace("\"id\"", &format!("\"page_title\":\"{padding}\",\"id\""));
    (0..1000).map(event).collect()
}

/// Returns the outcome of a log and the counts of its lines: read, stored, duplicate, rejected.
fn counts(file: &Value) -> (String, [u64; 4]) {
    let rejected = file["rejected"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    let count = |name: &str| file[name].as_u64().unwrap();
    (
        file["outcome"].as_str().unwrap().to_owned(),
        [count("read"), count("stored"), count("duplicate"), rejected],
    )
}

fn outcome(name: &str, counts: [u64; 4]) -> (String, [u64; 4]) {
    (name.to_owned(), counts)
}

#[test]
fn log_repaired_in_its_middle_is_read_again() {
    let sandbox = Sandbox::new();
    let log = long_log();
    sandbox.write("logs/a.ndjson", log.replace("\"id\":\"e500\"", "\"id\":\"e500 "));
    assert_eq!(counts(&ingest(&sandbox, "store")), outcome("read", [1000, 999, 0, 1]));
    assert_eq!(counts(&ingest(&sandbox, "store")), outcome("unchanged", [0; 4]));
    sandbox.write("logs/a.ndjson", &log);
    assert_eq!(counts(&ingest(&sandbox, "store")), outcome("read", [1000, 1, 999, 0]));
    // The log grows: only the new line is read.
    sandbox.write("logs/a.ndjson", log.clone() + &event(1000));
    assert_eq!(counts(&ingest(&sandbox, "store")), outcome("resumed", [1, 1, 0, 0]));
}

#[test]
fn log_that_grew_and_changed_before_is_read_again() {
    let sandbox = Sandbox::new();
    let log = long_log();
    sandbox.write("logs/a.ndjson", &log);
    ingest(&sandbox, "store");
    let changed = log.replace("\"id\":\"e500\"", "\"id\":\"new0\"");
    sandbox.write("logs/a.ndjson", changed + &event(1000));
    assert_eq!(counts(&ingest(&sandbox, "store")), outcome("read", [1001, 2, 999, 0]));
}

/// Programs can set the modification time back, as `cp -p`, `touch -r` and `rsync --times` do.
#[test]
fn change_that_keeps_size_and_time_is_found() {
    let sandbox = Sandbox::new();
    let log = long_log();
    sandbox.write("logs/a.ndjson", &log);
    let path = sandbox.path("logs/a.ndjson");
    let modified = path.metadata().unwrap().modified().unwrap();
    // Make the log older than the ingest, so that the status of the file is recorded.
    std::thread::sleep(std::time::Duration::from_millis(100));
    ingest(&sandbox, "store");
    sandbox.write("logs/a.ndjson", log.replace("\"id\":\"e500\"", "\"id\":\"new0\""));
    std::fs::File::options().append(true).open(&path).unwrap().set_modified(modified).unwrap();
    assert_eq!(counts(&ingest(&sandbox, "store")), outcome("read", [1000, 1, 999, 0]));
}

/// The clock of a file system advances in ticks. A log can change twice within one tick, before and
/// after it is ingested.
#[test]
fn change_within_a_tick_of_the_clock_is_found() {
    let sandbox = Sandbox::new();
    let line = |n: usize| format!("{{\"id\":\"e{n:04}\",{}", &event(0)[r#"{"id":"e0","#.len()..]);
    for n in 0..20 {
        sandbox.write("logs/a.ndjson", line(n));
        assert_eq!(ingest(&sandbox, "store")["stored"], 1, "{n}");
    }
}

#[test]
fn rotated_and_truncated_logs_are_recognized() {
    let sandbox = Sandbox::new();
    let log = long_log();
    let day = |from: usize| (from..from + 10).map(event).collect::<String>();
    let outcomes = |names: &[&str]| -> Vec<(String, [u64; 4])> {
        let inputs: Vec<String> = names.iter().map(|name| format!("logs/{name}")).collect();
        let summary = sandbox.wa(&format!("ingest {} --format json", inputs.join(" "))).json();
        summary["files"].as_array().unwrap().iter().map(counts).collect()
    };
    sandbox.write("logs/a.log", &log);
    outcomes(&["a.log"]);
    // logrotate renames the log; a new one takes its name.
    std::fs::rename(sandbox.path("logs/a.log"), sandbox.path("logs/a.log.1")).unwrap();
    sandbox.write("logs/a.log", day(1000));
    let unchanged = || outcome("unchanged", [0; 4]);
    assert_eq!(outcomes(&["a.log", "a.log.1"]), [outcome("read", [10, 10, 0, 0]), unchanged()]);
    assert_eq!(outcomes(&["a.log", "a.log.1"]), [unchanged(), unchanged()]);
    // The old log is compressed: its lines were ingested before, but its bytes are new.
    std::fs::rename(sandbox.path("logs/a.log"), sandbox.path("logs/a.log.0")).unwrap();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    std::io::Write::write_all(&mut gzip, log.as_bytes()).unwrap();
    sandbox.write("logs/a.log.2.gz", gzip.finish().unwrap());
    let known = outcome("read", [1000, 0, 1000, 0]);
    assert_eq!(outcomes(&["a.log.0", "a.log.2.gz"]), [unchanged(), known]);
    assert_eq!(outcomes(&["a.log.0", "a.log.2.gz"]), [unchanged(), unchanged()]);
    // copytruncate: the log is copied and truncated, and grows again.
    std::fs::copy(sandbox.path("logs/a.log.0"), sandbox.path("logs/b.log")).unwrap();
    sandbox.write("logs/a.log.0", "");
    assert_eq!(outcomes(&["a.log.0", "b.log"]), [outcome("read", [0; 4]), unchanged()]);
    sandbox.write("logs/a.log.0", day(2000));
    assert_eq!(outcomes(&["a.log.0", "b.log"]), [outcome("read", [10, 10, 0, 0]), unchanged()]);
}

#[test]
fn file_read_with_another_map_is_named_in_a_warning() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "a.csv",
        "time,event,visitor,nr\n2026-11-09T10:00:00Z,Sent,v,1\n2026-11-09T10:01:00Z,Got,v,2\n",
    );
    let map = "reader = \"csv\"\n[event]\nchatbot_id = \"=c\"\nevent_name = \"/event\"\n\
               timestamp = \"/time\"\nanonymous_id = \"/visitor\"\n";
    sandbox.write("m1.toml", map);
    sandbox.write("m2.toml", format!("{map}[names]\n\"Sent\" = \"message_sent\"\n"));
    sandbox.write("m3.toml", format!("{map}event_id = \"/nr\"\n"));
    let ingest = |map: &str| sandbox.wa(&format!("ingest a.csv --map {map} --format json")).exits(0);
    let counts = |run: &crate::harness::Run| {
        let json: Value = serde_json::from_str(&run.stdout).unwrap();
        ["stored", "duplicate"].map(|key| &json["files"][0][key]).map(|count| count.as_u64().unwrap())
    };
    let warning = "a.csv was ingested before with another map";
    let first = ingest("m1.toml");
    assert_eq!((counts(&first), first.stderr.contains(warning)), ([2, 0], false), "{first}");
    // The line without an id is the same event, under the name of the first map.
    let renamed = ingest("m2.toml");
    assert_eq!((counts(&renamed), renamed.stderr.contains(warning)), ([0, 2], true), "{renamed}");
    sandbox.wa("events --limit all --format csv").says("Sent");
    // With ids, the lines become different events.
    let with_ids = ingest("m3.toml");
    assert_eq!((counts(&with_ids), with_ids.stderr.contains(warning)), ([2, 0], true), "{with_ids}");
    // Cron reports the file too.
    sandbox.wa("ingest a.csv --map m1.toml --quiet").exits(0).warns(warning);
    // Appending to a file does not change its map, so there is no warning.
    sandbox.write("a.csv", sandbox.read("a.csv") + "2026-11-09T10:02:00Z,Got,v,3\n");
    let grown = ingest("m1.toml");
    assert!(!grown.stderr.contains(warning), "{grown}");
}
