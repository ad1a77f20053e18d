//! Input: finds the log files and reads them in blocks of whole lines.
//!
//! - [`discovery`] expands paths, folders and globs to files.
//! - [`sources`] opens the files. It asks [`source_registry`] whether each is new, has grown, or is
//!   unchanged. The registry recognizes files by [`file_status`], [`fingerprint`] and
//!   [`content_hash`].
//! - [`blocks`] reads a file, through [`decompression`], in blocks of whole lines. It hashes
//!   [`overlong`] lines without holding them in memory, and converts [`utf16`] to UTF-8.
//! - [`not_a_log`] recognizes inputs that are not logs.
//! - [`records`] detects the format of a file, and reads the records of formats other than native
//!   lines.

pub(crate) mod blocks;
pub(crate) mod content_hash;
mod decompression;
pub(crate) mod discovery;
pub(crate) mod file_status;
pub(crate) mod fingerprint;
pub(crate) mod not_a_log;
mod overlong;
pub(crate) mod records;
pub(crate) mod source_registry;
pub(crate) mod sources;
mod utf16;
