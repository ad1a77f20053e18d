//! Sessions: the gap rule, and the mergeable summary that a session is kept as.

mod counts;
mod cut;
mod summary;
#[cfg(test)]
mod tests;
mod text;

pub use counts::Counts;
pub use cut::{Piece, cut, join};
pub use summary::{Agent, First, Last, Place, Profile, SessionKey, Source, Summary};
pub use text::{SharedTexts, Str};
