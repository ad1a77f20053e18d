//! Reports by calendar time, in the store's time zone.
//!
//! - [`heatmap`] counts sessions by weekday and hour;
//! - [`intervals`] counts sessions and visitors by hour, week or month;
//! - [`retention`] counts the visitors who came back, by the [period](periods) in which they were
//!   first seen.
//!
//! [`heatmap`] and [`intervals`] count with [`buckets`].

mod buckets;
pub(super) mod heatmap;
pub(super) mod intervals;
pub(super) mod periods;
pub(super) mod retention;
