//! Kinds of devices.

use super::rules::Table;
use super::{Found, Named};
use crate::context::DeviceType;

/// Returns the kind of device behind a person's user agent.
pub(super) fn device(found: &Found<'_>, system: Option<&Named>) -> DeviceType {
    let system = system.map_or("", |system| system.name.as_str());
    let told = found.first(Table::Device).map(|hit| DeviceType::from_name(hit.name));
    match (system, told) {
        // `Tablet PC 2.0` is a component of Windows that desktops have too.
        ("Windows", Some(DeviceType::Tablet)) => DeviceType::Desktop,
        (_, Some(told)) => told,
        ("tvOS" | "Roku OS" | "Xbox" | "PlayStation" | "Nintendo" | "webOS", _) => DeviceType::Tv,
        ("iPadOS", _) => DeviceType::Tablet,
        ("iOS" | "Windows Phone" | "Windows CE" | "BlackBerry OS" | "Symbian" | "KaiOS" | "Bada", _) => {
            DeviceType::Mobile
        }
        ("MeeGo" | "Maemo" | "Sailfish" | "Java ME" | "watchOS", _) => DeviceType::Mobile,
        ("Android" | "HarmonyOS", _) => android(found),
        ("Tizen", _) if mobile(found) => DeviceType::Mobile,
        ("Tizen", _) => DeviceType::Tv,
        ("", _) if mobile(found) => DeviceType::Mobile,
        ("", _) => DeviceType::Unknown,
        (_, _) if mobile(found) => DeviceType::Mobile,
        (_, _) => DeviceType::Desktop,
    }
}

/// Tells phones from tablets by the rule of Android's browsers: phones say `Mobile`, tablets do
/// not. Apps' own libraries never do, so there a device is a phone unless its model says otherwise.
fn android(found: &Found<'_>) -> DeviceType {
    let browser = found.text.starts_with("Mozilla/") || found.text.starts_with("Opera/");
    if mobile(found) || !browser { DeviceType::Mobile } else { DeviceType::Tablet }
}

/// Tells whether a user agent calls its device mobile.
fn mobile(found: &Found<'_>) -> bool {
    found.has("Mobi") || found.has("mobile") || found.has("MOBILE") || found.has("Opera Mini")
}
