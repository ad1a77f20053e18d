//! The text buffer of a parsed block: each distinct text is stored once.

pub mod intern;
pub mod memo;
pub mod text_buffer;
