//! The calendar of the sample data, and formats of times.

/// The first day, 2026-10-01, as seconds since 1970.
const FIRST_DAY: i64 = 1_790_812_800;
/// The number of days; the last one is 2026-11-09.
pub const DAYS: i64 = 40;
/// Milliseconds per second, minute, hour and day.
pub const SECOND: i64 = 1000;
pub const MINUTE: i64 = 60 * SECOND;
pub const HOUR: i64 = 60 * MINUTE;
pub const DAY: i64 = 24 * HOUR;

/// Returns the milliseconds since 1970 of a time on a day, counted from 0.
pub fn at(day: i64, millis: i64) -> i64 {
    FIRST_DAY * SECOND + day * DAY + millis
}

/// Returns the day of a time, counted from 0.
pub fn day_of(time: i64) -> i64 {
    (time - FIRST_DAY * SECOND).div_euclid(DAY)
}

/// Returns whether a day is a Saturday or Sunday; 2026-10-01 is a Thursday.
pub fn is_weekend(day: i64) -> bool {
    matches!((day + 3).rem_euclid(7), 5 | 6)
}

/// Formats a day, counted from 0, as `YYYY-MM-DD`.
pub fn date(day: i64) -> String {
    match day {
        ..0 => format!("2026-09-{:02}", 31 + day),
        0..31 => format!("2026-10-{:02}", day + 1),
        _ => format!("2026-11-{:02}", day - 30),
    }
}

/// Formats a time as `2026-10-01T09:30:00.250Z`.
pub fn rfc3339(time: i64) -> String {
    format!("{}T{}.{:03}Z", date(day_of(time)), clock(time), time.rem_euclid(SECOND))
}

/// Formats the same time with an offset: `2026-10-01T11:30:00.250+02:00`.
pub fn rfc3339_berlin(time: i64) -> String {
    rfc3339(time + 2 * HOUR).replace('Z', "+02:00")
}

/// Formats a time as `2026-10-01 09:30:00`, in UTC without an offset.
pub fn plain(time: i64) -> String {
    format!("{} {}", date(day_of(time)), clock(time))
}

fn clock(time: i64) -> String {
    let seconds = time.rem_euclid(DAY) / SECOND;
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}
