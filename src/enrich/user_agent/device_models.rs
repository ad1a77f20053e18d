//! Models of Android devices, in `data/models.txt`: patterns held against the model's name.

use crate::enrich::DeviceType;

use super::rules::lines;

const DATA: &str = include_str!("../data/models.txt");

/// The patterns, by the first byte that a word must have.
#[derive(Debug)]
pub(super) struct Models {
    /// Patterns that start with a letter or digit, by it (lower case).
    by_start: Vec<Vec<Pattern>>,
    /// The others, which start with a wildcard.
    free: Vec<Pattern>,
}

/// One pattern and what it stands for.
#[derive(Clone, Copy, Debug)]
struct Pattern {
    /// Its line: the lower, the more it counts.
    rule: usize,
    device: DeviceType,
    text: &'static str,
}

impl Models {
    /// Reads the data file.
    pub fn new() -> Models {
        let mut models = Models { by_start: vec![Vec::new(); 128], free: Vec::new() };
        for (rule, (device, list)) in lines(DATA).enumerate() {
            let device = DeviceType::from_name(device);
            for text in list.split(',').map(str::trim).filter(|text| !text.is_empty()) {
                let pattern = Pattern { rule, device, text };
                let start = text.bytes().next().filter(u8::is_ascii_alphanumeric);
                match start.and_then(|start| models.by_start.get_mut(start as usize)) {
                    Some(patterns) => patterns.push(pattern),
                    None => models.free.push(pattern),
                }
            }
        }
        models
    }

    /// Returns what a model is, where a pattern fits it, with or without its maker's name.
    pub fn device(&self, model: &str) -> Option<DeviceType> {
        let bare = model
            .split_once([' ', '_', '-'])
            .filter(|(maker, _)| MAKERS.iter().any(|name| name.eq_ignore_ascii_case(maker)))
            .map(|(_, bare)| bare);
        let fitting =
            [Some(model), bare].into_iter().flatten().filter_map(|name| self.first(name.as_bytes()));
        fitting.min_by_key(|pattern| pattern.rule).map(|pattern| pattern.device)
    }

    /// Returns the pattern of the first line that fits a name.
    fn first(&self, name: &[u8]) -> Option<Pattern> {
        let start = name.first()?.to_ascii_lowercase();
        let named = self.by_start.get(start as usize).map_or(&[][..], Vec::as_slice);
        let mut best: Option<Pattern> = None;
        for pattern in named.iter().chain(&self.free) {
            let better = best.is_none_or(|best| pattern.rule < best.rule);
            if better && fits(pattern.text.as_bytes(), name) {
                best = Some(*pattern);
            }
        }
        best
    }
}

/// Makers whose name may stand before the model.
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

/// Tells whether a pattern fits the start of a text.
fn fits(pattern: &[u8], text: &[u8]) -> bool {
    let mut text = text;
    let mut pattern = pattern;
    // Where to go on from when the part behind a `*` does not fit: one byte further.
    let mut retry: Option<(&[u8], &[u8])> = None;
    loop {
        let fit = match (pattern.split_first(), text.split_first()) {
            (Some((b'*', [])), _) => return true,
            (Some((b'*', rest)), _) => {
                retry = Some((rest, text));
                pattern = rest;
                continue;
            }
            (None, None) => return true,
            (None, Some((next, _))) if !next.is_ascii_alphanumeric() => return true,
            (Some((wanted, pattern_rest)), Some((byte, text_rest))) if fits_byte(*wanted, *byte) => {
                (pattern, text) = (pattern_rest, text_rest);
                true
            }
            _ => false,
        };
        if !fit {
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

/// Tells whether a byte is what a pattern wants at its place.
fn fits_byte(wanted: u8, byte: u8) -> bool {
    match wanted {
        b'#' => byte.is_ascii_digit(),
        b'@' => byte.is_ascii_alphabetic(),
        b'?' => byte.is_ascii_alphanumeric(),
        wanted => wanted.eq_ignore_ascii_case(&byte),
    }
}

/// Returns the model in the comment of an Android browser or library:
/// `(Linux; Android 13; SM-X200 Build/…; wv)`, `(Linux; U; Android 4.0.3; de-de; GT-P5100 Build/…)`.
pub(super) fn model(text: &str) -> Option<&str> {
    let (_, after) = text.split_once("Android").or_else(|| text.split_once("HarmonyOS"))?;
    let comment = after.split(')').next()?;
    let mut parts = comment.split(';').map(str::trim);
    parts.next()?;
    parts.find(|part| !is_filler(part)).map(|part| {
        let part = part.split(" Build").next().unwrap_or(part);
        part.split("/").next().unwrap_or(part).trim()
    })
}

/// Tells whether a part of the comment is no model: a language, `wv`, `rv:…`, `U`.
fn is_filler(part: &str) -> bool {
    let language = part.len() <= 5
        && part.as_bytes().get(..2).is_some_and(|two| two.iter().all(u8::is_ascii_alphabetic))
        && (part.len() == 2 || matches!(part.as_bytes().get(2), Some(b'-' | b'_')))
        && part.bytes().skip(3).all(|b| b.is_ascii_alphabetic());
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
    fn a_model_stands_in_androids_comment() {
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
    fn patterns_fit_from_the_start_of_a_word_to_its_end() {
        assert!(fits(b"sm-t*", b"SM-T510"));
        assert!(fits(b"v####@", b"V2046A"));
        assert!(!fits(b"v####", b"V2046A"));
        assert!(fits(b"*pad", b"MyPad"));
        assert!(fits(b"*pad", b"MyPad 2"));
        assert!(fits(b"iball*slide*", b"iBall Slide 3G"));
        assert!(!fits(b"*pad", b"Padfone"));
        assert_eq!(Models::new().device("SAMSUNG SM-T510"), Some(DeviceType::Tablet));
        assert_eq!(Models::new().device("Unheard Of 3"), None);
    }

    #[test]
    fn every_pattern_is_of_a_known_type() {
        for (device, list) in lines(DATA) {
            assert_ne!(DeviceType::from_name(device), DeviceType::Unknown, "{device}");
            assert!(!list.is_empty());
        }
    }
}
