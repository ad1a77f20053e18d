//! The functions of `wa::distributed` for Python.
//!
//! - [`objects`] holds jobs and tasks, and calls their methods by name, with JSON arguments;
//! - [`arrow`] passes the rows of tasks as Arrow record batches through the Arrow C data interface;
//! - `python` defines the extension module `wa_spark._native`, with one function.

mod arrow;
mod objects;
mod python;
