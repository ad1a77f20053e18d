//! Reports on small tables, with expected values worked out by hand, and the agreement of all
//! reports on random ones.

pub(crate) mod agreement;
pub(crate) mod answers;
pub mod memory;
pub(crate) mod ordered;
pub(crate) mod schemas;
