//! One policy in six languages: begun with `policy new`, built, tested, and compared case by case.
//!
//! The toolchains are fetched once into `target/toolchains`. Where npm, pip or a network is missing, a language is passed over, and
//! that is said as SKIPPED on the standard error, past the test harness's capture. With `PORTCULLIS_LANGUAGES=required`, that is a
//! failure; with `off`, only Rust is tested.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod draft;
mod same;
mod site;
mod traps;
