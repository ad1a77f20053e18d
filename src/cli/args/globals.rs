//! What every command knows: the store, the clock, the settings.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ColorChoice, ValueEnum};

use super::values;
use crate::config::ResolvedConfig;
use crate::error::Result;
use crate::time::{Clock, Micros};

pub(crate) const HEADING: &str = "Global options";

/// The options that every command takes.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// The directory of the store [env: WA_STORE] [default: ./wa-store]
    #[arg(long, global = true, value_name = "DIR", help_heading = HEADING)]
    pub store: Option<PathBuf>,

    /// Leave out accounts, notes and progress while all goes well; results and errors are still printed
    #[arg(short, long, global = true, help_heading = HEADING)]
    pub quiet: bool,

    /// Use colour: auto (as NO_COLOR and the terminal say), always or never
    #[arg(long, global = true, value_name = "WHEN", value_enum, hide_possible_values = true, hide_default_value = true, default_value_t, help_heading = HEADING)]
    pub color: Color,

    /// The time to take as now (RFC 3339)
    #[arg(long, global = true, value_name = "TIME", hide = true, value_parser = values::time)]
    pub now: Option<Micros>,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Returns when help and usage errors, which are printed where nothing is parsed, are to have colour.
pub(crate) fn color_of_help(arguments: &[OsString]) -> ColorChoice {
    let value = arguments.iter().enumerate().rev().find_map(|(at, argument)| {
        let argument = argument.to_str()?;
        match argument.strip_prefix("--color=") {
            Some(value) => Some(value),
            None if argument == "--color" => arguments.get(at + 1)?.to_str(),
            None => None,
        }
    });
    match value {
        Some("always") => ColorChoice::Always,
        Some("never") => ColorChoice::Never,
        _ => ColorChoice::Auto,
    }
}

/// What every command knows.
#[derive(Clone, Debug)]
pub struct Globals {
    /// The store's directory.
    pub store: PathBuf,
    /// The time that is now.
    pub clock: Clock,
}

impl Globals {
    /// Makes them out of the arguments.
    pub fn new(args: Args, clock: Clock) -> Globals {
        // An empty WA_STORE is the same as none: the way to switch a variable off in a unit file.
        let variable = || std::env::var_os("WA_STORE").filter(|dir| !dir.is_empty()).map(PathBuf::from);
        let store = args.store.or_else(variable).unwrap_or_else(|| PathBuf::from("./wa-store"));
        Globals { store, clock }
    }

    /// Reads the settings of the store and of the environment.
    ///
    /// # Errors
    /// See [`ResolvedConfig::read`].
    pub fn settings(&self) -> Result<ResolvedConfig> {
        ResolvedConfig::read(&self.store, &|variable| std::env::var(variable).ok())
    }
}
