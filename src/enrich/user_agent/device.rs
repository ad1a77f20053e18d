//! Kinds of devices.

use super::device_models::{Models, model};
use super::rules::Table;
use super::{Found, Named};
use crate::enrich::DeviceType;

/// Returns the kind of device behind a person's user agent.
pub(super) fn device(found: &Found<'_>, system: Option<&Named>, models: &Models) -> DeviceType {
    let system = system.map_or("", |system| system.name.as_str());
    let told = found.first(Table::Device).map(|hit| DeviceType::from_name(hit.name));
    match (system, told) {
        // `Tablet PC 2.0` is a component of Windows that desktops have too.
        ("Windows", Some(DeviceType::Tablet)) => DeviceType::Desktop,
        // An app's name, or a browser's that phones have, does not tell a tablet's model.
        ("Android" | "HarmonyOS", Some(DeviceType::Mobile)) => android(found, models),
        (_, Some(told)) => told,
        ("tvOS" | "Roku OS" | "Xbox" | "PlayStation" | "Nintendo" | "webOS", _) => DeviceType::Tv,
        ("iPadOS", _) => DeviceType::Tablet,
        (
            "iOS" | "Firefox OS" | "Palm OS" | "Windows Phone" | "Windows CE" | "BlackBerry OS" | "Symbian"
            | "KaiOS" | "Bada",
            _,
        ) => DeviceType::Mobile,
        ("MeeGo" | "Maemo" | "Sailfish" | "Java ME" | "watchOS", _) => DeviceType::Mobile,
        ("Android" | "HarmonyOS", _) => android(found, models),
        ("ChromeOS", _) => DeviceType::Desktop,
        ("Tizen", _) if mobile(found) => DeviceType::Mobile,
        ("Tizen", _) => DeviceType::Tv,
        ("", _) if mobile(found) => DeviceType::Mobile,
        ("", _) => DeviceType::Unknown,
        (_, _) if mobile(found) => DeviceType::Mobile,
        (_, _) => DeviceType::Desktop,
    }
}

/// Tells what an Android device is by its model, where that is known; else by the rule of Android's
/// browsers: phones say `Mobile`, tablets do not. Apps' own libraries never do, nor does a user
/// agent that was cut off before it could: there a device is a phone.
fn android(found: &Found<'_>, models: &Models) -> DeviceType {
    if let Some(device) = model(found.text).and_then(|model| models.device(model)) {
        return device;
    }
    let browser = found.text.starts_with("Mozilla/") || found.text.starts_with("Opera/");
    let cut = found.has("Chrome/") && !found.has("Safari/");
    if mobile(found) || !browser || cut { DeviceType::Mobile } else { DeviceType::Tablet }
}

/// Tells whether a user agent calls its device mobile.
fn mobile(found: &Found<'_>) -> bool {
    found.has("Mobi") || found.has("mobile") || found.has("MOBILE") || found.has("Opera Mini")
}
