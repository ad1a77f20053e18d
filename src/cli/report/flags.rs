//! The raw arguments of each report.

use clap::{Subcommand, ValueEnum};

use super::funnel_flags::FunnelArgs;
use super::paths_flags::PathsArgs;
use crate::cli::args::values::{self, Limit, ReportFormat};
use crate::cli::args::window::{self, Moment};
use crate::report::{HeatmapMetric, Interval, TrendInterval};

#[derive(Subcommand, Debug)]
pub(super) enum Report {
    /// Show the main metrics: sessions, visitors, conversations, conversion
    #[command(after_help = "\
Examples:
  wa report summary --days 7 --as-of yesterday
      report on the last seven complete days
  wa report summary --fail-if 'conversion_rate < 20' --quiet
      exit with status 3 if the conversion rate is below 20 percent")]
    Summary {
        #[command(flatten)]
        common: CommonArgs,
        #[command(flatten)]
        limit: LimitArgs,
        #[command(flatten)]
        compare: CompareArgs,
        #[command(flatten)]
        fail: FailArgs,
    },

    /// Show the metrics of each day
    #[command(after_help = "\
Examples:
  wa report trends --days 14 --format csv > trends.csv
      write two weeks to a file for a spreadsheet
  wa report trends --days 90 --interval week
      show sessions and distinct visitors of each week")]
    Trends {
        #[command(flatten)]
        common: CommonArgs,
        /// Show a row for each hour, day, week or month [default: day]
        #[arg(
            long,
            value_enum,
            hide_possible_values = true,
            value_name = "PERIOD",
            default_value_t,
            hide_default_value = true
        )]
        interval: RowInterval,
        #[command(flatten)]
        limit: LimitArgs,
        #[command(flatten)]
        compare: CompareArgs,
    },

    /// Show the most frequent events
    #[command(after_help = "\
