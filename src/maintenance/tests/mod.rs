//! Tests of verify and rebuild, each on its own store.

pub(crate) mod damage;
pub(crate) mod fixture;
pub(crate) mod properties;
pub(crate) mod pruned_boundary;
pub(crate) mod pruned_days;
