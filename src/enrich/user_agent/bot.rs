//! Detects bots by keywords and names, by links and email addresses of operators ([`contact`]), and
//! by imitated user agents of browsers.
//!
//! [`contact`]: super::contact

use super::contact::{domain, emails, is_labelled, is_package_name, link};
use super::device_models::ModelNames;
use super::rules::{Match, Table};
use super::{Evidence, Product, version};
use crate::event::DeviceType;

/// A bot.
pub(super) struct Bot {
    /// The bot's name, if the user agent has one.
    pub product: Option<Product>,
}

/// Returns the bot that a user agent identifies; `None` for a person's user agent.
pub(super) fn bot(evidence: &Evidence<'_>, os: Option<&Product>) -> Option<Bot> {
    let runs = Environment::new(evidence, os);
    let person: Vec<&Match> = in_rule(evidence, "person").collect();
    let hidden = |found: &Match| {
        person.iter().any(|p| p.range.start <= found.range.start && found.range.end <= p.range.end)
    };
    let token = evidence.in_table(Table::Bot).find(|found| counts(evidence, found, &runs) && !hidden(found));
    if let Some(token) = token {
        return Some(Bot { product: name(evidence.text, token) });
    }
    if let Some(name) = &evidence.woothee.crawler {
        return Some(Bot { product: Some(Product::new(name, None)) });
    }
    let unnamed = (evidence.woothee.is_library && !runs.on_phone)
        || (person.is_empty() && gives_contact(evidence, &runs))
        || imitates_browser(evidence, &runs);
    unnamed.then(|| Bot { product: first_product(evidence.text) })
}

/// Returns the matches of a rule about bots.
fn in_rule<'a>(evidence: &'a Evidence<'_>, name: &'a str) -> impl Iterator<Item = &'a Match> {
    evidence.in_table(Table::Bot).filter(move |found| found.name == name)
}

/// The operating systems of phones, tablets and televisions, on which most clients are apps.
const APP_PLATFORMS: [&str; 15] = [
    "Android",
    "iOS",
    "iPadOS",
    "HarmonyOS",
    "KaiOS",
    "Tizen",
    "watchOS",
    "tvOS",
    "Windows Phone",
    "BlackBerry OS",
    "Symbian",
    "Sailfish",
    "Bada",
    "Firefox OS",
    "Java ME",
];

/// The environment in which the client runs, according to its user agent.
struct Environment<'a> {
    /// Whether the client runs on a phone, tablet or television. Most clients there are apps, which
    /// can have any name.
    on_phone: bool,
    /// Whether the client runs on an iPhone, iPad or iPod.
    on_ios: bool,
    /// Whether the client is a desktop app that is built on Electron.
    in_electron: bool,
    /// Whether the client is an app or a browser on a desktop. Its user agent names the operating
    /// system, and does not quote a browser's user agent after its own name.
    on_desktop: bool,
    /// Whether the client is an app, but not a browser, on Windows or macOS. Bots run on Linux, or
    /// quote the user agent of a browser.
    in_desktop_app: bool,
    /// Whether the client is a browser: its user agent names the platform and the engine.
    whole_browser: bool,
    /// Whether the user agent contains a link, an email address or a domain.
    has_contact: bool,
    /// The words that are part of a device model.
    models: ModelNames<'a>,
}

