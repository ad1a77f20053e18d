//! Recognizes times that need `time_format`, and dates and times in separate columns.

use super::keys::Key;
use crate::ingest::map::local_time::TimeRules;
use crate::ingest::timestamp::EARLIEST;
use crate::time::{Micros, Zone};

/// The end of plausible times: 2100-01-01T00:00:00Z. Larger numbers are ids rather than times.
const LATEST: Micros = 4_102_444_800_000_000;

/// The forms of dates. If dates fit two of them, the first is suggested, and the other one named.
const DATES: [&str; 9] = [
    "%d.%m.%Y",
    "%d/%m/%Y",
    "%m/%d/%Y",
    "%d-%m-%Y",
    "%Y/%m/%d",
    "%d/%b/%Y",
    "%d %b %Y",
    "%b %d, %Y",
    "%d.%m.%y",
];

/// Separators between a date and a time.
const SEPARATORS: [&str; 4] = [" ", ":", ", ", "T"];

/// The forms of times of day.
const TIMES: [&str; 10] = [
    "%H:%M:%S%.f %z",
    "%H:%M:%S%.f%z",
    "%H:%M:%S%.f",
    "%H:%M",
    "%I:%M:%S %p",
    "%I:%M %p",
    "%H:%M:%S%.f %Z",
    "%H:%M %Z",
    "%I:%M:%S %p %Z",
    "%I:%M %p %Z",
];

/// Other forms.
const OTHERS: [&str; 5] = [
    "%a, %d %b %Y %H:%M:%S %z",
    "%a, %d %b %Y %H:%M:%S %Z",
    "%a %b %e %H:%M:%S %Y",
    "%a %b %e %H:%M:%S %Z %Y",
    "%Y%m%d%H%M%S",
];

/// A time in a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeColumn {
    /// The pointer, or a template that joins a date and a time.
    pub place: String,
    /// The value of `time_format`, if the time needs one.
    pub format: Option<String>,
    /// Another value of `time_format` that reads all samples, as other times: the day and the month
    /// are exchanged.
    pub other_format: Option<String>,
}

/// Returns whether all samples of a key are times that need no `time_format`.
pub fn is_time(key: &Key) -> bool {
    fits(key, &is_plausible)
}

/// Returns the time that needs a `time_format`, or is in two columns; `None` if there is none.
pub fn in_other_form(keys: &[Key]) -> Option<TimeColumn> {
    keys.iter().find_map(whole).or_else(|| joined(keys))
}

/// Returns the time of the first key whose samples are dates with times.
fn whole(key: &Key) -> Option<TimeColumn> {
    let with_time = DATES.iter().flat_map(|date| {
        let times = TIMES.iter().flat_map(move |time| SEPARATORS.map(|sign| format!("{date}{sign}{time}")));
        times.collect::<Vec<_>>()
    });
    let mut formats = with_time.chain(OTHERS.map(str::to_owned));
    let format = formats.find(|format| fits(key, &|text| by_pattern(text, format)))?;
    let exchanged = exchanged(&format).filter(|format| fits(key, &|text| by_pattern(text, format)));
    Some(TimeColumn::new(key.place.clone(), Some(format), exchanged))
}

/// Returns a format with the day and the month exchanged.
fn exchanged(format: &str) -> Option<String> {
    [("%d/%m/", "%m/%d/"), ("%d-%m-", "%m-%d-")]
        .into_iter()
        .find(|(day_first, _)| format.starts_with(day_first))
        .map(|(day_first, month_first)| format.replacen(day_first, month_first, 1))
}

impl TimeColumn {
    /// Creates a column. `exchanged` is a format with the month first, if it reads all samples too.
    /// Times with AM and PM are usually written with the month first.
    fn new(place: String, format: Option<String>, exchanged: Option<String>) -> TimeColumn {
        match (format, exchanged) {
            (Some(day_first), Some(month_first)) if day_first.contains("%p") => {
                TimeColumn { place, format: Some(month_first), other_format: Some(day_first) }
            }
            (format, other_format) => TimeColumn { place, format, other_format },
        }
    }
}

