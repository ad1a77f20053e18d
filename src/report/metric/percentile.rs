//! Percentiles by the nearest-rank method.

/// Returns percentiles of the given numbers, for percents in ascending order.
///
/// The percentile for `percent` is the smallest of the numbers such that at least `percent` % of
/// all numbers are less than or equal to it; `None` if there are no numbers. The numbers are
/// reordered.
pub(crate) fn nearest_ranks<const N: usize>(numbers: &mut [i64], percents: [usize; N]) -> [Option<i64>; N] {
    let count = numbers.len();
    let mut start = 0;
    percents.map(|percent| {
        let rank = (count * percent).div_ceil(100).max(1) - 1;
        // Numbers before the previous percentile do not exceed it and are skipped.
        let offset = rank.checked_sub(start)?;
        let rest = numbers.get_mut(start..).filter(|rest| offset < rest.len())?;
        let percentile = *rest.select_nth_unstable(offset).1;
        start = rank;
        Some(percentile)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentile_is_the_number_of_the_nearest_rank() {
        // The worked example of the definition: 15, 20, 35, 40, 50.
        let ranks = |percents| nearest_ranks(&mut [40, 15, 50, 35, 20], percents);
        assert_eq!(ranks([5, 30, 40]), [Some(15), Some(20), Some(20)]);
        assert_eq!(ranks([50, 50, 100]), [Some(35), Some(35), Some(50)]);
        assert_eq!(nearest_ranks(&mut [], [50]), [None]);
        assert_eq!(nearest_ranks(&mut [7], [0, 100]), [Some(7), Some(7)]);
    }
}
