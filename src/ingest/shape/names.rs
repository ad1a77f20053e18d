//! Suggests standard events for the names of other events.

use crate::ingest::fields::standard_category;

/// Words of event names, and the standard event that they mean. A name must contain all words of an
/// entry. The first matching entry is used.
const WORDS: [(&[&str], &str); 30] = [
    (&["bot", "message"], "message_received"),
    (&["agent", "message"], "message_received"),
    (&["assistant"], "message_received"),
    (&["message", "received"], "message_received"),
    (&["reply"], "message_received"),
    (&["answer"], "message_received"),
    (&["response"], "message_received"),
    (&["user", "message"], "message_sent"),
    (&["visitor", "message"], "message_sent"),
    (&["visitor", "says"], "message_sent"),
    (&["message", "sent"], "message_sent"),
    (&["message", "send"], "message_sent"),
    (&["question", "asked"], "message_sent"),
    (&["chat", "opened"], "widget_opened"),
    (&["chat", "open"], "widget_opened"),
    (&["open", "chat"], "widget_opened"),
    (&["widget", "open"], "widget_opened"),
    (&["chat", "started"], "widget_opened"),
    (&["chat", "closed"], "widget_minimized"),
    (&["chat", "minimized"], "widget_minimized"),
    (&["fold", "chat"], "widget_minimized"),
    (&["chat", "loaded"], "widget_loaded"),
    (&["feedback"], "feedback_given"),
    (&["rating"], "feedback_given"),
    (&["rated"], "feedback_given"),
    (&["pageview"], "page_view"),
    (&["page", "view"], "page_view"),
    (&["view"], "page_view"),
    (&["visited"], "page_view"),
    (&["get"], "page_view"),
];

/// Returns the name that a pointer or a template yields. Missing parts are empty.
pub fn rendered(place: &str, value: &dyn Fn(&str) -> Option<String>) -> String {
    if !place.starts_with('{') {
        return value(place).unwrap_or_default();
    }
    let mut name = String::new();
    for part in place.split('{').skip(1) {
        let (inner, after) = part.split_once('}').unwrap_or((part, ""));
        name.push_str(&value(inner).unwrap_or_default());
        name.push_str(after);
    }
    name
}

/// Returns whether an event is a standard event, which has a meaning in reports.
pub fn is_standard(name: &str) -> bool {
    standard_category(name).is_some() || matches!(name, "page_viewed" | "page_view")
}

/// Words for the visitor as the author of a message.
const VISITOR: [&str; 7] = ["user", "visitor", "customer", "consumer", "guest", "enduser", "incoming"];
/// Words for the other party of a conversation.
const TEAM: [&str; 7] = ["agent", "bot", "operator", "admin", "assistant", "teammate", "outgoing"];
/// Words that denote an author only if they are the whole string, with the event of the message.
const ALONE: [(&str, &str); 8] = [
    ("in", "message_sent"),
    ("inbound", "message_sent"),
    ("contact", "message_sent"),
    ("client", "message_sent"),
    ("lead", "message_sent"),
    ("out", "message_received"),
    ("outbound", "message_received"),
    ("system", "message_received"),
];
/// Words for a message.
const MESSAGE: [&str; 6] = ["message", "msg", "text", "comment", "says", "said"];

/// Returns the event of a message, given its author or direction; `None` for an unknown string.
pub fn side(text: &str) -> Option<&'static str> {
    let words = words(text);
    match words.as_slice() {
        [word] if VISITOR.contains(&word.as_str()) => Some("message_sent"),
        [word] if TEAM.contains(&word.as_str()) => Some("message_received"),
        [word] => ALONE.iter().find(|(own, _)| own == word).map(|(_, event)| *event),
        _ => None,
    }
}

/// Returns the standard event that a name is likely to mean; `None` for a standard name.
pub fn suggested(name: &str) -> Option<&'static str> {
    if is_standard(name) {
        return None;
    }
    let words = words(name);
    let has = |some: &[&str]| words.iter().any(|word| some.contains(&word.as_str()));
    let by_side = match (has(&MESSAGE), has(&VISITOR), has(&TEAM)) {
        (true, true, false) => Some("message_sent"),
        (true, false, true) => Some("message_received"),
        _ => side(name),
    };
    if by_side.is_some() {
        return by_side;
    }
    let joined = words.join("_");
    let standard = [
        "widget_loaded",
        "widget_opened",
        "widget_minimized",
        "message_sent",
        "message_received",
        "feedback_given",
        "widget_error",
        "api_error",
        "slow_response",
        "page_view",
    ];
    let same = standard.into_iter().find(|standard| *standard == joined);
    let means = |(all, _): &&(&[&str], &str)| all.iter().all(|word| words.iter().any(|own| own == word));
    same.or_else(|| WORDS.iter().find(means).map(|(_, standard)| *standard))
}

/// Splits `Message Sent`, `messageSent` and `$message-sent` into `message` and `sent`.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && before.is_lowercase()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut().filter(|_| c.is_alphanumeric()) {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    words.retain(|word| !word.is_empty());
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_other_products_mean_standard_events() {
        for (name, standard) in [
            ("Message Sent", "message_sent"),
            ("messageSent", "message_sent"),
            ("$pageview", "page_view"),
            ("Bot Message Sent", "message_received"),
            ("chat-opened", "widget_opened"),
            ("User Rating", "feedback_given"),
            ("TEXT_PLAIN Consumer", "message_sent"),
            ("message:send operator", "message_received"),
            ("AGENT", "message_received"),
        ] {
            assert_eq!(suggested(name), Some(standard), "{name}");
        }
        for name in ["message_sent", "page_view", "button_clicked", "", "signup"] {
            assert_eq!(suggested(name), None, "{name}");
        }
    }

    #[test]
    fn every_meaning_is_a_standard_event() {
        assert!(WORDS.iter().all(|(_, standard)| is_standard(standard)));
    }
}
