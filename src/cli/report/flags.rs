//! The raw arguments of each report.

use clap::Subcommand;

use crate::cli::args::values::{self, ReportFormat};
use crate::cli::args::window;
use crate::time::Micros;

#[derive(Subcommand, Debug)]
pub(super) enum Report {
    /// Show the main metrics: sessions, visitors, conversations, conversion
    #[command(after_help = "\
Examples:
  wa report summary --days 7 --as-of yesterday
      report on the last seven complete days
  wa report summary --chatbot shop --compare
      compare 30 days of one chatbot with the 30 days before
  wa report summary --fail-if 'conversion_rate < 20' --quiet
      exit with status 3 if the conversion rate is below 20 percent")]
    Summary {
        #[command(flatten)]
        common: CommonArgs,
        #[command(flatten)]
        compare: CompareArgs,
        /// Exit with status 3 if met, such as 'conversion_rate < 20' (repeatable)
        #[arg(long, value_name = "CONDITION")]
        fail_if: Vec<String>,
    },

    /// Show the metrics of each day
    #[command(after_help = "\
Examples:
  wa report trends --days 14 --format csv > trends.csv
      write two weeks to a file for a spreadsheet")]
    Trends {
        #[command(flatten)]
        common: CommonArgs,
        #[command(flatten)]
        compare: CompareArgs,
    },

    /// Show the most frequent events; of the last 7 days by default
    #[command(after_help = "\
Examples:
  wa report events --limit 20
      show the twenty most frequent events")]
    Events {
        #[command(flatten)]
        common: CommonArgs,
        #[command(flatten)]
        compare: CompareArgs,
        /// Number of rows, at most 100
        #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=100))]
        limit: u32,
    },

    /// Show sources of sessions: campaigns, referrers, channels
    #[command(
        visible_alias = "traffic-sources",
        after_help = "\
Examples:
  wa report sources --days 90 --compare
      compare 90 days with the 90 days before"
    )]
    Sources {
        #[command(flatten)]
        common: CommonArgs,
        #[command(flatten)]
        compare: CompareArgs,
        #[command(flatten)]
        limit: LimitArgs,
    },

    /// Show devices, browsers and operating systems
    #[command(after_help = "\
Examples:
  wa report devices --include-bots
      include bot sessions")]
    Devices {
        #[command(flatten)]
        common: CommonArgs,
        #[command(flatten)]
        compare: CompareArgs,
        #[command(flatten)]
        limit: LimitArgs,
    },

    /// Show the number of active sessions
    #[command(after_help = "\
Examples:
  wa report active --as-of 2026-11-09T20:00:00Z
      count sessions with an event within the session timeout before that time")]
    Active {
        #[command(flatten)]
        scope: ScopeArgs,
        #[command(flatten)]
        format: FormatArgs,
        /// Time at which sessions are active [default: now]
        #[arg(long, value_name = "TIME", value_parser = values::time)]
        as_of: Option<Micros>,
    },

    /// Show sessions, newest first, in pages
    #[command(after_help = "\
Examples:
  wa report sessions --page 2 --limit 50
      show the 51st to the 100th newest session
  wa report sessions --visitor visitor_123 --format json
      show the newest 20 sessions of a visitor
  wa report sessions --session-id s-123
      show one session with its events")]
    Sessions {
        #[command(flatten)]
        common: CommonArgs,
        /// Page, from 1
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = values::page)]
        page: u64,
        /// Number of sessions per page, at most 100
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
        limit: u32,
        /// Show only this session and its events, by the session id in the log or by its own id
        #[arg(long, value_name = "ID", value_parser = values::non_empty, conflicts_with_all = ["visitor", "page"])]
        session_id: Option<String>,
        /// Show only the sessions of this visitor and their events, by anonymous id or user id
        #[arg(long, value_name = "ID", value_parser = values::non_empty)]
        visitor: Option<String>,
    },

    /// Show response times, load times and errors
    #[command(after_help = "\
Examples:
  wa report performance --days 7
      show mean, p50, p75, p95 and p99 of the last week")]
    Performance {
        #[command(flatten)]
        common: CommonArgs,
        #[command(flatten)]
        limit: LimitArgs,
    },

    /// Show landing pages with conversations and conversion
    #[command(after_help = "\
Examples:
  wa report pages --limit 20
      show the twenty most frequent landing pages")]
    Pages {
        #[command(flatten)]
        common: CommonArgs,
        #[command(flatten)]
        limit: LimitArgs,
    },

    /// Show countries and cities
    #[command(after_help = "\
Examples:
  wa report locations --days 90
      show the locations of the last 90 days")]
    Locations {
        #[command(flatten)]
        common: CommonArgs,
        #[command(flatten)]
        limit: LimitArgs,
    },

    /// Show new and returning visitors, and sessions per visitor
    #[command(after_help = "\
Examples:
  wa report visitors --chatbot shop
      show the visitors of one chatbot")]
    Visitors {
        #[command(flatten)]
        common: CommonArgs,
    },

    /// Show all reports
    #[command(after_help = "\
Examples:
  wa report all --from 2026-10-01 --to 2026-10-31 --format markdown
      report on a month, for a wiki or a chat")]
    All {
        #[command(flatten)]
        common: CommonArgs,
    },
}

/// The arguments of every report on a window.
#[derive(clap::Args, Debug)]
pub(super) struct CommonArgs {
    #[command(flatten)]
    pub window: window::Args,
    #[command(flatten)]
    pub scope: ScopeArgs,
    #[command(flatten)]
    pub format: FormatArgs,
}

/// The arguments that select sessions.
#[derive(clap::Args, Debug)]
pub(super) struct ScopeArgs {
    /// Only this chatbot (repeatable) [default: all chatbots together]
    #[arg(long, value_name = "ID", value_parser = values::chatbot)]
    pub chatbot: Vec<String>,

    /// Show one report per chatbot
    #[arg(long)]
    pub by_chatbot: bool,

    /// Include bot sessions; as far back as sessions are retained
    #[arg(long)]
    pub include_bots: bool,
}

#[derive(clap::Args, Debug)]
pub(super) struct FormatArgs {
    /// Output format: table, json, csv or markdown
    #[arg(long, value_enum, hide_possible_values = true, value_name = "FORMAT", default_value_t)]
    pub format: ReportFormat,
}

#[derive(clap::Args, Debug)]
pub(super) struct CompareArgs {
    /// Compare each metric with the previous period
    #[arg(long)]
    pub compare: bool,
}

#[derive(clap::Args, Debug)]
pub(super) struct LimitArgs {
    /// Number of rows per list, at most 100 [default: all in JSON and CSV, 10 in tables]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    pub limit: Option<u32>,
}
