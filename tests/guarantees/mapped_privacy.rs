//! Guarantee 8, erasure, for mapped logs: `forget`, `export` and `anonymize` find the values that a
//! map moved to another column or left in `extra`.

use std::fs;
use std::path::Path;

use polars::prelude::{AnyValue, ParquetReader, SerReader};
use serde_json::{Value, json};

use super::formats::ingest;
use super::harness::wa;
use super::support::fixtures::{folder, run_expecting};

/// A time after all events.
const NOW: &str = "2026-11-20T00:00:00Z";
/// A time long after the lines were rejected.
const LATER: &str = "2026-12-20T00:00:00Z";
const BROWSER: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";

/// A log from which Ada is erased. Bob's events stay, although they mention Ada.
struct Case {
    file: &'static str,
    log: String,
    map: Option<&'static str>,
    /// The arguments that name Ada.
    identifiers: Vec<[String; 2]>,
    /// Strings that must not occur anywhere after the erasure.
    secrets: Vec<&'static str>,
    /// Strings that the export of Ada must contain, from columns and from `extra`.
    exported: Vec<&'static str>,
    /// The IP addresses of the log.
    addresses: Vec<&'static str>,
    /// The number of Ada's stored events.
    ada: u64,
    /// The number of Bob's stored events.
    bob: u64,
    /// The number of rejected lines.
    rejected: u64,
}

fn lines(records: &[Value]) -> String {
    records.iter().map(|record| format!("{record}\n")).collect()
}

fn named(pairs: &[(&str, &str)]) -> Vec<[String; 2]> {
    pairs.iter().map(|(flag, id)| [format!("--{flag}"), (*id).to_owned()]).collect()
}

/// Returns all files of a folder.
fn files_of(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(files_of(&path)),
            false => found.push(path),
        }
    }
    found
}

/// Returns the bytes of a file and, for a Parquet file, the bytes of its values.
fn decoded(path: &Path) -> Vec<u8> {
    let mut bytes = fs::read(path).unwrap();
    if path.extension().is_some_and(|extension| extension == "parquet") {
        let frame = ParquetReader::new(fs::File::open(path).unwrap()).finish().unwrap();
        for column in frame.columns() {
            let series = column.as_materialized_series();
            for value in series.iter() {
                bytes.push(b'\n');
                match value {
                    AnyValue::Binary(value) => bytes.extend_from_slice(value),
                    AnyValue::BinaryOwned(value) => bytes.extend_from_slice(&value),
                    other => bytes.extend_from_slice(other.str_value().as_bytes()),
                }
            }
        }
    }
    bytes
}

