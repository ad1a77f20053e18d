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
    let summary = sandbox
        .run_with_input(["--store", "copy", "ingest", "-", "--format", "json"], lines.as_bytes())
        .json();
    assert_eq!(summary["total"]["stored"], 2);
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
fn forget_removes_the_identifier_from_every_column() {
    let sandbox = Sandbox::new();
    let line = |session: u32, members: &str| {
        format!(
            "{{\"chatbot_id\":\"c\",\"session_id\":\"s{session}\",\"timestamp\":\"2026-11-09T0{session}:00:00Z\",{members}}}\n"
        )
    };
    let log = [
        r#""event_name":"widget_loaded","user_id":"ada.lovelace""#,
        r#""event_name":"widget_loaded","user_agent":"ada.lovelace/1.0""#,
        r#""event_name":"x","user_agent":"Mozilla/5.0 (compatible; ada.lovelace; bot)""#,
        r#""event_name":"x","country_code":"ada.lovelace","event_category":"ada.lovelace","city":"ada.lovelace""#,
        r#""event_name":"ada.lovelace""#,
        r#""event_name":"x","page_title":"ada&period;lovelace","page_url":"/u/ada%2elovelace""#,
    ];
    let lines: String = (1..).zip(log).map(|(number, members)| line(number, members)).collect();
    sandbox.write("a.ndjson", lines);
    sandbox.wa("ingest a.ndjson").exits(0);
    let receipt = sandbox.wa("forget --user ada.lovelace --format json").json();
    assert_eq!((&receipt["erased"]["sessions"], &receipt["redacted"]["sessions"]), (&1.into(), &5.into()));
    assert_eq!(receipt["redacted"]["events"], 5);
    for command in ["events --format csv --days 3", "export", "report all --days 3 --format json"] {
        let run = sandbox.wa(command).exits(0);
        let output = format!("{}{}", run.stdout, run.stderr);
        assert!(!output.contains("lovelace"), "{command}: {output}");
    }
    sandbox.wa("verify").exits(0);
}

#[test]
fn export_has_the_events_that_conditions_and_segments_select() {
    let sandbox = Sandbox::new();
    // Three sessions; the second event of each lacks a country, which its session has.
    let log: String = [("s1", "DE", "pro"), ("s2", "FR", "pro"), ("s3", "DE", "free")]
        .iter()
        .flat_map(|(session, country, plan)| {
            let ids = format!("\"chatbot_id\":\"shop\",\"session_id\":\"{session}\"");
            [
                format!(
                    "{{{ids},\"event_name\":\"page_viewed\",\"country_code\":\"{country}\",\
                     \"timestamp\":\"2026-11-08T08:00:00Z\"}}\n"
                ),
                format!(
                    "{{{ids},\"event_name\":\"message_sent\",\"properties\":{{\"plan\":\"{plan}\"}},\
                     \"timestamp\":\"2026-11-08T08:05:00Z\"}}\n"
                ),
            ]
        })
        .collect();
    sandbox.write("log.ndjson", log);
    sandbox.wa("ingest -q log.ndjson").exits(0);
    sandbox.write("wa-store/wa.toml", "[segments]\ngerman = \"session.country_code=DE\"\n");
    let exported = |arguments: &str| {
        let run = sandbox.wa(&format!("export {arguments}")).exits(0);
        let mut names: Vec<String> = run
            .stdout
            .lines()
            .map(|line| {
                let event: serde_json::Value = serde_json::from_str(line).unwrap();
                let text = |key: &str| event[key].as_str().unwrap().to_owned();
                format!("{} {}", text("session_id"), text("event_name"))
            })
            .collect();
        names.sort();
        names
    };
    assert_eq!(exported("").len(), 6);
    assert_eq!(exported("--where country_code=DE"), ["s1 page_viewed", "s3 page_viewed"]);
    assert_eq!(exported("--where properties.plan=pro"), ["s1 message_sent", "s2 message_sent"]);
    let german = ["s1 message_sent", "s1 page_viewed", "s3 message_sent", "s3 page_viewed"];
    assert_eq!(exported("--segment german"), german);
    let both = exported("--segment german --where properties.plan=pro --from 2026-11-08 --to 2026-11-08");
    assert_eq!(both, ["s1 message_sent"]);
    assert!(exported("--segment german --chatbot shop --to 2026-11-07").is_empty());
    let csv = sandbox.wa("export --format csv --where session.country_code=FR").output();
    assert_eq!(csv.lines().count(), 1 + 2);
    // `wa events` lists the same number of events.
    let listed = sandbox.wa("events --format ndjson --order oldest --segment german").output();
    assert_eq!(sandbox.wa("export --segment german").output().lines().count(), listed.lines().count());
    sandbox.wa("export --where event_name=nothing").exits(0).warns("no event meets the conditions");
    sandbox.wa("export --where plan=pro").exits(0).warns("properties.plan");
    sandbox.wa("export --where plam=pro").exits(2).warns("there is no field");
    sandbox.wa("export --segment unknown").exits(2).warns("unknown");
}