impl<'a> Environment<'a> {
    fn new(evidence: &Evidence<'a>, os: Option<&Product>) -> Environment<'a> {
        let os = os.map_or("", |os| os.name.as_str());
        let keyword = evidence.first(Table::Device).map(|found| found.name);
        let phone_keyword = matches!(keyword, Some("mobile" | "tablet"));
        let engine = ["applewebkit/", "gecko/", ") gecko ", "trident/", "msie ", "presto/", "like gecko"];
        let is_netscape = evidence.lower.starts_with("mozilla/4.") && evidence.has(" [");
        let on_phone = APP_PLATFORMS.contains(&os)
            || (os.is_empty() && phone_keyword)
            || matches!(evidence.woothee.device_type, DeviceType::Mobile | DeviceType::Tablet)
            || evidence.has("cfnetwork/")
            || is_package_name(evidence.text);
        let on_desktop = !on_phone && !os.is_empty() && !evidence.has(" mozilla/");
        let is_mozilla = starts_as_mozilla(evidence);
        Environment {
            on_phone,
            on_ios: matches!(os, "iOS" | "iPadOS"),
            on_desktop,
            in_desktop_app: on_desktop
                && matches!(os, "Windows" | "macOS")
                && !is_mozilla
                && !evidence.lower.starts_with("http")
                && evidence.lower.starts_with(|c: char| c.is_ascii_alphanumeric()),
            in_electron: evidence.has("electron/"),
            whole_browser: (is_mozilla || evidence.has("msie "))
                && !os.is_empty()
                && (is_netscape || engine.iter().any(|engine| evidence.has(engine))),
            has_contact: link(evidence)
                || emails(evidence.text).next().is_some()
                || (domain(evidence.text) && !evidence.has("msie ")),
            models: ModelNames::new(evidence.text),
        }
    }
}

/// Returns whether a user agent starts as those of browsers do. Its first characters can be lost
/// (`/5.0 (Windows…`), and its user can put an email address before it.
fn starts_as_mozilla(evidence: &Evidence<'_>) -> bool {
    let lower = evidence.lower.as_str();
    let (first, rest) = lower.split_once(' ').unwrap_or((lower, ""));
    let text = if emails(first).next().is_some() && !first.contains('/') { rest } else { lower };
    text.starts_with("mozilla/") || text.starts_with('/')
}

/// Returns whether a token counts as evidence of a bot at its position.
fn counts(evidence: &Evidence<'_>, found: &Match, runs: &Environment<'_>) -> bool {
    let in_model = || runs.models.contains(&found.range);
    match found.name {
        "person" | "compatible" => false,
        "anywhere" => true,
        // An app names no operating system when it previews a link.
        "link" => evidence.first(Table::Os).is_none(),
        "shared" => !runs.on_phone && !runs.in_electron && !in_model(),
        "generic" => {
            let in_app = runs.on_phone || runs.in_electron || (runs.on_desktop && !runs.has_contact);
            !in_app && !in_model()
        }
        "library" => (found.range.start == 0 || !runs.on_phone) && !in_model(),
        // Bots do not use the network library of iPhones.
        "word" if evidence.has("cfnetwork/") && runs.on_ios => false,
        "word" if evidence.lower.get(found.range.clone()) == Some("bot") => {
            // Letters in random case are not a word: `rBqBOt`.
            let word = evidence.text.get(found.range.clone());
            matches!(word, Some("bot" | "Bot" | "BOT" | "BoT")) && !in_model()
        }
        _ => !in_model(),
    }
}

/// Returns whether a user agent imitates a browser as bots do.
///
/// Some bots write `compatible` without a browser or an operating system after it; few real
/// browsers write that word. Other bots add text to the engine's comment, `(KHTML, like Gecko)`.
/// Apps on phones write `compatible` too, but do not imitate a browser.
fn imitates_browser(evidence: &Evidence<'_>, runs: &Environment<'_>) -> bool {
    if in_rule(evidence, "compatible").next().is_some()
        || evidence.has("googleweblight")
        || (runs.on_phone && !runs.has_contact && !starts_as_mozilla(evidence))
    {
        return false;
    }
    compatible_name_is_known(evidence) == Some(false) || evidence.has("(khtml, like gecko;")
}

/// Returns whether a browser or an operating system follows the word `compatible`; `None` without
/// that word.
fn compatible_name_is_known(evidence: &Evidence<'_>) -> Option<bool> {
    let start = ["(compatible;", "; compatible;"].iter().find_map(|word| {
        Some(memchr::memmem::find(evidence.lower.as_bytes(), word.as_bytes())? + word.len())
    })?;
    let item = evidence.text.get(start..).and_then(|text| text.split([';', ')']).next()).unwrap_or("");
    let item = start..start + item.len();
    let mut others = evidence.matches.iter().filter(|found| found.table != Table::Bot);
    Some(others.any(|found| item.contains(&found.range.start)))
}

/// Returns whether a user agent contains a link, a domain or an email address as bots do.
///
/// Apps contain the contacts of their makers. In the user agent of a browser, contacts come from
/// extensions, toolbars, access providers and users, unless they have a form that only bots use.
fn gives_contact(evidence: &Evidence<'_>, runs: &Environment<'_>) -> bool {
    let text = evidence.text;
    if runs.on_phone && !runs.whole_browser || runs.in_electron {
        return false;
    }
    if runs.whole_browser {
        let is_msie = evidence.has("msie ");
        let names_itself =
            !is_msie && evidence.has("compatible") && compatible_name_is_known(evidence) != Some(true);
        // Access providers add their address to the comment of Internet Explorer.
        let from = text.find(')').filter(|_| is_msie).unwrap_or(0);
        return emails(text).any(|at| at >= from && (link(evidence) || is_labelled(text, at)))
            || (names_itself && link(evidence));
    }
    if runs.in_desktop_app && !FEED_READERS.iter().any(|word| evidence.has(word)) {
        return evidence.has("+http") || emails(text).next().is_some();
    }
    let is_browser = evidence.in_table(Table::Browser).any(|found| found.range.start == 0);
    evidence.has("+http") || (!is_browser && runs.has_contact)
}

/// Words in the names of feed readers, which fetch pages without a person, even on the desktop.
const FEED_READERS: [&str; 4] = ["feed", "rss", "newswire", "newsgator"];

/// Returns the whole word around a token of a bot, and the version after it.
///
/// The word ends at a `/` in the token: `python/` in `Python/3.12` is `Python`, version 3.12.
fn name(text: &str, found: &Match) -> Option<Product> {
    let token = text.get(found.range.clone())?;
    if token.starts_with("Mozilla/") {
        return first_product(text);
    }
    let token_end = found.range.start + token.find('/').unwrap_or(token.len());
    let part_of_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '!');
    let start = text.get(..found.range.start)?.trim_end_matches(part_of_name).len();
    let end = text.len() - text.get(token_end..)?.trim_start_matches(part_of_name).len();
    let word = text.get(start..end)?.trim_matches(['.', '-', '_']);
    Some(Product::new(word, version::leading(text.get(end..)?)))
}

/// Returns the first product of a user agent that is not `Mozilla`.
pub(super) fn first_product(text: &str) -> Option<Product> {
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
    Some(Product::new(name, version::leading(text.get(end..)?)))
}
