//! Arguments that several commands share, and the help and reference made from all of them.

pub(super) mod globals;
pub(super) mod help;
pub mod reference;
pub(super) mod selector;
pub(super) mod suggest;
pub(super) mod values;
pub(super) mod window;
