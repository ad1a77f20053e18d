//! What sessions take from an event's properties, read again from the stored text: for events that
//! come from the `events` table instead of a log.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::decimal::integer::whole;

/// Reads the top level of an object; of a key given twice, the last.
fn members(properties: &str) -> Option<BTreeMap<Cow<'_, str>, &RawValue>> {
    serde_json::from_str(properties).ok()
}

/// Returns `response_time_ms` in microseconds, rounded half up; `None` where it is no number, is
/// negative or does not fit.
pub fn response_us(properties: &str) -> Option<i64> {
    let number = *members(properties)?.get("response_time_ms")?;
    number_us(number.get())
}

/// Returns a number of milliseconds, as JSON writes it, in microseconds; likewise.
pub fn number_us(number: &str) -> Option<i64> {
    if !number.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
        return None;
    }
    let number = whole(number.as_bytes(), 3)?;
    let micros = number.magnitude.checked_add(u64::from(number.half))?;
    // Minus zero is zero; minus a nanosecond is negative.
    if number.negative && !(micros == 0 && number.exact) { None } else { i64::try_from(micros).ok() }
}

/// Returns `triggered_by`; `None` where it is no text, or empty.
pub fn triggered_by(properties: &str) -> Option<String> {
    let text = *members(properties)?.get("triggered_by")?;
    serde_json::from_str::<String>(text.get()).ok().filter(|text| !text.is_empty())
}
