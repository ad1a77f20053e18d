//! Conventions of all commands: help, streams, exit statuses, escaping.

use std::io::Read;
use std::process::Stdio;

use crate::harness::Sandbox;

#[test]
fn help_and_version_go_to_standard_output() {
    let sandbox = Sandbox::new();
    for arguments in ["--help", "-h", "help", "report summary --help", "help report summary", "gc -h"] {
        sandbox.wa(arguments).says("Usage: wa").output();
    }
    assert_eq!(sandbox.wa("--version").output(), format!("wa {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn wrong_usage_exits_with_2_and_says_so_on_standard_error() {
    let sandbox = Sandbox::new();
    for arguments in [
        "",
        "ingst",
        "ingest",
        "report --days 0",
        "report summary --days 0",
        "report summary --days 7 --from 2026-01-01 --to 2026-01-07",
        "report summary --to 2026-01-07 --as-of yesterday",
        "report summary --as-of tomorrow",
        "report events --limit 101",
        "report sessions --limit 0",
        "report summary --from 2026-02-01 --to 2026-01-01",
        "report sessions --page 0",
        "report summary --fail-if nonsense",
        "gc --keep-events 90",
        "gc --keep-events 90d --keep-sessions 30d",
        "ingest x --ip hash",
        "ingest x --memory 1K",
        "anonymize",
        "forget",
        "files nonsense",
        "--now never config",
    ] {
        let run = sandbox.wa(arguments).exits(2);
        assert!(run.stdout.is_empty() && !run.stderr.is_empty(), "{run}");
    }
}

#[test]
fn unknown_commands_suggest_the_nearest() {
    let sandbox = Sandbox::new();
    sandbox.wa("import logs").exits(2).warns("'ingest'");
    sandbox.wa("summary").exits(2).warns("'report summary'");
    sandbox.wa("report sumary").exits(2).warns("'summary'");
}

#[test]
fn control_characters_in_paths_are_escaped() {
    let sandbox = Sandbox::new();
    let run = sandbox.run(["--store", "a\u{1b}]0;title\u{7}", "config"]).exits(0);
    assert!(!run.stdout.contains('\u{1b}'), "{run}");
    sandbox.write("f\u{1b}[31m/x", "");
    let run = sandbox.run(["--store", "f\u{1b}[31m", "init"]).exits(1);
    assert!(!run.stderr.contains('\u{1b}') && run.stderr.contains("\\u{1b}"), "{run}");
}

#[cfg(unix)]
#[test]
fn closed_pipe_is_not_an_error() {
    let sandbox = Sandbox::new();
    let line = |n: u32| {
        format!(
            "{{\"chatbot_id\":\"c\",\"session_id\":\"s\",\"event_name\":\"e\",\
             \"timestamp\":\"2026-11-09T12:{:02}:{:02}Z\"}}\n",
            n / 60,
            n % 60
        )
    };
    sandbox.write("log.ndjson", (0..3000).map(line).collect::<String>());
    sandbox.wa("ingest log.ndjson").exits(0);
    // Each command prints more than the buffer of a pipe holds. The reader closes the pipe after
    // one byte.
    for arguments in [
        "completions bash",
        "export",
        "export --format csv",
        "events --limit 0 --format ndjson",
        "events --limit 0",
    ] {
        let mut child = sandbox
            .command()
            .args(arguments.split(' '))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut [0]).unwrap();
        drop(stdout);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{arguments}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{arguments}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn full_disk_on_standard_output_is_an_error() {
    let sandbox = Sandbox::new();
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = sandbox.command().arg("config").stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.starts_with("wa: error: cannot write to standard output: "), "{stderr}");
}

#[cfg(target_os = "linux")]
#[test]
fn unprintable_summary_still_reports_the_commit() {
    let sandbox = Sandbox::new();
    sandbox.write(
        "log.ndjson",
        "{\"chatbot_id\":\"c\",\"session_id\":\"s\",\"user_id\":\"u\",\"event_name\":\"e\",\"timestamp\":\"2026-11-09T12:00:00Z\"}\n",
    );
    let full = |arguments: &str, says: &str| {
        let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let output = sandbox.command().args(arguments.split(' ')).stdout(full).output().unwrap();
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(1), "{arguments}: {stderr}");
        assert!(stderr.contains(says), "{arguments}: {stderr}");
        stderr
    };
    full("ingest log.ndjson", "wa: error: the ingest is committed, but its summary could not be printed: ");
    for arguments in ["gc", "rebuild", "anonymize --older-than 1d"] {
        full(arguments, "is committed, but");
    }
    // A command that changed nothing can be repeated.
    assert!(!full("gc --dry-run", "cannot write to standard output").contains("committed"));
    assert!(!full("verify", "cannot write to standard output").contains("committed"));
    // The receipt of an erasure is printed only once.
    let stderr = full("forget --user u --format json", "the erasure is committed, but");
    let (receipt, error) = stderr.split_once("wa: error: ").unwrap();
    let receipt: serde_json::Value = serde_json::from_str(receipt).unwrap();
    assert_eq!(receipt["erased"]["events"], 1);
    assert!(error.contains("save the receipt above"), "{error}");
}

#[test]
fn color_is_used_only_on_request() {
    let sandbox = Sandbox::new();
    let plain = sandbox.wa("gc --keep-sessions 1d").exits(2);
    assert!(plain.stderr.starts_with("wa: error: "), "{plain}");
    let colored = sandbox.wa("--color always gc --keep-sessions 1d").exits(2);
    assert!(colored.stderr.contains("\u{1b}["), "{colored}");
    // Help and usage errors appear before the options are parsed.
    for arguments in ["gc --help", "report --nonsense", ""] {
        let run = sandbox.wa(&format!("--color=always {arguments}"));
        assert!((run.stdout.clone() + &run.stderr).contains("\u{1b}["), "{run}");
        let run = sandbox.wa(&format!("{arguments} --color never"));
        assert!(!(run.stdout.clone() + &run.stderr).contains('\u{1b}'), "{run}");
    }
}

#[test]
fn completions_and_manual_cover_every_command() {
    let sandbox = Sandbox::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let completions = sandbox.wa(&format!("completions {shell}")).output();
        assert!(completions.contains("traffic-sources") || completions.contains("performance"), "{shell}");
    }
    sandbox.wa("man pages/man1").exits(0).warns("manual pages");
    assert!(sandbox.read("pages/man1/wa-report-summary.1").contains("fail\\-if"));
    sandbox.wa("--quiet man pages/man1").exits(0).prints_nothing();
    let page = sandbox.read("pages/man1/wa-anonymize.1");
    let synopsis = page.split(".SH ").find(|part| part.starts_with("SYNOPSIS")).unwrap();
    assert!(synopsis.contains("[\\fB\\-\\-lock\\-timeout\\fR \\fITIME\\fR]"), "{synopsis}");
    assert!(synopsis.contains("\\fB\\-\\-older\\-than\\fR \\fITIME\\fR"), "{synopsis}");
    assert!(synopsis.contains("[\\fB\\-\\-dry\\-run\\fR]"), "{synopsis}");
    assert!(page.contains(".SH EXAMPLES\n  wa anonymize") && !page.contains("EXTRA"), "{page}");
}
