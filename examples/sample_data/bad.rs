//! Logs with one defect each, and the expected result of their ingest.

use super::compressed::{Piece, gzip, zstd};
use super::sites::good_line;

/// A log with a defect.
pub struct Bad {
    pub name: &'static str,
    /// The defect.
    pub defect: &'static str,
    /// The result, in words.
    pub outcome: &'static str,
    /// The expected counts.
    pub expected: ExpectedCounts,
    pub bytes: Vec<u8>,
}

/// The expected counts of a file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExpectedCounts {
    pub stored: usize,
    pub duplicate: usize,
    /// The reason and the number of rejected lines or events.
    pub rejected: Option<(&'static str, usize)>,
    pub unfinished: usize,
    /// The file cannot be read to the end: exit status 4.
    pub partial: bool,
}

const STORED_2: ExpectedCounts =
    ExpectedCounts { stored: 2, duplicate: 0, rejected: None, unfinished: 0, partial: false };

/// Returns all logs with a defect.
pub fn bad() -> Vec<Bad> {
    let mut all = rejected();
    all.extend(damaged());
    all.extend(odd());
    all
}

/// Returns a good line, the line with the defect, and another good line.
fn around(name: &str, middle: &[u8]) -> Vec<u8> {
    let mut bytes = good_line(name, 1).into_bytes();
    bytes.push(b'\n');
    bytes.extend(middle);
    bytes.push(b'\n');
    bytes.extend(good_line(name, 3).into_bytes());
    bytes.push(b'\n');
    bytes
}

