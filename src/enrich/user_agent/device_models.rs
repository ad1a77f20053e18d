//! Models of Android devices. The patterns in `rules/device_models.txt` are compared with the name
//! of the model.

use std::ops::Range;

use super::rules::lines;
use crate::event::DeviceType;

const DATA: &str = include_str!("rules/device_models.txt");

/// The patterns of models, indexed by their first character.
#[derive(Debug)]
pub(super) struct DeviceModels {
    /// Patterns that start with a letter or digit, indexed by that character in lower case.
    by_start: Vec<Vec<Pattern>>,
    /// Patterns that start with a wildcard.
    wildcard: Vec<Pattern>,
}

/// A pattern and the device type of the models that match it.
#[derive(Clone, Copy, Debug)]
struct Pattern {
    /// The index of the pattern's line; the lowest index takes precedence.
    rule: usize,
    device_type: DeviceType,
    text: &'static str,
}

impl DeviceModels {
    /// Reads the data file.
    pub fn new() -> DeviceModels {
        let mut models = DeviceModels { by_start: vec![Vec::new(); 128], wildcard: Vec::new() };
        for (rule, (device_type, list)) in lines(DATA).enumerate() {
            let device_type = DeviceType::from_name(device_type);
            for text in list.split(',').map(str::trim).filter(|text| !text.is_empty()) {
                let pattern = Pattern { rule, device_type, text };
                let start = text.bytes().next().filter(u8::is_ascii_alphanumeric);
                match start.and_then(|start| models.by_start.get_mut(start as usize)) {
                    Some(patterns) => patterns.push(pattern),
                    None => models.wildcard.push(pattern),
                }
            }
        }
        models
    }

    /// Returns the device type of a model, with or without its maker's name, if a pattern matches
    /// it.
    pub fn device_type(&self, model: &str) -> Option<DeviceType> {
        let bare = model
            .split_once([' ', '_', '-'])
            .filter(|(maker, _)| MAKERS.iter().any(|name| name.eq_ignore_ascii_case(maker)))
            .map(|(_, bare)| bare);
        let matching =
            [Some(model), bare].into_iter().flatten().filter_map(|name| self.first(name.as_bytes()));
        matching.min_by_key(|pattern| pattern.rule).map(|pattern| pattern.device_type)
    }

    /// Returns the pattern of the first line that matches.
    fn first(&self, name: &[u8]) -> Option<Pattern> {
        let start = name.first()?.to_ascii_lowercase();
        let by_start = self.by_start.get(start as usize).map_or(&[][..], Vec::as_slice);
        let mut best: Option<Pattern> = None;
        for pattern in by_start.iter().chain(&self.wildcard) {
            let better = best.is_none_or(|best| pattern.rule < best.rule);
            if better && matches(pattern.text.as_bytes(), name) {
                best = Some(*pattern);
            }
        }
        best
    }
}

/// Makers whose name may precede the model.
const MAKERS: [&str; 28] = [
    "samsung",
    "huawei",
    "honor",
    "lenovo",
    "xiaomi",
    "redmi",
    "acer",
    "asus",
    "lge",
    "lg",
    "sony",
    "oppo",
    "vivo",
    "realme",
    "zte",
    "tcl",
    "alcatel",
    "hp",
    "dell",
    "motorola",
    "teclast",
    "alldocube",
    "digma",
    "irbis",
    "dexp",
    "prestigio",
    "nec",
    "toshiba",
];

