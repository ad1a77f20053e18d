//! Tests of verify and rebuild, on stores of their own.

mod damage;
mod frozen;
mod place;
mod properties;
mod seam;
