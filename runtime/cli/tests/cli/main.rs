//! The command as its callers see it: files in, exit codes and text out.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests"
)]

mod accounted;
mod author;
mod damaged;
mod decide;
mod evading;
mod host;
mod inspect;
mod ledger;
mod lock;
mod messages;
mod policy;
mod postgres;
mod registry;
mod review;
#[path = "../../../ledger/tests/stores/server.rs"]
mod server;
mod site;
mod standing;
mod trust;
mod usage;
