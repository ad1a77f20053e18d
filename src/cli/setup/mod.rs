//! Commands that set up a store or the shell.

pub(super) mod completions;
pub(super) mod config;
pub(super) mod init;
pub(super) mod man;
