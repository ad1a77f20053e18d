//! Reports on small tables, with expected values worked out by hand, and the agreement of all
//! reports on random ones.

pub mod memory;

mod agreement;
mod answers;
mod ordered;
mod schemas;
