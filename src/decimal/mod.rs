//! Decimal numbers without floats.
//!
//! A float cannot represent every decimal that a log contains or a report prints. 45.355 could
//! round to 45.35 in one report and to 45.36 in another, and two 19-digit ids could compare as
//! equal. All decimal arithmetic therefore works on digits and integers:
//!
//! - [`integer`] parses a JSON number as a scaled integer, for times and counts in a log;
//! - [`DecimalText`] orders numbers by their digits, for conditions that users write;
//! - [`Hundredths`] and [`round_half_up`] represent and compute numbers with two decimals, for
//!   reports.

mod hundredths;
pub mod integer;
mod text;

pub use hundredths::{Hundredths, round_half_up};
pub(crate) use text::DecimalText;
