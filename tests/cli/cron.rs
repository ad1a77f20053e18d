//! Nightly runs from cron and systemd with logrotate: quiet runs, exit statuses, and logs that are
//! renamed, compressed and truncated.

use std::io::Write;

use crate::harness::{Sandbox, root};

fn line(number: usize, time: &str) -> String {
    // Every other line has no event id, so the ids depend on the whole file.
    let id = if number.is_multiple_of(2) { String::new() } else { format!("\"id\":\"e{number}\",") };
    format!(
        "{{{id}\"chatbot_id\":\"c\",\"session_id\":\"s{:02}\",\"event_name\":\"message_sent\",\
         \"timestamp\":\"{time}\",\"page_title\":\"line {number}\"}}\n",
        number / 5
    )
}

/// Returns the lines `from..to`, a minute apart.
fn lines(from: usize, to: usize) -> String {
    let time = |n: usize| format!("2026-11-09T{:02}:{:02}:00Z", n / 60, n % 60);
    (from..to).map(|number| line(number, &time(number))).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// Returns the numbers of the stored lines, sorted.
fn stored(sandbox: &Sandbox) -> Vec<usize> {
    let text = sandbox.wa("export").output();
    let number = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        line["page_title"].as_str().unwrap().strip_prefix("line ").unwrap().parse().unwrap()
    };
    let mut numbers: Vec<usize> = text.lines().map(number).collect();
    numbers.sort_unstable();
    numbers
}

#[test]
fn quiet_prints_only_problems() {
    let sandbox = Sandbox::new();
    sandbox.write("logs/a.ndjson", lines(0, 20));
    for command in [
        "ingest logs",
        "ingest logs",
        "gc",
        "verify",
        "rebuild",
        "anonymize --older-than 30d",
        "forget --user nobody",
        "gc",
    ] {
        sandbox.wa(&format!("--quiet {command}")).exits(0).prints_nothing();
    }
    // `--quiet` does not suppress a report.
    sandbox.wa("--quiet report summary --as-of latest").exits(0).says("Sessions");

    let run = sandbox.wa("--quiet ingest logs gone.ndjson").exits(4);
    let run = run.says("file").says("total").says("1 file is unchanged");
    run.warns("cannot read gone.ndjson").warns("1 input could not be read").warns("hint: ");
    sandbox.write("wa-store/wa.toml", "timezone = \"Europe/Berlin\"\n");
    sandbox
        .wa("--quiet gc")
        .exits(2)
        .warns("the store was created with the time zone UTC")
        .warns("wa rebuild");
}

#[test]
fn quiet_reports_newly_rejected_lines_once() {
    let sandbox = Sandbox::new();
    sandbox.write("logs/a.ndjson", lines(0, 20) + "no json\n");
    let run =
        sandbox.wa("--quiet ingest logs").exits(0).says("rejected: 1 not_json").warns("created the store");
    assert_eq!(run.stderr.lines().count(), 1, "{run}");
    sandbox.wa("--quiet ingest logs").exits(0).prints_nothing();
    sandbox.wa("--quiet ingest logs --force").exits(0).prints_nothing();
    // The log has grown. Its old line is rejected again, but is already stored.
    sandbox.write("logs/a.ndjson", lines(0, 20) + "no json\n" + &lines(20, 22));
    sandbox.wa("--quiet ingest logs").exits(0).prints_nothing();
    // The format of the log has changed: no line is stored.
    sandbox.write("logs/b.ndjson", lines(22, 30).replace("event_name", "name"));
    sandbox.wa("--quiet ingest logs").exits(4).says("rejected: 8 no_event_name");
}

#[test]
fn log_of_unsupported_compression_is_a_warning() {
    let sandbox = Sandbox::new();
    sandbox.write("logs/a.ndjson", "");
    sandbox.write("logs/b.ndjson.lz4", "");
    sandbox
        .wa("ingest logs")
        .exits(0)
        .warns("warning: 1 compressed log was not read, such as logs/b.ndjson.lz4: only .gz");
}

#[test]
fn folder_without_log_files_is_a_warning() {
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("logs")).unwrap();
    sandbox
        .wa("ingest logs")
        .exits(0)
        .warns("warning: there are no logs in logs: ")
        .warns("*.ndjson, *.jsonl, *.json");
    // An empty folder causes no warning.
    sandbox.wa("--quiet ingest logs").exits(0).prints_nothing();
    // logrotate gives this name, which no pattern for logs matches.
    sandbox.write("logs/widget.ndjson.1", lines(0, 5));
    sandbox.wa("--quiet ingest logs").exits(0).warns("name other files, such as logs/widget.ndjson.1");
    sandbox.wa("--quiet ingest logs/widget*").exits(0).prints_nothing();
    assert_eq!(stored(&sandbox).len(), 5);
}

