//! The visits of each day, as log lines grouped by the night on which they arrive.

use std::collections::BTreeMap;

use wa::time::{DAY, Micros, SECOND};

use super::super::support::generated_logs::{self, Seed};
use super::super::support::rng::Rng;

/// The first day: 2025-10-01.
pub const START: Micros = 1_759_276_800_000_000;

/// A line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub text: String,
    /// The kind, which determines the expected outcome.
    pub kind: LineKind,
    /// The UTC day of the line's events; `None` if that day is never pruned before the line is
    /// read.
    pub day: Option<i32>,
    /// The number of the line's events.
    pub events: u64,
}

/// The kind of a line, which determines its expected outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineKind {
    /// The line has valid events.
    Valid,
    /// The line arrives after its day was pruned.
    PrunedDay,
    /// The line is rejected.
    Malformed,
}

/// The lines that arrive on one night.
#[derive(Debug, Default)]
pub struct Logs {
    /// The lines of the night's own log.
    pub daily: Vec<Line>,
    /// The new lines of the growing log.
    pub growing: Vec<Line>,
}

/// A generator of visits.
pub struct Traffic {
    rng: Rng,
    /// Numbers of lines and visits, which make every line distinct.
    lines: usize,
    visits: u64,
    visitors: u64,
    due: BTreeMap<i32, Logs>,
}

impl Traffic {
    /// Creates a generator of the same visits in every run.
    pub fn new() -> Traffic {
        Traffic { rng: Rng(2026), lines: 0, visits: 0, visitors: 0, due: BTreeMap::new() }
    }

    /// Adds the visits that start on a day.
    pub fn day(&mut self, day: i32, visits: u64) {
        for _ in 0..visits {
            let key = self.rng.below(8) as u8;
            // One visit in six starts in the last minutes of the day and may continue past
            // midnight.
            let start = match self.rng.below(6) {
                0 => 86_400 - self.rng.below(900),
                _ => self.rng.below(86_400),
            };
            let events = 1 + self.rng.below(8);
            self.visit(key, None, start_of_day(day) + start as Micros * SECOND, events, None);
        }
    }

    /// Adds visits to a separate chatbot by visitors that return every day. Their lines arrive on
    /// the given night.
    pub fn history(&mut self, day: i32, night: i32) {
        for visitor in 0..4 {
            let start = start_of_day(day) + self.rng.below(80_000) as Micros * SECOND;
            self.visit(0, Some(visitor), start, 3, Some(night));
        }
    }

    /// Adds lines of a day that is pruned before the night.
    pub fn pruned_day(&mut self, day: i32, night: i32, number: u64) {
        for _ in 0..number {
            let time = start_of_day(day) + self.rng.below(86_400) as Micros * SECOND;
            let text = self.line(0, time, 0, self.visits);
            let line = Line { events: events_in(&text), text, kind: LineKind::PrunedDay, day: Some(day) };
            self.due.entry(night).or_default().daily.push(line);
        }
    }

    /// Adds a malformed line.
    pub fn malformed(&mut self, night: i32) {
        self.lines += 1;
        let text = format!("{{\"a line without an end\": {}", self.lines);
        let line = Line { text, kind: LineKind::Malformed, day: None, events: 1 };
        self.due.entry(night).or_default().daily.push(line);
    }

    /// Removes and returns the lines that arrive on a night.
    pub fn take_due(&mut self, night: i32) -> Logs {
        self.due.remove(&night).unwrap_or_default()
    }

    fn visit(&mut self, key: u8, history: Option<u64>, start: Micros, events: u64, night: Option<i32>) {
        self.visits += 1;
        let visitor = match (history, self.rng.below(5)) {
            (Some(visitor), _) => visitor,
            (None, 0 | 1) => {
                self.visitors += 1;
                self.visitors
            }
            // A returning visitor: any earlier visitor, or one of the most recent.
            (None, 2) => self.rng.below(self.visitors + 1),
            (None, _) => self.visitors - self.rng.below(self.visitors.min(60) + 1),
        };
        let mut time = start;
        for _ in 0..events {
            let mut text = self.line(key, time, visitor, self.visits);
            if history.is_some() {
                text = text.replace(":\"c0\"", ":\"c2\"");
            }
            let date = (time - START).div_euclid(DAY) as i32;
            // Some lines arrive days later, or twice: in one file, or in the file of a later night.
            let arrival = night.unwrap_or_else(|| match self.rng.below(25) {
                0 => date + 1 + self.rng.below(5) as i32,
                _ => date,
            });
            // The separate chatbot had no data on these days, so they count as not pruned.
            let day = Some(date).filter(|_| history.is_none());
            let line = Line { events: events_in(&text), text, kind: LineKind::Valid, day };
            // The lines of a session key are in only one of the two logs, except for some repeated
            // lines.
            let is_growing = key == 6 || key == 7;
            match self.rng.below(50) {
                _ if history.is_some() => {}
                0 => self.add(arrival, is_growing, line.clone()),
                1 => {
                    let later = arrival + 1 + self.rng.below(4) as i32;
                    self.add(later, is_growing, line.clone());
                }
                2 => self.add(arrival, !is_growing, line.clone()),
                _ => {}
            }
            self.add(arrival, is_growing, line);
            time += match self.rng.below(12) {
                0 => 0,
                1 => 1,
                2 => 1800 * SECOND,
                3 => 1800 * SECOND + 1,
                4 => 2400 * SECOND,
                _ => self.rng.below(300 * SECOND as u64) as Micros,
            };
        }
    }

    fn add(&mut self, night: i32, is_growing: bool, line: Line) {
        let logs = self.due.entry(night).or_default();
        if is_growing { logs.growing.push(line) } else { logs.daily.push(line) }
    }

    /// Returns a line with the ids of a visitor and a visit.
    fn line(&mut self, key: u8, time: Micros, visitor: u64, visit: u64) -> String {
        self.lines += 1;
        let seed: Seed = std::array::from_fn(|_| self.rng.next() as u8);
        let mut text = generated_logs::line(self.lines, &seed, key, time);
        for (name, number) in [("s0", visit), ("s1", visit), ("s3", visit)] {
            text = text.replace(&format!(":\"{name}\""), &format!(":\"{name}-{number}\""));
        }
        for name in ["a0", "a1", "a2", "u0", "u1"] {
            text = text.replace(&format!(":\"{name}\""), &format!(":\"{name}-{visitor}\""));
        }
        text
    }
}

fn events_in(line: &str) -> u64 {
    if line.contains("\"events\"") { 2 } else { 1 }
}

/// Returns the start of a day.
pub fn start_of_day(day: i32) -> Micros {
    START + Micros::from(day) * DAY
}
