//! `wa gc` through the binary: dry runs, confirmations, retention.

use serde_json::{Value, json};
use wa::maintenance::{GcOptions, gc};
use wa::settings::{Retention, Settings};
use wa::store::Store;
use wa::time::Clock;

use crate::harness::Sandbox;

/// Returns the line of an event; `more` is a JSON fragment that begins with a comma.
fn line(chatbot: &str, time: &str, more: &str) -> String {
    format!(
        "{{\"chatbot_id\":\"{chatbot}\",\"session_id\":\"{time}\",\"event_name\":\"message_sent\",\
         \"timestamp\":\"{time}\"{more}}}\n"
    )
}

/// Returns a store with half a year of data: an event every tenth day, and rejected lines. The
/// rejected lines of one day come from several ingests.
fn sandbox() -> Sandbox {
    let mut sandbox = Sandbox::new();
    let days = [
        "2026-05-03",
        "2026-05-13",
        "2026-05-23",
        "2026-06-02",
        "2026-06-12",
        "2026-06-22",
        "2026-07-02",
        "2026-07-12",
        "2026-07-22",
        "2026-08-01",
        "2026-08-11",
        "2026-08-21",
        "2026-08-31",
        "2026-09-10",
    ];
    for day in days {
        sandbox = sandbox.at(&format!("{day}T12:00:00Z"));
        for hour in [8, 9] {
            let name = format!("{day}-{hour}.ndjson");
            let address = ",\"ip\":\"203.0.113.9\"";
            let text = line("shop", &format!("{day}T{hour:02}:00:00Z"), address);
            sandbox.write(&name, text + &format!("no json {day} {hour}\n"));
            sandbox.wa(&format!("ingest {name}")).exits(0);
        }
    }
    sandbox
}

/// Returns a gc report without the fields that differ between a dry run and a real run.
fn done(report: &Value) -> Value {
    let mut report = report.clone();
    report["dry_run"] = Value::Null;
    report["anonymized"]["dry_run"] = Value::Null;
    report
}

fn files(sandbox: &Sandbox) -> Vec<(String, u64)> {
    fn walk(dir: &std::path::Path, all: &mut Vec<(String, u64)>) {
        for entry in std::fs::read_dir(dir).unwrap().map(Result::unwrap) {
            match entry.file_type().unwrap().is_dir() {
                true => walk(&entry.path(), all),
                false => all.push((entry.path().display().to_string(), entry.metadata().unwrap().len())),
            }
        }
    }
    let mut all = Vec::new();
    walk(&sandbox.path("wa-store"), &mut all);
    all.sort();
    all
}

