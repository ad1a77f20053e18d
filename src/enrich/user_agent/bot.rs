//! Detects bots by keywords and names, by links and email addresses of operators, and by imitated
//! user agents of browsers.

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
        || imitates_browser(evidence);
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
    /// Whether the client is a desktop app that is built on Electron.
    in_electron: bool,
    /// Whether the client is an app or a browser on a desktop. Its user agent names the operating
    /// system, and does not quote a browser's user agent after its own name.
    on_desktop: bool,
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
        let engine = ["applewebkit/", "gecko/", "trident/", "msie ", "presto/", "like gecko"];
        let on_phone = APP_PLATFORMS.contains(&os)
            || (os.is_empty() && phone_keyword)
            || matches!(evidence.woothee.device_type, DeviceType::Mobile | DeviceType::Tablet)
            || evidence.has("cfnetwork/")
            || is_package_name(evidence.text);
        Environment {
            on_phone,
            on_desktop: !on_phone && !os.is_empty() && !evidence.has(" mozilla/"),
            in_electron: evidence.has("electron/"),
            whole_browser: (evidence.lower.starts_with("mozilla/") || evidence.has("msie "))
                && !os.is_empty()
                && engine.iter().any(|engine| evidence.has(engine)),
            has_contact: link(evidence) || email(evidence.text) || domain(evidence.text),
            models: ModelNames::new(evidence.text),
        }
    }
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
        _ => !in_model(),
    }
}

/// Returns whether a user agent imitates a browser as bots do.
///
/// Some bots write `compatible` without a browser or an operating system after it; few real
/// browsers write that word. Other bots add text to the engine's comment, `(KHTML, like Gecko)`.
fn imitates_browser(evidence: &Evidence<'_>) -> bool {
    if in_rule(evidence, "compatible").next().is_some() || evidence.has("googleweblight") {
        return false;
    }
    let names_platform = |start: usize| {
        let item = evidence.text.get(start..).and_then(|text| text.split([';', ')']).next()).unwrap_or("");
        let item = start..start + item.len();
        let mut others = evidence.matches.iter().filter(|found| found.table != Table::Bot);
        others.any(|found| item.contains(&found.range.start))
    };
    let compatible = ["(compatible;", "; compatible;"].iter().find_map(|word| {
        Some(memchr::memmem::find(evidence.lower.as_bytes(), word.as_bytes())? + word.len())
    });
    compatible.is_some_and(|at| !names_platform(at)) || evidence.has("(khtml, like gecko;")
}

/// Returns whether a user agent contains a link, a domain or an email address as bots do.
///
/// Apps on phones contain the contacts of their makers. In the user agent of a browser, contacts
/// come from extensions, toolbars and access providers, unless they have a form that only bots use.
fn gives_contact(evidence: &Evidence<'_>, runs: &Environment<'_>) -> bool {
    let text = evidence.text;
    if runs.whole_browser {
        let names_itself = evidence.has("compatible") && !evidence.has("msie ");
        return email(text) || (names_itself && link(evidence));
    }
    if runs.on_phone {
        return false;
    }
    let is_browser = evidence.in_table(Table::Browser).any(|found| found.range.start == 0);
    evidence.has("+http") || (!is_browser && runs.has_contact)
}

/// Returns whether a user agent starts with the package name of an Android app: `com.example.app`.
fn is_package_name(text: &str) -> bool {
    let name = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '.' && c != '_').next().unwrap_or("");
    let mut labels = name.split('.');
    labels.next().is_some_and(|label| TOP_LEVEL_DOMAINS.contains(&label)) && labels.count() >= 2
}

/// Returns whether a user agent contains a link.
fn link(evidence: &Evidence<'_>) -> bool {
    ["http://", "https://", "www.", "+http"].iter().any(|start| evidence.has(start))
}

/// Top-level domains that operators of bots use.
const TOP_LEVEL_DOMAINS: [&str; 14] =
    ["com", "org", "net", "io", "ai", "de", "ru", "fr", "eu", "co", "app", "dev", "info", "me"];

/// Returns whether a user agent contains a domain such as `example.com`, in lower case.
///
/// Excludes package names of Android apps (`com.example.app`), `ASP.NET`, and names of apps such as
/// `radio.de/1.1`.
fn domain(text: &str) -> bool {
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

/// Returns whether a word ends with one of [`TOP_LEVEL_DOMAINS`] and is not a package name.
fn is_domain(word: &str) -> bool {
    word.rsplit_once('.').is_some_and(|(name, top)| {
        TOP_LEVEL_DOMAINS.contains(&top)
            && name.len() > 1
            && name.bytes().any(|byte| byte.is_ascii_alphabetic())
            && !name.split('.').any(|label| TOP_LEVEL_DOMAINS.contains(&label))
    })
}

/// Returns whether a user agent contains an email address.
fn email(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b'@', bytes).any(|at| {
        let before = at.checked_sub(1).and_then(|at| bytes.get(at));
        let domain = text.get(at + 1..).unwrap_or("");
        let end =
            domain.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '.').unwrap_or(domain.len());
        let domain = domain.get(..end).unwrap_or("").trim_end_matches('.');
        before.is_some_and(u8::is_ascii_alphanumeric)
            && domain.rsplit_once('.').is_some_and(|(name, top)| {
                !name.is_empty() && top.len() >= 2 && top.bytes().all(|byte| byte.is_ascii_alphabetic())
            })
    })
}

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
