//! The account of an ingest, as a user reads it.

use crate::harness::Place;

fn line(session: &str) -> String {
    format!(
        "{{\"chatbot_id\":\"c\",\"session_id\":\"{session}\",\"event_name\":\"e\",\"timestamp\":\"2026-11-09T12:00:00Z\"}}\n"
    )
}

#[test]
fn blank_lines_are_counted_beside_the_table() {
    let place = Place::new();
    place.write("a.ndjson", format!("\n{}\n \n", line("a")));
    place.write("b.ndjson", line("b"));
    place.wa("ingest a.ndjson").exits(0).says("\nblank: 3 lines, beside the sum\n");
    let run = place.wa("ingest b.ndjson").exits(0);
    assert!(!run.stdout.contains("blank"), "{run}");
}