#[test]
fn dry_run_reports_what_the_next_run_does() {
    let sandbox = sandbox().at("2026-09-10T13:00:00Z");
    sandbox
        .write("wa-store/wa.toml", "[retention]\nevents = \"60d\"\n[privacy]\nanonymize_after = \"30d\"\n");
    // The orphan files of an interrupted run.
    sandbox.write("wa-store/staging/half.parquet", "PAR1");
    sandbox.write("wa-store/events/event_date=2026-09-10/unnamed.parquet", "PAR1");
    let before = files(&sandbox);
    let flags = "--keep-sessions 100d --keep-daily-stats 110d --format json";
    let dry = sandbox.wa(&format!("gc --dry-run {flags}")).json();
    assert_eq!(files(&sandbox), before, "a dry run changes nothing");
    assert_eq!(sandbox.wa(&format!("gc --dry-run {flags}")).json(), dry);

    // The 60 retained days begin on 13 July, so 12 July is the last expired day.
    let days: Vec<String> = before.iter().filter_map(|(path, _)| day_of(path, "event_date=")).collect();
    let old: Vec<&String> = days.iter().filter(|day| day.as_str() <= "2026-07-12").collect();
    let mut dates = old.clone();
    dates.dedup();
    assert_eq!((dry["events"]["days"].clone(), dates.len()), (json!(dates), 8));
    assert_eq!(dry["events"]["rows"], 16);
    assert_eq!(dry["events"]["files"], old.len());
    let bytes = |key: &str, last: &str| {
        let of = before.iter().filter(|(path, _)| day_of(path, key).is_some_and(|day| *day <= *last));
        of.map(|(_, bytes)| bytes).sum::<u64>()
    };
    assert_eq!(dry["events"]["bytes"], bytes("event_date=", "2026-07-12"));
    assert_eq!(dry["sessions"]["days"], json!(["2026-05-03", "2026-05-13", "2026-05-23", "2026-06-02"]));
    assert_eq!(dry["sessions"]["bytes"], bytes("session_date=", "2026-06-02"));
    assert_eq!(dry["daily_stats"]["days"], json!(["2026-05-03", "2026-05-13", "2026-05-23"]));
    assert_eq!(dry["daily_stats"]["rows"], 3);
    assert_eq!((&dry["rejects"]["rows"], &dry["rejects"]["files"]), (&16.into(), &16.into()));
    assert_eq!(dry["rejects"]["days"], dry["events"]["days"]);
    // IP addresses are removed from two events and two sessions on each of 22 July, 1 August and
    // 11 August, and from the earlier sessions of June and July, whose events are pruned.
    assert_eq!(dry["anonymized"]["events"], 6);
    assert_eq!(dry["orphan_files"], 2);

    let real = sandbox.wa(&format!("gc {flags}")).json();
    assert_eq!((&dry["dry_run"], &real["dry_run"]), (&true.into(), &false.into()));
    assert_eq!(done(&real), done(&dry));
    let after = files(&sandbox);
    let size = |files: &[(String, u64)]| {
        let of = files.iter().filter(|(path, _)| path.contains("=20") || path.contains("/rejects/"));
        of.map(|(_, bytes)| bytes).sum::<u64>()
    };
    assert_eq!(real["bytes_after"], size(&after));
    assert_eq!(real["bytes_before"], size(&before) - 4, "the orphan file does not count");
    // One file per day remains, of events and of rejected lines.
    let left: Vec<String> = after.iter().filter_map(|(path, _)| day_of(path, "event_date=")).collect();
    assert_eq!(left.len(), 6);
    assert_eq!(after.iter().filter(|(path, _)| path.contains("/rejects/")).count(), 6);
    let status = sandbox.wa("status --format json").json();
    assert_eq!((&status["tables"][0]["rows"], &status["rejects"]["rows"]), (&12.into(), &12.into()));

    let again = sandbox.wa(&format!("gc {flags}")).json();
    for part in ["events", "sessions", "daily_stats", "rejects"] {
        let none = json!({"days": [], "rows": 0, "files": 0, "bytes": 0});
        assert_eq!(again[part], none, "{part}");
    }
    assert_eq!(again["compacted"], json!({"files": 0, "into": 0}));
    assert_eq!((&again["anonymized"]["files"], &again["orphan_files"]), (&0.into(), &0.into()));
    let table_files = |all: &[(String, u64)]| {
        all.iter().filter(|(path, _)| !path.ends_with("manifest.json")).cloned().collect::<Vec<_>>()
    };
    assert_eq!(table_files(&files(&sandbox)), table_files(&after));
    sandbox.wa("verify").exits(0);
}

fn day_of(path: &str, key: &str) -> Option<String> {
    Some(path.split_once(key)?.1.get(..10)?.to_owned())
}

#[test]
fn pruned_statistics_stay_pruned() {
    let sandbox = sandbox().at("2026-09-10T13:00:00Z");
    sandbox.wa("gc --keep-daily-stats 60d").exits(2).warns("at least as long as sessions");
    // The library accepts this shorter retention, which the command line rejects.
    let settings = Settings { daily_stats_retention: Retention::Days(60), ..Settings::default() };
    let now = wa::time::parse_human("2026-09-10T13:00:00Z").unwrap();
    let lock_timeout = std::time::Duration::from_secs(1);
    let options = GcOptions { clock: Clock { now }, dry_run: false, yes: false, lock_timeout };
    let report = gc(&Store::new(sandbox.path("wa-store")), &settings, options).unwrap();
    assert_eq!(report.daily_stats.rows, 8);
    sandbox.wa("verify").exits(0);
    let first_day = |sandbox: &Sandbox| {
        let said = sandbox.wa("report trends --days 200 --format json").json();
        said["trends"][0]["stat_date"].as_str().unwrap().to_owned()
    };
    // Today is 10 September, so the 60 retained days begin on 13 July.
    assert_eq!(first_day(&sandbox), "2026-07-13");
    // A late line of a day whose sessions are retained and whose statistics are pruned.
    sandbox.write("late.ndjson", line("shop", "2026-07-02T11:00:00Z", ""));
    let summary = sandbox.wa("ingest late.ndjson --format json").json();
    assert_eq!(summary["total"]["stored"], 1);
    assert_eq!(first_day(&sandbox), "2026-07-13");
    sandbox.wa("verify").exits(0);
    // Neither a rebuild nor a change of the time zone restores them.
    sandbox.write("wa-store/wa.toml", "timezone = \"Asia/Tokyo\"\n");
    sandbox.wa("rebuild").exits(0);
    assert_eq!(first_day(&sandbox), "2026-07-13");
    sandbox.wa("verify").exits(0);
    // Another chatbot had no data on these days, so its history can be ingested.
    sandbox.write("other.ndjson", line("library", "2026-07-02T11:00:00Z", ""));
    sandbox.wa("ingest other.ndjson").exits(0);
    assert_eq!(first_day(&sandbox), "2026-07-02");
    sandbox.wa("verify").exits(0);
}

