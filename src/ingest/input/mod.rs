//! Input: finds log files and reads them in blocks of whole lines.

pub mod blocks;
pub mod decompression;
pub mod discovery;
pub mod source_registry;
