//! Robots: by the words they use, by the tools they are made with, by the address they give.

use super::rules::{Hit, Table};
use super::{Found, Named, version};

/// Tells whether a user agent is a robot's, and which.
pub(super) fn robot(found: &Found<'_>) -> Option<Named> {
    let persons: Vec<&Hit> = found.named(Table::Robot, "person").collect();
    let told = found
        .hits
        .iter()
        .filter(|hit| hit.table == Table::Robot && hit.name != "person")
        .find(|hit| !persons.iter().any(|person| person.start <= hit.start && hit.end <= person.end));
    match told {
        Some(hit) => Some(name(found.text, hit)),
        None if gives_an_address(found) => Some(first_product(found.text)?),
        None => None,
    }
}

/// Tells whether a web or mail address stands in a user agent, as robots' authors put it.
///
/// `persons` hide those of browsers (Embedded Web Browser, some toolbars).
fn gives_an_address(found: &Found<'_>) -> bool {
    if found.named(Table::Robot, "person").next().is_some() {
        return false;
    }
    found.has("http://")
        || found.has("https://")
        || found.has("+http")
        || found.has("www.")
        || mail(found.text)
}

/// Tells whether something like a mail address stands in the text.
fn mail(text: &str) -> bool {
    let bytes = text.as_bytes();
    let letter = |at: Option<usize>| at.and_then(|at| bytes.get(at)).is_some_and(u8::is_ascii_alphanumeric);
    memchr::memchr_iter(b'@', bytes).any(|at| {
        let domain = text.get(at + 1..).unwrap_or("");
        let end =
            domain.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '.').unwrap_or(domain.len());
        let domain = domain.get(..end).unwrap_or("").trim_end_matches('.');
        letter(at.checked_sub(1))
            && domain.rsplit_once('.').is_some_and(|(name, top)| {
                !name.is_empty() && top.len() >= 2 && top.bytes().all(|b| b.is_ascii_alphabetic())
            })
    })
}

/// Returns the whole word in which a robot's token stands, and the version behind it.
fn name(text: &str, hit: &Hit) -> Named {
    let of_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '!');
    let before = text.get(..hit.start).unwrap_or("");
    let start = before.trim_end_matches(of_name).len();
    let after = text.get(hit.end..).unwrap_or("");
    let end = text.len() - after.trim_start_matches(of_name).len();
    let word = text.get(start..end).unwrap_or("").trim_matches(['.', '-', '_']);
    Named::new(word, version::leading(text.get(end..).unwrap_or("")))
}

/// Returns the first product of a user agent that is not `Mozilla`.
pub(super) fn first_product(text: &str) -> Option<Named> {
    let text = match text.strip_prefix("Mozilla/") {
        Some(_) => text.split_once("compatible;")?.1.trim_start(),
        None => text,
    };
    let end =
        text.find(|c: char| matches!(c, '/' | '(' | ';' | ')' | ',') || c.is_control()).unwrap_or(text.len());
    let name = text.get(..end)?.trim();
    let name = name.split(" http").next()?.trim();
    if name.is_empty() || name.len() > 64 || !name.chars().any(char::is_alphabetic) {
        return None;
    }
    Some(Named::new(name, version::leading(text.get(end..)?)))
}
