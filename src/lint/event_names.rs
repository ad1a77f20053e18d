//! Rules for the names of events: snake_case, past tense, specific.

use std::borrow::Cow;

/// Recommended names that are not in the past tense.
const STANDARD_NAMES: [&str; 3] = ["widget_error", "api_error", "slow_response"];

/// Words that are too general to make an event name specific.
const GENERIC_WORDS: [&str; 22] = [
    "action",
    "activity",
    "analytics",
    "click",
    "custom",
    "data",
    "default",
    "event",
    "generic",
    "info",
    "interaction",
    "log",
    "message",
    "misc",
    "other",
    "test",
    "track",
    "trigger",
    "ui",
    "unknown",
    "update",
    "user",
];

/// Verbs with their past tense: irregular verbs, and regular verbs whose present tense is often
/// used in event names.
const PAST_TENSES: [(&str, &str); 66] = [
    ("abandon", "abandoned"),
    ("accept", "accepted"),
    ("add", "added"),
    ("answer", "answered"),
    ("ask", "asked"),
    ("begin", "began"),
    ("buy", "bought"),
    ("cancel", "canceled"),
    ("change", "changed"),
    ("choose", "chosen"),
    ("click", "clicked"),
    ("close", "closed"),
    ("complete", "completed"),
    ("connect", "connected"),
    ("copy", "copied"),
    ("create", "created"),
    ("delete", "deleted"),
    ("disconnect", "disconnected"),
    ("dismiss", "dismissed"),
    ("download", "downloaded"),
    ("enter", "entered"),
    ("exit", "exited"),
    ("fail", "failed"),
    ("find", "found"),
    ("finish", "finished"),
    ("give", "given"),
    ("hide", "hidden"),
    ("hit", "hit"),
    ("identify", "identified"),
    ("install", "installed"),
    ("join", "joined"),
    ("leave", "left"),
    ("load", "loaded"),
    ("login", "logged_in"),
    ("logout", "logged_out"),
    ("lose", "lost"),
    ("make", "made"),
    ("minimize", "minimized"),
    ("open", "opened"),
    ("pay", "paid"),
    ("purchase", "purchased"),
    ("rate", "rated"),
    ("read", "read"),
    ("receive", "received"),
    ("remove", "removed"),
    ("request", "requested"),
    ("reset", "reset"),
    ("save", "saved"),
    ("scroll", "scrolled"),
    ("search", "searched"),
    ("select", "selected"),
    ("send", "sent"),
    ("share", "shared"),
    ("show", "shown"),
    ("signup", "signed_up"),
    ("skip", "skipped"),
    ("start", "started"),
    ("stop", "stopped"),
    ("submit", "submitted"),
    ("tap", "tapped"),
    ("toggle", "toggled"),
    ("type", "typed"),
    ("upload", "uploaded"),
    ("view", "viewed"),
    ("visit", "visited"),
    ("write", "written"),
];

/// Further past tenses that do not end in `-ed`.
const OTHER_PAST_TENSES: [&str; 40] = [
    "become",
    "broken",
    "brought",
    "built",
    "caught",
    "cut",
    "done",
    "drawn",
    "driven",
    "fallen",
    "felt",
    "forgotten",
    "gone",
    "gotten",
    "grown",
    "heard",
    "held",
    "hurt",
    "kept",
    "known",
    "led",
    "let",
    "lit",
    "met",
    "put",
    "quit",
    "run",
    "seen",
    "set",
    "shut",
    "sold",
    "spent",
    "split",
    "stuck",
    "taken",
    "taught",
    "thrown",
    "told",
    "won",
    "understood",
];

/// Words that end in `-ed` but are not past tenses.
const NOT_PAST: [&str; 12] =
    ["bed", "breed", "embed", "exceed", "feed", "need", "proceed", "red", "seed", "shed", "speed", "succeed"];

/// Returns the name in snake_case; `None` if it already is.
pub(super) fn snake_case(name: &str) -> Option<String> {
    let is_snake_case = name.split('_').all(|word| {
        !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    }) && name.starts_with(|first: char| first.is_ascii_lowercase());
    if is_snake_case {
        return None;
    }
    let mut words = String::with_capacity(name.len() + 4);
    let chars: Vec<char> = name.chars().collect();
    for (index, &char) in chars.iter().enumerate() {
        if !char.is_alphanumeric() {
            words.push('_');
            continue;
        }
        let previous = index.checked_sub(1).and_then(|index| chars.get(index)).copied().unwrap_or(' ');
        let next_is_lower = chars.get(index + 1).is_some_and(|next| next.is_lowercase());
        let begins_word = char.is_uppercase()
            && (previous.is_lowercase() || previous.is_numeric() || previous.is_uppercase() && next_is_lower);
        if begins_word {
            words.push('_');
        }
        words.extend(char.to_lowercase());
    }
    let words: Vec<&str> = words.split('_').filter(|word| !word.is_empty()).collect();
    Some(words.join("_"))
}

