//! Chains of events that pass the steps of a funnel in order, without other events in between.

use super::steps::{Chain, Limits, StepEvent};

/// Returns the longest chain of neighbouring events; if there are several, the earliest.
pub(super) fn longest(events: &[StepEvent], steps: usize, limits: &Limits) -> Chain {
    let mut longest = Chain::default();
    for (index, start) in events.iter().enumerate().filter(|(_, event)| event.starts) {
        let following = events.iter().skip(index).take(steps).enumerate();
        let passing = following
            .take_while(|(step, event)| event.matches(*step) && limits.allow(start.time, event.time))
            // An excluded event ends the chain, unless it is the first event.
            .take_while(|(step, event)| *step == 0 || !event.is_excluded)
            .map(|(_, event)| event.time);
        let chain: Chain = passing.collect();
        if chain.len() > longest.len() {
            longest = chain;
        }
        if longest.len() == steps {
            break;
        }
    }
    longest
}
