//! Suggestions for mistyped names: chatbots, metrics, columns, settings and commands.

/// Returns the candidate that `typed` most likely means, ignoring case.
///
/// If `typed` has at least three letters, the first candidate that starts with it wins. Otherwise
/// the candidate with the fewest typing errors (insertions, deletions, replacements and swaps of
/// neighbouring letters) wins; ties are broken alphabetically. One error per three letters is
/// allowed, and one error in a name of two letters.
pub(crate) fn nearest<'a>(typed: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let typed = typed.to_lowercase();
    let letters = typed.chars().count();
    let max_errors = (letters / 3).max(usize::from(letters > 1));
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let lowercase = candidate.to_lowercase();
        if letters >= 3 && lowercase.starts_with(&typed) {
            return Some(candidate);
        }
        let errors = strsim::osa_distance(&typed, &lowercase);
        if errors <= max_errors && best.is_none_or(|best| (errors, candidate) < best) {
            best = Some((errors, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistyped_name_suggests_the_nearest() {
        let chatbots = ["shop", "docs", "550e8400-e29b"];
        assert_eq!(nearest("shpo", chatbots), Some("shop"));
        assert_eq!(nearest("Shop", chatbots), Some("shop"));
        assert_eq!(nearest("shp", chatbots), Some("shop"));
        assert_eq!(nearest("550e", chatbots), Some("550e8400-e29b"));
    }

    #[test]
    fn unrelated_name_suggests_nothing() {
        assert_eq!(nearest("entirely else", ["shop", "docs"]), None);
        assert_eq!(nearest("xyzzy", ["gc", "init", "export"]), None);
        assert_eq!(nearest("", ["gc"]), None);
    }

    #[test]
    fn fewer_typing_errors_win_over_order() {
        assert_eq!(nearest("landing", ["lending", "loading", "landings"]), Some("landings"));
        assert_eq!(nearest("citty", ["city_name", "city"]), Some("city"));
    }
}
