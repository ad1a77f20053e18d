//! Sessions: the gap rule, and the mergeable summary that a session is kept as.

pub(crate) mod counts;
pub(crate) mod gap;
pub(crate) mod summary;
#[cfg(test)]
mod tests;
pub(crate) mod text;

pub use counts::Counts;
pub use gap::{Piece, cut, join};
pub use summary::{Agent, First, Last, Place, Profile, SessionKey, Source, Summary};
pub use text::{SharedTexts, Str};
