//! Versions, as they follow a name.

/// The longest version that is kept, in bytes.
const LONGEST: usize = 32;

/// Returns the version at the start of `text`: behind at most one separator and a `v`, digits with
/// dots (or underscores, which become dots).
pub(super) fn leading(text: &str) -> Option<String> {
    let text = text.strip_prefix(['/', ' ', '-', ':', '=', '_', '(']).unwrap_or(text);
    let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
    let text = text.trim_start_matches(' ');
    if !text.as_bytes().first()?.is_ascii_digit() {
        return None;
    }
    let end = text
        .bytes()
        .take(LONGEST)
        .position(|b| !b.is_ascii_digit() && b != b'.' && b != b'_')
        .unwrap_or(text.len().min(LONGEST));
    let version = text.get(..end)?.trim_end_matches(['.', '_']);
    Some(version.replace('_', "."))
}

/// Returns the number before the first dot.
pub(super) fn major(version: &str) -> Option<u32> {
    version.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_the_number_behind_one_separator() {
        assert_eq!(leading("/120.0.6099.129 Safari"), Some("120.0.6099.129".into()));
        assert_eq!(leading(" 17_4_1 like Mac"), Some("17.4.1".into()));
        assert_eq!(leading("/v2."), Some("2".into()));
        assert_eq!(leading("; 12"), None);
        assert_eq!(leading(""), None);
    }

    #[test]
    fn a_version_is_cut_at_its_longest() {
        assert_eq!(leading(&"1".repeat(5000)), Some("1".repeat(LONGEST)));
    }
}
