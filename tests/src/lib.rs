//! What the suites share: the hostile guests of `guests/`, assembled when a test asks for them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests: what is wrong here is wrong with the tests"
)]

pub mod bombs;
mod guest;

pub use guest::{Expect, Guest, Past, Source, component, find, module, pieces, sources};
