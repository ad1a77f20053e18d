//! Origins of settings.

use std::fmt;
use std::path::PathBuf;

/// The origin of a setting's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The default.
    Default,
    /// The settings file.
    File {
        /// The path of the file.
        path: PathBuf,
        /// The line number, from 1.
        line: usize,
    },
    /// An environment variable.
    Environment {
        /// The name of the variable.
        variable: &'static str,
    },
    /// A flag of the command line.
    Flag {
        /// The flag, with its dashes.
        flag: &'static str,
    },
}

impl Origin {
    /// Returns the kind of the origin: `default`, `file`, `environment` or `flag`.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Origin::Default => "default",
            Origin::File { .. } => "file",
            Origin::Environment { .. } => "environment",
            Origin::Flag { .. } => "flag",
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("default"),
            Origin::File { path, line } => write!(f, "{}, line {line}", path.display()),
            Origin::Environment { variable } => f.write_str(variable),
            Origin::Flag { flag } => f.write_str(flag),
        }
    }
}
