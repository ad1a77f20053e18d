//! Robots: by the words they use, by the tools they are made with, by the address they give.

use super::rules::{Hit, Table};
use super::{Found, Named, version};

/// Whether a user agent is a robot's.
pub(super) enum Robot {
    /// It is not, as far as can be told.
    No,
    /// It is, and the robot may have a name.
    Yes(Option<Named>),
}

/// Tells whether a user agent is a robot's, and which.
pub(super) fn robot(found: &Found<'_>) -> Robot {
    let persons: Vec<&Hit> = found.named(Table::Robot, "person").collect();
    let model = model(found.text);
    let told = found
        .hits
        .iter()
        .filter(|hit| hit.table == Table::Robot && hit.name != "person")
        .filter(|hit| match hit.name {
            "anywhere" => true,
            // Who fetches a page to show a link names no system; the app itself does.
            "link" => found.first(Table::System).is_none(),
            _ => !model.contains(&hit.start),
        })
        .find(|hit| !persons.iter().any(|person| person.start <= hit.start && hit.end <= person.end));
    match told {
        Some(hit) => Robot::Yes(Some(name(found.text, hit))),
        None if persons.is_empty() && gives_an_address(found.text) => Robot::Yes(first_product(found.text)),
        None if poses(found) => Robot::Yes(first_product(found.text)),
        None => Robot::No,
    }
}

/// Tells whether a user agent has the form of a robot that poses as a browser: a comment in which
/// it calls itself `compatible` (only the browsers of the first years did so, with their name), or
/// more than `KHTML, like Gecko` in the comment of the engine.
fn poses(found: &Found<'_>) -> bool {
    let compatible = found.has("compatible;") && !COMPATIBLE.iter().any(|name| found.has(name));
    compatible || found.has("KHTML, like Gecko;")
}

/// What real browsers that call themselves `compatible` have in their user agents.
const COMPATIBLE: [&str; 27] = [
    "MSIE",
    "Trident",
    "Konqueror",
    "Opera",
    "iCab",
    "NetPositive",
    "OmniWeb",
    "Netscape",
    "Haiku",
    "AmigaOS",
    "Syllable",
    "OffByOne",
    "NetFront",
    "Polaris",
    "Brew",
    "BrightSign",
    "Viera",
    "Galio",
    "Fresco",
    "Maple",
    "ms-office",
    "RISC OS",
    "NetSurf",
    "Teleca",
    "Chameleon",
    "Symbian",
    "RIM957",
];

/// Returns where Android's comment names the device's model, in which robots' words are a maker's
/// (`XBot Junior`, `M bot 54`, `Forward Ruby`).
fn model(text: &str) -> std::ops::Range<usize> {
    let Some(start) = text.find("Android") else { return 0..0 };
    let comment = text.get(start..).unwrap_or("");
    let comment = comment.split(')').next().unwrap_or("");
    if comment.contains("compatible") { 0..0 } else { start..start + comment.len() }
}

/// Tells whether a web or mail address stands in a user agent, as robots' authors put it.
///
/// In Internet Explorer's comment providers and toolbars put their own, so there it must be a link.
fn gives_an_address(text: &str) -> bool {
    if text.contains("MSIE ") {
        return text.contains("+http") || mail(text);
    }
    ["http://", "https://", "www.", "+http"].iter().any(|start| text.contains(start))
        || mail(text)
        || site(text)
}

/// Domains' ends that robots give their makers' sites with.
const TOPS: [&str; 14] =
    ["com", "org", "net", "io", "ai", "de", "ru", "fr", "eu", "co", "app", "dev", "info", "me"];

/// Tells whether something like `example.com` stands in the text, in lower case.
///
/// Not `com.example.app`, as apps of Android are called, nor `ASP.NET`; nor `radio.de/1.1`, an app.
fn site(text: &str) -> bool {
    let mut rest = text;
    while let Some(start) = rest.find(|c: char| c.is_ascii_alphanumeric()) {
        let from = rest.get(start..).unwrap_or("");
        let end =
            from.find(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '-').unwrap_or(from.len());
        let (word, after) = from.split_at(end);
        let product = after.strip_prefix('/').is_some_and(|v| v.starts_with(|c: char| c.is_ascii_digit()));
        if !product && is_domain(word.trim_end_matches('.')) {
            return true;
        }
        rest = after;
    }
    false
}

/// Tells whether a word is a domain such as robots' makers have.
fn is_domain(word: &str) -> bool {
    word.rsplit_once('.').is_some_and(|(name, top)| {
        TOPS.contains(&top)
            && name.len() > 1
            && name.bytes().any(|b| b.is_ascii_alphabetic())
            && !name.split('.').any(|label| TOPS.contains(&label))
    })
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
