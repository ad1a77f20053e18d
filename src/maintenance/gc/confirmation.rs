//! Detects retention periods or clocks that are probably wrong. A gc then needs confirmation.

use super::prune::last_expired_day;
use crate::settings::{Retention, Settings};
use crate::store::columns::Table;
use crate::store::manifest::Manifest;
use crate::time::{Clock, DAY, Day, Micros, format_utc};

/// Maximum time by which the clock may be ahead of both the newest event and the last gc.
const MAX_CLOCK_LEAD: Micros = 7 * DAY;

/// Returns the reason why a gc needs confirmation; `None` if it needs none.
pub(super) fn confirmation_reason(manifest: &Manifest, settings: &Settings, clock: Clock) -> Option<String> {
    let today = settings.timezone.day(clock.now);
    removes_today(manifest, settings, today)
        .or_else(|| removes_all(manifest, settings, today))
        .or_else(|| clock_is_ahead(manifest, settings, clock.now, today))
}

/// Returns a reason if events of today would be removed. Events are pruned by UTC date. In a time
/// zone ahead of UTC, the shortest retention period covers only part of today.
fn removes_today(manifest: &Manifest, settings: &Settings, today: Day) -> Option<String> {
    let zone = settings.timezone;
    let last = last_expired_day(settings.event_retention, today)?;
    let files = manifest.files(Table::Events).iter();
    let newest = files.filter(|file| file.day <= last).map(|file| file.max_time).max()?;
    (zone.day(newest) >= today).then(|| {
        format!(
            "events of today would be removed, up to {}: events are pruned by UTC date, and {today} in {} \
             starts on the UTC date before",
            format_utc(newest),
            zone.name()
        )
    })
}

fn removes_all(manifest: &Manifest, settings: &Settings, today: Day) -> Option<String> {
    retentions(settings).into_iter().find_map(|(table, retention)| {
        let last = last_expired_day(retention, today)?;
        let newest = manifest.files(table).iter().map(|file| file.max_time).max()?;
        // The time of a row of daily statistics is midnight UTC of its day.
        let newest =
            if table == Table::DailyStats { Day::utc(newest) } else { settings.timezone.day(newest) };
        (newest <= last).then(|| {
            format!(
                "all {} would be removed: the newest are from {newest}, and today is {today}; is the clock right?",
                table.name()
            )
        })
    })
}

/// Returns a reason if the clock is far ahead of both the newest event and the last gc, since it
/// may have jumped. If gc ran recently, the clock is right and the site has no traffic.
fn clock_is_ahead(manifest: &Manifest, settings: &Settings, now: Micros, today: Day) -> Option<String> {
    let newest = manifest.files(Table::Events).iter().map(|file| file.max_time).max()?;
    let last_gc = manifest.last_gc.as_ref().map(|run| run.at);
    let latest = last_gc.map_or(newest, |at| at.max(newest));
    if now.saturating_sub(latest) <= MAX_CLOCK_LEAD {
        return None;
    }
    let removes_something = retentions(settings).into_iter().any(|(table, retention)| {
        last_expired_day(retention, today)
            .is_some_and(|last| manifest.files(table).iter().any(|file| file.day <= last))
    });
    removes_something.then(|| {
        format!(
            "the newest event is from {}, {}, and the current time is {}; is the clock right?",
            format_utc(newest),
            last_gc
                .map_or("gc has never run".to_owned(), |at| format!("the last gc was at {}", format_utc(at))),
            format_utc(now)
        )
    })
}

fn retentions(settings: &Settings) -> [(Table, Retention); 3] {
    [
        (Table::Events, settings.event_retention),
        (Table::Sessions, settings.session_retention),
        (Table::DailyStats, settings.daily_stats_retention),
    ]
}