Examples:
  wa report events --limit 20
      show the twenty most frequent events")]
    Events {
        #[command(flatten)]
        common: CommonArgs,
        #[command(flatten)]
        compare: CompareArgs,
        /// Number of rows: 1 to 100, or all [default: all in CSV, otherwise 10]
        #[arg(long, value_name = "N", value_parser = values::limit)]
        limit: Option<Limit>,
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
  wa report active --as-of latest
      count the sessions that were active at the time of the newest event")]
    Active {
        #[command(flatten)]
        scope: ScopeArgs,
        #[command(flatten)]
        fail: FailArgs,
        #[command(flatten)]
        format: FormatArgs,
        /// Time, or latest for the time of the newest event [default: now]
        #[arg(long, value_name = "TIME", value_parser = values::moment)]
        as_of: Option<Moment>,
    },

    /// Show sessions, newest first, in pages
    #[command(after_help = "\
Examples:
  wa report sessions --days 7 --format csv > sessions.csv
      write all sessions of a week to a file for a spreadsheet
  wa report sessions --visitor visitor_123 --format json
      show the newest 20 sessions of a visitor
  wa report sessions --session-id s-123
      show one session with its events")]
    Sessions {
        #[command(flatten)]
        common: CommonArgs,
        /// Page, from 1 [default: 1]
        #[arg(long, value_name = "N", value_parser = values::page)]
        page: Option<u64>,
        /// Sessions per page: 1 to 100, or all [default: all in CSV, otherwise 20]
        #[arg(long, value_name = "N", value_parser = values::limit)]
        limit: Option<Limit>,
        /// Show one session in full, by its id in the log or the start of its row id
        #[arg(long, value_name = "ID", value_parser = values::non_empty, conflicts_with_all = ["visitor", "page"])]
        session_id: Option<String>,
        /// Show a visitor's sessions in full, by anonymous or user id, email or name
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
        compare: CompareArgs,
        #[command(flatten)]
        fail: FailArgs,
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
        compare: CompareArgs,
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
        compare: CompareArgs,
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
        #[command(flatten)]
        limit: LimitArgs,
        #[command(flatten)]
        compare: CompareArgs,
        #[command(flatten)]
        fail: FailArgs,
    },

    /// Show sessions, conversations, messages or visitors by weekday and hour
    #[command(after_help = "\
Examples:
  wa report heatmap --metric conversations
      show when conversations of the last four weeks started
  wa report heatmap --format csv
      write all four metrics of each weekday and hour for a spreadsheet")]
    Heatmap {
        #[command(flatten)]
        common: CommonArgs,
        #[command(flatten)]
        compare: CompareArgs,
        #[command(flatten)]
        values: ValuesArgs,
        /// Metric of the table: sessions, conversations, messages or visitors
        #[arg(long, value_enum, hide_possible_values = true, value_name = "METRIC", default_value_t)]
        metric: Metric,
    },

    /// Show replies, waiting times and ratings of conversations
    #[command(after_help = "\
Examples:
  wa report conversations --days 7
      show how many conversations were answered, and how long visitors waited
  wa report conversations --list --limit 50
      list the newest fifty conversations")]
    Conversations {
        #[command(flatten)]
        common: CommonArgs,
        #[command(flatten)]
        compare: CompareArgs,
        #[command(flatten)]
        fail: FailArgs,
        /// List the conversations, newest first
        #[arg(long)]
        list: bool,
        /// Listed conversations, or values of --by: 1 to 100, or all [default: 20; CSV: all;
        /// values: 10]
        #[arg(long, value_name = "N", value_parser = values::limit)]
        limit: Option<Limit>,
    },

    /// Show how many new visitors came back, by the period in which they were first seen
    #[command(after_help = "\
Examples:
  wa report retention --interval month
      show the share of each month's new visitors that came back in later months
  wa report retention --return message_sent --unbounded
      show the share that sent a message in a week or any later one")]
    Retention {
        #[command(flatten)]
        common: CommonArgs,
        #[command(flatten)]
        compare: CompareArgs,
        #[command(flatten)]
        fail: FailArgs,
        #[command(flatten)]
        values: ValuesArgs,
        /// Length of the periods: day, week or month. It sets the default of --days: 14, 84 or 365
        #[arg(long, value_enum, hide_possible_values = true, value_name = "PERIOD", default_value_t)]
        interval: CohortInterval,
        /// Count visitors for a period if they came back in it or in any later one
        #[arg(long)]
        unbounded: bool,
        /// Count only sessions with this event as returns
        #[arg(long = "return", value_name = "EVENT", value_parser = values::non_empty)]
        return_event: Option<String>,
    },

    /// Show how often the goals of `wa.toml` are reached, and by how many visitors
    #[command(after_help = "\
Examples:
  wa report goals --days 7
      show the goals that [goals] in wa.toml defines")]
    Goals {
        #[command(flatten)]
        common: CommonArgs,
        #[command(flatten)]
        compare: CompareArgs,
        #[command(flatten)]
        fail: FailArgs,
        #[command(flatten)]
        values: ValuesArgs,
    },

    /// Show the most frequent sequences of events or pages
    #[command(after_help = "\
Examples:
  wa report paths --steps 4
      show the first four events of sessions, as a tree
  wa report paths --pages --start-at /pricing
      show the pages that visitors view after the prices
  wa report paths --end-at message_sent
      show the events before the first message")]
    Paths {
        #[command(flatten)]
        common: CommonArgs,
        #[command(flatten)]
        compare: CompareArgs,
        #[command(flatten)]
        fail: FailArgs,
        #[command(flatten)]
        paths: PathsArgs,
        /// Listed paths: 1 to 100, or all [default: all in CSV, otherwise 20]
        #[arg(long, value_name = "N", value_parser = values::limit)]
        limit: Option<Limit>,
    },

    /// Show how many sessions or visitors pass the steps of a funnel
    #[command(after_help = "\
Examples:
  wa report funnel
      show the default steps, from the loaded widget to the rating
  wa report funnel checkout --unit visitor --within 3d
      show a funnel of wa.toml, for visitors within three days
  wa report funnel --step 'page_viewed where page_url~/pricing' --step form_sent
      show how many sessions viewed the prices and then sent a form")]
    Funnel {
        #[command(flatten)]
        common: CommonArgs,
        #[command(flatten)]
        compare: CompareArgs,
        #[command(flatten)]
        fail: FailArgs,
        #[command(flatten)]
        values: ValuesArgs,
        #[command(flatten)]
        funnel: FunnelArgs,
    },

    /// Show all reports
    #[command(after_help = "\
Examples:
  wa report all --from 2026-10-01 --to 2026-10-31 --format markdown
      report on a month, for a wiki or a chat")]
    All {
        #[command(flatten)]
        common: CommonArgs,
        #[command(flatten)]
        compare: CompareArgs,
        #[command(flatten)]
        fail: FailArgs,
        #[command(flatten)]
        limit: LimitArgs,
    },
}

