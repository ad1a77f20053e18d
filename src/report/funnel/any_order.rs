//! Chains of events that pass the steps of a funnel in any order.
//!
//! A chain is a list of distinct events that pass different steps, within the limit after the first
//! event and without an excluded event in between. An event can match several steps, so the number
//! of passed steps is the size of a maximum matching of events and steps.

use super::steps::{Chain, Limits, StepEvent};

/// Returns the longest chain. If there are several, returns the one that starts first and always
/// continues with the earliest event that makes it longer.
pub(super) fn longest(events: &[StepEvent], steps: usize, limits: &Limits) -> Chain {
    let mut longest = Chain::default();
    let mut window = Window::new(events, limits);
    for (index, event) in events.iter().enumerate() {
        window.move_to(index);
        if event.starts && event.steps != 0 && window.changed {
            window.changed = false;
            // Earlier events cannot be in this chain, so the chain is computed again.
            if window.count_steps(steps) > longest.len() {
                longest = chain(events.get(index..window.end).unwrap_or_default(), steps);
            }
        }
        if longest.len() == steps {
            break;
        }
    }
    longest
}

/// Returns the longest chain of a window. It consists of the earliest events that each make it
/// longer.
fn chain(events: &[StepEvent], steps: usize) -> Chain {
    let mut matching = Matching::new(steps);
    events.iter().filter(|event| matching.add(event.steps)).map(|event| event.time).collect()
}

/// The events that a chain that starts at one event can use. Both ends only move forward.
struct Window<'a> {
    events: &'a [StepEvent],
    limits: &'a Limits,
    start: usize,
    end: usize,
    /// The sets of steps that events of the window match, with the number of these events.
    sets: Vec<(u32, u32)>,
    /// Whether an event was added since the last count.
    changed: bool,
}

impl<'a> Window<'a> {
    fn new(events: &'a [StepEvent], limits: &'a Limits) -> Window<'a> {
        Window { events, limits, start: 0, end: 0, sets: Vec::new(), changed: false }
    }

    /// Moves the start to an event, and the end to the position after the last event that a chain
    /// from there can use.
    fn move_to(&mut self, start: usize) {
        while self.start < start {
            if self.start < self.end {
                self.change(self.start, false);
            }
            self.start += 1;
        }
        self.end = self.end.max(start);
        let Some(first) = self.events.get(start) else { return };
        while let Some(event) = self.events.get(self.end) {
            // An excluded event interrupts only chains that start before it.
            let is_excluded = event.is_excluded && self.end > start;
            if is_excluded || !self.limits.allow(first.time, event.time) {
                break;
            }
            self.change(self.end, true);
            self.end += 1;
        }
    }

    fn change(&mut self, index: usize, is_added: bool) {
        let steps = self.events.get(index).map_or(0, |event| event.steps);
        if steps == 0 {
            return;
        }
        self.changed |= is_added;
        match self.sets.iter_mut().find(|(set, _)| *set == steps) {
            Some((_, count)) if is_added => *count += 1,
            Some((_, count)) => *count = count.saturating_sub(1),
            None => self.sets.push((steps, 1)),
        }
    }

    /// Returns the number of steps that the events of the window pass.
    fn count_steps(&self, steps: usize) -> usize {
        let mut matching = Matching::new(steps);
        let events =
            self.sets.iter().flat_map(|(set, count)| (0..(*count as usize).min(steps)).map(move |_| *set));
        events.filter(|set| matching.add(*set)).count()
    }
}

/// A matching of events and steps that grows by augmenting paths.
struct Matching {
    /// For each step, all steps that its event matches, as bits; 0 for a step without an event.
    events: Vec<u32>,
}

impl Matching {
    fn new(steps: usize) -> Matching {
        Matching { events: vec![0; steps] }
    }

    /// Adds an event if the matching can then cover one more step. Returns whether it was added.
    fn add(&mut self, set: u32) -> bool {
        self.place(set, &mut 0)
    }

    /// Assigns an event to a step, and moves other events to other steps if needed. Returns whether
    /// a step was found. `tried` holds the steps that are not tried again.
    fn place(&mut self, set: u32, tried: &mut u32) -> bool {
        for step in 0..self.events.len() {
            let bit = 1 << step;
            if set & bit == 0 || *tried & bit != 0 {
                continue;
            }
            *tried |= bit;
            let occupant = self.events.get(step).copied().unwrap_or(0);
            if occupant == 0 || self.place(occupant, tried) {
                if let Some(slot) = self.events.get_mut(step) {
                    *slot = set;
                }
                return true;
            }
        }
        false
    }
}
