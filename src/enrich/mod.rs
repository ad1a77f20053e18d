//! Enrichment: derives browser, device, channel and location from the fields of an event.
//!
//! An ingest derives these values once and stores them with the event, so that new rules do not
//! change stored rows. Only opening the location database performs I/O. An [`Enricher`] holds the
//! rules, which are data files, and the location database of a run.

pub(crate) mod cache;
pub(crate) mod channel;
pub(crate) mod country;
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

pub use country::{country_code, is_unknown_country};
pub use ip_address::{apply_ip_policy, first_ip_address};
pub use locations::LocationLookup;
pub use source::{DerivedSource, SourceFields};
pub use url::path;

use crate::error::Result;
use crate::event::UserAgent;

/// The enrichment rules and the location database of a run.
///
/// The rules are parsed on first use.
pub struct Enricher {
    classifier: OnceLock<user_agent::Classifier>,
    cache: cache::Cache,
    sites: OnceLock<sites::Sites>,
    locations: Option<locations::LocationDatabase>,
}

impl Enricher {
    /// Returns an enricher that uses the location database `geoip`, if given.
    ///
    /// # Errors
    /// Fails if the file cannot be read, is not in MaxMind's format or contains no locations.
    pub fn new(geoip: Option<&Path>) -> Result<Enricher> {
        Ok(Enricher {
            classifier: OnceLock::new(),
            cache: cache::Cache::default(),
            sites: OnceLock::new(),
            locations: geoip.map(locations::LocationDatabase::open).transpose()?,
        })
    }

    /// Returns the classification of a user agent, from the cache if possible.
    pub fn user_agent(&self, user_agent: &str) -> Arc<UserAgent> {
        let classifier = || self.classifier.get_or_init(user_agent::Classifier::new);
        self.cache.get(user_agent, || classifier().classify(user_agent))
    }

    /// Derives referrer domain, campaign and channel of an event.
    pub fn source(&self, fields: SourceFields<'_>) -> DerivedSource {
        source::source(self.sites.get_or_init(sites::Sites::new), fields)
    }

    /// Returns the location of an IP address; `None` without a database, and for private and
    /// unknown IP addresses.
    pub fn location(&self, ip: IpAddr) -> Option<LocationLookup> {
        self.locations.as_ref()?.find(ip)
    }
}
