//! Operating system limits: a command works within them, or fails and changes nothing.
#![cfg(target_os = "linux")]

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::process::{Command, Output};

use crate::harness::Sandbox;

/// An unprivileged user, used by no other test.
const USER: u32 = 65_531;

fn log(sessions: u32) -> String {
    let line = |n: u32| {
        format!(
            "{{\"chatbot_id\":\"c\",\"session_id\":\"s{n}\",\"event_name\":\"message_sent\",\
             \"timestamp\":\"2026-11-0{}T12:00:00Z\",\"properties\":{{\"n\":\"{}\"}}}}\n",
            n % 9 + 1,
            u64::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        )
    };
    (0..sessions).map(line).collect()
}

/// Returns a command that runs a program as an unprivileged user, to whom limits and permissions
/// apply. That user becomes the owner of the sandbox's folder.
fn unprivileged(sandbox: &Sandbox, program: &str) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/bin:/bin").current_dir(sandbox.path("."));
    if std::fs::metadata(sandbox.path(".")).unwrap().uid() == 0 {
        std::fs::set_permissions(sandbox.path("."), std::fs::Permissions::from_mode(0o777)).unwrap();
        command.uid(USER).gid(USER);
    }
    if !sandbox.path("wa").exists() {
        // That user may lack access to the folder of the binary.
        std::fs::copy(env!("CARGO_BIN_EXE_wa"), sandbox.path("wa")).unwrap();
    }
    command
}

/// Runs `wa` as an unprivileged user.
fn run_unprivileged(sandbox: &Sandbox, now: &str, arguments: &str) -> Output {
    let mut command = unprivileged(sandbox, "./wa");
    command.args(["--now", now]).args(arguments.split_whitespace()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn thread_limit_reduces_threads_or_is_an_error() {
    let sandbox = Sandbox::new();
    sandbox.write("log.ndjson", log(30));
    if unprivileged(&sandbox, "prlimit").arg("--version").output().is_err() {
        return;
    }
    let run = |processes: u32, arguments: &str| {
        let mut command = unprivileged(&sandbox, "prlimit");
        command.arg(format!("--nproc={processes}")).args(["./wa", "--now", "2026-11-10T00:00:00Z"]);
        let output = command.args(arguments.split_whitespace()).output().unwrap();
        let error = text(&output.stderr);
        assert!(!error.contains("panicked"), "{processes} processes, {arguments}: {error}");
        match output.status.code() {
            Some(0) => true,
            Some(1) if error.contains("cannot start a thread") => {
                assert!(error.contains("hint: raise the process limit"), "{error}");
                false
            }
            status => panic!("{processes} processes, {arguments}: {status:?}\n{error}"),
        }
    };
    let commands = [
        "ingest log.ndjson --force",
        "verify",
        "rebuild",
        "report all --as-of latest",
        "report summary --as-of latest --by-chatbot",
        "report sessions --as-of latest",
        "events --days 9 --limit 3",
        "status",
        "export",
        "gc --yes",
        "anonymize --older-than 1d",
        "forget --session-id s7",
    ];
    // A single process is always allowed, but it can start no thread.
    assert!(!run(1, "ingest log.ndjson"));
    assert!(!sandbox.path("wa-store/staging").exists());
    let is_root = std::fs::metadata(sandbox.path(".")).unwrap().uid() == 0;
    if !is_root {
        // The limit counts all processes of this user, so it cannot allow only a few threads.
        return;
    }
    assert!(run(50, "ingest log.ndjson"));
    for command in commands {
        let succeeds: Vec<bool> = (1..=9).map(|processes| run(processes, command)).collect();
        assert!(!succeeds[0] && succeeds[8], "{command}: {succeeds:?}");
        assert!(succeeds.is_sorted(), "{command}: {succeeds:?}");
        // Four threads suffice: the main thread, a reader, a parser, and a Rayon worker.
        assert!(succeeds[3], "{command}: {succeeds:?}");
    }
    for command in ["files events", "config", "completions bash"] {
        assert!(run(1, command), "{command}");
    }
    assert!(run(50, "verify"));
}

#[test]
fn file_size_limit_is_an_error_and_changes_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("log.ndjson", log(3000));
    let limited = |blocks: u32, script: &str| {
        let mut command = sandbox.command();
        let arguments: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
        command = Command::new("sh");
        command.env_clear().current_dir(sandbox.path(".")).arg("-c");
        command.arg(format!("ulimit -f {blocks}; {script}")).arg(env!("CARGO_BIN_EXE_wa")).args(arguments);
        command.output().unwrap()
    };
    let output = limited(20, "exec \"$0\" \"$@\" ingest log.ndjson");
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("cannot write") && error.contains("File too large"), "{error}");
    assert!(error.contains("hint: raise the file size limit (`ulimit -f`)"), "{error}");
    assert!(!sandbox.path("wa-store/staging").exists());
    sandbox.wa("ingest log.ndjson").exits(0);
    sandbox.wa("verify").exits(0);
    assert_eq!(sandbox.wa("export").output().lines().count(), 3000);
    // Standard output.
    let output = limited(20, "exec \"$0\" \"$@\" export > out");
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("cannot write to standard output: File too large"), "{error}");
}

