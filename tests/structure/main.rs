//! Tests of the source tree itself: the direction of imports, and the words of its texts.

mod imports;
mod layers;
mod source;
mod words;
