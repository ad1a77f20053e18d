//! `sources`: where the visits came from.

use serde::Serialize;

use super::answer::{Body, Head, Report};
use super::compare::Comparison;
use super::figure::{Group, Listed, rows};
use super::notes;
use super::query::Query;
use super::shares::{Counts, count};
use super::tables::Tables;
use crate::error::Result;

rows! {
    /// A campaign source.
    UtmSource {
        names {
            /// `utm_source`; `unknown` where the session has none.
            source = "source",
        }
        figures {
            /// Sessions.
            count: u64,
        }
    }
}

rows! {
    /// A referring domain.
    Referrer {
        names {
            /// The domain; `direct` where there is none.
            domain = "domain",
        }
        figures {
            /// Sessions.
            count: u64,
        }
    }
}

rows! {
    /// A channel.
    ChannelCount {
        names {
            /// The channel's name; `Direct` where no event names a source.
            channel = "channel",
        }
        figures {
            /// Sessions.
            count: u64,
        }
    }
}

/// The answer of `sources`.
#[derive(Clone, Debug, Serialize)]
pub struct Sources {
    /// Campaign sources.
    pub utm_sources: Listed<UtmSource>,
    /// Referring domains.
    pub referrers: Listed<Referrer>,
    /// Channels.
    pub channels: Listed<ChannelCount>,
}

impl Body for Sources {
    const NAME: &'static str = "sources";

    fn groups(&self) -> Vec<Group<'_>> {
        vec![
            Group::many("utm_sources", &self.utm_sources).share("count"),
            Group::many("referrers", &self.referrers).share("count"),
            Group::many("channels", &self.channels).share("count"),
        ]
    }
}

/// Answers `sources`, at most `limit` rows a part; with `compare`, beside the period before.
pub fn sources(
    tables: &dyn Tables,
    query: &Query,
    limit: Option<usize>,
    compare: bool,
) -> Result<Report<Sources>> {
    let (body, bots) = body(tables, query, limit)?;
    let mut report = Report::new(Head::of(tables, query, bots), body);
    report.notes = notes::on_window(tables, query, report.body.channels.all.is_empty())?;
    report.notes.extend(notes::on_pruned_sessions(tables, query));
    if compare {
        let (previous, _) = self::body(tables, &query.before(), limit)?;
        report.comparison = Some(Comparison::of(query.window, &report.body.groups(), &previous.groups()));
        report.notes.extend(notes::on_comparison(tables, query));
    }
    Ok(report)
}

fn body(tables: &dyn Tables, query: &Query, limit: Option<usize>) -> Result<(Sources, u64)> {
    let columns = [("utm_source", "unknown"), ("referrer_domain", "direct"), ("channel", "Direct")];
    let (counts, bots) = count(tables, query, &columns)?;
    let mut counts = counts.into_iter();
    let mut next = || counts.next().unwrap_or_default();
    let (utm, domains, channels) = (next(), next(), next());
    let utm_source = |(source, count)| UtmSource { source, count };
    let referrer = |(domain, count)| Referrer { domain, count };
    let channel = |(channel, count)| ChannelCount { channel, count };
    let body = Sources {
        utm_sources: listed(utm, limit, utm_source, |row| row.count),
        referrers: listed(domains, limit, referrer, |row| row.count),
        channels: listed(channels, limit, channel, |row| row.count),
    };
    Ok((body, bots))
}

/// Makes a list of rows out of counts; what a limit cuts off is added up.
pub(super) fn listed<R>(
    counts: Counts,
    limit: Option<usize>,
    row: impl Fn((String, u64)) -> R,
    count: impl Fn(&R) -> u64,
) -> Listed<R> {
    let all = counts.into_iter().map(&row).collect();
    Listed::cut(all, limit, |rest| row((String::new(), rest.iter().map(count).sum())))
}
