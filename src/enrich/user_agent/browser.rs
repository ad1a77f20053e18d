//! Browsers.

use super::rules::Table;
use super::{Found, Named, bot, version};

/// Returns the browser that a user agent names.
pub(super) fn browser(found: &Found<'_>, system: Option<&Named>) -> Option<Named> {
    let system = system.map_or("", |system| system.name.as_str());
    let Some(hit) = found.first(Table::Browser) else { return unnamed(found, system) };
    if FAMILIES.contains(&hit.name)
        && let Some(named) = self_named(found.text)
    {
        return Some(named);
    }
    let own = found
        .named(Table::Browser, hit.name)
        .find_map(|hit| version::leading(found.text.get(hit.end..).unwrap_or("")));
    let named = match hit.name {
        "Safari" if system == "Android" => Named::new("Android Browser", stated(found)),
        "Safari" => Named::new("Safari", stated(found)),
        "Chrome" if in_webview(found, system) => Named::new("Chrome WebView", own),
        "Opera" if found.has("Presto") => Named::new("Opera", stated(found).or(own)),
        "Yandex Browser Lite" => {
            Named::new(hit.name, found.after("YaBrowser/").and_then(version::leading).or(own))
        }
        "Internet Explorer" => Named::new("Internet Explorer", explorer_version(found).or(own)),
        name => Named::new(name, own),
    };
    Some(named)
}

/// The families on which other browsers are built.
const FAMILIES: [&str; 5] = ["Chrome", "Chromium", "Firefox", "Safari", "Electron"];

/// Returns the browser that calls itself one: `NameBrowser/1.2` is the Name Browser.
fn self_named(text: &str) -> Option<Named> {
    let (before, after) = text.split_once("rowser/")?;
    let prefix = before.strip_suffix(['B', 'b'])?;
    let start =
        prefix.rfind(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_').map_or(0, |at| at + 1);
    let name = prefix.get(start..)?.trim_matches(['-', '_']);
    let version = version::leading(after)?;
    (name.len() >= 2 && name.len() <= 24).then(|| Named::new(&format!("{name} Browser"), Some(version)))
}

/// Returns the version in `Version/…`, which Safari and others state beside their engine's.
fn stated(found: &Found<'_>) -> Option<String> {
    version::leading(found.after("Version/")?)
}

/// Tells whether a page is shown by Chrome inside an app of Android.
fn in_webview(found: &Found<'_>, system: &str) -> bool {
    system == "Android" && (found.has("; wv)") || (found.has("Version/") && found.has("AppleWebKit")))
}

/// Returns the version of Internet Explorer: the engine tells it where a compatibility view does not.
fn explorer_version(found: &Found<'_>) -> Option<String> {
    if let Some(mobile) = found.after("IEMobile/").or_else(|| found.after("IEMobile ")) {
        return version::leading(mobile);
    }
    let engine = found.after("Trident/").and_then(version::leading)?;
    Some(format!("{}.0", version::major(&engine)?.checked_add(4)?))
}

/// Returns the browser of a user agent in which no rule was found: that of the system where pages
/// are shown by it, else the program's own name.
fn unnamed(found: &Found<'_>, system: &str) -> Option<Named> {
    let engine = found.has("AppleWebKit") || found.text.starts_with("Mozilla/");
    match system {
        "iOS" | "iPadOS" | "macOS" if found.has("AppleWebKit") => Some(Named::new("Safari", stated(found))),
        "Android" if engine || found.text.starts_with("Dalvik/") => {
            Some(Named::new("Android Browser", stated(found)))
        }
        _ if engine => None,
        _ => bot::first_product(found.text),
    }
}