/// Returns the strings that are found in the files of a store.
fn found_in(store: &Path, texts: &[&'static str]) -> Vec<&'static str> {
    let all: Vec<Vec<u8>> =
        files_of(store).iter().filter(|path| !path.ends_with("key")).map(|path| decoded(path)).collect();
    assert!(!all.is_empty());
    let contains = |bytes: &[u8], text: &str| bytes.windows(text.len()).any(|part| part == text.as_bytes());
    texts.iter().copied().filter(|text| all.iter().any(|bytes| contains(bytes, text))).collect()
}

fn check(case: &Case) {
    let folder = folder();
    let log = folder.path().join(case.file);
    fs::write(&log, &case.log).unwrap();
    let mut arguments = ["--chatbot", "c"].map(str::to_owned).to_vec();
    if let Some(map) = case.map {
        fs::write(folder.path().join("my.toml"), map).unwrap();
        arguments.extend(["--map".to_owned(), folder.path().join("my.toml").to_str().unwrap().to_owned()]);
    }
    let read = |store: &str, more: &[&str]| {
        let arguments = [arguments.clone(), more.iter().map(|text| (*text).to_owned()).collect()].concat();
        ingest(folder.path(), store, std::slice::from_ref(&log), &arguments)["total"].clone()
    };
    let run_at = |now: &str, store: &str, command: &[&str]| {
        let mut wa = wa(folder.path(), now);
        wa.env("WA_KEY_FILE", folder.path().join("the-key")).args(["--store", store]).args(command);
        String::from_utf8(run_expecting(&mut wa, 0).stdout).unwrap()
    };
    let run = |store: &str, command: &[&str]| run_at(NOW, store, command);
    let rejected = |total: &Value| -> u64 {
        total["rejected"].as_object().unwrap().values().map(|count| count.as_u64().unwrap()).sum()
    };
    let store = folder.path().join("store");

    let total = read("store", &[]);
    assert_eq!(
        (total["stored"].as_u64(), rejected(&total)),
        (Some(case.ada + case.bob), case.rejected),
        "{total}"
    );
    assert_eq!(found_in(&store, &case.secrets), case.secrets, "the secrets were stored");

    let identifiers: Vec<&str> = case.identifiers.iter().flatten().map(String::as_str).collect();
    let exported = run("store", &[&["export"][..], &identifiers].concat());
    for text in &case.exported {
        assert!(exported.contains(text), "the export lacks {text}:\n{exported}");
    }
    assert_eq!(exported.lines().count() as u64, case.ada, "{exported}");

    run("store", &[&["forget"][..], &identifiers].concat());
    assert_eq!(found_in(&store, &case.secrets), [""; 0], "after the erasure");
    assert_eq!(run("store", &[&["export"][..], &identifiers].concat()), "");

    // Ingest the same log again, under the same name and under another name.
    for name in [case.file, &format!("again-{}", case.file)] {
        let log = folder.path().join(name);
        fs::write(&log, &case.log).unwrap();
        let arguments = [arguments.clone(), vec!["--force".to_owned()]].concat();
        let total = ingest(folder.path(), "store", &[log], &arguments)["total"].clone();
        assert_eq!(total["stored"], 0, "{total}");
        assert!(total["forgotten"].as_u64().unwrap() >= case.ada, "{total}");
        assert_eq!(found_in(&store, &case.secrets), [""; 0], "after another ingest");
    }

    read("old", &[]);
    let old = folder.path().join("old");
    assert_eq!(found_in(&old, &case.addresses), case.addresses);
    run_at(LATER, "old", &["anonymize", "--older-than", "1d"]);
    assert_eq!(found_in(&old, &case.addresses), [""; 0], "after anonymize");
}

#[test]
fn segment_export_is_erased() {
    let call = |id: &str, who: [&str; 3], rest: Value| {
        let [anonymous, user, email] = who;
        let mut call = json!({
            "messageId": id, "type": "track", "event": "order_paid", "anonymousId": anonymous, "userId": user,
            "timestamp": "2026-11-09T09:00:00.000Z", "integrations": { "Mail": { "to": email } },
            "context": { "ip": "203.0.113.77", "traits": { "email": email }, "userAgent": BROWSER },
            "request_ip": "198.51.100.7",
        });
        call.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        call
    };
    let ada = ["anon-ada-1", "user-ada-1", "ada@example.org"];
    let bob = ["anon-bob", "user-bob", "bob@example.org"];
    let log = lines(&[
        call("m1", ada, json!({ "properties": { "card": "ada-card-9" } })),
        call(
            "m2",
            ada,
            json!({ "type": "identify", "traits": { "email": "ada@example.org", "name": "Ada Lovelace" } }),
        ),
        call("m3", ada, json!({ "type": "group", "groupId": "g", "traits": { "owner": "user-ada-1" } })),
        call("m4", ada, json!({ "timestamp": "soon" })),
        call("m5", bob, json!({ "properties": { "invited": "ADA@example.org" } })),
        call("m6", bob, json!({ "context": { "ip": "203.0.113.77", "referrer": { "id": "user-ada-1" } } })),
    ]);
    check(&Case {
        file: "segment.json",
        log,
        map: None,
        identifiers: named(&[("user", "user-ada-1"), ("email", "ada@example.org")]),
        secrets: vec![
            "anon-ada-1",
            "user-ada-1",
            "ada@example.org",
            "ADA@example.org",
            "ada-card-9",
            "Ada Lovelace",
        ],
        exported: vec!["anon-ada-1", "ada-card-9", "\"Mail\"", "\"groupId\""],
        addresses: vec!["203.0.113.77", "198.51.100.7"],
        ada: 3,
        bob: 2,
        rejected: 1,
    });
}

#[test]
fn posthog_export_is_erased() {
    let event = |id: &str, distinct: &str, properties: Value, as_text: bool| {
        let properties = if as_text { Value::from(properties.to_string()) } else { properties };
        json!({
            "uuid": format!("01a1aaef-ba80-7b85-88c0-00000000000{id}"), "event": "$pageview", "distinct_id": distinct,
            "properties": properties, "timestamp": "2026-11-09T09:00:00Z",
            "person_properties": json!({ "email": format!("{distinct}@example.org") }).to_string(),
        })
    };
    let own = |device: &str, user: Option<&str>| {
        json!({
            "$device_id": device, "$user_id": user, "$ip": "203.0.113.77", "$raw_user_agent": BROWSER,
            "$current_url": "https://shop.example.com/", "$set_once": { "initial_ip": "198.51.100.7" },
        })
    };
    let mut bob = own("device-bob", None);
    bob["shared_with"] = "ada-2@example.org".into();
    let mut broken = event("4", "ada-2", own("device-ada", Some("ada-2")), true);
    broken["timestamp"] = "soon".into();
    let log = lines(&[
        event("1", "device-ada", own("device-ada", None), false),
        event("2", "ada-2", own("device-ada", Some("ada-2")), false),
        event("3", "ada-2", own("device-ada", Some("ada-2")), true),
        broken,
        event("5", "bob", bob, true),
    ]);
    check(&Case {
        file: "posthog.json",
        log,
        map: None,
        identifiers: named(&[("user", "ada-2"), ("email", "ada-2@example.org")]),
        secrets: vec!["device-ada", "ada-2@example.org", "ada-2"],
        exported: vec!["device-ada", "distinct_id", "person_properties", "initial_ip"],
        addresses: vec!["203.0.113.77", "198.51.100.7"],
        ada: 3,
        bob: 1,
        rejected: 1,
    });
}

#[test]
fn ga4_export_is_erased() {
    let event = |pseudo: &str, user: Value, time: Value, note: &str| {
        json!({
            "event_name": "page_view", "event_timestamp": time, "user_pseudo_id": pseudo, "user_id": user,
            "event_params": [
                { "key": "ga_session_id", "value": { "int_value": "17" } },
                { "key": "note", "value": { "string_value": note } },
                { "key": "page_location", "value": { "string_value": "https://shop.example.com/?m=ada%403.example" } },
            ],
            "user_properties": [{ "key": "mail", "value": { "string_value": note } }],
            "device": { "ip_override": "203.0.113.77" },
        })
    };
    let log = lines(&[
        event("ada.111", Value::Null, "1794214800000000".into(), "x"),
        event("ada.111", "user-ada-3".into(), "1794214801000000".into(), "ada@3.example"),
        event("ada.111", "user-ada-3".into(), json!([1]), "ada@3.example"),
        event("bob.222", Value::Null, "1794214802000000".into(), "ask ada@3.example, or user-ada-3"),
    ]);
    check(&Case {
        file: "ga4.json",
        log,
        map: None,
        identifiers: named(&[
            ("user", "user-ada-3"),
            ("email", "ada@3.example"),
            ("anonymous-id", "ada.111"),
        ]),
        secrets: vec!["ada.111", "user-ada-3", "ada@3.example", "ada%403.example"],
        exported: vec!["ada.111.17", "user_properties", "ip_override"],
        addresses: vec!["203.0.113.77"],
        ada: 2,
        bob: 1,
        rejected: 1,
    });
}

#[test]
fn intercom_export_is_erased() {
    let author = |kind: &str, id: &str| json!({ "type": kind, "id": id, "name": format!("{id} Name"), "email": format!("{id}@example.org") });
    let conversation = |id: &str, who: &str, time: Value, note: &str| {
        json!({
            "type": "conversation", "id": id, "created_at": time,
            "source": { "type": "conversation", "id": format!("s{id}"), "body": "Hello", "author": author("user", who), "url": "https://shop.example.com/?ip=203.0.113.77" },
            "contacts": { "contacts": [{ "type": "contact", "id": who }] },
            "conversation_parts": { "conversation_parts": [
                { "type": "conversation_part", "id": format!("p{id}"), "part_type": "note", "body": note, "author": author("admin", "agent"), "seen_from": "203.0.113.77" },
            ]},
        })
    };
    let log = lines(&[
        conversation("1", "contact-ada", 1_794_214_800.into(), "calls from +49 151 5550"),
        conversation("2", "contact-ada", "never".into(), "x"),
        conversation("3", "contact-bob", 1_794_214_900.into(), "knows contact-ada@example.org"),
    ]);
    check(&Case {
        file: "intercom.json",
        log,
        map: None,
        identifiers: named(&[("user", "contact-ada"), ("email", "contact-ada@example.org")]),
        secrets: vec!["contact-ada", "contact-ada Name", "+49 151 5550"],
        exported: vec!["contact-ada Name", "+49 151 5550", "seen_from"],
        addresses: vec![],
        ada: 2,
        bob: 2,
        rejected: 2,
    });
}

#[test]
fn chatwoot_webhooks_are_erased() {
    let message = |id: u32, source: &str, created: &str, content: &str| {
        json!({
            "event": "message_created", "id": id, "message_type": "incoming", "private": false, "created_at": created,
            "content": content, "account": { "id": 2 }, "inbox": { "id": 3 },
            "conversation": {
                "contact_inbox": { "source_id": source },
                "additional_attributes": { "created_at_ip": "203.0.113.77", "referer": "https://shop.example.com/" },
                "meta": { "sender": { "name": format!("{source} Name"), "email": format!("{source}@example.org"), "phone_number": "+4915155501" } },
            },
        })
    };
    let log = lines(&[
        message(1, "src-ada", "2026-11-09T09:00:00.000Z", "I am Ada"),
        message(2, "src-ada", "2026-11-09T09:00:30.000Z", "my address is 5 Example Road"),
        message(3, "src-ada", "tomorrow", "lost"),
        message(4, "src-bob", "2026-11-09T09:00:30.000Z", "write to src-ada@example.org"),
    ]);
    check(&Case {
        file: "chatwoot.json",
        log,
        map: None,
        identifiers: named(&[("anonymous-id", "src-ada"), ("email", "src-ada@example.org")]),
        secrets: vec!["src-ada", "src-ada Name", "5 Example Road"],
        exported: vec!["src-ada Name", "5 Example Road", "+4915155501"],
        addresses: vec!["203.0.113.77"],
        ada: 2,
        bob: 1,
        rejected: 1,
    });
}

#[test]
fn access_log_in_text_is_erased() {
    let line = |ip: &str, user: &str, path: &str, agent: &str| {
        format!(
            "{ip} - {user} [09/Nov/2026:10:00:00 +0100] \"GET {path} HTTP/1.1\" 200 512 \"-\" \"{agent}\" \"203.0.113.78\"\n"
        )
    };
    let log = [
        line("203.0.113.77", "ada-auth", "/plants", BROWSER),
        line("203.0.113.77", "ada-auth", "/reset?mail=ada%40example.org", BROWSER),
        line("198.51.100.7", "bob", "/u/ada@example.org", "Bob/1.0"),
        line("203.0.113.77", "-", "/?ada@example.org", "-"),
        "203.0.113.77 cut off by ada@example.org\n".to_owned(),
    ];
    // The visitor id is a keyed hash of chatbot, IP address and user agent. A first ingest
    // determines it.
    let folder = folder();
    fs::write(folder.path().join("access.log"), log.concat()).unwrap();
    ingest(folder.path(), "first", &[folder.path().join("access.log")], &["--chatbot".into(), "c".into()]);
    let mut export = wa(folder.path(), NOW);
    export.args(["--store", "first", "export"]);
    let exported = String::from_utf8(run_expecting(&mut export, 0).stdout).unwrap();
    let events: Vec<Value> = exported.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let ada = events.iter().find(|event| event.to_string().contains("ada-auth")).unwrap();
    let id = ada["anonymous_id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("ipua-"));
    check(&Case {
        file: "access.log",
        log: log.concat(),
        map: None,
        identifiers: named(&[("anonymous-id", &id), ("email", "ada@example.org")]),
        secrets: vec!["ada-auth", "ada@example.org", "ada%40example.org"],
        exported: vec!["ada-auth", "203.0.113.77", "ada%40example.org"],
        addresses: vec!["203.0.113.77", "203.0.113.78", "198.51.100.7"],
        ada: 2,
        bob: 1,
        rejected: 2,
    });
}

#[test]
fn csv_with_custom_map_is_erased() {
    let log = "When,What,Who,Mail,Note,From\n\
        2026-11-09 09:00:00,page_view,ada-6,Ada@Example.org,\"two\nlines of ada-note\",203.0.113.77\n\
        2026-11-09 09:01:00,order_paid,ada-6,,\"call +49 151 5550\",203.0.113.77\n\
        never,order_paid,ada-6,,x,203.0.113.77\n\
        2026-11-09 09:02:00,order_paid,ada@example.org\n\
        2026-11-09 09:03:00,page_view,bob-6,bob@example.org,\"friend: ada@example.org, ada-6\",198.51.100.7\n";
    check(&Case {
        file: "visits.csv",
        log: log.to_owned(),
        map: Some(
            "reader = 'csv'\n[event]\nevent_name = '/What'\ntimestamp = '/When'\nuser_id = '/Who'\nuser_email = '/Mail'\n",
        ),
        identifiers: named(&[("user", "ada-6"), ("email", "ada@example.org")]),
        secrets: vec!["ada-6", "Ada@Example.org", "ada@example.org", "ada-note", "+49 151 5550"],
        exported: vec!["ada-note", "+49 151 5550", "203.0.113.77"],
        addresses: vec!["203.0.113.77", "198.51.100.7"],
        ada: 2,
        bob: 1,
        rejected: 2,
    });
}

#[test]
fn events_within_a_wrapping_are_erased() {
    let wrapped = |value: &str| json!({ "log": format!("{value}\n"), "stream": "stdout", "time": "2026-11-09T09:00:00Z" });
    let event = |user: &str, rest: Value| {
        let mut event =
            json!({ "event_name": "page_view", "user_id": user, "timestamp": "2026-11-09T09:00:00Z" });
        event.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
        wrapped(&event.to_string())
    };
    let log = lines(&[
        event("ada-7", json!({ "ip": "203.0.113.77", "device": { "from": "198.51.100.7" } })),
        event("ada-7", json!({ "event_name": null, "mail": "ada@7.example" })),
        wrapped("{\"user_id\":\"ada-7\", \"mail\":\"ada@7.example\""),
        event("bob-7", json!({ "friend": "ada@7.example" })),
    ]);
    check(&Case {
        file: "docker.log",
        log,
        map: None,
        identifiers: named(&[("user", "ada-7"), ("email", "ada@7.example")]),
        secrets: vec!["ada-7", "ada@7.example"],
        exported: vec!["203.0.113.77", "\"device\""],
        addresses: vec!["203.0.113.77", "198.51.100.7"],
        ada: 1,
        bob: 1,
        rejected: 2,
    });
}
