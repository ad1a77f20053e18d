//! The user agent columns, which `events` and `sessions` share.

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::Result;
use crate::event::{DeviceType, UserAgent};
use crate::store::frame::{Bools, Frame, Texts};

/// Reads the user agents of a frame.
pub(super) struct UserAgentReader<'a> {
    user_agents: &'a Texts,
    parts: [&'a Texts; 4],
    devices: &'a Texts,
    bots: &'a Bools,
    /// The most recent user agent of each user agent string. Most rows repeat a string.
    cache: HashMap<&'a str, Arc<UserAgent>>,
}

impl<'a> UserAgentReader<'a> {
    /// Returns the reader of a frame.
    pub fn new(frame: &'a Frame) -> Result<UserAgentReader<'a>> {
        Ok(UserAgentReader {
            user_agents: frame.texts("user_agent")?,
            parts: [
                frame.texts("browser_name")?,
                frame.texts("browser_version")?,
                frame.texts("os_name")?,
                frame.texts("os_version")?,
            ],
            devices: frame.texts("device_type")?,
            bots: frame.bools("is_bot")?,
            cache: HashMap::new(),
        })
    }

    /// Returns the user agent of a row; `None` if it has none.
    pub fn get(&mut self, row: usize) -> Option<Arc<UserAgent>> {
        let user_agent = self.user_agents.get(row)?;
        let parts = self.parts.map(|column| column.get(row));
        let device_type = DeviceType::from_name(self.devices.get(row).unwrap_or(""));
        let is_bot = self.bots.is_true(row);
        // Rows of one file can come from different versions of the rules, which derive other values
        // from the same user agent string.
        let is_same = |agent: &&Arc<UserAgent>| {
            let cached = [&agent.browser_name, &agent.browser_version, &agent.os_name, &agent.os_version];
            cached.map(|part| part.as_deref()) == parts
                && agent.device_type == device_type
                && agent.is_bot == is_bot
        };
        if let Some(agent) = self.cache.get(user_agent).filter(is_same) {
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
        self.cache.insert(user_agent, agent.clone());
        Some(agent)
    }
}
