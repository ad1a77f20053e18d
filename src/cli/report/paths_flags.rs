//! The arguments of `wa report paths`.

use crate::cli::args::values;
use crate::error::{Error, Result};
use crate::report::{EventPattern, MAX_PATH_STEPS, PathsOptions};

#[derive(clap::Args, Debug, Default)]
pub(super) struct PathsArgs {
    /// Show pages instead of events
    #[arg(long)]
    pages: bool,

    /// Number of steps [default: 5]
    #[arg(long, value_name = "N")]
    steps: Option<usize>,

    /// Start at the first such event or page; * stands for any characters
    #[arg(long, value_name = "NAME", value_parser = values::non_empty, conflicts_with = "end_at")]
    start_at: Option<String>,

    /// End at the first such event or page
    #[arg(long, value_name = "NAME", value_parser = values::non_empty)]
    end_at: Option<String>,
}

impl PathsArgs {
    /// Checks the arguments.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] for a number of steps out of range.
    pub(super) fn validate(self) -> Result<PathsOptions> {
        let steps = self.steps.unwrap_or(PathsOptions::default().steps);
        if !(1..=MAX_PATH_STEPS).contains(&steps) {
            return Err(Error::usage(format!("--steps {steps} is not between 1 and {MAX_PATH_STEPS}"))
                .hint("use --steps 5"));
        }
        let anchor = |name: Option<String>| {
            name.map(|name| EventPattern::new(&name, &name, std::iter::empty())).transpose()
        };
        Ok(PathsOptions {
            by_page: self.pages,
            steps,
            start: anchor(self.start_at)?,
            end: anchor(self.end_at)?,
        })
    }
}
