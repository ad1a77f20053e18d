//! Ingest: from files of lines to committed batches.
//!
//! The way of a line: [`source`] finds its file; [`known`] tells whether it was read before;
//! [`read`] takes it in, in a block with its neighbours; [`mod@parse`] makes an event of it, or a
//! refusal; [`identify`] gives an event without an id its own; [`dedupe`] finds what is there
//! already; [`batch`] puts the rest into the tables; [`run`] drives all this; [`account`] tells what
//! became of it. What fields there are, how they may be written and why a line is refused stands in
//! `docs/input.md`.

pub mod account;
pub mod backpressure;
pub mod batch;
mod decimal;
pub mod dedupe;
mod derive;
mod envelope;
mod event;
mod event_id;
mod extra;
pub mod feed;
pub mod fields;
mod files;
pub mod identify;
mod intern;
mod json;
pub mod known;
mod line;
pub mod mask;
mod memo;
pub mod parse;
mod per_chatbot;
mod pool;
pub mod properties;
pub mod read;
pub mod reason;
pub mod refuse;
pub mod run;
pub mod source;
mod span;
pub mod stages;
pub mod stored_ids;
mod stream;
pub mod time;
mod values;
mod visitor;
pub mod warnings;

pub use account::{Account, Counts, FileAccount, Outcome};
pub use fields::Field;
pub use parse::{ParseOptions, Parsed, Parser, parse};
pub use read::{RawBlock, Reader, Unfinished};
pub use reason::Reason;
pub use refuse::{Person, Refused};
pub use source::{Found, Input, find};
pub use warnings::{Warning, Warnings};

#[cfg(test)]
mod tests;
