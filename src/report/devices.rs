//! `devices`: the device types, browsers and operating systems of sessions.

use serde::Serialize;

use super::answer::rows::{Group, RowList, rows};
use super::answer::{Report, ReportBody, session_report};
use super::metric::group_count::count_sessions;
use super::query::Query;
use super::query::tables::Tables;
use crate::error::Result;

rows! {
    /// A device type.
    Device {
        dimensions {
            /// `desktop`, `mobile`, `tablet`, `tv`, `bot` or `unknown`.
            kind = "type",
        }
        metrics {
            /// The number of sessions.
            count: u64,
        }
    }
}

rows! {
    /// A browser or an operating system.
    Software {
        dimensions {
            /// The name; `unknown` if the user agent does not contain one.
            name = "name",
        }
        metrics {
            /// The number of sessions.
            count: u64,
        }
    }
}

/// The body of `devices`.
#[derive(Clone, Debug, Serialize)]
pub struct Devices {
    /// Device types, most sessions first.
    pub devices: RowList<Device>,
    /// Browsers, most sessions first.
    pub browsers: RowList<Software>,
    /// Operating systems, most sessions first.
    pub operating_systems: RowList<Software>,
}

impl ReportBody for Devices {
    const NAME: &'static str = "devices";

    fn groups(&self) -> Vec<Group<'_>> {
        vec![
            Group::list("devices", &self.devices).with_share("count"),
            Group::list("browsers", &self.browsers).with_share("count"),
            Group::list("operating_systems", &self.operating_systems).with_share("count"),
        ]
    }
}

/// The columns whose values are counted, each with the label of null values.
pub(crate) const COLUMNS: [(&str, &str); 3] =
    [("device_type", "unknown"), ("browser_name", "unknown"), ("os_name", "unknown")];

/// Computes `devices` with at most `limit` rows in each list. With `compare`, compares it with the
/// previous period.
pub(crate) fn devices(
    tables: &dyn Tables,
    query: &Query,
    limit: Option<usize>,
    compare: bool,
) -> Result<Report<Devices>> {
    session_report::build(tables, query, compare, |query| {
        let ([types, browsers, systems], bots) = count_sessions(tables, query, Devices::NAME, COLUMNS)?;
        let software = |name, count| Software { name, count };
        let body = Devices {
            devices: RowList::from_counts(types, limit, |kind, count| Device { kind, count }),
            browsers: RowList::from_counts(browsers, limit, software),
            operating_systems: RowList::from_counts(systems, limit, software),
        };
        Ok((body, bots))
    })
}
