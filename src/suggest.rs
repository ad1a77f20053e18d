//! The known name nearest to one that was mistyped.

/// Returns the known name nearest to `wrong`: one that it begins, or one at most a third of its
/// letters (two, so that neighbours may change places) away; `None` where none is near.
pub fn nearest<'a>(wrong: &str, known: &'a [String]) -> Option<&'a str> {
    let folded = wrong.to_lowercase();
    if wrong.chars().count() >= 3
        && let Some(whole) = known.iter().find(|name| name.to_lowercase().starts_with(&folded))
    {
        return Some(whole);
    }
    let letters = wrong.chars().count();
    let most = (letters / 3).max(2.min(letters / 2));
    known
        .iter()
        .map(|name| (distance(&folded, &name.to_lowercase()), name.as_str()))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, name)| name)
}

/// Returns how many letters must be inserted, deleted or replaced to make one text the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, letter) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (other, above) in b.iter().zip(row.iter_mut().skip(1)) {
            let replaced = diagonal + usize::from(*other != letter);
            diagonal = *above;
            left = replaced.min(left + 1).min(*above + 1);
            *above = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_those_of_levenshtein() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
        assert_eq!(distance("shop", "shop"), 0);
        assert_eq!(distance("flaw", "lawn"), 2);
    }

    #[test]
    fn the_nearest_name_is_found_or_none() {
        let known = ["shop".to_owned(), "docs".to_owned(), "550e8400-e29b".to_owned()];
        assert_eq!(nearest("shpo", &known), Some("shop"));
        assert_eq!(nearest("Shop", &known), Some("shop"));
        assert_eq!(nearest("shp", &known), Some("shop"));
        assert_eq!(nearest("550e", &known), Some("550e8400-e29b"));
        assert_eq!(nearest("entirely else", &known), None);
    }
}
