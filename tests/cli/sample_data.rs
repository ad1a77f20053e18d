//! The sample data: its generator, and the metrics that `wa` computes from it.

use std::collections::BTreeSet;

use crate::harness::{Sandbox, root};

#[path = "../../examples/sample_data/main.rs"]
#[allow(dead_code)] // its `main` is not called here
mod generator;

use generator::{bad, sites, truth};

#[test]
fn generator_reproduces_the_sample_files() {
    let made = generator::files();
    let dir = root().join("sample-data");
    for (name, bytes) in &made {
        let there = std::fs::read(dir.join(name)).unwrap_or_default();
        assert!(
            there == *bytes,
            "sample-data/{name} differs: run `cargo run --release --example sample_data`"
        );
    }
    for folder in ["", "bad/"] {
        for entry in std::fs::read_dir(dir.join(folder)).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{folder}{}", entry.file_name().to_str().unwrap());
            let is_file = entry.file_type().unwrap().is_file() && !name.starts_with('.');
            assert!(!is_file || made.contains_key(&name), "no generator writes sample-data/{name}");
        }
    }
    let total: usize = made.values().map(Vec::len).sum();
    assert!(total < 1_500_000, "the sample data has {total} bytes");
}

#[test]
fn every_reject_reason_has_a_bad_file() {
    let there: BTreeSet<&str> = bad::bad().iter().filter_map(|bad| Some(bad.expected.rejected?.0)).collect();
    let reasons = [
        "bad_chatbot_id",
        "bad_timestamp",
        "empty_envelope",
        "future_timestamp",
        "implausible_timestamp",
        "line_too_long",
        "no_chatbot_id",
        "no_event_name",
        "no_session_key",
        "no_timestamp",
        "not_an_object",
        "not_json",
        "not_utf8",
    ];
    assert_eq!(there, BTreeSet::from(reasons));
}

/// Copies the valid logs to the folder of a test.
fn logs(sandbox: &Sandbox) {
    for (name, bytes) in generator::files() {
        if name.contains(".ndjson") && !name.contains('/') {
            sandbox.write(&format!("logs/{name}"), bytes);
        }
    }
}

fn number(value: &serde_json::Value, path: &str) -> u64 {
    value
        .pointer(path)
        .and_then(serde_json::Value::as_u64)
        .unwrap_or_else(|| panic!("no {path} in {value:#}"))
}

#[test]
fn ingest_summary_matches_a_naive_count() {
    let sandbox = Sandbox::new();
    logs(&sandbox);
    let truth = truth::truth(&sites::logs());
    let summary = sandbox.wa("ingest logs --format json").json();
    assert_eq!(number(&summary, "/total/read"), truth.read as u64);
    assert_eq!(number(&summary, "/total/stored"), truth.stored as u64);
    assert_eq!(number(&summary, "/total/duplicate"), (truth.read - truth.stored) as u64);
    let again = sandbox.wa("ingest logs --force --format json").json();
    assert_eq!(number(&again, "/total/stored"), 0);
}

#[test]
fn summary_matches_a_naive_computation() {
    let sandbox = Sandbox::new();
    logs(&sandbox);
    sandbox.wa("ingest logs --quiet").exits(0).prints_nothing();
    let truth = truth::truth(&sites::logs());
    let selections = truth.chatbots().into_iter().map(Some).chain([None]);
    for (chatbot, days) in selections.flat_map(|chatbot| [1, 7, 30, 40].map(|days| (chatbot, days))) {
        let expected = truth.metrics(chatbot, days);
        let which = chatbot.map(|chatbot| format!("--chatbot {chatbot}")).unwrap_or_default();
        let report = sandbox
            .wa(&format!("report summary --days {days} --as-of 2026-11-09 {which} --format json"))
            .json();
        let actual = truth::Metrics {
            sessions: number(&report, "/summary/total_sessions") as usize,
            visitors: number(&report, "/summary/unique_visitors") as usize,
            conversations: number(&report, "/summary/total_conversations") as usize,
            sent: number(&report, "/summary/total_messages_sent") as usize,
            received: number(&report, "/summary/total_messages_received") as usize,
            bot_sessions: number(&report, "/summary/bot_sessions_excluded") as usize,
            seconds: expected.seconds,
        };
        assert_eq!(actual, expected, "{chatbot:?}, {days} days");
        // The mean is rounded half up.
        let (seconds, sessions) = (expected.seconds as u64, expected.sessions as u64);
        let mean = (2 * seconds + sessions).checked_div(2 * sessions).unwrap_or(0);
        assert_eq!(
            number(&report, "/summary/avg_session_duration_seconds"),
            mean,
            "{chatbot:?}, {days} days"
        );
    }
}

