//! Inspection as its users see it: modules that a toolchain makes are admitted and explained; everything else is
//! refused with its code, in words, quickly, and never by a panic.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "tests"
)]

mod admitted;
mod bounds;
mod differs;
mod fixtures;
mod refused;
mod review;
mod robust;
mod size;
