//! The visits of each day, as lines that lie in the logs of some night or other.

use std::collections::BTreeMap;

use wa::time::{DAY, Micros, SECOND};

use super::super::disk::Chance;
use super::super::logs::{self, Seed};

/// The day on which it begins: 2025-10-01.
pub const BEGINNING: Micros = 1_759_276_800_000_000;

/// A line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What it says.
    pub text: String,
    /// What is to become of it.
    pub fate: Fate,
    /// The day of its events by UTC; `None` where that is never pruned when it is read.
    pub day: Option<i32>,
    /// How many events it is.
    pub events: u64,
}

/// What is to become of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It counts.
    Counts,
    /// It comes when its day is pruned.
    TooLate,
    /// It makes no sense.
    Refused,
}

/// The lines that come on one night.
#[derive(Debug, Default)]
pub struct Logs {
    /// Of the log that is new each night.
    pub daily: Vec<Line>,
    /// Of the log that grows.
    pub growing: Vec<Line>,
}

/// Makes the visits.
pub struct Traffic {
    chance: Chance,
    /// Numbers of lines and visits: so that every line says something else.
    lines: usize,
    visits: u64,
    visitors: u64,
    due: BTreeMap<i32, Logs>,
}

impl Traffic {
    pub fn new() -> Traffic {
        Traffic { chance: Chance(2026), lines: 0, visits: 0, visitors: 0, due: BTreeMap::new() }
    }

    /// Makes the visits that begin on a day.
    pub fn day(&mut self, day: i32, visits: u64) {
        for _ in 0..visits {
            let key = self.chance.below(8) as u8;
            // One in six begins in the last minutes of the day, and goes on beyond midnight.
            let begins = match self.chance.below(6) {
                0 => 86_400 - self.chance.below(900),
                _ => self.chance.below(86_400),
            };
            let events = 1 + self.chance.below(8);
            self.visit(key, None, moment(day) + begins as Micros * SECOND, events, None);
        }
    }

    /// Makes visits of a chatbot of its own, of a few visitors who come every day; their lines come on
    /// the night that is given.
    pub fn history(&mut self, day: i32, night: i32) {
        for visitor in 0..4 {
            let begins = moment(day) + self.chance.below(80_000) as Micros * SECOND;
            self.visit(0, Some(visitor), begins, 3, Some(night));
        }
    }

    /// Adds lines of a day that is pruned by the night.
    pub fn too_late(&mut self, day: i32, night: i32, number: u64) {
        for _ in 0..number {
            let time = moment(day) + self.chance.below(86_400) as Micros * SECOND;
            let text = self.line(0, time, 0, self.visits);
            let line = Line { events: events_in(&text), text, fate: Fate::TooLate, day: Some(day) };
            self.due.entry(night).or_default().daily.push(line);
        }
    }

    /// Adds a line that makes no sense.
    pub fn bad(&mut self, night: i32) {
        self.lines += 1;
        let text = format!("{{\"a line without an end\": {}", self.lines);
        let line = Line { text, fate: Fate::Refused, day: None, events: 1 };
        self.due.entry(night).or_default().daily.push(line);
    }

    /// Takes the lines that come on a night.
    pub fn due(&mut self, night: i32) -> Logs {
        self.due.remove(&night).unwrap_or_default()
    }

    fn visit(&mut self, key: u8, history: Option<u64>, begins: Micros, events: u64, night: Option<i32>) {
        self.visits += 1;
        let visitor = match (history, self.chance.below(5)) {
            (Some(visitor), _) => visitor,
            (None, 0 | 1) => {
                self.visitors += 1;
                self.visitors
            }
            // Somebody who was here before, lately or long ago.
            (None, 2) => self.chance.below(self.visitors + 1),
            (None, _) => self.visitors - self.chance.below(self.visitors.min(60) + 1),
        };
        let mut time = begins;
        for _ in 0..events {
            let mut text = self.line(key, time, visitor, self.visits);
            if history.is_some() {
                text = text.replace(":\"c0\"", ":\"c2\"");
            }
            let date = (time - BEGINNING).div_euclid(DAY) as i32;
            // Some lines come days later, some twice: in one file, or in that of a later night.
            let comes = night.unwrap_or_else(|| match self.chance.below(25) {
                0 => date + 1 + self.chance.below(5) as i32,
                _ => date,
            });
            // A day of history is not pruned yet when it comes, old as it is: it never held anything.
            let day = Some(date).filter(|_| history.is_none());
            let line = Line { events: events_in(&text), text, fate: Fate::Counts, day };
            // A chatbot's lines lie in one log, but for the days on which it was copied.
            let grows = key == 6 || key == 7;
            match self.chance.below(50) {
                _ if history.is_some() => {}
                0 => self.put(comes, grows, line.clone()),
                1 => {
                    let later = comes + 1 + self.chance.below(4) as i32;
                    self.put(later, grows, line.clone());
                }
                2 => self.put(comes, !grows, line.clone()),
                _ => {}
            }
            self.put(comes, grows, line);
            time += match self.chance.below(12) {
                0 => 0,
                1 => 1,
                2 => 1800 * SECOND,
                3 => 1800 * SECOND + 1,
                4 => 2400 * SECOND,
                _ => self.chance.below(300 * SECOND as u64) as Micros,
            };
        }
    }

    fn put(&mut self, night: i32, grows: bool, line: Line) {
        let logs = self.due.entry(night).or_default();
        if grows { logs.growing.push(line) } else { logs.daily.push(line) }
    }

    /// Makes a line whose ids are those of a visitor and a visit.
    fn line(&mut self, key: u8, time: Micros, visitor: u64, visit: u64) -> String {
        self.lines += 1;
        let seed: Seed = std::array::from_fn(|_| self.chance.next() as u8);
        let mut text = logs::line(self.lines, &seed, key, time);
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

/// Returns when a day begins.
pub fn moment(day: i32) -> Micros {
    BEGINNING + Micros::from(day) * DAY
}
