//! The store: tables as Parquet files that one manifest names.

pub mod columns;
pub mod frame;
