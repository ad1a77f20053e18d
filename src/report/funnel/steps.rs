//! Input and result types of the funnel algorithms.

use crate::report::sequence::{STARTS, SequenceEvent};
use crate::time::Micros;

/// The maximum number of steps.
pub(super) const MAX_STEPS: usize = 20;

/// The bit of a tag that marks an excluded event.
pub(super) const EXCLUDED: u32 = 1 << 30;

/// An event of a sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct StepEvent {
    pub time: Micros,
    /// The steps that it matches, as bits from the lowest one.
    pub steps: u32,
    /// Whether the event ends every chain before it.
    pub is_excluded: bool,
    /// Whether a chain can start at the event, because its session started in the window.
    pub starts: bool,
}

impl StepEvent {
    /// Decodes an event from its tag. `starts` is set if a chain can start at any event.
    pub fn new(event: &SequenceEvent, starts: bool) -> StepEvent {
        StepEvent {
            time: event.time,
            steps: event.tag & !(EXCLUDED | STARTS),
            is_excluded: event.tag & EXCLUDED != 0,
            starts: starts || event.tag & STARTS != 0,
        }
    }

    /// Returns the steps that the event matches, counted from 0, in ascending order.
    pub fn matched(&self) -> impl DoubleEndedIterator<Item = usize> {
        let steps = self.steps;
        let end = (u32::BITS - steps.leading_zeros()) as usize;
        (steps.trailing_zeros() as usize..end).filter(move |step| steps >> step & 1 == 1)
    }

    /// Returns whether the event matches a step, counted from 0.
    pub fn matches(&self, step: usize) -> bool {
        self.steps >> step & 1 == 1
    }
}

/// The limits of a chain.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// The longest time from the first event to the last; `None` without a limit.
    pub within: Option<Micros>,
}

impl Limits {
    /// Returns whether a chain can start and end at these times.
    pub fn allow(&self, first: Micros, last: Micros) -> bool {
        self.within.is_none_or(|within| last.saturating_sub(first) <= within)
    }
}

/// The times of the events of a chain.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Chain(Vec<Micros>);

impl Chain {
    /// Returns an empty chain with memory for a number of events.
    pub fn with_capacity(events: usize) -> Chain {
        Chain(Vec::with_capacity(events))
    }

    /// Returns the number of steps.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Adds an event.
    pub fn push(&mut self, time: Micros) {
        self.0.push(time);
    }

    /// Returns the times of the events.
    pub fn times(&self) -> &[Micros] {
        &self.0
    }
}

impl FromIterator<Micros> for Chain {
    fn from_iter<T: IntoIterator<Item = Micros>>(times: T) -> Chain {
        Chain(times.into_iter().collect())
    }
}
