//! `devices`: what the visitors came with.

use serde::Serialize;

use super::answer::{Body, Head, Report};
use super::compare::Comparison;
use super::figure::{Group, Listed, rows};
use super::notes;
use super::query::Query;
use super::shares::count;
use super::sources::listed;
use super::tables::Tables;
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
    let (body, bots) = body(tables, query, limit)?;
    let mut report = Report::new(Head::of(tables, query, bots), body);
    report.notes = notes::on_window(tables, query, report.body.devices.all.is_empty())?;
    report.notes.extend(notes::on_pruned_sessions(tables, query));
    if compare {
        let (previous, _) = self::body(tables, &query.before(), limit)?;
        report.comparison = Some(Comparison::of(query.window, &report.body.groups(), &previous.groups()));
        report.notes.extend(notes::on_comparison(tables, query));
    }
    Ok(report)
}

fn body(tables: &dyn Tables, query: &Query, limit: Option<usize>) -> Result<(Devices, u64)> {
    let columns = [("device_type", "unknown"), ("browser_name", "unknown"), ("os_name", "unknown")];
    let (counts, bots) = count(tables, query, &columns)?;
    let mut counts = counts.into_iter();
    let mut next = || counts.next().unwrap_or_default();
    let (types, browsers, systems) = (next(), next(), next());
    let device = |(kind, count)| Device { kind, count };
    let named = |(name, count)| Named { name, count };
    let body = Devices {
        devices: listed(types, limit, device, |row| row.count),
        browsers: listed(browsers, limit, named, |row| row.count),
        operating_systems: listed(systems, limit, named, |row| row.count),
    };
    Ok((body, bots))
}