/// A metric of `heatmap`, by its name on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum Metric {
    #[default]
    Sessions,
    Conversations,
    Messages,
    Visitors,
}

impl From<Metric> for HeatmapMetric {
    fn from(metric: Metric) -> HeatmapMetric {
        match metric {
            Metric::Sessions => HeatmapMetric::Sessions,
            Metric::Conversations => HeatmapMetric::Conversations,
            Metric::Messages => HeatmapMetric::Messages,
            Metric::Visitors => HeatmapMetric::Visitors,
        }
    }
}

/// The length of the periods of `retention`, by its name on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum CohortInterval {
    Day,
    #[default]
    Week,
    Month,
}

impl From<CohortInterval> for Interval {
    fn from(interval: CohortInterval) -> Interval {
        match interval {
            CohortInterval::Day => Interval::Day,
            CohortInterval::Week => Interval::Week,
            CohortInterval::Month => Interval::Month,
        }
    }
}

/// The period that a row of `trends` covers, by its name on the command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum RowInterval {
    Hour,
    #[default]
    Day,
    Week,
    Month,
}

impl From<RowInterval> for TrendInterval {
    fn from(interval: RowInterval) -> TrendInterval {
        match interval {
            RowInterval::Hour => TrendInterval::Hour,
            RowInterval::Day => TrendInterval::Day,
            RowInterval::Week => TrendInterval::Week,
            RowInterval::Month => TrendInterval::Month,
        }
    }
}

impl Default for Report {
    /// Returns the report that `wa report` shows without a name.
    fn default() -> Report {
        Report::Summary {
            common: CommonArgs::default(),
            limit: LimitArgs::default(),
            compare: CompareArgs::default(),
            fail: FailArgs::default(),
        }
    }
}

/// The arguments of every report on a window.
#[derive(clap::Args, Debug, Default)]
pub(super) struct CommonArgs {
    #[command(flatten)]
    pub window: window::Args,
    #[command(flatten)]
    pub scope: ScopeArgs,
    #[command(flatten)]
    pub format: FormatArgs,
}

/// The arguments that select sessions.
#[derive(clap::Args, Debug, Default)]
pub(super) struct ScopeArgs {
    /// Only this chatbot (repeatable) [default: all chatbots together]
    #[arg(long, value_name = "ID", value_parser = values::chatbot)]
    pub chatbot: Vec<String>,

    /// Show one report per chatbot
    #[arg(long)]
    pub by_chatbot: bool,

    /// Include bot sessions; the figures then cover only retained sessions
    #[arg(long)]
    pub include_bots: bool,

    /// Only matching sessions, such as 'country_code=DE|AT' (repeatable; docs/filters.md)
    #[arg(long = "where", value_name = "CONDITION")]
    pub conditions: Vec<String>,

    /// Only sessions of this segment of wa.toml (repeatable)
    #[arg(long, value_name = "NAME")]
    pub segment: Vec<String>,

    /// Show the figures for each value of this field (twice at most; docs/breakdowns.md)
    #[arg(long, value_name = "FIELD")]
    pub by: Vec<String>,
}

#[derive(clap::Args, Debug, Default)]
pub(super) struct FormatArgs {
    /// Output format: table, json, csv, markdown or html
    #[arg(long, value_enum, hide_possible_values = true, value_name = "FORMAT", default_value_t)]
    pub format: ReportFormat,
}

#[derive(clap::Args, Debug, Default)]
pub(super) struct CompareArgs {
    /// Compare each metric with the previous period
    #[arg(long)]
    pub compare: bool,
}

#[derive(clap::Args, Debug, Default)]
pub(super) struct FailArgs {
    /// Exit with status 3 if this condition on a figure holds, such as 'conversion_rate < 20' in
    /// the summary (repeatable; docs/comparison.md)
    #[arg(long, value_name = "CONDITION")]
    pub fail_if: Vec<String>,
}

/// The limit of reports without lists.
#[derive(clap::Args, Debug, Default)]
pub(super) struct ValuesArgs {
    /// Values of --by: 1 to 100, or all [default: 10; 3 in tables of heatmap and retention]
    #[arg(long, value_name = "N", value_parser = values::limit)]
    pub limit: Option<Limit>,
}

#[derive(clap::Args, Debug, Default)]
pub(super) struct LimitArgs {
    /// Rows per list, or values of --by: 1 to 100, or all [default: 10; lists in JSON and CSV: all]
    #[arg(long, value_name = "N", value_parser = values::limit)]
    pub limit: Option<Limit>,
}
