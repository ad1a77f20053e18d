//! Erasure, export, IP addresses and status through the binary.

use crate::harness::Sandbox;

const LOG: &str = "\
{\"chatbot_id\":\"shop\",\"session_id\":\"s1\",\"anonymous_id\":\"v-ada\",\"user_id\":\"user_ada\",\"event_name\":\"message_sent\",\"ip\":\"203.0.113.9\",\"timestamp\":\"2026-11-09T08:00:00Z\"}
{\"chatbot_id\":\"shop\",\"session_id\":\"s2\",\"anonymous_id\":\"v-bob\",\"event_name\":\"message_sent\",\"ip\":\"203.0.113.8\",\"timestamp\":\"2026-09-09T08:00:00Z\"}
";

fn with_store() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.write("a.ndjson", LOG);
    sandbox.wa("ingest a.ndjson").exits(0);
    sandbox
}

#[test]
fn forget_reads_standard_input_and_hides_identifiers() {
    let sandbox = with_store();
    let dry = sandbox.wa("forget --user user_ada --dry-run --format json").json();
    assert_eq!((&dry["dry_run"], &dry["erased"]["events"]), (&true.into(), &1.into()));
    let run = sandbox.run_with_input(["forget", "--stdin", "--format", "json"], b"user=user_ada\n");
    let text = run.stdout.clone();
    assert!(!text.contains("ada"), "{text}");
    let receipt = run.json();
    assert_eq!(receipt["erased"]["sessions"], 1);
    assert_eq!(receipt["erased_at"], crate::harness::NOW);
    let again = sandbox.wa("ingest a.ndjson --force --format json").json();
    assert_eq!((&again["total"]["forgotten"], &again["total"]["duplicate"]), (&1.into(), &1.into()));
    sandbox.wa("--quiet forget --user user_ada").prints_nothing();
    sandbox.wa("forget").exits(2);
}

#[test]
fn export_can_be_piped_into_another_store() {
    let sandbox = with_store();
    let lines = sandbox.wa("export").output();
    assert_eq!(lines.lines().count(), 2);
    let account = sandbox
        .run_with_input(["--store", "copy", "ingest", "-", "--format", "json"], lines.as_bytes())
        .json();
    assert_eq!(account["total"]["stored"], 2);
    assert_eq!(sandbox.wa("export --user user_ada").output().lines().count(), 1);
    assert_eq!(
        sandbox.wa("export --format csv --from 2026-11-01 --to 2026-11-30").output().lines().count(),
        2
    );
}

#[test]
fn empty_export_states_the_reason() {
    let sandbox = with_store();
    let empty = |arguments: &str, why: &str| {
        let run = sandbox.wa(&format!("export {arguments}")).exits(0).warns(why);
        assert!(run.stdout.is_empty(), "{run}");
    };
    empty("--email nobody@example.org", "no data found for these identifiers");
    empty(
        "--from 2026-10-01 --to 2026-10-31",
        "from 2026-10-01 to 2026-10-31: there is data from 2026-09-09 to",
    );
    empty(
        "--user user_ada --to 2026-10-31 --days 3",
        "person from 2026-10-29 to 2026-10-31; the person has 1 session in total",
    );
    sandbox
        .wa("export --chatbot shopp")
        .exits(2)
        .warns("no chatbot \"shopp\"")
        .warns("did you mean \"shop\"?");
    sandbox.wa("export --user user_ada --days 3").output();
    sandbox
        .wa("events --name nosuch --days 3")
        .exits(0)
        .warns("no event from 2026-11-08 to 2026-11-10 matches");
    sandbox
        .wa("events --name nosuch --to 2026-08-31 --days 3")
        .exits(0)
        .warns("there is data from 2026-09-09 to");
}

#[test]
fn anonymize_removes_old_ip_addresses() {
    let sandbox = with_store();
    let done = sandbox.wa("anonymize --older-than 30d --format json").json();
    assert_eq!((&done["events"], &done["sessions"]), (&1.into(), &1.into()));
    let left = sandbox.wa("export").output();
    assert!(left.contains("203.0.113.9") && !left.contains("203.0.113.8"), "{left}");
    let status = sandbox.wa("status --format json").json();
    assert_eq!(status["tables"][0]["rows"], 2);
    sandbox.wa("status").exits(0).says("events").says("last ingest");
    Sandbox::new().wa("status").exits(1).warns("there is no wa store");
}

#[test]
fn incomplete_export_prints_nothing() {
    for format in ["ndjson", "csv"] {
        let sandbox = with_store();
        let files = sandbox.wa("files events").output();
        let last = files.lines().last().expect("a file");
        std::fs::remove_file(sandbox.path(last)).expect("the file exists");
        let run = sandbox
            .wa(&format!("export --format {format}"))
            .exits(1)
            .warns("restore the missing file from a backup");
        assert_eq!(run.stdout, "");
    }
}

#[test]
fn status_fits_a_narrow_terminal() {
    let sandbox = with_store().with("COLUMNS", "60");
    let text = sandbox.wa("status").output();
    assert!(text.lines().all(|line| line.chars().count() <= 60), "{text}");
    assert!(text.contains("not shown: files") && text.contains("2 months"), "{text}");
    let text = with_store().with("COLUMNS", "100").wa("status").output();
    assert!(!text.contains("not shown"), "{text}");
}
