//! Writes a draft of a map.

use super::rows::Conversion;
use super::{Draft, guess, names};
use crate::ingest::fields::Field;
use crate::ingest::map::Reader;
use crate::shell::{quote, quote_file};

/// The columns that every map needs or should have, each with the comment that replaces it if it
/// was not found.
const WANTED: [(Field, &str); 3] = [
    (Field::EventName, "# no key looks like the name of an event: give its pointer"),
    (Field::Timestamp, "# timestamp = \"/…\"   # required: no key looks like a time"),
    (Field::SessionId, "# session_id = \"/…\"   # or anonymous_id or user_id: one is required"),
];

/// The start of the section `[names]`.
const NAMES: &str = "
[names]
# Names in the file, and the standard events: page_view, widget_loaded, widget_opened,
# widget_minimized, message_sent, message_received, feedback_given. \"\" ignores an event.
";

/// Returns the text of a map.
pub fn write(draft: &Draft<'_>) -> String {
    let about = quoted(&format!("Events of {}", draft.file.replace(char::is_control, "?")));
    let file = match draft.file {
        "-" => "-".to_owned(),
        name => quote_file(name),
    };
    let (mut pipe, mut input, mut conversion) = (String::new(), file.as_str(), String::new());
    match &draft.conversion {
        None => {}
        Some(Conversion::Header(columns)) => {
            pipe = format!("(echo {}; cat {file}) | ", quote(&columns.join(",")));
            input = "-";
            conversion.push_str("# The first row must name the columns.\n");
        }
        Some(Conversion::Commas(separator)) => {
            conversion = format!(
                "# The fields must be separated by commas. This command converts the file:\n\
                 #   python3 -c \"import csv, sys; csv.writer(sys.stdout)\
                 .writerows(csv.reader(sys.stdin, delimiter='{separator}'))\" < {file} > converted.csv\n"
            );
            input = "converted.csv";
        }
    }
    let mut text = format!(
        "# A draft of a map. Correct the pointers, check the result, and ingest:\n\
         #   {pipe}wa preview {input} --map my.toml\n\
         #   {pipe}wa ingest {input} --map my.toml --chatbot ID\n\
         {conversion}about = {about}\n"
    );
    if draft.reader != Reader::Json {
        text.push_str(&format!("reader = \"{}\"\n", draft.reader.name()));
    }
    if !draft.columns.is_empty() {
        text.push_str(&format!("columns = {}\n", quoted(&draft.columns.join(" "))));
    }
    if let Some(pattern) = &draft.pattern {
        // A literal string of TOML needs no escapes, which makes a pattern easier to read. It
        // cannot contain `'`.
        let is_plain = !pattern.contains(|c: char| c == '\'' || c.is_control());
        let pattern = if is_plain { format!("'{pattern}'") } else { quoted(pattern) };
        text.push_str(&format!("pattern = {pattern}\n"));
    }
    if !draft.unwrap.is_empty() {
        let places: Vec<String> = draft.unwrap.iter().map(|place| quoted(place)).collect();
        text.push_str(&format!("unwrap = [{}]\n", places.join(", ")));
    }
    if let Some(header) = &draft.header {
        text.push_str(&format!("ignore = {}   # the header\n", quoted(header)));
    }
    if let Some(format) = &draft.guesses.time_format {
        text.push_str(&format!("time_format = {}\n", quoted(format)));
    }
    if let Some(other) = &draft.guesses.other_time_format {
        text.push_str(&format!(
            "# The samples do not show whether the day or the month comes first. The other order:\n\
             # time_format = {}\n",
            quoted(other)
        ));
    }
    text.push_str("# timezone = \"Europe/Berlin\"   # of times without an offset\n\n[event]\n");
    let guesses = &draft.guesses.fields;
    let found = |field: Field| guesses.iter().find(|(own, _)| *own == field).map(|(_, place)| place);
    let has_person = [Field::AnonymousId, Field::UserId].into_iter().any(|field| found(field).is_some());
    let has_device = found(Field::IpAddress).is_some() && found(Field::UserAgent).is_some();
    for (field, remark) in WANTED {
        match found(field) {
            Some(place) => text.push_str(&column(field, place)),
            None if field == Field::EventName => {
                text.push_str(&format!("{remark}\nevent_name = \"=event\"\n"));
            }
            None if field == Field::SessionId && (has_person || has_device) => {}
            None => text.push_str(&format!("{remark}\n")),
        }
    }
    for (field, place) in guesses {
        if !WANTED.iter().any(|(wanted, _)| wanted == field) {
            text.push_str(&column(*field, place));
        }
    }
    let response_time = guess::response_time(draft.keys);
    let unused: Vec<&str> = draft
        .keys
        .iter()
        .filter(|key| !key.types.contains_key("object"))
        .filter(|key| !guesses.iter().any(|(_, place)| is_part(&key.place, place)))
        .map(|key| key.place.as_str())
        .collect();
    text.push_str("\n[properties]\n");
    if let Some(key) = response_time {
        text.push_str(&format!("response_time_ms = {}\n", quoted(&key.place)));
    } else if let Some(first) = unused.first() {
        let name = first.rsplit('/').next().unwrap_or("").to_lowercase();
        text.push_str(&format!("# {} = {}\n", quoted(&name.replace(' ', "_")), quoted(first)));
    }
    text.push_str(NAMES);
    let mut has_names = false;
    for name in draft.names.iter().filter(|name| !names::is_standard(name)) {
        match names::suggested(name) {
            Some(standard) => text.push_str(&format!("{} = \"{standard}\"\n", quoted(name))),
            None => text.push_str(&format!("# {} = \"\"\n", quoted(name))),
        }
        has_names = true;
    }
    if !has_names {
        text.push_str("# \"name in the file\" = \"message_sent\"\n");
    }
    text
}

fn column(field: Field, place: &str) -> String {
    format!("{} = {}\n", field.name(), quoted(place))
}

/// Returns whether a guess uses a key: directly, as a key inside it, or as a part of a template.
fn is_part(key: &str, guess: &str) -> bool {
    key == guess || key.starts_with(&format!("{guess}/")) || guess.contains(&format!("{{{key}}}"))
}

/// Returns a string as a TOML basic string on one line.
fn quoted(text: &str) -> String {
    // TOML has all escapes of JSON, and also requires one for U+007F.
    serde_json::Value::from(text).to_string().replace('\u{7f}', "\\u007F")
}
