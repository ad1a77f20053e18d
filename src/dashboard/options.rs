//! The windows and reports of a dashboard.

use crate::report::{GridPeriod, GridRequest, ReportKind, ReportRequest, Window};

/// The lengths of the windows in days.
pub(crate) const WINDOW_DAYS: [u32; 4] = [7, 30, 90, 365];
/// The length of the window that is shown first.
const DEFAULT_DAYS: u32 = 30;
/// The maximum number of chatbots with separate figures.
pub(crate) const MAX_CHATBOTS: usize = 20;

/// The reports of the page, each with its period. A comparison of `visitors` has no days, but the
/// charts compare days, so the page also has the `visitors` of the previous period.
const PARTS: [(ReportKind, GridPeriod); 14] = [
    (ReportKind::Summary, GridPeriod::Compared),
    (ReportKind::Trends, GridPeriod::Compared),
    (ReportKind::Visitors, GridPeriod::Window),
    (ReportKind::Visitors, GridPeriod::Previous),
    (ReportKind::Sources, GridPeriod::Window),
    (ReportKind::Pages, GridPeriod::Window),
    (ReportKind::Locations, GridPeriod::Window),
    (ReportKind::Devices, GridPeriod::Window),
    (ReportKind::Events, GridPeriod::Window),
    (ReportKind::Funnel, GridPeriod::Window),
    (ReportKind::Retention, GridPeriod::Window),
    (ReportKind::Conversations, GridPeriod::Window),
    (ReportKind::Heatmap, GridPeriod::Window),
    (ReportKind::Performance, GridPeriod::Window),
];

/// The validated options of a dashboard.
#[derive(Clone, Debug)]
pub(crate) struct DashboardOptions {
    /// The reports to compute.
    pub grid: GridRequest,
    /// The index of the window that is shown first.
    pub selected: usize,
    /// The conditions and segments that select the sessions, as written.
    pub conditions: Vec<String>,
}

impl DashboardOptions {
    /// Returns options for a request. Its window is the longest one; `lengths` are the lengths of
    /// the windows in days, the shortest first. All end on the same day.
    pub(crate) fn new(reports: ReportRequest, lengths: &[u32], conditions: Vec<String>) -> DashboardOptions {
        let window = reports.query.window;
        let last = |days: &u32| {
            let days = i32::try_from(*days).unwrap_or(i32::MAX);
            Window { from: window.to.plus(1 - days), ..window }
        };
        let selected = lengths.iter().position(|days| *days == DEFAULT_DAYS);
        let has_goals = !reports.sequences.definitions.goals.is_empty();
        let parts = PARTS.into_iter().chain(has_goals.then_some((ReportKind::Goals, GridPeriod::Window)));
        DashboardOptions {
            conditions,
            selected: selected.unwrap_or(lengths.len().saturating_sub(1)),
            grid: GridRequest {
                windows: lengths.iter().map(last).collect(),
                parts: parts.collect(),
                max_chatbots: MAX_CHATBOTS,
                reports,
            },
        }
    }
}

/// Returns the lengths of the windows up to `longest` days, which is one of them.
pub(crate) fn lengths_up_to(longest: u32) -> Vec<u32> {
    let shorter = WINDOW_DAYS.into_iter().filter(|days| *days < longest);
    shorter.chain([longest]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn longest_window_follows_the_shorter_standard_ones() {
        assert_eq!(lengths_up_to(365), [7, 30, 90, 365]);
        assert_eq!(lengths_up_to(90), [7, 30, 90]);
        assert_eq!(lengths_up_to(45), [7, 30, 45]);
        assert_eq!(lengths_up_to(1), [1]);
        assert_eq!(lengths_up_to(1000), [7, 30, 90, 365, 1000]);
    }
}
