//! Tests of verify and rebuild, on stores of their own.

pub(crate) mod damage;
pub(crate) mod fixture;
pub(crate) mod properties;
pub(crate) mod pruned_boundary;
pub(crate) mod pruned_days;