#[test]
fn clock_jump_needs_confirmation() {
    let sandbox = sandbox();
    // gc has never run, and the newest event is half a month old: the clock may be wrong.
    let sandbox = sandbox.at("2026-09-25T02:00:00Z");
    sandbox.wa("gc --keep-events 60d").exits(2).warns("is the clock right?").warns("--yes");
    let dry = sandbox.wa("gc --keep-events 60d --dry-run").exits(0);
    dry.says("needs confirmation (--yes)").says("is the clock right?");
    assert!(!sandbox.path("wa-store/staging").exists(), "a dry run leaves no staging folder");
    // No confirmation is needed if nothing would be pruned.
    sandbox.wa("gc --keep-events 1y").exits(0);
    // gc ran every night: the site had no traffic, and its old data is pruned.
    let sandbox = sandbox.at("2026-09-26T02:00:00Z");
    sandbox.wa("gc --keep-events 60d").exits(0);
    let sandbox = sandbox.at("2026-10-26T02:00:00Z");
    sandbox.wa("gc --keep-events 60d").exits(2).warns("the last gc was at 2026-09-26T02:00:00Z");
    sandbox.wa("gc --keep-events 60d --yes").exits(0);
    // Pruning everything needs a confirmation, however often gc has run.
    let sandbox = sandbox.at("2026-10-27T02:00:00Z");
    sandbox.wa("gc --keep-events 2d").exits(2).warns("all events would be removed");
}

#[test]
fn pruning_events_of_today_needs_confirmation() {
    let sandbox = Sandbox::new().at("2026-09-10T03:00:00Z");
    sandbox.wa("init --timezone Asia/Tokyo").exits(0);
    // Now it is noon in Tokyo. At 01:00 in Tokyo it was still the 9th in UTC.
    let lines = ["2026-09-08T01:00:00Z", "2026-09-09T16:00:00Z", "2026-09-10T01:00:00Z"];
    sandbox.write("log.ndjson", lines.map(|time| line("shop", time, "")).concat());
    sandbox.wa("ingest log.ndjson").exits(0);
    sandbox
        .wa("gc --keep-events 1d")
        .exits(2)
        .warns("events of today would be removed, up to 2026-09-09T16:00:00Z")
        .warns("Asia/Tokyo");
    sandbox.wa("gc --keep-events 2d").exits(0);
    assert_eq!(sandbox.wa("status --format json").json()["tables"][0]["rows"], 2);
    sandbox.wa("gc --keep-events 1d --yes").exits(0);
    assert_eq!(sandbox.wa("status --format json").json()["tables"][0]["rows"], 1);
}

#[test]
fn retention_flags_override_settings_for_one_run() {
    let sandbox = sandbox().at("2026-09-10T13:00:00Z");
    let rows = |sandbox: &Sandbox| sandbox.wa("status --format json").json()["tables"][0]["rows"].clone();
    sandbox.write("wa-store/wa.toml", "[retention]\nevents = \"forever\"\nsessions = \"forever\"\n");
    sandbox.wa("gc").exits(0);
    assert_eq!(rows(&sandbox), 28);
    sandbox.write("wa-store/wa.toml", "[retention]\nevents = \"17w\"\n");
    sandbox.wa("gc").exits(0);
    // 17 weeks are the 119 days from 15 May.
    assert_eq!(rows(&sandbox), 24);
    sandbox.wa("gc --keep-events 1y --keep-sessions 1y").exits(0);
    assert_eq!(rows(&sandbox), 24);
    sandbox.wa("gc --keep-events 11d").exits(0);
    assert_eq!(rows(&sandbox), 4);
}
