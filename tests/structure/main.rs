//! Tests of the source tree: the direction of imports, and the words of comments and documentation.

mod imports;
mod layers;
mod source;
mod words;