/// Returns the lower-case words of a name in any notation.
fn words(name: &str) -> Vec<String> {
    let snake_case = snake_case(name).map_or(Cow::Borrowed(name), Cow::Owned);
    snake_case.split('_').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Returns whether no word of the name is in the past tense. The recommended names of errors and
/// slow responses are accepted.
pub(super) fn is_not_past_tense(name: &str) -> bool {
    let words = words(name);
    !STANDARD_NAMES.contains(&words.join("_").as_str()) && !words.iter().any(|word| is_past_tense(word))
}

fn is_past_tense(word: &str) -> bool {
    let regular = word.len() > 3 && word.ends_with("ed") && !NOT_PAST.contains(&word);
    regular || PAST_TENSES.iter().any(|(_, past)| *past == word) || OTHER_PAST_TENSES.contains(&word)
}

/// Returns the name with its verb in the past tense; `None` if the verb is unknown. The verb is the
/// last word, or else the first.
pub(super) fn past_tense(name: &str) -> Option<String> {
    let mut words = words(name);
    let past = |word: &str| PAST_TENSES.iter().find(|(verb, _)| *verb == word).map(|(_, past)| *past);
    if let Some(past) = words.last().and_then(|word| past(word)) {
        words.pop();
        words.push(past.to_owned());
        return Some(words.join("_"));
    }
    // `click_button` becomes `button_clicked`: the object comes first.
    let past = past(words.first()?)?;
    let mut words = words.split_off(1);
    words.push(past.to_owned());
    Some(words.join("_"))
}

/// Returns whether the name does not name an action and its object: if it has only one word, or
/// only generic words.
pub(super) fn is_generic(name: &str) -> bool {
    let words = words(name);
    let is_generic = |word: &String| {
        let generic = GENERIC_WORDS.contains(&word.as_str());
        let singular = word.strip_suffix('s').is_some_and(|word| GENERIC_WORDS.contains(&word));
        generic || singular
    };
    words.len() < 2 && !STANDARD_NAMES.contains(&name) || words.iter().all(is_generic)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The recommended event names.
    const RECOMMENDED: [&str; 15] = [
        "widget_loaded",
        "widget_opened",
        "widget_minimized",
        "message_sent",
        "message_received",
        "pre_chat_form_shown",
        "pre_chat_form_submitted",
        "feedback_given",
        "widget_error",
        "api_error",
        "slow_response",
        "button_clicked",
        "checkout_completed",
        "page_viewed",
        "step_2_completed",
    ];

    #[test]
    fn recommended_names_have_no_findings() {
        for name in RECOMMENDED {
            assert_eq!(snake_case(name), None, "{name}");
            assert!(!is_not_past_tense(name), "{name}");
            assert!(!is_generic(name), "{name}");
        }
    }

    #[test]
    fn other_notations_become_snake_case() {
        for (name, expected) in [
            ("buttonClicked", "button_clicked"),
            ("ButtonClicked", "button_clicked"),
            ("Button Clicked", "button_clicked"),
            ("button-clicked", "button_clicked"),
            ("button.clicked", "button_clicked"),
            ("BUTTON_CLICKED", "button_clicked"),
            ("button__clicked", "button_clicked"),
            ("_button_clicked", "button_clicked"),
            ("$pageview", "pageview"),
            ("APIErrorShown", "api_error_shown"),
            ("step2Completed", "step2_completed"),
            ("Üper", "üper"),
            ("", ""),
        ] {
            assert_eq!(snake_case(name).as_deref(), Some(expected), "{name:?}");
        }
    }

    #[test]
    fn present_tense_is_found_and_corrected() {
        for (name, expected) in [
            ("page_view", Some("page_viewed")),
            ("click_button", Some("button_clicked")),
            ("sendMessage", Some("message_sent")),
            ("checkout", None),
            ("newsletter_feed", None),
        ] {
            assert!(is_not_past_tense(name), "{name}");
            assert_eq!(past_tense(name).as_deref(), expected, "{name}");
        }
        for name in ["payment_failed", "chat_left", "Order Paid", "user_logged_in", "form_shown"] {
            assert!(!is_not_past_tense(name), "{name}");
        }
    }

    #[test]
    fn names_without_an_object_are_generic() {
        for name in ["action", "click", "clicked", "custom_event", "user_action", "events", ""] {
            assert!(is_generic(name), "{name}");
        }
        for name in ["user_registered", "message_sent", "custom_color_chosen"] {
            assert!(!is_generic(name), "{name}");
        }
    }
}
