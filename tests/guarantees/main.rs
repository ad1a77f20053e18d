//! The guarantees that `wa` gives, each with tests that bear its name: order, account, whole or not
//! at all, readers, bounded memory, bad bytes.
//!
//! What is expected comes from a naive model that sees all lines at once ([`naive`]), never from the
//! code under test. `WA_TEST_CASES` multiplies the number of random cases (default 1).

mod account;
mod agreement;
mod any_bytes;
mod at_once;
mod bad_bytes;
mod damage;
mod disk;
mod figures;
mod kill;
mod logs;
mod memory;
mod naive;
mod order;
mod place;
mod replay;
mod tables;
mod whole;
mod year;
