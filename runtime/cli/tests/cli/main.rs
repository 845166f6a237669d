//! The command as its callers see it: files in, exit codes and text out.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod author;
mod decide;
mod inspect;
mod ledger;
mod lock;
mod policy;
mod site;
mod usage;