#[test]
fn exit_statuses_match_their_table() {
    let sandbox = Sandbox::new();
    sandbox.write("good.ndjson", lines(0, 20));
    sandbox.write("bad.ndjson", lines(20, 22) + "no json\n");
    sandbox.wa("ingest good.ndjson").exits(0);
    // 1: failed.
    sandbox.wa("--store gone gc").exits(1).warns("there is no wa store");
    // 2: wrong usage.
    sandbox.wa("gc --keep-events 3").exits(2).warns("write 3d for 3 days");
    // 3: more lines are rejected than allowed, so nothing is stored; or a metric meets `--fail-if`.
    sandbox.wa("ingest bad.ndjson --max-rejects 0").exits(3).warns("nothing was committed");
    assert_eq!(stored(&sandbox).len(), 20);
    let report = "report summary --days 1 --as-of yesterday --format json --fail-if";
    let mut arguments: Vec<&str> = report.split(' ').collect();
    arguments.push("total_sessions < 5");
    sandbox.run(&arguments).exits(3).warns("total_sessions is 4");
    *arguments.last_mut().unwrap() = "total_sessions < 4";
    sandbox.run(&arguments).exits(0);
    // 4: some input could not be read; the rest is stored.
    sandbox.wa("ingest gone.ndjson bad.ndjson").exits(4);
    assert_eq!(stored(&sandbox).len(), 22);

    // The table lists exactly these statuses.
    let page = std::fs::read_to_string(root().join("docs/cron.md")).unwrap();
    let table = page.split("## Exit statuses").nth(1).unwrap();
    let rows = table.lines().filter_map(|row| row.strip_prefix("| ")?.split(" |").next()?.parse().ok());
    assert_eq!(rows.collect::<Vec<u8>>(), [0, 1, 2, 3, 4]);
}

#[test]
fn rotated_and_compressed_logs_are_ingested_once() {
    let sandbox = Sandbox::new();
    let ingest = || sandbox.wa("--quiet ingest logs").exits(0).prints_nothing();
    // Line 30 of the second day is half written during the ingest.
    let text = lines(0, 31);
    sandbox.write("logs/widget.ndjson", &text[..text.len() - 40]);
    ingest();
    assert_eq!(stored(&sandbox), (0..30).collect::<Vec<_>>());
    // After the rename, the writer still has the log open. It opens a new one some lines later.
    std::fs::create_dir(sandbox.path("logs/old")).unwrap();
    std::fs::rename(sandbox.path("logs/widget.ndjson"), sandbox.path("logs/old/widget-1.ndjson")).unwrap();
    sandbox.write("logs/old/widget-1.ndjson", lines(0, 40));
    sandbox.write("logs/widget.ndjson", lines(40, 45));
    ingest();
    assert_eq!(stored(&sandbox), (0..45).collect::<Vec<_>>());
    // The next rotation compresses the first log and renames the second.
    std::fs::remove_file(sandbox.path("logs/old/widget-1.ndjson")).unwrap();
    sandbox.write("logs/old/widget-1.ndjson.gz", gzip(lines(0, 40).as_bytes()));
    sandbox.write("logs/old/widget-2.ndjson", lines(40, 60));
    sandbox.write("logs/widget.ndjson", "");
    ingest();
    assert_eq!(stored(&sandbox), (0..60).collect::<Vec<_>>());
    std::fs::remove_file(sandbox.path("logs/old/widget-2.ndjson")).unwrap();
    sandbox.write("logs/old/widget-2.ndjson.zst", zstd::encode_all(lines(40, 60).as_bytes(), 1).unwrap());
    sandbox.write("logs/widget.ndjson", lines(60, 61));
    ingest();
    // Deleting the logs removes no events.
    std::fs::remove_dir_all(sandbox.path("logs/old")).unwrap();
    ingest();
    assert_eq!(stored(&sandbox), (0..61).collect::<Vec<_>>());
    sandbox.wa("--quiet verify").prints_nothing();
}

