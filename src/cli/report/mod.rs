//! `wa report`: figures of a window of days.

mod flags;

use std::path::PathBuf;

use flags::{Common, Report};

use super::condition::FigureCondition;
use super::values::ReportForm;
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
