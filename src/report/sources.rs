//! `sources`: the campaign sources, referring domains and channels of sessions.

use serde::Serialize;

use super::answer::rows::{Group, RowList, rows};
use super::answer::{Report, ReportBody, session_report};
use super::metric::group_count::count_sessions;
use super::query::Query;
use super::query::tables::Tables;
use crate::error::Result;

rows! {
    /// A campaign source.
    UtmSource {
        dimensions {
            /// `utm_source`; `unknown` for sessions without one.
            source = "source",
        }
        metrics {
            /// The number of sessions.
            count: u64,
        }
    }
}

rows! {
    /// A referring domain.
    Referrer {
        dimensions {
            /// The domain; `direct` for sessions without one.
            domain = "domain",
        }
        metrics {
            /// The number of sessions.
            count: u64,
        }
    }
}

rows! {
    /// A channel.
    ChannelCount {
        dimensions {
            /// The channel's name; `Direct` for sessions without a source.
            channel = "channel",
        }
        metrics {
            /// The number of sessions.
            count: u64,
        }
    }
}

/// The body of `sources`.
#[derive(Clone, Debug, Serialize)]
pub struct Sources {
    /// Campaign sources, most sessions first.
    pub utm_sources: RowList<UtmSource>,
    /// Referring domains, most sessions first.
    pub referrers: RowList<Referrer>,
    /// Channels, most sessions first.
    pub channels: RowList<ChannelCount>,
}

impl ReportBody for Sources {
    const NAME: &'static str = "sources";

    fn groups(&self) -> Vec<Group<'_>> {
        vec![
            Group::list("utm_sources", &self.utm_sources).with_share("count"),
            Group::list("referrers", &self.referrers).with_share("count"),
            Group::list("channels", &self.channels).with_share("count"),
        ]
    }
}

/// The columns whose values are counted, each with the label of null values.
pub(crate) const COLUMNS: [(&str, &str); 3] =
    [("utm_source", "unknown"), ("referrer_domain", "direct"), ("channel", "Direct")];

/// Computes `sources` with at most `limit` rows in each list. With `compare`, compares it with the
/// previous period.
pub(crate) fn sources(
    tables: &dyn Tables,
    query: &Query,
    limit: Option<usize>,
    compare: bool,
) -> Result<Report<Sources>> {
    session_report::build(tables, query, compare, |query| {
        let ([sources, domains, channels], bots) = count_sessions(tables, query, Sources::NAME, COLUMNS)?;
        let body = Sources {
            utm_sources: RowList::from_counts(sources, limit, |source, count| UtmSource { source, count }),
            referrers: RowList::from_counts(domains, limit, |domain, count| Referrer { domain, count }),
            channels: RowList::from_counts(channels, limit, |channel, count| ChannelCount { channel, count }),
        };
        Ok((body, bots))
    })
}
