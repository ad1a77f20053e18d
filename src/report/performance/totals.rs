//! Sums of response times, load times and errors.

use std::sync::Arc;

use hashbrown::HashMap;

use super::tags::{ErrorNames, PerformanceTag};
use crate::report::metric::responses::Pairing;
use crate::report::metric::time_counts::TimeCounts;
use crate::report::sequence::{SequenceEvent, SequenceFold};
use crate::time::{Micros, SECOND};

/// The response time above which a response is slow.
const SLOW_RESPONSE: Micros = 3 * SECOND;

/// The sums over some sessions.
#[derive(Clone, Debug, Default)]
pub(super) struct Totals {
    pub responses: TimeCounts,
    pub loads: TimeCounts,
    /// The number of response times over [`SLOW_RESPONSE`].
    pub slow_responses: u64,
    /// The number of `slow_response` events.
    pub slow_response_events: u64,
    pub errors: Errors,
}

/// The errors of some sessions, by the number of their name.
#[derive(Clone, Debug, Default)]
pub(super) struct Errors {
    names: Arc<ErrorNames>,
    /// The number of events of each name.
    events: HashMap<u32, u64>,
    /// The number of sessions with each combination of errors, as sorted numbers of names. There
    /// are few combinations, and the sessions with any of some errors are counted from them.
    sessions: HashMap<Vec<u32>, u64>,
}

/// The errors of one name.
pub(super) struct ErrorCount {
    pub number: u32,
    pub name: String,
    pub events: u64,
}

impl Errors {
    /// Adds the errors of a session, in any order.
    fn add(&mut self, mut errors: Vec<u32>) {
        if errors.is_empty() {
            return;
        }
        for number in &errors {
            *self.events.entry(*number).or_default() += 1;
        }
        errors.sort_unstable();
        errors.dedup();
        *self.sessions.entry_ref(errors.as_slice()).or_default() += 1;
    }

    fn merge(mut self, other: Errors) -> Errors {
        if self.events.is_empty() {
            // An empty sum has no names. Take the other sum with the names of its numbers.
            return other;
        }
        for (number, events) in other.events {
            *self.events.entry(number).or_default() += events;
        }
        for (numbers, sessions) in other.sessions {
            *self.sessions.entry(numbers).or_default() += sessions;
        }
        self
    }

    /// Returns the number of events of each name, in any order.
    pub fn counts(&self) -> Vec<ErrorCount> {
        let names = self.names.by_number();
        let name = |number: u32| names.get(number as usize).cloned().unwrap_or_default();
        let counts = self.events.iter();
        counts
            .map(|(number, events)| ErrorCount { number: *number, name: name(*number), events: *events })
            .collect()
    }

    /// Returns the number of sessions with each of these errors, and with any of them.
    pub fn sessions(&self, numbers: &[u32]) -> (HashMap<u32, u64>, u64) {
        let mut of_each: HashMap<u32, u64> = numbers.iter().map(|number| (*number, 0)).collect();
        let mut of_any = 0;
        for (errors, sessions) in &self.sessions {
            let mut has_any = false;
            for number in errors {
                if let Some(count) = of_each.get_mut(number) {
                    *count += sessions;
                    has_any = true;
                }
            }
            of_any += if has_any { *sessions } else { 0 };
        }
        (of_each, of_any)
    }
}

/// Accumulates times and errors.
pub(super) struct PerformanceFold {
    pub names: Arc<ErrorNames>,
}

impl<S> SequenceFold<S, PerformanceTag> for PerformanceFold {
    type Sum = Totals;

    fn empty(&self) -> Totals {
        Totals { errors: Errors { names: Arc::clone(&self.names), ..Errors::default() }, ..Totals::default() }
    }

    fn add(&self, totals: &mut Totals, _: &S, events: &[SequenceEvent<PerformanceTag>]) {
        let mut pairing = Pairing::default();
        let mut errors = Vec::new();
        for SequenceEvent { time, tag, .. } in events {
            tag.load().into_iter().for_each(|load| totals.loads.add(load));
            let wait = pairing.wait(tag.message, *time);
            if let Some(response) = tag.response().or(wait) {
                totals.responses.add(response);
                totals.slow_responses += u64::from(response > SLOW_RESPONSE);
            }
            totals.slow_response_events += u64::from(tag.is_slow_response);
            errors.extend(tag.error);
        }
        totals.errors.add(errors);
    }

    fn merge(&self, totals: Totals, other: Totals) -> Totals {
        Totals {
            responses: totals.responses.merge(other.responses),
            loads: totals.loads.merge(other.loads),
            slow_responses: totals.slow_responses + other.slow_responses,
            slow_response_events: totals.slow_response_events + other.slow_response_events,
            errors: totals.errors.merge(other.errors),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_with_several_errors_counts_once_for_any_of_them() {
        let mut errors = Errors::default();
        [vec![2, 0, 2], vec![0], vec![1], vec![0, 2], vec![]].into_iter().for_each(|of| errors.add(of));
        let errors = errors.clone().merge(errors);
        let (of_each, of_any) = errors.sessions(&[0, 2]);
        assert_eq!((of_each[&0], of_each[&2], of_any), (6, 4, 6));
        let mut events: Vec<(u32, u64)> = errors.counts().iter().map(|e| (e.number, e.events)).collect();
        events.sort_unstable();
        assert_eq!(events, [(0, 6), (1, 2), (2, 6)]);
    }
}