/// Returns the time that joins the first key of dates with the nearest key of times.
fn joined(keys: &[Key]) -> Option<TimeColumn> {
    let date_form = |key: &Key| {
        let is_date = |text: &str| is_plausible(&format!("{text} 00:00:00"));
        if fits(key, &is_date) {
            return Some(None);
        }
        DATES.iter().find(|form| dates_fit(key, form)).map(|form| Some(*form))
    };
    let (at, form) = keys.iter().enumerate().find_map(|(at, key)| Some((at, date_form(key)?)))?;
    let mut times: Vec<(usize, String, &str)> = Vec::new();
    for (other, key) in keys.iter().enumerate() {
        let fit = |time: &&&str| {
            fits(key, &|text| by_pattern(&format!("01.02.2026 {text}"), &format!("%d.%m.%Y {time}")))
        };
        if let Some(time) = TIMES.iter().find(fit).filter(|_| other != at) {
            times.push((other.abs_diff(at), key.place.clone(), *time));
        }
    }
    let (_, time_place, time) = times.into_iter().min()?;
    let date_key = keys.get(at)?;
    let place = format!("{{{}}} {{{time_place}}}", date_key.place);
    let (date, time_sample) =
        (date_key.samples.first()?, &keys.iter().find(|k| k.place == time_place)?.samples);
    let is_read = is_plausible(&format!("{date} {}", time_sample.first()?));
    let format = match form {
        None if is_read => None,
        form => Some(format!("{} {time}", form.unwrap_or("%Y-%m-%d"))),
    };
    let exchanged = format.as_deref().and_then(exchanged).filter(|format| {
        let date = format.strip_suffix(time).unwrap_or(format);
        dates_fit(date_key, date.trim_end())
    });
    Some(TimeColumn::new(place, format, exchanged))
}

/// Returns whether all values of a key are dates of a form.
fn dates_fit(key: &Key, form: &str) -> bool {
    fits(key, &|text| by_pattern(&format!("{text} 00:00"), &format!("{form} %H:%M")))
}

fn fits(key: &Key, is: &dyn Fn(&str) -> bool) -> bool {
    !key.distinct.is_empty() && key.distinct.iter().all(|value| is(value))
}

fn is_plausible(text: &str) -> bool {
    let rules = TimeRules { zone: Zone::UTC, local_epoch: false };
    rules.text(text).is_some_and(|time| (EARLIEST..LATEST).contains(&time))
}

