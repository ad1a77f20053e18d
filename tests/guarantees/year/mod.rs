//! A year of nights: each a day's logs, `wa ingest`, `wa gc` and a report, through the binary and with
//! a clock that is set; late lines, repeated ones, files sent again, a log that grows, nights without
//! a run, processes that are killed and disks that fail among them.
//!
//! At the end (and a few times on the way) the tables and the reports are what the naive model says,
//! retention is kept to the day, and neither the number of files nor the size of what is pruned grows.
//!
//! A plain run plays a short year with short retentions. The whole one, 400 nights with the retentions
//! that are the default, in some minutes:
//!
//! ```sh
//! WA_YEAR=400 cargo test --release --test guarantees year -- --nocapture
//! ```

mod cost;
mod disk;
mod figures;
mod nights;
mod traffic;

use nights::Year;

/// How long a year is, and how long what is kept.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Number of nights.
    pub nights: i32,
    /// Days of events.
    pub events: i32,
    /// Days of sessions.
    pub sessions: i32,
    /// Visits a day.
    pub visits: u64,
}

impl Plan {
    /// Reads the plan from `WA_YEAR`: a number of nights with the default retentions, or the short one.
    fn from_environment() -> Plan {
        match std::env::var("WA_YEAR").ok().map(|nights| nights.parse()) {
            Some(Ok(nights)) => Plan { nights, events: 90, sessions: 365, visits: 24 },
            Some(Err(e)) => panic!("WA_YEAR: {e}"),
            None => Plan { nights: 60, events: 12, sessions: 40, visits: 10 },
        }
    }
}

#[test]
fn year_of_nights_keeps_every_figure_right_to_the_day_and_level() {
    let plan = Plan::from_environment();
    assert!(plan.nights > plan.sessions + 12, "too few nights to see sessions go");
    let mut year = Year::new(plan);
    for night in 0..plan.nights {
        year.night(night);
        // On the way, and at the end.
        if night + 1 == plan.nights || night % (plan.nights / 4) == plan.nights / 4 - 1 {
            year.check(night);
        }
    }
    year.is_level();
    println!("{}", year.costs());
}
