//! Operating systems.

use super::rules::Table;
use super::{Found, Named, version};

/// Returns the operating system that a user agent names.
pub(super) fn system(found: &Found<'_>) -> Option<Named> {
    let hit = found.first(Table::System)?;
    let version = found
        .named(Table::System, hit.name)
        .find_map(|hit| version::leading(found.text.get(hit.end..).unwrap_or("")));
    let named = match hit.name {
        "Windows" => Named::new("Windows", windows_version(found)),
        "Windows Phone" => {
            Named::new(hit.name, version.or_else(|| version::leading(found.after("Windows Phone OS ")?)))
        }
        "iOS" => ios(found, version),
        "macOS" => mac(found, version),
        "Darwin" => darwin(found),
        "ChromeOS" => Named::new("ChromeOS", chrome_version(found)),
        name => Named::new(name, version),
    };
    Some(named)
}

/// Returns the name under which Windows was sold, of the kernel's version or the name given.
///
/// Windows 11 says `Windows NT 10.0` too: it cannot be told from a user agent.
fn windows_version(found: &Found<'_>) -> Option<String> {
    let kernel = ["Windows NT ", "Windows_NT ", "windows nt ", "Windows NT/", "WinNT", "WinNT "]
        .iter()
        .find_map(|word| version::leading(found.after(word)?));
    if let Some(kernel) = kernel {
        let name = match kernel.as_str() {
            "10.0" | "10" | "6.4" => "10",
            "11.0" | "11" => "11",
            "6.3" => "8.1",
            "6.2" => "8",
            "6.1" => "7",
            "6.0" | "6" => "Vista",
            "5.2" | "5.1" => "XP",
            "5.0" | "5" | "5.01" => "2000",
            "4.0" | "4" => "NT 4.0",
            _ => return Some(kernel),
        };
        return Some(name.to_owned());
    }
    if found.has("Win 9x 4.90") {
        return Some("ME".to_owned());
    }
    let after = found.after("Windows ").or_else(|| found.after("Windows")).or_else(|| found.after("Win"))?;
    for name in ["XP", "Vista", "ME", "2000", "2003", "98", "95", "3.1", "11", "10", "8.1", "8", "7"] {
        if after.starts_with(name) {
            return Some(name.to_owned());
        }
    }
    None
}

/// Returns iOS, or iPadOS for an iPad from version 13 on, where Apple parted them.
fn ios(found: &Found<'_>, version: Option<String>) -> Named {
    let version = ["iPhone OS ", "CPU OS ", "iOS ", "iOS/", "iPhone OS/", "iPadOS/", "iPadOS "]
        .iter()
        .find_map(|word| version::leading(found.after(word)?))
        .or(version);
    let parted = version.as_deref().and_then(version::major).is_some_and(|major| major >= 13);
    let name = if found.has("iPad") && parted { "iPadOS" } else { "iOS" };
    Named::new(name, version)
}

/// Returns macOS; or iPadOS, where Safari on an iPad asks for the desktop's page.
///
/// Such a request says `Macintosh`, and gives itself away by `Mobile/` or an iOS browser's name.
fn mac(found: &Found<'_>, version: Option<String>) -> Named {
    if found.has(" Mobile/") || found.has("CriOS/") || found.has("FxiOS/") || found.has("EdgiOS/") {
        return Named::new("iPadOS", None);
    }
    let version = version.or_else(|| {
        ["Mac OS X ", "Mac OS X/", "macOS ", "macOS/"]
            .iter()
            .find_map(|word| version::leading(found.after(word)?))
    });
    Named::new("macOS", version)
}

/// Returns the system of an app that speaks through Apple's network library: iOS, or macOS where
/// the processor is named, which only a Mac's library does.
fn darwin(found: &Found<'_>) -> Named {
    let mac = found.has("x86_64") || found.has("i386") || found.has("Power Macintosh");
    Named::new(if mac { "macOS" } else { "iOS" }, None)
}

/// Returns the version of `CrOS x86_64 14541.0.0`, behind the processor.
fn chrome_version(found: &Found<'_>) -> Option<String> {
    version::leading(found.after("CrOS ")?.split_once(' ')?.1)
}