#[test]
fn copytruncate_log_that_grew_is_ingested_once() {
    let sandbox = Sandbox::new();
    let ingest = || sandbox.wa("--quiet ingest logs").exits(0).prints_nothing();
    sandbox.write("logs/widget.ndjson", lines(0, 10));
    ingest();
    // The log is copied with two more lines, truncated, and grows beyond its old size.
    sandbox.write("logs/old/widget-1.ndjson", lines(0, 12));
    sandbox.write("logs/widget.ndjson", lines(12, 40));
    ingest();
    assert_eq!(stored(&sandbox), (0..40).collect::<Vec<_>>());
    // The log grows to exactly its old size, so only its content differs.
    sandbox.write("logs/old/widget-2.ndjson.gz", gzip(lines(12, 40).as_bytes()));
    sandbox.write("logs/widget.ndjson", lines(42, 70));
    assert_eq!(lines(12, 40).len(), lines(42, 70).len());
    ingest();
    let expected: Vec<usize> = (0..40).chain(42..70).collect();
    assert_eq!(stored(&sandbox), expected);
    sandbox.wa("--quiet verify").prints_nothing();
}

/// Runs the crontab lines of the docs as cron does: with `sh`, in an environment that contains only
/// the variables of the crontab.
#[cfg(unix)]
#[test]
fn documented_crontab_lines_run() {
    let page = std::fs::read_to_string(root().join("docs/cron.md")).unwrap();
    let crontab = page.split("```crontab\n").nth(1).unwrap().split("```").next().unwrap();
    let sandbox = Sandbox::new();
    std::fs::create_dir(sandbox.path("bin")).unwrap();
    // The test needs a fixed clock.
    let script =
        format!("#!/bin/sh\nexec '{}' --now {} \"$@\"\n", env!("CARGO_BIN_EXE_wa"), crate::harness::NOW);
    sandbox.write("bin/wa", script);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(sandbox.path("bin/wa"), mode).unwrap();
    sandbox.write("logs/widget.ndjson", lines(0, 20));
    let here = |text: &str| {
        let bin = sandbox.path("bin").display().to_string();
        text.replace("/usr/local/bin", &bin)
            .replace("/var/lib/wa/store", &sandbox.path("store").display().to_string())
            .replace("/var/log/chat", &sandbox.path("logs").display().to_string())
    };
    let mut environment = Vec::new();
    let mut statuses = Vec::new();
    for line in crontab.lines().filter(|line| !line.starts_with('#')) {
        if let Some((name, value)) = line.split_once('=').filter(|(name, _)| !name.contains(' ')) {
            environment.push((name.to_owned(), here(value)));
            continue;
        }
        let command = line.split_whitespace().skip(5).collect::<Vec<_>>().join(" ");
        assert!(!command.contains('%'), "cron ends a line at a percent sign: {command}");
        let done = std::process::Command::new("/bin/sh")
            .args(["-c", &here(&command)])
            .env_clear()
            .envs(environment.iter().cloned())
            .current_dir("/")
            .output()
            .unwrap();
        statuses.push((done.status.code(), done.stdout, done.stderr));
    }
    assert_eq!(statuses.len(), 3);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (night, monday, figure) = (&statuses[0], &statuses[1], &statuses[2]);
    assert_eq!((night.0, text(&night.1), text(&night.2)), (Some(0), String::new(), String::new()));
    assert_eq!(monday.0, Some(0), "{}", text(&monday.2));
    assert!(text(&monday.1).contains("Sessions"), "{}", text(&monday.1));
    // Four sessions, each with messages: a conversion rate of 100.
    assert_eq!((figure.0, text(&figure.1), text(&figure.2)), (Some(0), String::new(), String::new()));
}

/// The log gets a new name each night. Its old lines are not read again.
#[test]
fn rotated_log_is_unchanged_under_all_its_names() {
    let sandbox = Sandbox::new();
    for night in 0..7 {
        for number in (0..night).rev() {
            let name = |n: usize| {
                sandbox.path(&if n == 0 { "chat.ndjson".into() } else { format!("chat.ndjson.{n}") })
            };
            std::fs::rename(name(number), name(number + 1)).unwrap();
        }
        sandbox.write("chat.ndjson", lines(night * 10, night * 10 + 10));
        let summary = sandbox.wa("--quiet ingest chat.ndjson* --format json").exits(0).output();
        let summary: serde_json::Value = serde_json::from_str(&summary).unwrap();
        assert_eq!(summary["total"]["read"], 10, "night {night}: {summary}");
    }
    assert_eq!(stored(&sandbox), (0..70).collect::<Vec<_>>());
}
