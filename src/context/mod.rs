//! What an event's context says: user agent, source, place.
//!
//! Everything here is derived once, at ingest, and stored with the event, so that no table depends
//! on the version of a rule.

mod agent;
mod channel;
mod stub;

pub use agent::{Agent, DeviceType};
pub use channel::Channel;
pub use stub::{Context, Derived, Given, PlaceFound, apply, first_address};
