//! Registries that do what they should not, and archives that hold what they should not: each with its exact error.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod answers;
mod archives;
mod proxies;
mod pushes;
mod redirects;
mod server;
mod tokens;
