//! `wa report`: figures of a window of days.

use std::path::PathBuf;

use clap::Subcommand;

use super::condition::FigureCondition;
use super::values::{self, ReportForm};
use super::window::{self, Window};
use super::{Globals, Io, not_built};
use crate::error::{Error, Result};
use crate::settings::Settings;
use crate::time::{Clock, Micros};

/// Show figures: summary, trends, events, sources, devices, and more
///
/// Every count belongs to the day on which its session started, so all reports agree. Robots are
/// left out, and how many is said.
#[derive(clap::Args, Debug)]
#[command(
    subcommand_value_name = "report",
    subcommand_help_heading = "Reports",
    after_help = "\
Examples:
  wa report summary --days 30
      the last 30 days, today included
  wa report summary --days 7 --as-of yesterday --compare
      the last seven whole days beside the seven before
  wa report all --from 2026-10-01 --to 2026-10-31 --format markdown
      a month, to be pasted"
)]
pub struct Args {
    #[command(subcommand)]
    report: Report,
}

#[derive(Subcommand, Debug)]
enum Report {
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
        /// Exit with status 3 where this holds, such as 'conversion_rate < 20' (repeatable)
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
    },

    /// How many sessions are going on
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
      all of one visitor
  wa report sessions --session-id s-123
      one session, with its timeline of events")]
    Sessions {
        #[command(flatten)]
        common: Common,
        /// Which page
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
        page: u64,
        /// How many sessions a page, up to 100
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
        limit: u32,
        /// This session only, by the log's session id, with its events
        #[arg(long, value_name = "ID", value_parser = values::filled, conflicts_with_all = ["visitor", "page"])]
        session_id: Option<String>,
        /// This visitor only, by anonymous id or user id
        #[arg(long, value_name = "ID", value_parser = values::filled)]
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
  wa report places --days 90
      where the visitors of a quarter were")]
    Places {
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

    /// The whole set at once
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
struct Common {
    #[command(flatten)]
    window: window::Args,
    #[command(flatten)]
    scope: Scope,
    #[command(flatten)]
    shape: Shape,
}

/// The flags that say whose sessions count.
#[derive(clap::Args, Debug)]
struct Scope {
    /// Only this chatbot (repeatable) [default: all together]
    #[arg(long, value_name = "ID", value_parser = values::chatbot)]
    chatbot: Vec<String>,

    /// One report for each chatbot
    #[arg(long)]
    by_chatbot: bool,

    /// Count robots too; only as far back as sessions are kept
    #[arg(long)]
    include_bots: bool,
}

#[derive(clap::Args, Debug)]
struct Shape {
    /// How to write it: table, json, csv or markdown
    #[arg(long, value_enum, hide_possible_values = true, value_name = "FORM", default_value_t)]
    format: ReportForm,
}

#[derive(clap::Args, Debug)]
struct Compare {
    /// Set each figure beside that of the period before
    #[arg(long)]
    compare: bool,
}

#[derive(clap::Args, Debug)]
struct Limit {
    /// How many rows of each list, up to 100 [default: all in JSON and CSV, 10 in tables]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100))]
    limit: Option<u32>,
}

/// Which report, with what only it takes.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// The figures of the window.
    Summary {
        /// Conditions under which the run fails.
        fail_if: Vec<FigureCondition>,
    },
    /// A row a day.
    Trends,
    /// The most frequent events.
    Events {
        /// How many rows: 1 to 100.
        limit: u32,
    },
    /// Campaigns, referrers, channels.
    Sources {
        /// How many rows of each list: 1 to 100.
        limit: Option<u32>,
    },
    /// Devices, browsers, operating systems.
    Devices,
    /// Sessions that are going on.
    Active {
        /// The time to look from.
        as_of: Micros,
    },
    /// Sessions, newest first.
    Sessions {
        /// Which page, from 1.
        page: u64,
        /// How many a page: 1 to 100.
        limit: u32,
        /// The one to look up.
        lookup: Option<Lookup>,
    },
    /// Response times, load times, errors.
    Performance,
    /// Landing pages.
    Pages {
        /// How many rows: 1 to 100.
        limit: Option<u32>,
    },
    /// Countries and cities.
    Places {
        /// How many rows of each list: 1 to 100.
        limit: Option<u32>,
    },
    /// New and returning visitors.
    Visitors,
    /// The whole set.
    All,
}

/// A session or a visitor to look up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lookup {
    /// By the log's session id, with its events.
    Session(String),
    /// By anonymous id or user id.
    Visitor(String),
}

