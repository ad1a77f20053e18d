//! Parses the version that follows a name in a user agent.

/// The longest version, in bytes.
const MAX_LENGTH: usize = 32;

/// Returns the version at the start of `text`, after at most one separator and a `v`. A version
/// consists of digits with dots or underscores; the underscores become dots.
pub(super) fn leading(text: &str) -> Option<String> {
    let text = text.strip_prefix(['/', ' ', '-', ':', '=', '_', '(']).unwrap_or(text);
    let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
    let text = text.trim_start_matches(' ');
    if !text.as_bytes().first()?.is_ascii_digit() {
        return None;
    }
    let end = text
        .bytes()
        .take(MAX_LENGTH)
        .position(|b| !b.is_ascii_digit() && b != b'.' && b != b'_')
        .unwrap_or(text.len().min(MAX_LENGTH));
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
    fn version_follows_one_separator() {
        assert_eq!(leading("/120.0.6099.129 Safari"), Some("120.0.6099.129".into()));
        assert_eq!(leading(" 17_4_1 like Mac"), Some("17.4.1".into()));
        assert_eq!(leading("/v2."), Some("2".into()));
        assert_eq!(leading("; 12"), None);
        assert_eq!(leading(""), None);
    }

    #[test]
    fn long_version_is_cut_off() {
        assert_eq!(leading(&"1".repeat(5000)), Some("1".repeat(MAX_LENGTH)));
    }
}
