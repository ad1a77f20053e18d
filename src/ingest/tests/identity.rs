//! Event ids and derived visitor ids.

use uuid::Uuid;

use super::*;
use crate::event::{KeyKind, NAMESPACE};

fn id(line: &str) -> u128 {
    lines(line).only().row.id
}

#[test]
fn uuid_is_kept_and_other_ids_are_hashed() {
    let uuid = "b270790b-1d46-432b-80ff-41b0524bedc7";
    let parsed = lines(event_with(&format!("\"id\":\"{uuid}\"")));
    assert_eq!(Uuid::from_u128(parsed.only().row.id).to_string(), uuid);
    assert_eq!(parsed.only().text(TextField::EventId), None);

    let parsed = lines(event_with("\"event_id\":\"e-1\""));
    assert_eq!(parsed.only().row.id, Uuid::new_v5(&NAMESPACE, b"\0\0\0\x01ce-1").as_u128());
    assert_eq!(parsed.only().text(TextField::EventId), Some("e-1"));
    let upper = lines(event_with(&format!("\"id\":\"{}\"", uuid.to_uppercase())));
    assert_eq!(upper.only().text(TextField::EventId), Some(&*uuid.to_uppercase()));
    assert_ne!(
        id(&event_with("\"id\":\"7\",\"chatbot_id\":\"c1\"")),
        id(&event_with("\"id\":\"17\",\"chatbot_id\":\"c\""))
    );
    assert_eq!(id(&event_with("\"id\":7")), id(&event_with("\"id\":\"7\",\"page_title\":\"other\"")));
}

#[test]
fn line_without_id_is_hashed_without_outer_space() {
    let line = event_with("");
    let parsed = lines(line.as_bytes());
    assert!(!parsed.only().row.has_own_id);
    assert_eq!(parsed.only().row.id, xxhash_rust::xxh3::xxh3_128(line.as_bytes()));
    assert_eq!(id(&format!(" \t{line} \r\n")), id(&line));
    assert_ne!(id(&line.replace("\":", "\": ")), id(&line));
    let wrong = lines(event_with("\"id\":1.5"));
    assert!(!wrong.only().row.has_own_id);
}

#[test]
fn envelope_events_are_distinguished_by_index() {
    let line = r#"{"chatbot_id":"c","session_id":"s","received_at":1794211200,"events":[{"event_name":"a"},{"event_name":"a"}]}"#;
    let twice = lines(format!("{line}\n {line}"));
    let ids: Vec<_> = twice.block.rows.iter().map(|r| r.id).collect();
    assert_ne!(ids[0], ids[1]);
    assert_eq!(ids[..2], ids[2..]);
    let mut bytes = xxhash_rust::xxh3::xxh3_128(line.as_bytes()).to_le_bytes().to_vec();
    bytes.extend_from_slice(&1u32.to_le_bytes());
    assert_eq!(ids[1], xxhash_rust::xxh3::xxh3_128(&bytes));
}

#[test]
fn event_without_ids_gets_a_derived_visitor_id() {
    let line = |ip: &str, agent: &str| {
        format!(
            r#"{{"chatbot_id":"c","event_name":"x","timestamp":1794211200,"ip":"{ip}","user_agent":"{agent}"}}"#
        )
    };
    let visitor = |options: &ParseOptions, line: String| {
        let parsed = parse_with(options, line);
        let event = parsed.only();
        assert_eq!(event.row.key_kind, KeyKind::Anonymous);
        event.text(TextField::AnonymousId).unwrap().to_owned()
    };
    let one = visitor(&options(), line("203.0.113.9", "Mozilla"));
    assert_eq!(one, "ipua-45c3039b1818b5f0cc3c56501e331819");
    assert_eq!(visitor(&options(), line("203.0.113.9, 10.0.0.1", "Mozilla")), one);
    assert_ne!(visitor(&options(), line("203.0.113.8", "Mozilla")), one);
    // The full IP address is hashed, regardless of the IP policy.
    for ip in [IpPolicy::Truncate, IpPolicy::Drop] {
        assert_eq!(visitor(&ParseOptions { ip, ..options() }, line("203.0.113.9", "Mozilla")), one);
    }
    assert_ne!(
        visitor(&ParseOptions { visitor_key: [2; 32], ..options() }, line("203.0.113.9", "Mozilla")),
        one
    );
}
