//! Ctrl-C, and the wait for another writer.
#![cfg(unix)]

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::Sandbox;

const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;

fn start(sandbox: &Sandbox, arguments: &str) -> Child {
    let mut command = sandbox.command();
    command.args(arguments.split_whitespace()).stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

fn send(child: &Child, signal: i32) {
    let id = child.id().to_string();
    assert!(Command::new("kill").args([format!("-{signal}"), id]).status().unwrap().success());
}

/// Waits until a condition holds.
#[track_caller]
fn wait_until(what: &str, mut is_true: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_true() {
        assert!(started.elapsed() < Duration::from_secs(120), "timed out waiting until {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Returns the signal that ended a process, and its standard error.
fn end(mut child: Child) -> (Option<i32>, String) {
    let mut error = String::new();
    child.stderr.take().unwrap().read_to_string(&mut error).unwrap();
    (child.wait().unwrap().signal(), error)
}

fn line(n: u64) -> String {
    format!(
        "{{\"chatbot_id\":\"c\",\"session_id\":\"s{}\",\"event_name\":\"message_sent\",\
         \"timestamp\":\"2026-11-09T12:00:00Z\",\"properties\":{{\"n\":{n}}}}}\n",
        n / 10
    )
}

#[test]
fn interrupted_ingest_reports_that_nothing_was_stored() {
    for signal in [SIGINT, SIGTERM] {
        let sandbox = Sandbox::new();
        let child = start(&sandbox, "ingest -");
        (&mut child.stdin.as_ref().unwrap()).write_all(line(1).as_bytes()).unwrap();
        wait_until("the store exists", || sandbox.path("wa-store/key").exists());
        send(&child, signal);
        let (ended_by, error) = end(child);
        assert_eq!(ended_by, Some(signal), "{error}");
        assert!(error.contains("wa: error: interrupted; nothing was stored\nhint: run the same"), "{error}");
        sandbox.write("log.ndjson", line(1));
        sandbox.wa("ingest log.ndjson").exits(0);
        sandbox.wa("verify").exits(0);
        assert!(!sandbox.path("wa-store/staging").exists());
    }
}

#[test]
fn interrupted_lint_leaves_no_temporary_files() {
    let sandbox = Sandbox::new();
    sandbox.write("tmp/keep", "");
    let folders = || std::fs::read_dir(sandbox.path("tmp")).unwrap().count() - 1;
    for signal in [SIGINT, SIGTERM] {
        let mut command = sandbox.command();
        command.args(["lint", "-"]).env("TMPDIR", sandbox.path("tmp")).stdin(Stdio::piped());
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        (&mut child.stdin.as_ref().unwrap()).write_all(line(1).as_bytes()).unwrap();
        wait_until("there is a temporary folder", || folders() > 0);
        send(&child, signal);
        let (ended_by, error) = end(child);
        assert_eq!(ended_by, Some(signal), "{error}");
        assert!(error.contains("wa: error: interrupted\n"), "{error}");
        assert_eq!(folders(), 0);
    }
}

#[test]
fn interrupted_ingest_reports_the_number_of_stored_events() {
    let sandbox = Sandbox::new();
    let mut child = start(&sandbox, "ingest - --memory 256M");
    let mut stdin = child.stdin.take().unwrap();
    let feed = std::thread::spawn(move || {
        // Write lines until the process ends.
        let mut n = 0;
        while stdin.write_all((n..n + 1000).map(line).collect::<String>().as_bytes()).is_ok() {
            n += 1000;
        }
    });
    let generation = || {
        let manifest = std::fs::read(sandbox.path("wa-store/manifest.json")).ok()?;
        Some(wa::store::manifest::Manifest::from_bytes(&manifest).ok()?.generation)
    };
    wait_until("a batch is committed", || generation().is_some_and(|generation| generation > 0));
    send(&child, SIGINT);
    let (ended_by, error) = end(child);
    feed.join().unwrap();
    assert_eq!(ended_by, Some(SIGINT), "{error}");
    let stored = sandbox.wa("export").output().lines().count() as u64;
    assert!(stored > 0);
    let count = wa_count(&error);
    assert_eq!(count, Some(stored), "{error}");
    assert!(
        error.contains("hint: run the same command again: it continues where this run stopped"),
        "{error}"
    );
}

/// Returns the number in `interrupted; 1,234 events are stored, the rest is not`.
fn wa_count(error: &str) -> Option<u64> {
    let (_, rest) = error.split_once("interrupted; ")?;
    let (number, _) = rest.split_once(" events are stored, the rest is not")?;
    number.replace(',', "").parse().ok()
}

/// Holds the lock of a store as another process would.
fn hold_lock(sandbox: &Sandbox) -> std::fs::File {
    let file = std::fs::OpenOptions::new().write(true).open(sandbox.path("wa-store/lock")).unwrap();
    file.lock().unwrap();
    (&file).write_all(b"process 4711 (wa ingest)\n").unwrap();
    file
}

fn with_store() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("log.ndjson", line(1));
    sandbox.wa("ingest log.ndjson").exits(0);
    sandbox
}

#[test]
fn waiting_command_reports_the_writer_and_the_time() {
    let sandbox = with_store();
    let lock = hold_lock(&sandbox);
    for command in ["ingest log.ndjson", "gc", "forget --user u", "anonymize --older-than 1d", "rebuild"] {
        let run = sandbox.wa(&format!("{command} --lock-timeout 2s")).exits(1);
        let notice = "wa: waiting for process 4711 (wa ingest), which has been writing since 2";
        assert_eq!(run.stderr.matches(notice).count(), 1, "{run}");
        let run = run.warns("Z; 1 s of at most 2 s");
        let run = run.warns("the store ./wa-store is being written by process 4711 (wa ingest) since 2");
        run.warns("; waited 2 s").warns("hint: wait until it ends");
    }
    let run = sandbox.wa("--quiet gc --lock-timeout 2s").exits(1);
    assert!(!run.stderr.contains("waiting for"), "{run}");
    // The wait ends with the other process.
    let child = start(&sandbox, "gc --lock-timeout 100s");
    std::thread::sleep(Duration::from_millis(200));
    lock.set_len(0).unwrap();
    drop(lock);
    let (ended_by, error) = end(child);
    assert_eq!(ended_by, None, "{error}");
    sandbox.wa("verify").exits(0);
}

#[test]
fn interrupted_wait_reports_that_nothing_was_changed() {
    let sandbox = with_store();
    let _lock = hold_lock(&sandbox);
    for (command, says) in [
        ("gc", "nothing was changed"),
        ("forget --user u", "nothing was changed"),
        ("ingest log.ndjson", "nothing was stored"),
    ] {
        let mut child = start(&sandbox, &format!("{command} --lock-timeout 100s"));
        let mut notice = String::new();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        stderr.read_line(&mut notice).unwrap();
        assert!(notice.starts_with("wa: waiting for process 4711"), "{notice}");
        send(&child, SIGINT);
        let mut error = String::new();
        stderr.read_to_string(&mut error).unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(SIGINT), "{error}");
        assert!(error.starts_with(&format!("wa: error: interrupted; {says}\n")), "{error}");
    }
}

#[test]
fn ignored_signal_stays_ignored() {
    let sandbox = Sandbox::new();
    let mut command = sandbox.command();
    let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
    command = Command::new("sh");
    command.env_clear().current_dir(sandbox.path(".")).stdin(Stdio::piped());
    command.args(["-c", "trap '' INT; exec \"$0\" \"$@\""]).arg(env!("CARGO_BIN_EXE_wa")).args(arguments);
    let mut child = command.args(["-q", "ingest", "-"]).stderr(Stdio::piped()).spawn().unwrap();
    wait_until("the store exists", || sandbox.path("wa-store/key").exists());
    if cfg!(target_os = "linux") {
        send(&child, SIGINT);
    }
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(line(1).as_bytes()).unwrap();
    drop(stdin);
    assert_eq!(end(child), (None, String::new()));
    assert_eq!(sandbox.wa("export").output().lines().count(), 1);
}