/// What a report needs, checked.
#[derive(Clone, Debug)]
pub struct Options {
    /// The store.
    pub store: PathBuf,
    /// The time that is now.
    pub clock: Clock,
    /// The settings in force.
    pub settings: Settings,
    /// Which report.
    pub what: What,
    /// The days; `None` for all that are kept (sessions without days, and active).
    pub window: Option<Window>,
    /// The chatbots; all together where empty. Each is named once.
    pub chatbots: Vec<String>,
    /// One report for each chatbot.
    pub by_chatbot: bool,
    /// Count robots too.
    pub include_bots: bool,
    /// Beside the period before.
    pub compare: bool,
    /// How to write it.
    pub form: ReportForm,
}

impl Args {
    /// Checks the arguments and reads the settings.
    ///
    /// # Errors
    /// [`crate::Kind::Usage`] where settings or arguments make no sense.
    pub fn validate(self, globals: &Globals) -> Result<Options> {
        let now = globals.clock.now;
        let (common, compare, what) = match self.report {
            Report::Summary { common, compare, fail_if } => {
                let fail_if =
                    fail_if.iter().map(|text| FigureCondition::parse(text)).collect::<Result<_>>()?;
                (common, compare.compare, What::Summary { fail_if })
            }
            Report::Trends { common, compare } => (common, compare.compare, What::Trends),
            Report::Events { common, compare, limit } => (common, compare.compare, What::Events { limit }),
            Report::Sources { common, compare, limit } => {
                (common, compare.compare, What::Sources { limit: limit.limit })
            }
            Report::Devices { common, compare } => (common, compare.compare, What::Devices),
            Report::Active { scope, shape, as_of } => {
                let window = window::Args::default();
                (Common { window, scope, shape }, false, What::Active { as_of: as_of.unwrap_or(now) })
            }
            Report::Sessions { common, page, limit, session_id, visitor } => {
                let lookup = session_id.map(Lookup::Session).or(visitor.map(Lookup::Visitor));
                (common, false, What::Sessions { page, limit, lookup })
            }
            Report::Performance { common } => (common, false, What::Performance),
            Report::Pages { common, limit } => (common, false, What::Pages { limit: limit.limit }),
            Report::Places { common, limit } => (common, false, What::Places { limit: limit.limit }),
            Report::Visitors { common } => (common, false, What::Visitors),
            Report::All { common } => (common, false, What::All),
        };
        let window = match what {
            What::Active { .. } => None,
            What::Sessions { .. } if common.window.is_empty() => None,
            What::Events { .. } => Some(common.window.validate(7)?),
            _ => Some(common.window.validate(30)?),
        };
        let mut chatbots = common.scope.chatbot;
        chatbots.sort();
        chatbots.dedup();
        let options = Options {
            store: globals.store.clone(),
            clock: globals.clock,
            settings: globals.settings()?.settings,
            what,
            window,
            chatbots,
            by_chatbot: common.scope.by_chatbot,
            include_bots: common.scope.include_bots,
            compare,
            form: common.shape.format,
        };
        options.check()?;
        Ok(options)
    }
}

impl Options {
    fn check(&self) -> Result<()> {
        if let What::Summary { fail_if } = &self.what
            && self.by_chatbot
            && !fail_if.is_empty()
        {
            return Err(Error::usage("--fail-if looks at one summary, --by-chatbot makes several")
                .hint("run it once for each chatbot, with --chatbot ID"));
        }
        Ok(())
    }
}

/// Computes the report and prints it.
///
/// # Errors
/// What the report returns; [`crate::Kind::FigureFailed`] where a `--fail-if` holds.
pub fn run(_options: &Options, _io: &Io) -> Result<()> {
    Err(not_built("report"))
}
