//! One policy in six languages: begun with `policy new`, built, tested, and compared case by case.
//!
//! The toolchains are fetched once into `target/toolchains`. Where npm, pip or a network is missing, a language is skipped;
//! `portcullis-skip` says what becomes of that. With `PORTCULLIS_FETCH=off`, only Rust is tested.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod calls;
mod draft;
mod same;
mod site;
mod traps;
