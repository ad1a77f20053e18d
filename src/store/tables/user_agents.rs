//! The columns of what a user agent says, which `events` and `sessions` have alike.

use std::collections::HashMap;
use std::sync::Arc;

use crate::enrich::{DeviceType, UserAgent};
use crate::error::Result;
use crate::store::frame::{Bools, Frame, Texts};

/// The columns of the agents of a frame's rows.
pub struct Agents<'a> {
    user_agents: &'a Texts,
    parts: [&'a Texts; 4],
    devices: &'a Texts,
    bots: &'a Bools,
    /// The last agent of each text: most rows repeat one.
    known: HashMap<&'a str, Arc<UserAgent>>,
}

impl<'a> Agents<'a> {
    /// Takes the columns of a frame.
    pub fn of(frame: &'a Frame) -> Result<Agents<'a>> {
        Ok(Agents {
            user_agents: frame.texts("user_agent")?,
            parts: [
                frame.texts("browser_name")?,
                frame.texts("browser_version")?,
                frame.texts("os_name")?,
                frame.texts("os_version")?,
            ],
            devices: frame.texts("device_type")?,
            bots: frame.bools("is_bot")?,
            known: HashMap::new(),
        })
    }

    /// Returns the agent of a row; `None` where it has no user agent.
    pub fn get(&mut self, row: usize) -> Option<Arc<UserAgent>> {
        let user_agent = self.user_agents.get(row)?;
        let parts = self.parts.map(|column| column.get(row));
        let device_type = DeviceType::from_name(self.devices.get(row).unwrap_or(""));
        let is_bot = self.bots.is_true(row);
        // The rows of a file may have been derived by different versions of the rules.
        let same = |agent: &&Arc<UserAgent>| {
            let theirs = [&agent.browser_name, &agent.browser_version, &agent.os_name, &agent.os_version];
            theirs.map(|part| part.as_deref()) == parts
                && agent.device_type == device_type
                && agent.is_bot == is_bot
        };
        if let Some(agent) = self.known.get(user_agent).filter(same) {
            return Some(agent.clone());
        }
        let [browser_name, browser_version, os_name, os_version] = parts.map(|part| part.map(str::to_owned));
        let agent = Arc::new(UserAgent {
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
