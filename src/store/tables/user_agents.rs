//! The columns of what a user agent says, which `events` and `sessions` have alike.

use std::collections::HashMap;
use std::sync::Arc;

use polars::prelude::{BooleanChunked, StringChunked};

use super::build::Reader;
use crate::enrich::{Agent, DeviceType};
use crate::error::Result;

/// The columns of the agents of a frame's rows.
pub struct Agents<'a> {
    user_agents: &'a StringChunked,
    parts: [&'a StringChunked; 4],
    devices: &'a StringChunked,
    bots: &'a BooleanChunked,
    /// The last agent of each text: most rows repeat one.
    known: HashMap<&'a str, Arc<Agent>>,
}

impl<'a> Agents<'a> {
    /// Takes the columns of a frame.
    pub fn of(reader: &Reader<'a>) -> Result<Agents<'a>> {
        Ok(Agents {
            user_agents: reader.text("user_agent")?,
            parts: [
                reader.text("browser_name")?,
                reader.text("browser_version")?,
                reader.text("os_name")?,
                reader.text("os_version")?,
            ],
            devices: reader.text("device_type")?,
            bots: reader.boolean("is_bot")?,
            known: HashMap::new(),
        })
    }

    /// Returns the agent of a row; `None` where it has no user agent.
    pub fn get(&mut self, row: usize) -> Option<Arc<Agent>> {
        let user_agent = self.user_agents.get(row)?;
        let parts = self.parts.map(|column| column.get(row));
        let device_type = DeviceType::from_name(self.devices.get(row).unwrap_or(""));
        let is_bot = self.bots.get(row).unwrap_or(false);
        // The rows of a file may have been derived by different versions of the rules.
        let same = |agent: &&Arc<Agent>| {
            let theirs = [&agent.browser_name, &agent.browser_version, &agent.os_name, &agent.os_version];
            theirs.map(|part| part.as_deref()) == parts
                && agent.device_type == device_type
                && agent.is_bot == is_bot
        };
        if let Some(agent) = self.known.get(user_agent).filter(same) {
            return Some(agent.clone());
        }
        let [browser_name, browser_version, os_name, os_version] = parts.map(|part| part.map(str::to_owned));
        let agent = Arc::new(Agent {
            user_agent: user_agent.to_owned(),
            browser_name,
            browser_version,
            os_name,
            os_version,
            device_type,
            is_bot,
        });
        self.known.insert(user_agent, agent.clone());
        Some(agent)
    }
}
