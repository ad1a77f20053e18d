//! Arguments that several commands share, and their values.

pub mod globals;
pub(crate) mod help;
pub mod reference;
pub mod selector;
pub(crate) mod suggest;
pub mod values;
pub mod window;
