//! What a user agent says.

/// The kind of device behind a user agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DeviceType {
    /// A desktop or laptop computer.
    Desktop,
    /// A phone.
    Mobile,
    /// A tablet.
    Tablet,
    /// A television or a box at one.
    Tv,
    /// A robot, whatever machine it claims to run on.
    Bot,
    /// Nothing that can be told.
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

    /// Reads a stored name; an unknown one is [`DeviceType::Unknown`].
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

/// A user agent and what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// The user agent as the log gave it.
    pub user_agent: String,
    /// The browser's name as people use it: Chrome, Safari, Firefox, Edge …
    pub browser_name: Option<String>,
    /// The browser's version.
    pub browser_version: Option<String>,
    /// The operating system's name: Windows, macOS, iOS, iPadOS, Android, Linux, ChromeOS …
    pub os_name: Option<String>,
    /// The operating system's version.
    pub os_version: Option<String>,
    /// The kind of device.
    pub device_type: DeviceType,
    /// The user agent is a known robot.
    pub is_bot: bool,
}
