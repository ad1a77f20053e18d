//! Classification of browsers.

use super::rules::Table;
use super::{Evidence, Product, bot, version};

/// The browsers that other browsers are built on.
const FAMILIES: [&str; 5] = ["Chrome", "Chromium", "Firefox", "Safari", "Electron"];

/// Returns the browser of a person's user agent, or the app that embeds it.
pub(super) fn browser(evidence: &Evidence<'_>, os: Option<&Product>) -> Option<Product> {
    let os = os.map_or("", |os| os.name.as_str());
    let Some(browser) = evidence.product(Table::Browser, &evidence.woothee.browser) else {
        return unknown_browser(evidence, os);
    };
    if FAMILIES.contains(&browser.name.as_str())
        && let Some(named) = self_named(evidence.text)
    {
        return Some(named);
    }
    let Product { name, version } = browser;
    let browser = match name.as_str() {
        "Safari" if os == "Android" => Product::new("Android Browser", stated_version(evidence)),
        "Safari" => Product::new("Safari", stated_version(evidence).or(version)),
        "Chrome" if in_webview(evidence, os) => Product::new("Chrome WebView", version),
        "Opera" if evidence.has("presto") => Product::new("Opera", stated_version(evidence).or(version)),
        "Yandex Browser Lite" => Product::new(&name, evidence.version_after(&["yabrowser/"]).or(version)),
        "UC Browser" => Product::new(&name, evidence.version_after(&["ucbrowser/"]).or(version)),
        "Internet Explorer" => Product::new("Internet Explorer", explorer_version(evidence).or(version)),
        _ => Product { name, version },
    };
    Some(browser)
}

/// Returns the browser if the product name ends in `Browser`: `NameBrowser/1.2` becomes `Name
/// Browser`.
fn self_named(text: &str) -> Option<Product> {
    let (before, after) = text.split_once("rowser/")?;
    let prefix = before.strip_suffix(['B', 'b'])?;
    let part_of_name = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let start = prefix.trim_end_matches(part_of_name).len();
    let name = prefix.get(start..)?.trim_matches(['-', '_']);
    let version = version::leading(after)?;
    (2..=24).contains(&name.len()).then(|| Product::new(&format!("{name} Browser"), Some(version)))
}

/// Returns the version in `Version/…`, which Safari and others send in addition to the engine's.
fn stated_version(evidence: &Evidence<'_>) -> Option<String> {
    evidence.version_after(&["version/"])
}

/// Returns whether Chrome shows the page inside an Android app.
fn in_webview(evidence: &Evidence<'_>, os: &str) -> bool {
    os == "Android" && (evidence.has("; wv)") || (evidence.has("version/") && evidence.has("applewebkit")))
}

/// Returns the version of Internet Explorer from its engine, because the compatibility view sends
/// an older version after `MSIE`.
fn explorer_version(evidence: &Evidence<'_>) -> Option<String> {
    if let Some(mobile) = evidence.after("iemobile/").or_else(|| evidence.after("iemobile ")) {
        return version::leading(mobile);
    }
    let engine = evidence.version_after(&["trident/"])?;
    Some(format!("{}.0", version::major(&engine)?.checked_add(4)?))
}

/// Returns the browser of a user agent that neither woothee nor a rule recognizes. If an app shows
/// the page, this is the browser of Android or of Apple's operating systems, and unknown on others.
/// Otherwise it is the name of the program.
fn unknown_browser(evidence: &Evidence<'_>, os: &str) -> Option<Product> {
    let engine = evidence.has("applewebkit") || evidence.lower.starts_with("mozilla/");
    match os {
        "iOS" | "iPadOS" | "macOS" if evidence.has("applewebkit") => {
            Some(Product::new("Safari", stated_version(evidence)))
        }
        "Android" if engine || evidence.lower.starts_with("dalvik/") => {
            Some(Product::new("Android Browser", stated_version(evidence)))
        }
        _ if engine => None,
        _ => bot::first_product(evidence.text),
    }
}
