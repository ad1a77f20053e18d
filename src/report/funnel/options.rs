//! The options of `funnel`.

use serde::Serialize;

use super::steps::MAX_STEPS;
use crate::error::{Error, Result};
use crate::report::sequence::definitions::{Definitions, NamedFunnel};
use crate::report::sequence::event_pattern::EventPattern;
use crate::suggest::nearest;
use crate::time::{DAY, Micros};

/// The maximum number of excluded events.
pub(super) const MAX_EXCLUDED: usize = 10;

/// The default limit for visitors.
const DEFAULT_WITHIN: Micros = 7 * DAY;

/// The default steps.
const DEFAULT_STEPS: [&str; 5] =
    ["widget_loaded", "widget_opened", "message_sent", "message_received", "feedback_given"];

/// The unit that a funnel counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FunnelUnit {
    /// Sessions.
    #[default]
    Session,
    /// Visitors.
    Visitor,
}

/// The order of a funnel's steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FunnelOrder {
    /// The given order, with other events in between.
    #[default]
    Ordered,
    /// The given order, without other events in between.
    Strict,
    /// Any order.
    Any,
}

/// The options of `funnel`.
#[derive(Clone, Debug)]
pub struct FunnelOptions {
    /// The name of the funnel in the settings.
    pub name: Option<String>,
    /// The steps.
    pub steps: Vec<EventPattern>,
    /// The events that must not occur between the first and the last step.
    pub exclude: Vec<EventPattern>,
    /// The unit to count.
    pub unit: FunnelUnit,
    /// The order of the steps.
    pub order: FunnelOrder,
    /// The longest time from the first to the last step; `None` for the whole session, or for 7
    /// days if visitors are counted.
    pub within: Option<Micros>,
}

impl Default for FunnelOptions {
    fn default() -> FunnelOptions {
        FunnelOptions {
            name: None,
            steps: DEFAULT_STEPS.map(EventPattern::event).to_vec(),
            exclude: Vec::new(),
            unit: FunnelUnit::default(),
            order: FunnelOrder::default(),
            within: None,
        }
    }
}

impl FunnelOptions {
    /// Uses the steps of a funnel in the settings.
    ///
    /// # Errors
    /// Returns a usage error that suggests the nearest name.
    pub fn set_name(&mut self, name: &str, definitions: &Definitions) -> Result<()> {
        let names = || definitions.funnels.iter().map(|funnel| funnel.name.as_str());
        let Some(NamedFunnel { name, steps }) = definitions.funnels.iter().find(|funnel| funnel.name == name)
        else {
            return Err(Error::usage(format!("there is no funnel {name:?}")).hint(
                match nearest(name, names()) {
                    Some(near) => format!("did you mean {near:?}?"),
                    None if names().next().is_none() => {
                        "define it below [funnels] in wa.toml, or name its steps with --step".to_owned()
                    }
                    None => format!("the funnels are {}", names().collect::<Vec<_>>().join(", ")),
                },
            ));
        };
        (self.name, self.steps) = (Some(name.clone()), steps.clone());
        Ok(())
    }

    /// Checks the numbers of steps and excluded events, and that no step is also excluded.
    ///
    /// # Errors
    /// Returns a usage error.
    pub fn check(&self) -> Result<()> {
        if self.steps.is_empty() || self.steps.len() > MAX_STEPS {
            return Err(Error::usage(format!(
                "a funnel has 1 to {MAX_STEPS} steps, not {}",
                self.steps.len()
            ))
            .hint("combine events into one step with A|B"));
        }
        if self.exclude.len() > MAX_EXCLUDED {
            return Err(Error::usage(format!("a funnel excludes at most {MAX_EXCLUDED} events"))
                .hint("combine events with A|B"));
        }
        let is_step = |event: &&EventPattern| self.steps.iter().any(|step| step.text() == event.text());
        match self.exclude.iter().find(is_step) {
            Some(event) => {
                Err(Error::usage(format!("{:?} is both a step and an excluded event", event.text()))
                    .hint("remove it from the steps, or do not exclude it"))
            }
            None => Ok(()),
        }
    }

    /// Returns the longest time from the first to the last step.
    pub(super) fn within(&self) -> Option<Micros> {
        match self.unit {
            FunnelUnit::Session => self.within,
            FunnelUnit::Visitor => Some(self.within.unwrap_or(DEFAULT_WITHIN)),
        }
    }
}
