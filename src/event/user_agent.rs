//! Classified user agents.

/// A user agent and its classification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserAgent {
    /// The user agent as in the log.
    pub user_agent: String,
    /// The browser, the app that embeds it, or the bot.
    pub browser_name: Option<String>,
    /// The version of the browser.
    pub browser_version: Option<String>,
    /// The operating system: Windows, macOS, iOS, iPadOS, Android, Linux, ChromeOS, …
    pub os_name: Option<String>,
    /// The version of the operating system.
    pub os_version: Option<String>,
    /// The kind of device.
    pub device_type: DeviceType,
    /// Whether the user agent is a known automated client.
    pub is_bot: bool,
}

/// The kind of device behind a user agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DeviceType {
    /// A desktop or laptop computer.
    Desktop,
    /// A phone.
    Mobile,
    /// A tablet.
    Tablet,
    /// A television, a set-top box or a game console.
    Tv,
    /// A bot, regardless of the device it claims to run on.
    Bot,
    /// The user agent does not identify the device.
    #[default]
    Unknown,
}

impl DeviceType {
    /// Returns the name stored in tables.
    pub fn name(self) -> &'static str {
        match self {
            DeviceType::Desktop => "desktop",
            DeviceType::Mobile => "mobile",
            DeviceType::Tablet => "tablet",
            DeviceType::Tv => "tv",
            DeviceType::Bot => "bot",
            DeviceType::Unknown => "unknown",
        }
    }

    /// Returns the device type with a stored name, or [`DeviceType::Unknown`] for any other.
    pub fn from_name(name: &str) -> DeviceType {
        match name {
            "desktop" => DeviceType::Desktop,
            "mobile" => DeviceType::Mobile,
            "tablet" => DeviceType::Tablet,
            "tv" => DeviceType::Tv,
            "bot" => DeviceType::Bot,
            _ => DeviceType::Unknown,
        }
    }
}
