//! Input: finds the log files and reads them in blocks of whole lines.
//!
//! - [`discovery`] expands paths, folders and globs to files.
//! - [`source_registry`] decides whether a file is new, has grown, or is unchanged; it recognizes
//!   files by their [`fingerprint`].
//! - [`blocks`] reads a file, through [`decompression`], in blocks of whole lines.

pub(crate) mod blocks;
mod decompression;
pub(crate) mod discovery;
pub(crate) mod fingerprint;
pub(crate) mod source_registry;
