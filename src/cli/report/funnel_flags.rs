//! The arguments of `wa report funnel`.

use clap::ValueEnum;

use crate::cli::args::values;
use crate::error::Result;
use crate::report::{Definitions, EventPattern, FunnelOptions, FunnelOrder, FunnelUnit};

#[derive(clap::Args, Debug, Default)]
pub(super) struct FunnelArgs {
    /// Funnel of `wa.toml` [default: widget_loaded, widget_opened, message_sent, message_received,
    /// feedback_given]
    #[arg(value_name = "NAME", value_parser = values::non_empty, conflicts_with = "step")]
    name: Option<String>,

    /// Step: EVENT, or 'EVENT where CONDITION and CONDITION' (repeatable, in order)
    #[arg(long, value_name = "EVENT", value_parser = values::non_empty)]
    step: Vec<String>,

    /// Event that must not occur between the first and the last step (repeatable)
    #[arg(long, value_name = "EVENT", value_parser = values::non_empty)]
    exclude: Vec<String>,

    /// Unit to count: session or visitor
    #[arg(long, value_enum, hide_possible_values = true, value_name = "UNIT", default_value_t)]
    unit: Unit,

    /// Order of steps: ordered (other events in between), strict (none in between) or any
    #[arg(long, value_enum, hide_possible_values = true, value_name = "ORDER", default_value_t)]
    order: Order,

    /// Longest time from the first to the last step [default: the session; 7d for visitors]
    #[arg(long, value_name = "TIME", value_parser = values::duration)]
    within: Option<std::time::Duration>,
}

/// The unit that a funnel counts.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Unit {
    #[default]
    Session,
    Visitor,
}

/// The order of steps.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Order {
    #[default]
    Ordered,
    Strict,
    Any,
}

impl FunnelArgs {
    /// Checks the arguments.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Usage`] for an unknown funnel or an invalid event.
    pub(super) fn validate(self, definitions: &Definitions) -> Result<FunnelOptions> {
        let patterns = |texts: &[String]| {
            texts.iter().map(|text| EventPattern::parse(text)).collect::<Result<Vec<EventPattern>>>()
        };
        let mut options = FunnelOptions {
            exclude: patterns(&self.exclude)?,
            unit: match self.unit {
                Unit::Session => FunnelUnit::Session,
                Unit::Visitor => FunnelUnit::Visitor,
            },
            order: match self.order {
                Order::Ordered => FunnelOrder::Ordered,
                Order::Strict => FunnelOrder::Strict,
                Order::Any => FunnelOrder::Any,
            },
            within: self.within.map(|within| i64::try_from(within.as_micros()).unwrap_or(i64::MAX)),
            ..FunnelOptions::default()
        };
        if let Some(name) = &self.name {
            options.set_name(name, definitions)?;
        }
        if !self.step.is_empty() {
            options.steps = patterns(&self.step)?;
        }
        options.check()?;
        Ok(options)
    }
}
