//! The `portcullis` command: one module per subcommand.
//!
//! What it does: reads payloads and policy sets from files, decides, and says so in words, JSON, GitHub's
//! annotations or JUnit. What it refuses to do: speak with a network but to move modules (`lock`, and `policy push`, `pull`,
//! `fetch`), and anything with a decision that does not proceed: [`exit::Exit`] tells the caller, who acts.

#![forbid(unsafe_code)]
#![cfg_attr(
    test,
    allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")
)]

mod args;
mod audit;
mod backtest;
mod cache;
mod completions;
mod decide;
mod diff;
mod each;
mod exit;
mod inspect;
mod ledger;
mod lock;
mod modules;
mod policy;
mod policy_build;
mod progress;
mod receipt;
mod replay;
mod report;
mod text;
mod trust;

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(unix)]
    portcullis::compile_worker::run_if_asked();
    let command = args::parse().command;
    let done = match command {
        args::Command::Decide(args) => decide::run(&args),
        args::Command::Inspect(args) => inspect::run(&args),
        args::Command::Diff(args) => diff::run(&args),
        args::Command::Lock(args) => lock::run(&args),
        args::Command::Policy(args::PolicyCommand::New(args)) => policy::new::run(&args),
        args::Command::Policy(args::PolicyCommand::Build(args)) => policy::build::run(&args),
        args::Command::Policy(args::PolicyCommand::Test(args)) => policy::test::run(&args),
        args::Command::Policy(args::PolicyCommand::Push(args)) => policy::push::push(&args),
        args::Command::Policy(args::PolicyCommand::Pull(args)) => policy::push::pull(&args),
        args::Command::Policy(args::PolicyCommand::Fetch(args)) => policy::fetch::fetch(&args),
        args::Command::Policy(args::PolicyCommand::Save(args)) => policy::fetch::save(&args),
        args::Command::Policy(args::PolicyCommand::Load(args)) => policy::fetch::load(&args),
        args::Command::Policy(args::PolicyCommand::Keygen(args)) => trust::keygen(&args),
        args::Command::Policy(args::PolicyCommand::Sign(args)) => trust::sign(&args),
        args::Command::Policy(args::PolicyCommand::Verify(args)) => trust::verify(&args),
        args::Command::Review(command) => trust::review::run(&command),
        args::Command::Policy(args::PolicyCommand::Run(args)) => policy::run::run(&args),
        args::Command::Policy(args::PolicyCommand::Bench(args)) => policy::bench::run(&args),
        args::Command::Policy(args::PolicyCommand::Readme(args)) => policy::readme::run(&args),
        args::Command::Ledger(command) => ledger::run(&command),
        args::Command::Replay(args) => replay::run(&args),
        args::Command::Backtest(args) => backtest::run(&args),
        args::Command::Audit(args) => audit::run(&args),
        args::Command::Receipt(command) => receipt::run(&command),
        args::Command::Completions(args) => completions::run(&args),
    };
    done.unwrap_or_else(|error| report::error(&error)).into()
}
