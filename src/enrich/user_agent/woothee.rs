//! The classification that woothee returns, in the names that `wa` stores.

use woothee::parser::{Parser, WootheeResult};

use super::{Product, version};
use crate::event::DeviceType;

/// The result of woothee for a user agent.
#[derive(Debug, Default)]
pub(super) struct Baseline {
    /// The browser; `None` for the carriers that woothee returns for feature phones.
    pub browser: Option<Product>,
    /// The operating system.
    pub os: Option<Product>,
    /// The device type; unknown if the category does not imply one.
    pub device_type: DeviceType,
    /// The name of the crawler.
    pub crawler: Option<String>,
    /// Whether the user agent belongs to an HTTP library.
    pub is_library: bool,
}

impl Baseline {
    /// Classifies a user agent with woothee.
    pub fn new(user_agent: &str) -> Baseline {
        let Some(result) = Parser::new().parse(user_agent) else { return Baseline::default() };
        Baseline {
            browser: browser(user_agent, &result),
            os: os(&result),
            device_type: match result.category {
                "pc" => DeviceType::Desktop,
                "smartphone" if result.os == "iPad" => DeviceType::Tablet,
                "smartphone" | "mobilephone" => DeviceType::Mobile,
                "appliance" if result.os == "PlayStation Portable" => DeviceType::Mobile,
                "appliance" => DeviceType::Tv,
                _ => DeviceType::Unknown,
            },
            // `misc crawler` matches `bot` in names of device models, such as `M bot 60`.
            crawler: (result.category == "crawler" && result.name != "misc crawler")
                .then(|| result.name.to_owned()),
            is_library: result.name == "HTTP Library",
        }
    }
}

/// Returns the browser under its stored name.
fn browser(user_agent: &str, result: &WootheeResult<'_>) -> Option<Product> {
    // Apple's network library sends the name of the app: `MobileSafari/604.1 CFNetwork/1410.1`.
    if result.browser_type != "browser" || user_agent.contains("CFNetwork/") {
        return None;
    }
    let name = match result.name {
        "SamsungBrowser" => "Samsung Internet",
        // On Android, a rule returns the browser. On iOS, the app uses Safari's engine.
        "Webview" if result.os == "Android" => return None,
        "Webview" => "Safari",
        name => name,
    };
    Some(Product::new(name, version::leading(result.version)))
}

/// Returns the operating system under its stored name.
fn os(result: &WootheeResult<'_>) -> Option<Product> {
    let stated = || version::leading(&result.os_version);
    let (name, version) = match result.os {
        "Mac OSX" => ("macOS", stated()),
        "Mac OS Classic" => ("macOS", None),
        // woothee returns `iOS` for `CFNetwork`, which Macs use too.
        "iPhone" | "iPod" | "iPad" => ("iOS", stated()),
        "iOS" => return None,
        "Android" => ("Android", stated()),
        "Linux" => ("Linux", None),
        "BSD" => ("FreeBSD", None),
        "Windows Phone OS" => ("Windows Phone", stated()),
        "Windows CE" => ("Windows CE", None),
        "Windows UNKNOWN Ver" => ("Windows", None),
        "Firefox OS" => ("Firefox OS", None),
        "BlackBerry" | "BlackBerry 10" => ("BlackBerry OS", None),
        "SymbianOS" => ("Symbian", None),
        os if os.starts_with("Xbox") => ("Xbox", None),
        os if os.starts_with("PlayStation") => ("PlayStation", None),
        os if os.starts_with("Nintendo") => ("Nintendo", None),
        // `Windows NT 4.0`, `Windows 10`: the marketing name of the version.
        os => {
            let version = os.strip_prefix("Windows ")?;
            return Some(Product::new("Windows", Some(version.to_owned())));
        }
    };
    Some(Product::new(name, version))
}
