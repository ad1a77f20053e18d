//! `sources`: where the visits came from.

use serde::Serialize;

use super::answer::{Body, Report};
use super::metric::shares::{count, listed};
use super::metric::{Group, Listed, rows};
use super::query::Query;
use super::query::session_report;
use super::query::tables::Tables;
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
    session_report::report(tables, query, compare, |query| {
        let columns = [("utm_source", "unknown"), ("referrer_domain", "direct"), ("channel", "Direct")];
        let ([sources, domains, channels], bots) = count(tables, query, columns)?;
        let body = Sources {
            utm_sources: listed(sources, limit, |source, count| UtmSource { source, count }),
            referrers: listed(domains, limit, |domain, count| Referrer { domain, count }),
            channels: listed(channels, limit, |channel, count| ChannelCount { channel, count }),
        };
        Ok((body, bots))
    })
}
