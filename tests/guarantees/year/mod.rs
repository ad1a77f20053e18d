//! A year of nights. Each night runs `wa ingest`, `wa gc` and a report on the logs of a day,
//! through the binary and with a fixed clock. The nights include late and repeated lines, files
//! that arrive again, a growing log, nights without a run, killed processes and failing disks.
//!
//! At the end, and a few times before it, tables and reports are compared with the reference model.
//! Retention must be exact to the day, and the store must not grow, except for data that is never
//! pruned.
//!
//! By default, the year has 60 nights and short retention periods. A full year has 400 nights and
//! the default retention periods:
//!
//! ```sh
//! WA_YEAR=400 cargo test --release --test guarantees year -- --nocapture
//! ```

mod cost;
mod failing_file_system;
mod nights;
mod report_checks;
mod traffic;

use nights::Year;

/// The length of the year, the retention periods and the traffic.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Number of nights.
    pub nights: i32,
    /// Retention of events in days.
    pub events: i32,
    /// Retention of sessions in days.
    pub sessions: i32,
    /// Visits per day.
    pub visits: u64,
}

impl Plan {
    /// Returns the plan: `WA_YEAR` nights with the default retention periods, or the short year.
    fn from_environment() -> Plan {
        match std::env::var("WA_YEAR").ok().map(|nights| nights.parse()) {
            Some(Ok(nights)) => Plan { nights, events: 90, sessions: 365, visits: 24 },
            Some(Err(e)) => panic!("WA_YEAR: {e}"),
            None => Plan { nights: 60, events: 12, sessions: 40, visits: 10 },
        }
    }
}

#[test]
fn year_of_nights_matches_the_model_and_does_not_grow() {
    let plan = Plan::from_environment();
    assert!(plan.nights > plan.sessions + 12, "too few nights to prune sessions");
    let mut year = Year::new(plan);
    for night in 0..plan.nights {
        year.night(night);
        // Check four times, the last time at the end.
        if night + 1 == plan.nights || night % (plan.nights / 4) == plan.nights / 4 - 1 {
            year.check(night);
        }
    }
    year.assert_steady_size();
    println!("{}", year.costs());
}