/// Returns whether a pattern matches `text` up to the end of a word.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let mut text = text;
    let mut pattern = pattern;
    // Where to retry, one byte further, if the part after the last `*` does not match.
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        let matched = match (pattern.split_first(), text.split_first()) {
            (Some((b'*', [])), _) => return true,
            (Some((b'*', rest)), _) => {
                retry = Some((rest, text));
                pattern = rest;
                continue;
            }
            (None, None) => return true,
            (None, Some((next, _))) if !next.is_ascii_alphanumeric() => return true,
            (Some((wanted, pattern_rest)), Some((byte, text_rest))) if matches_byte(*wanted, *byte) => {
                (pattern, text) = (pattern_rest, text_rest);
                true
            }
            _ => false,
        };
        if !matched {
            match retry {
                Some((after, from)) if !from.is_empty() => {
                    let from = from.get(1..).unwrap_or_default();
                    retry = Some((after, from));
                    (pattern, text) = (after, from);
                }
                _ => return false,
            }
        }
    }
}

/// Returns whether a byte matches one byte of a pattern.
fn matches_byte(wanted: u8, byte: u8) -> bool {
    match wanted {
        b'#' => byte.is_ascii_digit(),
        b'@' => byte.is_ascii_alphabetic(),
        b'?' => byte.is_ascii_alphanumeric(),
        wanted => wanted.eq_ignore_ascii_case(&byte),
    }
}

/// Returns the model in the comment of an Android browser or library: `(Linux; Android 13; SM-X200
/// Build/…; wv)`, `(Linux; U; Android 4.0.3; de-de; GT-P5100 Build/…)`.
pub(super) fn model(text: &str) -> Option<&str> {
    let after = PLATFORMS.iter().find_map(|platform| text.split_once(platform))?.1;
    let comment = after.split(')').next()?;
    let mut parts = comment.split(';').map(str::trim);
    parts.next()?;
    parts.find(|part| !is_filler(part)).map(|part| {
        let part = part.split(" Build").next().unwrap_or(part);
        part.split("/").next().unwrap_or(part).trim()
    })
}

/// The names of operating systems whose comments contain the model.
const PLATFORMS: [&str; 3] = ["Android", "HarmonyOS", "Adr "];

/// The longest part between separators that is compared with a model, in bytes.
const LONGEST_MODEL: usize = 64;

/// The parts of a user agent that name the model of an Android device. A model can contain words of
/// bots: `CUBOT_NOTE_S`, `M bot 60`.
#[derive(Debug)]
pub(super) struct ModelNames<'a> {
    text: &'a str,
    /// The comments that describe an Android device, and the fields of Facebook's app
    /// (`[FBAN/FB4A;FBDV/CUBOT_X18;]`).
    descriptions: Vec<Range<usize>>,
    /// The letters and digits of the model in the first comment, in lower case.
    model: String,
}

