//! `devices`: what the visitors came with.

use serde::Serialize;

use super::answer::{Body, Report};
use super::metric::shares::{count, listed};
use super::metric::{Group, Listed, rows};
use super::query::Query;
use super::query::session_report;
use super::query::tables::Tables;
use crate::error::Result;

rows! {
    /// A kind of device.
    Device {
        names {
            /// `desktop`, `mobile`, `tablet`, `tv`, `bot` or `unknown`.
            kind = "type",
        }
        figures {
            /// Sessions.
            count: u64,
        }
    }
}

rows! {
    /// A browser or an operating system.
    Named {
        names {
            /// The name; `unknown` where the user agent does not say.
            name = "name",
        }
        figures {
            /// Sessions.
            count: u64,
        }
    }
}

/// The answer of `devices`.
#[derive(Clone, Debug, Serialize)]
pub struct Devices {
    /// Kinds of device.
    pub devices: Listed<Device>,
    /// Browsers.
    pub browsers: Listed<Named>,
    /// Operating systems.
    pub operating_systems: Listed<Named>,
}

impl Body for Devices {
    const NAME: &'static str = "devices";

    fn groups(&self) -> Vec<Group<'_>> {
        vec![
            Group::many("devices", &self.devices).share("count"),
            Group::many("browsers", &self.browsers).share("count"),
            Group::many("operating_systems", &self.operating_systems).share("count"),
        ]
    }
}

/// Answers `devices`, at most `limit` rows a part; with `compare`, beside the period before.
pub fn devices(
    tables: &dyn Tables,
    query: &Query,
    limit: Option<usize>,
    compare: bool,
) -> Result<Report<Devices>> {
    session_report::report(tables, query, compare, |query| {
        let columns = ["device_type", "browser_name", "os_name"].map(|name| (name, "unknown"));
        let ([types, browsers, systems], bots) = count(tables, query, columns)?;
        let named = |name, count| Named { name, count };
        let body = Devices {
            devices: listed(types, limit, |kind, count| Device { kind, count }),
            browsers: listed(browsers, limit, named),
            operating_systems: listed(systems, limit, named),
        };
        Ok((body, bots))
    })
}
