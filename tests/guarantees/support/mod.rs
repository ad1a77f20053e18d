//! Fixtures and reference models of the guarantee tests.

pub mod fixtures;
pub mod generated_logs;
pub mod memory_file_system;
pub mod reference_model;
pub mod reference_reports;
pub mod reference_sequences;
pub mod rng;
pub mod tables;
