//! What a batch of new events changes in the tables: whole rows are replaced in the files that hold
//! them, and nothing else is touched.
//!
//! [`sessions`] merges pieces of sessions with the stored ones; [`visitors`] moves first sights
//! earlier; [`daily`] works the touched days out again; [`events`] adds the events themselves.
//! [`fold`] keeps the number of files small.

pub mod coverage;
pub mod daily;
pub mod events;
pub mod fold;
pub mod sessions;
pub mod visitors;

/// A file that loses rows, and for each of its rows whether it goes.
pub type Losing = (crate::store::manifest::DataFile, Vec<bool>);
