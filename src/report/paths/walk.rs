//! The path of one session.

/// The step before the first event of a session.
pub(super) const START: u32 = ANCHOR - 2;
/// The step after the last event of a session.
pub(super) const END: u32 = ANCHOR - 1;
/// The bit of a tag that marks an anchor: an event at which a path may start or end.
pub(super) const ANCHOR: u32 = 1 << 30;

/// Returns the path from the first anchor on: up to `steps` steps, repeats collapsed, then [`END`]
/// if the session ends there; `None` without an anchor.
pub(super) fn from_anchor(tags: impl Iterator<Item = u32>, steps: usize) -> Option<Vec<u32>> {
    let mut path: Vec<u32> = Vec::new();
    for tag in tags.skip_while(|tag| tag & ANCHOR == 0).map(|tag| tag & !ANCHOR) {
        if path.last() == Some(&tag) {
            continue;
        }
        if path.len() == steps {
            return Some(path);
        }
        path.push(tag);
    }
    if path.is_empty() {
        return None;
    }
    if path.len() < steps {
        path.push(END);
    }
    Some(path)
}

/// Returns the path to the first anchor: the last `steps` steps, repeats collapsed, after [`START`]
/// if the session starts there; `None` without an anchor.
pub(super) fn to_anchor(tags: impl Iterator<Item = u32>, steps: usize) -> Option<Vec<u32>> {
    let mut way: Vec<u32> = Vec::new();
    for tag in tags {
        if way.last() != Some(&(tag & !ANCHOR)) {
            way.push(tag & !ANCHOR);
        }
        if tag & ANCHOR != 0 {
            let from = way.len().saturating_sub(steps);
            let start = (way.len() < steps).then_some(START);
            return Some(start.into_iter().chain(way.drain(from..)).collect());
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_collapses_repeats_and_marks_the_end() {
        let all = |tags: &[u32]| tags.iter().map(|tag| tag | ANCHOR).collect::<Vec<_>>();
        let path = |tags: &[u32], steps| from_anchor(all(tags).into_iter(), steps);
        assert_eq!(path(&[1, 1, 2, 1, 1], 5), Some(vec![1, 2, 1, END]));
        assert_eq!(path(&[1, 1, 2, 1, 1], 3), Some(vec![1, 2, 1]));
        assert_eq!(path(&[1, 1, 2, 3], 2), Some(vec![1, 2]));
        assert_eq!(path(&[], 2), None);
    }

    #[test]
    fn path_starts_or_ends_at_the_first_anchor() {
        let tags = [1, 2, 2, 3 | ANCHOR, 4, 3 | ANCHOR, 5];
        assert_eq!(from_anchor(tags.into_iter(), 3), Some(vec![3, 4, 3]));
        assert_eq!(to_anchor(tags.into_iter(), 2), Some(vec![2, 3]));
        assert_eq!(to_anchor(tags.into_iter(), 5), Some(vec![START, 1, 2, 3]));
        assert_eq!(to_anchor([1, 2].into_iter(), 5), None);
    }
}
