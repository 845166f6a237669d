//! What policy authors do: begin, build, test, run, measure, describe; and move components to and from registries.

pub mod bench;
mod bench_ledger;
mod bench_report;
pub mod build;
mod cases;
mod compare;
mod coverage;
pub mod fetch;
mod fuel;
mod markdown;
pub mod new;
pub mod push;
pub mod readme;
pub mod run;
mod run_report;
mod suite;
pub mod test;
mod test_report;
mod verdict;
mod watch;
