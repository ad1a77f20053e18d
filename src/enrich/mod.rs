//! What an event's context says: user agent, source, place.
//!
//! Everything here is derived once, at ingest, and stored with the event, so that no table depends
//! on the version of a rule. All of it is pure: a [`Context`] is made once a run from the rules in
//! `data/` and the database of places, and then only asked.

pub(crate) mod agent;
pub(crate) mod cache;
pub(crate) mod channel;
pub(crate) mod ip_address;
pub(crate) mod locations;
pub(crate) mod sites;
pub(crate) mod source;
pub(crate) mod url;
pub(crate) mod user_agent;

#[cfg(test)]
pub(crate) use locations::tests::berlin;

use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};

pub use agent::{Agent, DeviceType};
pub use channel::Channel;
pub use ip_address::{apply, first_address};
pub use locations::LocationLookup;
pub use source::{Derived, Given};
pub use url::path;

use crate::error::Result;

/// The rules and the database of places: what answers all questions about an event's context.
///
/// The rules about user agents and sites are read when they are first asked for, so a context
/// that nobody asks costs nothing.
pub struct Context {
    agents: OnceLock<user_agent::Reader>,
    cache: cache::Cache,
    sites: OnceLock<sites::Sites>,
    places: Option<locations::Places>,
}

impl Context {
    /// Makes a context, with the database of places in the file `geoip`.
    ///
    /// A file that is missing, is broken or holds no places is an error.
    pub fn new(geoip: Option<&Path>) -> Result<Context> {
        Ok(Context {
            agents: OnceLock::new(),
            cache: cache::Cache::default(),
            sites: OnceLock::new(),
            places: geoip.map(locations::Places::open).transpose()?,
        })
    }

    /// Tells what a user agent says; each is read once, as long as the cache holds it.
    pub fn agent(&self, user_agent: &str) -> Arc<Agent> {
        self.cache.get(user_agent, || self.agents.get_or_init(user_agent::Reader::new).read(user_agent))
    }

    /// Derives where a visit came from: domain, campaign, channel.
    pub fn source(&self, given: Given<'_>) -> Derived {
        source::source(self.sites.get_or_init(sites::Sites::new), given)
    }

    /// Returns where an address is; `None` without a database, for private addresses and unknown ones.
    pub fn place(&self, ip: IpAddr) -> Option<LocationLookup> {
        self.places.as_ref()?.place(ip)
    }
}
