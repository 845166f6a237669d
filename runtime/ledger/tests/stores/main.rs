//! Stores under load, in crashes, and damaged.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    clippy::print_stdout,
    reason = "tests"
)]

mod conformance;
mod crash;
mod damage;
mod disk;
mod folder;
mod model;
mod opening;
mod outages;
mod postgres;
mod replicas;
mod rotation;
mod sample;
mod server;
mod sqlite;
mod tls;
mod trees;
