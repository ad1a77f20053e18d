//! The flags of each report, as clap reads them.

use clap::Subcommand;

use crate::cli::args::values::{self, ReportFormat};
use crate::cli::args::window;
use crate::time::Micros;

#[derive(Subcommand, Debug)]
pub(crate) enum Report {
    /// The figures of the window: sessions, visitors, conversations, conversion
    #[command(after_help = "\
Examples:
  wa report summary --days 7 --as-of yesterday
      the last seven whole days
  wa report summary --chatbot shop --compare
      one chatbot, beside the 30 days before
  wa report summary --fail-if 'conversion_rate < 20' --quiet
      exit status 3 where too few visits become conversations")]
    Summary {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        compare: Compare,
        /// Exit with status 3 if this holds, such as 'conversion_rate < 20' (repeatable)
        #[arg(long, value_name = "CONDITION")]
        fail_if: Vec<String>,
    },

    /// A row a day, with a bar
    #[command(after_help = "\
Examples:
  wa report trends --days 14
      the last two weeks
  wa report trends --format csv > trends.csv
      for a spreadsheet")]
    Trends {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        compare: Compare,
    },

    /// The most frequent events (7 days unless said otherwise)
    #[command(after_help = "\
Examples:
  wa report events --limit 20
      the twenty most frequent of the last 7 days")]
    Events {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        compare: Compare,
        /// How many rows, up to 100
        #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
        limit: u32,
    },

    /// Where visits come from: campaigns, referrers, channels
    #[command(
        visible_alias = "traffic-sources",
        after_help = "\
Examples:
  wa report sources --days 90 --compare
      a quarter beside the one before"
    )]
    Sources {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        compare: Compare,
        #[command(flatten)]
        limit: Limit,
    },

    /// Devices, browsers, operating systems
    #[command(after_help = "\
Examples:
  wa report devices --include-bots
      robots too")]
    Devices {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        compare: Compare,
        #[command(flatten)]
        limit: Limit,
    },

    /// How many sessions are active
    #[command(after_help = "\
Examples:
  wa report active
      sessions with an event within the timeout before now
  wa report active --as-of 2026-11-09T20:00:00Z
      before another time")]
    Active {
        #[command(flatten)]
        scope: Scope,
        #[command(flatten)]
        shape: Shape,
        /// The time to look from [default: now]
        #[arg(long, value_name = "TIME", value_parser = values::time)]
        as_of: Option<Micros>,
    },

    /// Sessions, the newest first, a page at a time
    #[command(after_help = "\
Examples:
  wa report sessions --page 2 --limit 50
      the 51st to the 100th newest
  wa report sessions --visitor visitor_123 --format json
      the newest 20 sessions of one visitor
  wa report sessions --session-id s-123
      one session, with its timeline of events")]
    Sessions {
        #[command(flatten)]
        common: Common,
        /// Which page
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = values::page)]
        page: u64,
        /// How many sessions a page, up to 100
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
        limit: u32,
        /// This session only, by the log's session id or its own id, with its events
        #[arg(long, value_name = "ID", value_parser = values::non_empty, conflicts_with_all = ["visitor", "page"])]
        session_id: Option<String>,
        /// This visitor only, by anonymous id or user id
        #[arg(long, value_name = "ID", value_parser = values::non_empty)]
        visitor: Option<String>,
    },

    /// Response times, load times, errors
    #[command(after_help = "\
Examples:
  wa report performance --days 7
      mean, p50, p75, p95 and p99 of the last week")]
    Performance {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        limit: Limit,
    },

    /// Landing pages, with conversations and conversion
    #[command(after_help = "\
Examples:
  wa report pages --limit 20
      the twenty pages on which most visits begin")]
    Pages {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        limit: Limit,
    },

    /// Countries and cities
    #[command(after_help = "\
Examples:
  wa report locations --days 90
      where the visitors of a quarter were")]
    Locations {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        limit: Limit,
    },

    /// New and returning visitors, sessions per visitor
    #[command(after_help = "\
Examples:
  wa report visitors --chatbot shop
      who comes back to one chatbot")]
    Visitors {
        #[command(flatten)]
        common: Common,
    },

    /// All reports at once
    #[command(after_help = "\
Examples:
  wa report all --from 2026-10-01 --to 2026-10-31 --format markdown
      a month, to be pasted")]
    All {
        #[command(flatten)]
        common: Common,
    },
}

/// The flags of every report over a window.
#[derive(clap::Args, Debug)]
pub(crate) struct Common {
    #[command(flatten)]
    pub window: window::Args,
    #[command(flatten)]
    pub scope: Scope,
    #[command(flatten)]
    pub shape: Shape,
}

/// The flags that say whose sessions count.
#[derive(clap::Args, Debug)]
pub(crate) struct Scope {
    /// Only this chatbot (repeatable) [default: all together]
    #[arg(long, value_name = "ID", value_parser = values::chatbot)]
    pub chatbot: Vec<String>,

    /// One report for each chatbot
    #[arg(long)]
    pub by_chatbot: bool,

    /// Count robots too; only as far back as sessions are kept
    #[arg(long)]
    pub include_bots: bool,
}

#[derive(clap::Args, Debug)]
pub(crate) struct Shape {
    /// How to write it: table, json, csv or markdown
    #[arg(long, value_enum, hide_possible_values = true, value_name = "FORM", default_value_t)]
    pub format: ReportFormat,
}

#[derive(clap::Args, Debug)]
pub(crate) struct Compare {
    /// Set each figure beside that of the period before
    #[arg(long)]
    pub compare: bool,
}

#[derive(clap::Args, Debug)]
pub(crate) struct Limit {
    /// How many rows of each list, up to 100 [default: all in JSON and CSV, 10 in tables]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub limit: Option<u32>,
}
