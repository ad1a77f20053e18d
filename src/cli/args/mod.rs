//! Arguments shared by several commands, help texts, and the generated reference.

pub(super) mod default_report;
mod format_pages;
pub(super) mod globals;
pub(super) mod help;
pub(super) mod maps;
pub mod reference;
pub(super) mod selector;
pub(super) mod suggest;
pub(super) mod values;
pub(super) mod window;
