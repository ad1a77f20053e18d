//! Classification of operating systems.

use super::rules::Table;
use super::{Evidence, Product, version};

/// Returns the operating system that a user agent names.
pub(super) fn os(evidence: &Evidence<'_>) -> Option<Product> {
    let os = evidence.product(Table::Os, &evidence.woothee.os)?;
    let os = match os.name.as_str() {
        "Windows" => Product::new("Windows", windows_version(evidence, os.version)),
        "Windows Phone" => {
            let version = os.version.or_else(|| evidence.version_after(&["windows phone os "]));
            Product::new("Windows Phone", version)
        }
        "iOS" => ios(evidence, os.version),
        "macOS" => macos(evidence, os.version),
        "Darwin" => Product::new(if is_mac(evidence) { "macOS" } else { "iOS" }, None),
        "ChromeOS" => Product::new("ChromeOS", chromeos_version(evidence)),
        _ => os,
    };
    Some(os)
}

/// Returns the marketing name of the Windows version, from woothee, the kernel version or the name.
///
/// Windows 11 also sends `Windows NT 10.0`, so user agents do not distinguish it from Windows 10.
fn windows_version(evidence: &Evidence<'_>, baseline: Option<String>) -> Option<String> {
    if evidence.has("win 9x 4.90") {
        return Some("ME".to_owned());
    }
    if baseline.is_some() {
        return baseline;
    }
    let words = ["windows nt ", "windows_nt ", "windows nt/", "winnt", "winnt "];
    if let Some(kernel) = evidence.version_after(&words) {
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
    let after = ["windows ", "windows", "win"].iter().find_map(|word| evidence.after(word))?;
    let names = ["XP", "Vista", "ME", "2000", "2003", "98", "95", "3.1", "11", "10", "8.1", "8", "7"];
    names.iter().find(|name| starts_with_ignoring_case(after, name)).map(|name| (*name).to_owned())
}

/// Returns whether `text` starts with the ASCII text `start`, in any case.
fn starts_with_ignoring_case(text: &str, start: &str) -> bool {
    text.get(..start.len()).is_some_and(|prefix| prefix.eq_ignore_ascii_case(start))
}

/// Returns iOS, or iPadOS for an iPad with version 13 or later. Apple separated the two in version
/// 13.
fn ios(evidence: &Evidence<'_>, baseline: Option<String>) -> Product {
    let words = ["iphone os ", "cpu os ", "ios ", "ios/", "iphone os/", "ipados/", "ipados "];
    let version = evidence.version_after(&words).or(baseline);
    let separate = version.as_deref().and_then(version::major).is_some_and(|major| major >= 13);
    let name = if evidence.has("ipad") && separate { "iPadOS" } else { "iOS" };
    Product::new(name, version)
}

/// Returns macOS, or iPadOS for an iPad that requests the desktop page.
///
/// The user agent of such a request contains `Macintosh`. `Mobile/` or the name of an iOS browser
/// identifies the iPad.
fn macos(evidence: &Evidence<'_>, baseline: Option<String>) -> Product {
    if [" mobile/", "crios/", "fxios/", "edgios/"].iter().any(|word| evidence.has(word)) {
        return Product::new("iPadOS", None);
    }
    let words = ["mac os x ", "mac os x/", "macos ", "macos/"];
    Product::new("macOS", baseline.or_else(|| evidence.version_after(&words)))
}

/// Returns whether an app that uses Apple's network library runs on a Mac. On a Mac, the library
/// names the processor; on other devices, it does not.
fn is_mac(evidence: &Evidence<'_>) -> bool {
    ["x86_64", "i386", "power macintosh"].iter().any(|word| evidence.has(word))
}

/// Returns the version in `CrOS x86_64 14541.0.0`, which follows the processor.
fn chromeos_version(evidence: &Evidence<'_>) -> Option<String> {
    version::leading(evidence.after("cros ")?.split_once(' ')?.1)
}