fn by_pattern(text: &str, pattern: &str) -> bool {
    let rules = TimeRules { zone: Zone::UTC, local_epoch: false };
    rules.by_pattern(text, pattern).is_some_and(|time| (EARLIEST..LATEST).contains(&time))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(columns: &[(&str, &[&str])]) -> Vec<Key> {
        let key = |(place, samples): &(&str, &[&str])| Key {
            place: (*place).to_owned(),
            samples: samples.iter().take(1).map(|sample| (*sample).to_owned()).collect(),
            distinct: samples.iter().map(|sample| (*sample).to_owned()).collect(),
            ..Key::default()
        };
        columns.iter().map(key).collect()
    }

    #[test]
    fn format_of_a_time_is_recognized() {
        for (sample, format) in [
            ("09.11.2026 10:00", "%d.%m.%Y %H:%M"),
            ("09/Nov/2026:10:00:14.655", "%d/%b/%Y:%H:%M:%S%.f"),
            ("11/29/2026 10:00:00", "%m/%d/%Y %H:%M:%S%.f"),
            ("11/29/2026 10:00 PM", "%m/%d/%Y %I:%M %p"),
            ("2026/11/09 10:00:00", "%Y/%m/%d %H:%M:%S%.f"),
            ("Mon, 09 Nov 2026 10:00:00 +0100", "%a, %d %b %Y %H:%M:%S %z"),
            ("Mon Nov  9 10:00:00 2026", "%a %b %e %H:%M:%S %Y"),
            ("20261109100000", "%Y%m%d%H%M%S"),
            ("Mon, 09 Nov 2026 12:00:00 GMT", "%a, %d %b %Y %H:%M:%S %Z"),
            ("Mon Nov  9 12:00:00 CET 2026", "%a %b %e %H:%M:%S %Z %Y"),
            ("11/29/2026 12:00:00 EST", "%m/%d/%Y %H:%M:%S%.f %Z"),
            ("09.11.2026 12:00:00 UTC", "%d.%m.%Y %H:%M:%S%.f %Z"),
            ("11/29/2026 10:00 PM PST", "%m/%d/%Y %I:%M %p %Z"),
        ] {
            let found = in_other_form(&keys(&[("/n", &["1", "x"]), ("/at", &[sample])]));
            let expected = TimeColumn::new("/at".into(), Some(format.into()), None);
            assert_eq!(found, Some(expected), "{sample}");
        }
        // The second date has no other reading.
        let found = in_other_form(&keys(&[("/at", &["11/09/2026 10:00", "11/29/2026 10:00"])]));
        let found = found.unwrap();
        assert_eq!((found.format.as_deref(), found.other_format), (Some("%m/%d/%Y %H:%M"), None));
        assert_eq!(in_other_form(&keys(&[("/a", &["soon"]), ("/b", &["1.2.3"]), ("/c", &[])])), None);
    }

    #[test]
    fn dates_with_two_readings_have_two_formats() {
        for (columns, format, other) in [
            (vec![("/at", "11/09/2026 10:00")], "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M"),
            (vec![("/at", "11-09-2026 10:00")], "%d-%m-%Y %H:%M", "%m-%d-%Y %H:%M"),
            (vec![("/at", "11/9/2026 1:00 PM")], "%m/%d/%Y %I:%M %p", "%d/%m/%Y %I:%M %p"),
            (vec![("/d", "11/9/2026"), ("/t", "10:00")], "%d/%m/%Y %H:%M", "%m/%d/%Y %H:%M"),
        ] {
            let columns: Vec<(&str, Vec<&str>)> =
                columns.into_iter().map(|(place, sample)| (place, vec![sample])).collect();
            let columns: Vec<(&str, &[&str])> =
                columns.iter().map(|(place, samples)| (*place, samples.as_slice())).collect();
            let found = in_other_form(&keys(&columns)).unwrap();
            assert_eq!((found.format.as_deref(), found.other_format.as_deref()), (Some(format), Some(other)));
        }
        // A German date has the day first.
        let found = in_other_form(&keys(&[("/at", &["11.09.2026 10:00"])])).unwrap();
        assert_eq!(found.other_format, None);
    }

    #[test]
    fn date_and_time_of_two_columns_are_joined() {
        let both = |date: &str, time: &str| {
            in_other_form(&keys(&[("/T", &[time]), ("/x", &["a"]), ("/D", &[date])]))
        };
        let column =
            |format: Option<&str>| Some(TimeColumn::new("{/D} {/T}".into(), format.map(str::to_owned), None));
        assert_eq!(both("2026-11-09", "10:00:00"), column(None));
        assert_eq!(both("2026-11-09", "10:00"), column(Some("%Y-%m-%d %H:%M")));
        assert_eq!(both("09.11.2026", "10:00:00"), column(Some("%d.%m.%Y %H:%M:%S%.f")));
        assert_eq!(both("09.11.2026", "late"), None);
    }

    #[test]
    fn large_numbers_are_not_times() {
        let is = |sample: &str| is_time(&keys(&[("/a", &[sample])])[0]);
        assert!(is("1794214800") && is("2026-11-09T10:00:00Z"));
        assert!(!is("6900000000000000000") && !is("12") && !is("09.11.2026 10:00"));
    }
}