#[test]
fn address_space_limit_is_an_error_and_changes_nothing() {
    let sandbox = Sandbox::new();
    sandbox.write("first.ndjson", log(30));
    sandbox.write("log.ndjson", log(200_000));
    sandbox.wa("ingest first.ndjson").exits(0);
    let run = |kib: u32, command: &str| {
        let arguments: Vec<_> = sandbox.command().get_args().map(ToOwned::to_owned).collect();
        let mut shell = Command::new("sh");
        shell.env_clear().current_dir(sandbox.path(".")).arg("-c");
        shell.arg(format!("ulimit -v {kib}; exec \"$0\" \"$@\" {command}"));
        shell.arg(env!("CARGO_BIN_EXE_wa")).args(arguments).output().unwrap()
    };
    // The program and its threads fit into these limits, and the batches do not.
    let mut refused = 0;
    for kib in [350_000, 400_000, 450_000] {
        let output = run(kib, "ingest log.ndjson");
        let error = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{kib} KiB: {error}");
        assert!(!error.contains("panicked") && !error.contains("backtrace"), "{kib} KiB: {error}");
        if error.contains("the operating system provides no more memory") {
            assert!(error.contains("hint: raise the limit of the address space (`ulimit -v`)"), "{error}");
            refused += 1;
        }
        sandbox.wa("verify").exits(0);
    }
    assert!(refused > 0);
    sandbox.wa("ingest log.ndjson").exits(0);
    sandbox.wa("verify").exits(0);
    assert_eq!(sandbox.wa("export").output().lines().count(), 200_000);
}

#[test]
fn failed_cleanup_reports_the_committed_change() {
    const NOW: &str = "2026-11-10T00:00:00Z";
    for (now, arguments, change, says) in [
        (NOW, "forget --session-id s0", "erasure", "sessions"),
        ("2027-02-08T00:00:00Z", "gc --yes", "gc", "pruned"),
    ] {
        let sandbox = Sandbox::new();
        sandbox.write("log.ndjson", log(3));
        assert!(run_unprivileged(&sandbox, NOW, "ingest log.ndjson").status.success());
        // The only event of the day is removed, and its folder is read-only.
        let partition = sandbox.path("wa-store/events/event_date=2026-11-01");
        std::fs::set_permissions(&partition, std::fs::Permissions::from_mode(0o500)).unwrap();
        let output = run_unprivileged(&sandbox, now, arguments);
        let (out, error) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(1), "{out}{error}");
        assert!(out.contains(says), "{out}");
        let committed =
            format!("error: the {change} is committed, but files with old data could not be removed");
        assert!(error.contains(&committed) && error.contains("Permission denied"), "{error}");
        assert!(error.contains("hint: correct the cause, and run `wa gc`"), "{error}");
        assert_eq!(std::fs::read_dir(&partition).unwrap().count(), 1);
        std::fs::set_permissions(&partition, std::fs::Permissions::from_mode(0o700)).unwrap();
        let output = run_unprivileged(&sandbox, now, "gc --yes");
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(!partition.exists());
        assert!(run_unprivileged(&sandbox, now, "verify").status.success());
    }
}

#[test]
fn failed_command_leaves_no_staging_folder() {
    let sandbox = Sandbox::new();
    sandbox.write("log.ndjson", log(3));
    sandbox.write("bad.ndjson", "no json\n");
    sandbox.wa("ingest log.ndjson").exits(0);
    let staging = sandbox.path("wa-store/staging");
    for (command, status) in [
        ("ingest gone.ndjson", 1),
        ("ingest bad.ndjson --max-rejects 0", 3),
        ("ingest wa-store", 1),
        ("gc --keep-events 1d --keep-sessions 1d", 2),
    ] {
        sandbox.wa(command).exits(status);
        assert!(!staging.exists(), "{command}");
    }
    // Settings that differ from the store's settings, a missing key, and a damaged file.
    let settings = sandbox.read("wa-store/wa.toml");
    sandbox.write("wa-store/wa.toml", format!("timezone = \"Asia/Tokyo\"\n{settings}"));
    for command in ["ingest log.ndjson", "gc"] {
        sandbox.wa(command).exits(2);
        assert!(!staging.exists(), "{command}");
    }
    sandbox.write("wa-store/wa.toml", settings);
    let file = sandbox.wa("files events").output().lines().next().unwrap().to_owned();
    let bytes = std::fs::read(sandbox.path(&file)).unwrap();
    sandbox.write(&file, &bytes[1..]);
    for command in ["forget --session-id s0", "rebuild", "ingest log.ndjson --force"] {
        sandbox.wa(command).exits(1);
        assert!(!staging.exists(), "{command}");
    }
    sandbox.write(&file, bytes);
    std::fs::rename(sandbox.path("wa-store/key"), sandbox.path("key")).unwrap();
    for command in ["ingest log.ndjson", "forget --session-id s0"] {
        sandbox.wa(command).exits(1);
        assert!(!staging.exists(), "{command}");
    }
    std::fs::rename(sandbox.path("key"), sandbox.path("wa-store/key")).unwrap();
    sandbox.wa("verify").exits(0);
    // A new store, whose first ingest rejects everything.
    sandbox.wa("--store new ingest bad.ndjson");
    assert!(!sandbox.path("new/staging").exists());
}