/// Splits a command line at blanks outside quotes.
fn words(command: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (number, piece) in command.split('\'').enumerate() {
        match number % 2 {
            1 => words.push(piece.to_owned()),
            _ => words.extend(piece.split_whitespace().map(str::to_owned)),
        }
    }
    words
}

/// Replaces the output below each `wa` command of a page with the real output.
fn with_real_output(page: &str, sandbox: &Sandbox) -> (String, usize) {
    let (mut text, mut commands, mut rest) = (String::new(), 0, page);
    while let Some((before, after)) = rest.split_once("\n```\n\n```text\n") {
        let line = before.rsplit('\n').next().unwrap();
        let command = line.rsplit(" && ").next().unwrap();
        let command = command.strip_prefix("wa ").or(command.strip_prefix("cargo run -r -- "));
        let (shown, tail) = after.split_once("```").unwrap();
        let output = command.map(|command| sandbox.run(words(command)).exits(0).stdout);
        commands += usize::from(output.is_some());
        text.push_str(&format!("{before}\n```\n\n```text\n{}```", output.as_deref().unwrap_or(shown)));
        rest = tail;
    }
    text.push_str(rest);
    (text, commands)
}

#[test]
fn pages_show_the_real_output() {
    let sandbox = Sandbox::new();
    logs(&sandbox);
    sandbox.wa("ingest logs --quiet").exits(0);
    let settings = sandbox.read("wa-store/wa.toml");
    for (name, least) in [
        ("README.md", 2),
        ("docs/conversations.md", 1),
        ("docs/funnels.md", 2),
        ("docs/goals.md", 1),
        ("docs/paths.md", 1),
    ] {
        let path = root().join(name);
        let page = std::fs::read_to_string(&path).unwrap();
        // The definitions that a page shows apply to its commands.
        let definitions: Vec<&str> =
            page.split("```toml\n").skip(1).map(|rest| rest.split("```").next().unwrap()).collect();
        let definitions = if name == "README.md" { String::new() } else { definitions.concat() };
        sandbox.write("wa-store/wa.toml", format!("{settings}\n{definitions}"));
        let (real, commands) = with_real_output(&page, &sandbox);
        assert!(commands >= least, "{name} has only {commands} commands with output");
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(&path, real).unwrap();
        } else {
            assert!(page == real, "{name} is stale: run `UPDATE_DOCS=1 cargo test --release --test cli`");
        }
    }
    let readme = std::fs::read_to_string(root().join("README.md")).unwrap();
    let session = readme.split("--session-id ").nth(1).and_then(|rest| rest.split(' ').next()).unwrap();
    sandbox
        .wa(&format!("report sessions --session-id {session}"))
        .exits(0)
        .says("\n1 session\n")
        .says("message_sent");
}

#[test]
fn bad_files_lose_no_valid_line() {
    for bad in bad::bad() {
        let sandbox = Sandbox::new();
        let name = bad::file_name(&bad);
        sandbox.write(&name, &bad.bytes);
        let run = sandbox.run(["ingest", &name, "--format", "json"]);
        let summary: serde_json::Value =
            serde_json::from_str(&run.stdout).unwrap_or_else(|e| panic!("no JSON: {e}\n{run}"));
        let of = |field: &str| {
            summary.pointer(&format!("/total/{field}")).and_then(serde_json::Value::as_u64).unwrap_or(0)
        };
        let rejected: u64 = summary
            .pointer("/total/rejected")
            .and_then(serde_json::Value::as_object)
            .map_or(0, |reasons| reasons.values().filter_map(serde_json::Value::as_u64).sum());
        let sum = of("stored") + of("duplicate") + rejected + of("unfinished");
        assert_eq!(of("read"), sum, "the ingest summary of {name} does not add up\n{run}");
        let expected = bad.expected;
        assert_eq!(of("stored"), expected.stored as u64, "{name}\n{run}");
        assert_eq!(of("duplicate"), expected.duplicate as u64, "{name}\n{run}");
        assert_eq!(of("unfinished"), expected.unfinished as u64, "{name}\n{run}");
        assert_eq!(rejected, expected.rejected.map_or(0, |(_, n)| n as u64), "{name}\n{run}");
        if let Some((reason, n)) = expected.rejected {
            assert_eq!(number(&summary, &format!("/total/rejected/{reason}")), n as u64, "{name}\n{run}");
        }
        run.exits(if expected.partial { 4 } else { 0 });
    }
}
