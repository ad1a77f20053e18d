//! Classification of device types.

use super::device_models::{DeviceModels, model};
use super::rules::Table;
use super::{Evidence, Product};
use crate::event::DeviceType;

/// Returns the device type of a person's user agent.
pub(super) fn device_type(
    evidence: &Evidence<'_>,
    os: Option<&Product>,
    models: &DeviceModels,
) -> DeviceType {
    let os = os.map_or("", |os| os.name.as_str());
    if os == "HarmonyOS"
        && let Some(class) = harmony_class(evidence)
    {
        return class;
    }
    // Some apps on an iPad send an iPhone's user agent, followed by the name of the iPad.
    if matches!(os, "iOS" | "iPadOS") && evidence.has("ipad") {
        return DeviceType::Tablet;
    }
    let keyword = evidence.first(Table::Device).map(|found| DeviceType::from_name(found.name));
    match (os, keyword) {
        // `Tablet PC 2.0` is a component of Windows, also on desktops.
        ("Windows", Some(DeviceType::Tablet)) => DeviceType::Desktop,
        // An app or a browser for phones does not imply a phone: the model can be a known tablet.
        ("Android" | "HarmonyOS", Some(DeviceType::Mobile)) => android(evidence, models),
        (_, Some(keyword)) => keyword,
        ("tvOS" | "Roku OS" | "Xbox" | "PlayStation" | "Nintendo" | "webOS", _) => DeviceType::Tv,
        ("iPadOS", _) => DeviceType::Tablet,
        (
            "iOS" | "Firefox OS" | "Palm OS" | "Windows Phone" | "Windows CE" | "BlackBerry OS" | "Symbian"
            | "KaiOS" | "Bada",
            _,
        ) => DeviceType::Mobile,
        ("MeeGo" | "Maemo" | "Sailfish" | "Java ME" | "watchOS", _) => DeviceType::Mobile,
        ("Android" | "HarmonyOS", _) => android(evidence, models),
        ("ChromeOS", _) => DeviceType::Desktop,
        ("Tizen", _) if is_mobile(evidence) => DeviceType::Mobile,
        ("Tizen", _) => DeviceType::Tv,
        ("", _) if is_mobile(evidence) => DeviceType::Mobile,
        ("", _) => evidence.woothee.device_type,
        (_, _) if is_mobile(evidence) => DeviceType::Mobile,
        (_, _) => DeviceType::Desktop,
    }
}

/// Returns the device type of an Android model. For an unknown model, the rule of Android browsers
/// applies: phones send `Mobile`, tablets do not.
///
/// HTTP libraries of apps never send `Mobile`, and a truncated user agent may end before it. Both
/// count as phones.
fn android(evidence: &Evidence<'_>, models: &DeviceModels) -> DeviceType {
    if let Some(device_type) = model(evidence.text).and_then(|model| models.device_type(model)) {
        return device_type;
    }
    let browser = evidence.lower.starts_with("mozilla/") || evidence.lower.starts_with("opera/");
    let cut_off = evidence.has("chrome/") && !evidence.has("safari/");
    if is_mobile(evidence) || !browser || cut_off { DeviceType::Mobile } else { DeviceType::Tablet }
}

/// Returns the device type that HarmonyOS sends before its name: `(Tablet; OpenHarmony 5.0)`.
///
/// Without it, the rule of Android browsers applies.
fn harmony_class(evidence: &Evidence<'_>) -> Option<DeviceType> {
    let (_, comment) = evidence.lower.split_once('(')?;
    match comment.split(';').next()?.trim() {
        "phone" | "wearable" => Some(DeviceType::Mobile),
        "tablet" => Some(DeviceType::Tablet),
        "pc" | "2in1" => Some(DeviceType::Desktop),
        "tv" => Some(DeviceType::Tv),
        "car" => Some(DeviceType::Unknown),
        _ => None,
    }
}

/// Returns whether a user agent calls its device mobile.
fn is_mobile(evidence: &Evidence<'_>) -> bool {
    evidence.has("mobi") || evidence.has("opera mini")
}