/// Returns one file per reason for rejection, named after it.
fn rejected() -> Vec<Bad> {
    let line = |reason: &'static str, defect: &'static str, middle: &[u8]| Bad {
        name: reason,
        defect,
        outcome: "the line is rejected, the two around it are stored",
        expected: ExpectedCounts { rejected: Some((reason, 1)), ..STORED_2 },
        bytes: around(reason, middle),
    };
    let long_id = format!(
        r#"{{"event_id":"x","chatbot_id":"{}","session_id":"s-1","event_name":"page_viewed","timestamp":"2026-11-01T12:00:02Z"}}"#,
        "c".repeat(257)
    );
    let mut too_long = line("line_too_long", "a line of 1.1 million bytes, in a zstd file", b"");
    let before = format!(
        "{}\n{}",
        good_line("line_too_long", 1),
        r#"{"event_id":"x","chatbot_id":"samples","session_id":"s-1","event_name":"pasted","timestamp":"2026-11-01T12:00:02Z","properties":{"text":""#
    );
    let after = format!("{}\n{}\n", r#""}}"#, good_line("line_too_long", 3));
    too_long.bytes = zstd(&[
        Piece::Bytes(before.as_bytes()),
        Piece::Repeat(b'a', 1_100_000),
        Piece::Bytes(after.as_bytes()),
    ]);
    vec![
        too_long,
        line("not_utf8", "a line in Latin-1", b"{\"event_id\":\"x\",\"chatbot_id\":\"samples\",\"session_id\":\"s-1\",\"event_name\":\"gr\xfc\xdfe\",\"timestamp\":\"2026-11-01T12:00:02Z\"}"),
        line("not_json", "a line that was cut in the middle by a full disk", br#"{"event_id":"x","chatbot_id":"samples","session_id":"s-1","event_na"#),
        line("not_an_object", "a line that is JSON, but an array", br#"["page_viewed","samples","s-1"]"#),
        line("no_event_name", "an event without a name", br#"{"event_id":"x","chatbot_id":"samples","session_id":"s-1","timestamp":"2026-11-01T12:00:02Z"}"#),
        line("no_chatbot_id", "an event without a chatbot", br#"{"event_id":"x","session_id":"s-1","event_name":"page_viewed","timestamp":"2026-11-01T12:00:02Z"}"#),
        line("bad_chatbot_id", "a chatbot id of 257 bytes, one too many", long_id.as_bytes()),
        line("no_session_key", "an event without session, visitor or user id and without IP address", br#"{"event_id":"x","chatbot_id":"samples","event_name":"page_viewed","timestamp":"2026-11-01T12:00:02Z"}"#),
        line("no_timestamp", "an event without a time", br#"{"event_id":"x","chatbot_id":"samples","session_id":"s-1","event_name":"page_viewed"}"#),
        line("bad_timestamp", "a time that does not exist", br#"{"event_id":"x","chatbot_id":"samples","session_id":"s-1","event_name":"page_viewed","timestamp":"2026-11-31T25:00:00Z"}"#),
        line("future_timestamp", "a time more than a day ahead", br#"{"event_id":"x","chatbot_id":"samples","session_id":"s-1","event_name":"page_viewed","timestamp":"2099-01-01T00:00:00Z"}"#),
        line("implausible_timestamp", "a time before 2000: a device whose clock was never set", br#"{"event_id":"x","chatbot_id":"samples","session_id":"s-1","event_name":"page_viewed","timestamp":"1999-12-31T23:59:59Z"}"#),
        line("empty_envelope", "an envelope without events", br#"{"chatbotId":"samples","sessionId":"s-1","sentAt":"2026-11-01T12:00:02Z","events":[]}"#),
    ]
}

/// Returns files that are damaged as a whole.
fn damaged() -> Vec<Bad> {
    let text = |name: &str, lines: u32| -> Vec<u8> {
        (1..=lines).flat_map(|i| format!("{}\n", good_line(name, i)).into_bytes()).collect()
    };
    let cut = |mut bytes: Vec<u8>, off: usize| {
        bytes.truncate(bytes.len() - off);
        bytes
    };
    let mut wrong_sum = gzip(&text("wrong_checksum", 3));
    let at = wrong_sum.len() - 6;
    wrong_sum[at] ^= 0xff;
    let partial = ExpectedCounts { unfinished: 1, partial: true, ..STORED_2 };
    vec![
        Bad {
            name: "truncated_gzip",
            defect: "a gzip file that ends in the middle of its third line",
            outcome: "the complete lines are stored, the cut one counts as unfinished, and the exit status is 4",
            expected: partial,
            bytes: cut(gzip(&text("truncated_gzip", 3)), 8 + 40),
        },
        Bad {
            name: "truncated_zstd",
            defect: "a zstd file that ends in the middle of its third line",
            outcome: "as above",
            // The third line is in a separate block, which is truncated.
            expected: partial,
            bytes: {
                let (whole, third) =
                    (text("truncated_zstd", 2), format!("{}\n", good_line("truncated_zstd", 3)));
                cut(zstd(&[Piece::Bytes(&whole), Piece::Bytes(third.as_bytes())]), 40)
            },
        },
        Bad {
            name: "wrong_checksum",
            defect: "a gzip file with a wrong checksum",
            outcome: "the lines before the checksum are stored, and the exit status is 4",
            expected: ExpectedCounts { stored: 3, partial: true, ..ExpectedCounts::default() },
            bytes: wrong_sum,
        },
        Bad {
            name: "not_gzip",
            defect: "plain text in a file named .gz",
            outcome: "stored, because compression is detected by content",
            expected: ExpectedCounts { stored: 3, ..ExpectedCounts::default() },
            bytes: text("not_gzip", 3),
        },
        Bad {
            name: "unfinished_last_line",
            defect: "the last line is half an event without a line feed, because the log is still being written",
            outcome: "two lines are stored, the third is left for the next ingest",
            expected: ExpectedCounts { unfinished: 1, ..STORED_2 },
            bytes: cut(text("unfinished_last_line", 3), 30),
        },
        Bad {
            name: "nul_bytes",
            defect: "a run of 4,096 NUL bytes, as left by a truncated log",
            outcome: "the run is rejected as `not_json`, the two lines around it are stored",
            expected: ExpectedCounts { rejected: Some(("not_json", 1)), ..STORED_2 },
            bytes: around("nul_bytes", &[0; 4096]),
        },
        Bad {
            name: "empty",
            defect: "an empty file",
            outcome: "nothing is stored, and no error occurs",
            expected: ExpectedCounts::default(),
            bytes: Vec::new(),
        },
    ]
}

/// Returns files that are unusual but mostly valid.
fn odd() -> Vec<Bad> {
    let line = |name: &'static str, defect: &'static str, outcome: &'static str, middle: &str| Bad {
        name,
        defect,
        outcome,
        expected: ExpectedCounts { stored: 3, ..ExpectedCounts::default() },
        bytes: around(name, middle.as_bytes()),
    };
    let event = |name: &str, rest: &str| {
        format!(
            r#"{{"event_id":"{name}-2","chatbot_id":"samples","session_id":"s-1","event_name":"page_viewed","timestamp":"2026-11-01T12:00:02Z",{rest}}}"#
        )
    };
    let mut mixed = line(
        "envelope_with_a_bad_event",
        "an envelope whose second event of three has no name",
        "that event is rejected as `no_event_name`, the other two are stored",
        r#"{"chatbotId":"samples","sessionId":"s-1","sentAt":"2026-11-01T12:00:02Z","receivedAt":"2026-11-01T12:00:02Z","events":[{"event_name":"a","timestamp":"2026-11-01T12:00:02Z"},{"timestamp":"2026-11-01T12:00:02Z"},{"event_name":"c","timestamp":"2026-11-01T12:00:02Z"}]}"#,
    );
    mixed.expected =
        ExpectedCounts { stored: 4, rejected: Some(("no_event_name", 1)), ..ExpectedCounts::default() };
    let mut twice = line(
        "id_names_two_events",
        "the id of the first line is reused for another event",
        "the earlier event is stored, the other one is a duplicate, and a warning is counted",
        &event("id_names_two_events", r#""page_url":"/other""#).replace("two_events-2", "two_events-1"),
    );
    twice.expected = ExpectedCounts { duplicate: 1, ..STORED_2 };
    let deep = format!(r#""properties":{{"deep":{}1{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    let mut bom = line(
        "byte_order_mark",
        "a byte order mark before the first line",
        "stored",
        &event("byte_order_mark", r#""a":1"#),
    );
    bom.bytes.splice(0..0, [0xef, 0xbb, 0xbf]);
    let mut crlf = line("crlf", "lines that end with CR LF", "stored", &event("crlf", r#""a":1"#));
    crlf.bytes = String::from_utf8_lossy(&crlf.bytes).replace('\n', "\r\n").into_bytes();
    let mut blank = line(
        "blank_lines",
        "blank lines between other lines",
        "three lines are stored, and the blank ones are counted separately",
        "",
    );
    blank.bytes =
        around("blank_lines", format!("\n   \n{}\n\t", event("blank_lines", r#""a":1"#)).as_bytes());
    vec![
        mixed,
        twice,
        line(
            "wrong_types",
            "optional fields of the wrong type: a width that is a string, properties that are a list",
            "stored; the fields are null, their values are in `extra`, and warnings are counted",
            &event("wrong_types", r#""screen_width":"wide","properties":[1,2],"page_url":7"#),
        ),
        line(
            "huge_numbers",
            "a screen width of twenty digits",
            "stored; the width is null, its value is in `extra`, and a warning is counted",
            &event("huge_numbers", r#""screen_width":99999999999999999999"#),
        ),
        line(
            "duplicate_keys",
            "a duplicate key in one object",
            "stored with the last value",
            &event("duplicate_keys", r#""page_url":"/first","page_url":"/last""#),
        ),
        line(
            "deep_nesting",
            "lists nested ten thousand levels deep",
            "stored, at the same cost as any line of that length",
            &event("deep_nesting", &deep),
        ),
        line(
            "lone_surrogate",
            "an unpaired surrogate, as an escape",
            "stored with a replacement character, and a warning is counted",
            &event("lone_surrogate", r#""page_title":"\ud83d""#),
        ),
        line(
            "control_characters",
            "escape sequences that would clear the screen and set the terminal's title",
            "stored, and shown as visible text",
            &event(
                "control_characters",
                r#""page_title":"\u001b[2J\u001b]0;title\u0007","utm_source":"\u001b[31mred","referrer":"https://a.example/\r\n""#,
            ),
        ),
        line(
            "spreadsheet_formula",
            "a campaign that a spreadsheet would evaluate as a formula",
            "stored, and prefixed with `'` in CSV",
            &event(
                "spreadsheet_formula",
                r#""utm_source":"=HYPERLINK(\"https://a.example\")","utm_campaign":"@sum(1)""#,
            ),
        ),
        bom,
        crlf,
        blank,
    ]
}

/// Returns the file name.
pub fn file_name(bad: &Bad) -> String {
    let packed = match bad.name {
        "line_too_long" | "truncated_zstd" => ".zst",
        "truncated_gzip" | "wrong_checksum" | "not_gzip" => ".gz",
        _ => "",
    };
    format!("{}.ndjson{packed}", bad.name)
}
