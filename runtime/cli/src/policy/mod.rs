//! What policy authors do: build, test, run, measure and describe.

pub mod bench;
mod bench_ledger;
mod bench_report;
pub mod build;
mod cases;
mod compare;
mod coverage;
mod fuel;
mod markdown;
pub mod readme;
pub mod run;
mod run_report;
mod suite;
pub mod test;
mod test_report;
mod verdict;
mod watch;
