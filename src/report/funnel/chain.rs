//! Chains of events that pass the steps of a funnel in order, with other events in between.
//!
//! A chain is a list of distinct events e₁, e₂, … in the order of the sequence such that a chain
//! can start at e₁, eₖ matches step k, no event lies more than the limit after e₁, and no excluded
//! event lies between the first and the last one. The result is the longest chain. If there are
//! several, it is the one that starts first and continues with the earliest event of each step.

use super::steps::{Chain, Limits, MAX_STEPS, StepEvent};

/// Returns the longest chain of a sequence, for `steps` steps.
///
/// The time is linear in the number of events. A first pass finds the length of the longest chain:
/// it keeps, for each step, the latest start of a chain that reaches it. A second pass, from the
/// end, finds the earliest start of a chain of that length: it keeps, for each step, the earliest
/// end of the rest of the chain. From that start, the earliest event of each step is selected.
pub(super) fn longest(events: &[StepEvent], steps: usize, limits: &Limits) -> Chain {
    let length = longest_length(events, steps, limits);
    let Some(start) = earliest_start(events, length, limits) else { return Chain::default() };
    let mut chain = Chain::with_capacity(length);
    for event in events.iter().skip(start) {
        if chain.len() < length && event.matches(chain.len()) {
            chain.push(event.time);
        }
    }
    chain
}

fn longest_length(events: &[StepEvent], steps: usize, limits: &Limits) -> usize {
    // For each step, the time of the latest start of a chain that has reached it.
    let mut latest_start = [None; MAX_STEPS];
    let mut length = 0;
    for event in events {
        if event.is_excluded {
            latest_start.fill(None);
        }
        // Later steps come first, so that an event is not used twice.
        for step in event.matched().rev().skip_while(|step| *step >= steps) {
            let start = match step.checked_sub(1) {
                None if event.starts => Some(event.time),
                None => continue,
                Some(previous) => latest_start.get(previous).copied().flatten(),
            };
            let Some(start) = start.filter(|start| limits.allow(*start, event.time)) else { continue };
            if let Some(slot) = latest_start.get_mut(step) {
                *slot = Some(start);
            }
            length = length.max(step + 1);
        }
    }
    length
}

/// Returns the index of the first event that starts a chain of this length; `None` for length 0.
fn earliest_start(events: &[StepEvent], length: usize, limits: &Limits) -> Option<usize> {
    let last = length.checked_sub(1)?;
    // For each step, the earliest end of a chain that begins with that step and uses the events
    // between the current event and the next excluded one.
    let mut earliest_end = [None; MAX_STEPS];
    let mut found = None;
    for (index, event) in events.iter().enumerate().rev() {
        for step in event.matched().take_while(|step| *step < length) {
            let end =
                if step == last { Some(event.time) } else { earliest_end.get(step + 1).copied().flatten() };
            if step == 0 && event.starts && end.is_some_and(|end| limits.allow(event.time, end)) {
                found = Some(index);
            }
            if let Some(slot) = earliest_end.get_mut(step)
                && end.is_some()
            {
                *slot = end;
            }
        }
        if event.is_excluded {
            earliest_end.fill(None);
        }
    }
    found
}