impl<'a> ModelNames<'a> {
    /// Finds the descriptions of the device in a user agent.
    pub fn new(text: &'a str) -> ModelNames<'a> {
        let mut descriptions = Vec::new();
        let mut from = 0;
        while let Some(open) = text.get(from..).and_then(|rest| rest.find('(')).map(|at| from + at) {
            let comment = text.get(open..).unwrap_or("");
            let comment = comment.get(..comment.find(')').unwrap_or(comment.len())).unwrap_or("");
            let before = text.get(from..open).unwrap_or("").trim_end();
            // Instagram's app names the operating system before the comment:
            // `Android (24/7.0; 320dpi; …)`.
            let of_android =
                PLATFORMS.iter().any(|os| comment.contains(os) || before.ends_with(os.trim_end()));
            if of_android && !comment.contains("compatible") && !comment.contains("http") {
                descriptions.push(open..open + comment.len());
            }
            from = open + comment.len();
        }
        if let Some(start) = text.find("[FB") {
            let fields = text.get(start..).unwrap_or("");
            descriptions.push(start..start + fields.find(']').unwrap_or(fields.len()));
        }
        let first = descriptions.first().and_then(|range| text.get(range.clone()));
        let model = letters_and_digits(first.and_then(model).unwrap_or(""));
        ModelNames { text, descriptions, model }
    }

    /// Returns whether the word at `range` is part of a model: in a description of the device, or
    /// in a part between separators that repeats the model, as in-app browsers do.
    pub fn contains(&self, range: &Range<usize>) -> bool {
        if self.descriptions.iter().any(|description| description.contains(&range.start)) {
            return true;
        }
        if self.model.len() < 3 {
            return false;
        }
        let separator = ['(', ')', '[', ']', ';', ',', '/', '='];
        let before = self.text.get(..range.start).unwrap_or("");
        let start = before.rfind(separator).map_or(0, |at| at + 1);
        let after = self.text.get(range.end..).unwrap_or("");
        let end = after.find(separator).map_or(self.text.len(), |at| range.end + at);
        if end - start > LONGEST_MODEL {
            return false;
        }
        let part = letters_and_digits(self.text.get(start..end).unwrap_or(""));
        part.contains(&self.model) || self.model.contains(&part)
    }
}

/// Returns the ASCII letters and digits of `text`, in lower case.
fn letters_and_digits(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// Returns whether a part of the comment is not a model, such as a language, `wv`, `rv:…`, `U`, or
/// `K`, which browsers send in place of the model.
fn is_filler(part: &str) -> bool {
    let language = part.len() <= 5
        && part.as_bytes().get(..2).is_some_and(|two| two.iter().all(u8::is_ascii_alphabetic))
        && (part.len() == 2 || matches!(part.as_bytes().get(2), Some(b'-' | b'_')))
        && part.bytes().skip(3).all(|byte| byte.is_ascii_alphabetic());
    part.is_empty()
        || language
        || part.starts_with("Build/")
        || part.starts_with("rv:")
        || part.starts_with("HMSCore")
        || part.starts_with("GMSCore")
        || matches!(part, "HarmonyOS" | "U" | "Mobile" | "Tablet" | "K" | "arm_64" | "arm" | "x86_64")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn model_is_read_from_the_comment_of_android() {
        let model_of = |text| model(text).unwrap_or("");
        assert_eq!(model_of("Mozilla/5.0 (Linux; Android 13; SM-X200 Build/TP1A; wv) x"), "SM-X200");
        assert_eq!(
            model_of("Mozilla/5.0 (Linux; U; Android 4.0.3; de-de; GT-P5100 Build/IML74K) x"),
            "GT-P5100"
        );
        assert_eq!(model_of("Mozilla/5.0 (Linux; Android 10; K) x"), "");
        assert_eq!(model_of("Mozilla/5.0 (Android 14; Mobile; rv:120.0) Gecko"), "");
    }

    #[test]
    fn pattern_matches_from_the_start_to_the_end_of_a_word() {
        assert!(matches(b"sm-t*", b"SM-T510"));
        assert!(matches(b"v####@", b"V2046A"));
        assert!(!matches(b"v####", b"V2046A"));
        assert!(matches(b"*pad", b"MyPad"));
        assert!(matches(b"*pad", b"MyPad 2"));
        assert!(matches(b"iball*slide*", b"iBall Slide 3G"));
        assert!(!matches(b"*pad", b"Padfone"));
        assert_eq!(DeviceModels::new().device_type("SAMSUNG SM-T510"), Some(DeviceType::Tablet));
        assert_eq!(DeviceModels::new().device_type("Unheard Of 3"), None);
    }

    #[test]
    fn every_pattern_has_a_known_device_type() {
        for (device, list) in lines(DATA) {
            assert_ne!(DeviceType::from_name(device), DeviceType::Unknown, "{device}");
            assert!(!list.is_empty());
        }
    }

    #[test]
    fn repeated_model_is_part_of_the_model() {
        let text = "(Linux; Android 7.0; M bot 60 Build/NRD90M) Line/11 M bot 60 (bot; Googlebot/2)";
        let names = ModelNames::new(text);
        let parts: Vec<bool> = text
            .match_indices("bot")
            .map(|(start, word)| names.contains(&(start..start + word.len())))
            .collect();
        // The comment, two repetitions of the model, and a bot.
        assert_eq!(parts, [true, true, true, false]);
    }
}
