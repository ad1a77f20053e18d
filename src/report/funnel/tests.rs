//! Tests that compare the algorithms with a search of all chains.

use proptest::prelude::*;

use super::steps::{Chain, Limits, StepEvent};
use super::{any_order, chain, strict, to_hundredths};
use crate::time::Micros;

#[test]
fn wait_is_rounded_half_up_to_hundredths_of_a_second() {
    for (time, expected) in [
        // In milliseconds, this is 403,294,615, which would be rounded up.
        (403_294_614_685, 403_294_610_000),
        (4_999, 0),
        (5_000, 10_000),
        (14_999, 10_000),
        (-7_000, 0),
    ] {
        assert_eq!(to_hundredths(time), expected, "{time}");
    }
}

/// Returns all chains of up to `steps` events, including the empty one, by trying every event for
/// every step.
fn chains(
    events: &[StepEvent],
    steps: usize,
    limits: &Limits,
    is_next: &dyn Fn(&[usize], usize) -> bool,
) -> Vec<Vec<usize>> {
    let mut all: Vec<Vec<usize>> = vec![Vec::new()];
    let mut next = 0;
    while next < all.len() {
        let chain = all[next].clone();
        next += 1;
        if chain.len() == steps {
            continue;
        }
        let from = chain.last().map_or(0, |last| last + 1);
        for index in from..events.len() {
            if chain.is_empty() && !events[index].starts {
                continue;
            }
            let first = chain.first().copied().unwrap_or(index);
            let has_excluded = (first + 1..=index).any(|between| events[between].is_excluded);
            if has_excluded || !limits.allow(events[first].time, events[index].time) {
                continue;
            }
            if is_next(&chain, index) {
                all.push([chain.clone(), vec![index]].concat());
            }
        }
    }
    all
}

/// Returns the longest chain; if there are several, the one with the smallest positions.
fn best(chains: Vec<Vec<usize>>, events: &[StepEvent]) -> Vec<Micros> {
    let length = chains.iter().map(Vec::len).max().unwrap_or(0);
    let best = chains.into_iter().filter(|chain| chain.len() == length).min().unwrap_or_default();
    best.into_iter().map(|index| events[index].time).collect()
}

fn event() -> impl Strategy<Value = (Micros, StepEvent)> {
    let steps = prop_oneof![4 => (0u32..4).prop_map(|step| 1 << step), 1 => 0u32..16];
    (0i64..4, steps, prop::bool::weighted(0.1), prop::bool::weighted(0.8)).prop_map(
        |(gap, steps, is_excluded, starts)| (gap, StepEvent { time: 0, steps, is_excluded, starts }),
    )
}

/// Converts gaps to times. Some times are equal.
fn sequence(events: Vec<(Micros, StepEvent)>) -> Vec<StepEvent> {
    let mut time = 0;
    events
        .into_iter()
        .map(|(gap, event)| {
            time += gap;
            StepEvent { time, ..event }
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, ..ProptestConfig::default() })]

    #[test]
    fn chains_agree_with_a_search_of_all_chains(
        events in prop::collection::vec(event(), 0..11),
        steps in 1usize..5,
        within in prop::option::of(0i64..14),
    ) {
        let (events, limits) = (sequence(events), Limits { within });
        let all = 1u32 << steps;
        let ordered = |chain: &[usize], index: usize| events[index].matches(chain.len());
        let neighbours = |chain: &[usize], index: usize| {
            let is_next = chain.last().is_none_or(|last| last + 1 == index);
            is_next && events[index].matches(chain.len())
        };
        let times = |chain: Chain| chain.times().to_vec();
        prop_assert_eq!(
            times(chain::longest(&events, steps, &limits)),
            best(chains(&events, steps, &limits, &ordered), &events)
        );
        prop_assert_eq!(
            times(strict::longest(&events, steps, &limits)),
            best(chains(&events, steps, &limits, &neighbours), &events)
        );
        // In any order, an event passes one of the steps that the chain has not passed yet. All
        // orders of the steps are tried, since an event can match several steps.
        let mut any = Vec::new();
        for permutation in permutations(steps) {
            let passes = |chain: &[usize], index: usize| {
                permutation.get(chain.len()).is_some_and(|step| events[index].matches(*step))
            };
            any.extend(chains(&events, steps, &limits, &passes));
        }
        let masked: Vec<StepEvent> =
            events.iter().map(|event| StepEvent { steps: event.steps & (all - 1), ..*event }).collect();
        prop_assert_eq!(times(any_order::longest(&masked, steps, &limits)), best(any, &events));
    }
}

/// Returns all orders of the steps.
fn permutations(steps: usize) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for _ in 0..steps {
        let longer = all.iter().flat_map(|order: &Vec<usize>| {
            let unused = (0..steps).filter(|step| !order.contains(step));
            unused.map(|step| [order.clone(), vec![step]].concat()).collect::<Vec<_>>()
        });
        all = longer.collect();
    }
    all
}

#[test]
fn long_sequences_take_linear_time() {
    // A visitor has half a million events, as on a kiosk.
    let events: Vec<StepEvent> = (0..500_000)
        .map(|time| StepEvent { time, steps: 1 << (time % 3), is_excluded: time % 1000 == 999, starts: true })
        .collect();
    for limits in [Limits { within: None }, Limits { within: Some(100_000) }] {
        assert_eq!(chain::longest(&events, 4, &limits).len(), 3);
        assert_eq!(strict::longest(&events, 4, &limits).times(), [0, 1, 2]);
        assert_eq!(any_order::longest(&events, 4, &limits).times(), [0, 1, 2]);
    }
}
