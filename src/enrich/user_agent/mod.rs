//! What a user agent says: browser, operating system, device, robot or not.
//!
//! The rules are data (`context/data/*.txt`), found in one pass ([`rules`]); the four files beside
//! this one weigh what was found. Nothing here fails: what cannot be told is `None` or unknown.

pub(crate) mod bot;
pub(crate) mod browser;
pub(crate) mod device;
pub(crate) mod device_models;
pub(crate) mod os;
pub(crate) mod rules;
#[cfg(test)]
mod tests;
pub(crate) mod version;

use super::agent::{Agent, DeviceType};
use bot::Robot;
use rules::{Hit, Rules, Table};

/// How much of a user agent is looked at, in bytes: real ones are shorter than 1 KiB, and what a
/// hostile one costs is bounded so.
pub(super) const LOOKED_AT: usize = 2048;

/// A reader of user agents; making one reads the rules, which costs some milliseconds.
#[derive(Debug)]
pub(super) struct Reader {
    rules: Rules,
    models: device_models::Models,
}

impl Reader {
    /// Reads the rules.
    pub fn new() -> Reader {
        Reader { rules: Rules::new(), models: device_models::Models::new() }
    }

    /// Tells what a user agent says.
    pub fn read(&self, user_agent: &str) -> Agent {
        let text = head(user_agent.trim());
        let hits = self.rules.find(text);
        let found = Found { text, hits: &hits };
        let system = os::system(&found);
        let (browser, device_type) = match bot::robot(&found) {
            Robot::Yes(name) => (name, DeviceType::Bot),
            Robot::No => (
                browser::browser(&found, system.as_ref()),
                device::device(&found, system.as_ref(), &self.models),
            ),
        };
        let (browser_name, browser_version) = browser.map_or((None, None), Named::parts);
        let (os_name, os_version) = system.map_or((None, None), Named::parts);
        Agent {
            user_agent: user_agent.to_owned(),
            browser_name,
            browser_version,
            os_name,
            os_version,
            device_type,
            is_bot: device_type == DeviceType::Bot,
        }
    }
}

/// A user agent and the rules that were found in it.
struct Found<'a> {
    text: &'a str,
    hits: &'a [Hit],
}

impl<'a> Found<'a> {
    /// Returns the hit of a table that counts most.
    fn first(&self, table: Table) -> Option<Hit> {
        rules::first(self.hits, table)
    }

    /// Returns the hits of a rule, by its name.
    fn named(&self, table: Table, name: &'static str) -> impl Iterator<Item = &'a Hit> {
        self.hits.iter().filter(move |hit| hit.table == table && hit.name == name)
    }

    /// Tells whether the text has `word`, in this very case.
    fn has(&self, word: &str) -> bool {
        memchr::memmem::find(self.text.as_bytes(), word.as_bytes()).is_some()
    }

    /// Returns what stands after the first `word`, in this very case.
    fn after(&self, word: &str) -> Option<&'a str> {
        self.text.split_once(word).map(|(_, after)| after)
    }
}

/// A name and a version.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Named {
    name: String,
    version: Option<String>,
}

impl Named {
    fn new(name: &str, version: Option<String>) -> Named {
        Named { name: name.to_owned(), version }
    }

    fn parts(self) -> (Option<String>, Option<String>) {
        (Some(self.name), self.version)
    }
}

/// Returns the part of a user agent that is looked at.
fn head(text: &str) -> &str {
    let mut end = text.len().min(LOOKED_AT);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or("")
}
