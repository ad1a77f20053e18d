//! The options of all commands.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ColorChoice, ValueEnum};

use super::values;
use crate::config::ResolvedConfig;
use crate::error::Result;
use crate::time::{Clock, Micros};

/// The heading of these options in help texts.
pub(in crate::cli) const HEADING: &str = "Global options";

/// The raw arguments.
#[derive(clap::Args, Debug)]
pub(in crate::cli) struct Args {
    /// Store directory [env: WA_STORE] [default: ./wa-store]
    #[arg(long, global = true, value_name = "DIR", help_heading = HEADING)]
    pub store: Option<PathBuf>,

    /// Print only results and errors. Summaries and notes are printed if something fails
    #[arg(short, long, global = true, help_heading = HEADING)]
    pub quiet: bool,

    /// Use color: auto, always or never. auto: on a terminal, unless NO_COLOR is set [default:
    /// auto]
    #[arg(long, global = true, value_name = "WHEN", value_enum, hide_possible_values = true, hide_default_value = true, default_value_t, help_heading = HEADING)]
    pub color: Color,

    /// Use this time as the current time (RFC 3339)
    #[arg(long, global = true, value_name = "TIME", hide = true, value_parser = values::time)]
    pub now: Option<Micros>,
}

/// The use of color.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    Always,
    Never,
}

/// Returns the color choice for help and usage errors, which clap prints before it has parsed
/// `--color`.
pub(in crate::cli) fn help_color(arguments: &[OsString]) -> ColorChoice {
    let value = arguments.iter().enumerate().rev().find_map(|(index, argument)| {
        let argument = argument.to_str()?;
        match argument.strip_prefix("--color=") {
            Some(value) => Some(value),
            None if argument == "--color" => arguments.get(index + 1)?.to_str(),
            None => None,
        }
    });
    match value {
        Some("always") => ColorChoice::Always,
        Some("never") => ColorChoice::Never,
        _ => ColorChoice::Auto,
    }
}

/// The validated options.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Globals {
    /// The store directory.
    pub store: PathBuf,
    /// The current time.
    pub clock: Clock,
}

impl Globals {
    /// Validates the arguments. The store comes from the flag, else from `WA_STORE`, else it is
    /// `./wa-store`.
    pub(in crate::cli) fn new(args: Args, clock: Clock) -> Globals {
        // An empty variable counts as unset, so that a unit file can unset it.
        let variable = || std::env::var_os("WA_STORE").filter(|dir| !dir.is_empty()).map(PathBuf::from);
        let store = args.store.or_else(variable).unwrap_or_else(|| PathBuf::from("./wa-store"));
        Globals { store, clock }
    }

    /// Reads the settings of the store and of the environment.
    ///
    /// # Errors
    /// Returns the errors of [`ResolvedConfig::read`].
    pub(in crate::cli) fn config(&self) -> Result<ResolvedConfig> {
        ResolvedConfig::read(&self.store, &|variable| std::env::var(variable).ok())
    }
}
