//! The command as its callers see it: files in, exit codes and text out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod decide;
mod inspect;
mod ledger;
mod lock;
mod policy;
#[path = "../../../ledger/tests/stores/server.rs"]
mod server;
mod site;
mod usage;
