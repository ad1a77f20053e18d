//! Tests of erasure, export and anonymization on stores with ingested logs.

mod anonymization;
mod columns;
mod erasure;
mod export;
mod following;
mod suppression;
