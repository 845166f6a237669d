//! The command line: one module for each group of commands.

mod author;
mod decide;
mod ledger;
mod policy;
mod record;
mod registry;
mod review;
mod trust;

use std::path::PathBuf;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;
use portcullis_gate::Outcome;

pub use author::*;
pub use decide::*;
pub use ledger::*;
pub use policy::*;
pub use record::*;
pub use registry::*;
pub use review::*;
pub use trust::*;

/// Decides whether a change may go on, by WebAssembly policies that cannot do anything else.
///
/// Exit codes: 0 proceeds (allow, warn) or done; 20 defer; 21 acknowledge; 22 escalate; 23 deny; 1 error; 2 wrong
/// usage; 3 module refused (inspect, diff, lock, sign, review); 4 ledger, receipt or signature not sound (verify); 5 a replay differs;
/// 6 a decision becomes more lenient (backtest, diff); 7 nothing was compared, or a policy failed (backtest, diff).
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, max_term_width = 110)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Decide requests, checks, plans and admission reviews by a policy set
    #[command(long_about = about::<DecideArgs>())]
    Decide(DecideArgs),
    /// Say what a module is and can do, without running it
    #[command(long_about = about::<InspectArgs>())]
    Inspect(InspectArgs),
    /// Say what differs between two modules, and which recorded decisions would change
    #[command(long_about = about::<DiffArgs>())]
    Diff(DiffArgs),
    /// Pin the bytes of a policy set's modules, settings and documents
    #[command(long_about = about::<LockArgs>())]
    Lock(LockArgs),
    /// Make, test, sign, push and pull policies
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Sign that a module may be used, and list who did
    #[command(subcommand)]
    Review(ReviewCommand),
    /// Read, verify, prove and export what was decided
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Make recorded decisions again and compare them byte for byte
    #[command(long_about = about::<ReplayArgs>())]
    Replay(ReplayArgs),
    /// Say what another policy set would have decided
    #[command(long_about = about::<BacktestArgs>())]
    Backtest(BacktestArgs),
    /// Show one decision in one page: who, what, which modules, which verdicts, the proof
    #[command(long_about = about::<AuditArgs>())]
    Audit(AuditArgs),
    /// Issue and verify receipts, which prove a decision without the ledger
    #[command(subcommand)]
    Receipt(ReceiptCommand),
    /// Print a completion script for a shell
    #[command(long_about = about::<CompletionsArgs>())]
    Completions(CompletionsArgs),
}

/// Prints a completion script.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis completions bash \\
      > ~/.local/share/bash-completion/completions/portcullis
  portcullis completions zsh > ~/.zfunc/_portcullis")]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// The ledger, and what is kept beside it.
#[derive(Debug, Args)]
pub struct LedgerArgs {
    /// The ledger's file, or postgres://USER@HOST/DATABASE?schema=NAME; made where there is none. Over a network, add
    /// &sslmode=verify-full&sslrootcert=FILE, and &sslcert=FILE&sslkey=FILE to show a certificate
    /// [env: PORTCULLIS_LEDGER] [default: decisions.ledger in the user's state folder]
    // The variable is read below: where clap read it, it would conflict with a file that is named instead of it.
    #[arg(long, value_name = "FILE|URL")]
    pub ledger: Option<PathBuf>,
    /// The file with the key that signs checkpoints and receipts; its mode must be 0600
    /// [default: FILE.key; for PostgreSQL, postgres-HOST-PORT-DATABASE-NAME.key in the state folder]
    #[arg(long, value_name = "FILE", env = "PORTCULLIS_LEDGER_KEY")]
    pub ledger_key: Option<PathBuf>,
    /// Where copies of the newest checkpoint are kept, each best where whoever could put back an old ledger could not put
    /// back an old copy [default: FILE.checkpoint]
    #[arg(long, value_name = "FILE", env = "PORTCULLIS_CHECKPOINT", value_delimiter = ':')]
    pub checkpoint: Vec<PathBuf>,
}

impl LedgerArgs {
    /// The ledger that is named: by the option, or else by `PORTCULLIS_LEDGER` where that is not empty.
    #[must_use]
    pub fn named(&self) -> Option<PathBuf> {
        let variable = || std::env::var_os(LEDGER_VARIABLE).filter(|value| !value.is_empty()).map(PathBuf::from);
        self.ledger.clone().or_else(variable)
    }
}

const LEDGER_VARIABLE: &str = "PORTCULLIS_LEDGER";

/// Reads the command line. A variable of the environment that is empty counts as one that is not set.
#[must_use]
pub fn parse() -> Arguments {
    let matches = without_empty_variables(Arguments::command()).get_matches();
    Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

fn without_empty_variables(command: clap::Command) -> clap::Command {
    let is_empty = |arg: &clap::Arg| arg.get_env().and_then(std::env::var_os).is_some_and(|value| value.is_empty());
    command
        .mut_args(|arg| if is_empty(&arg) { arg.env(clap::builder::Resettable::Reset) } else { arg })
        .mut_subcommands(without_empty_variables)
}

/// Where compiled policies are kept.
#[derive(Clone, Debug, Args)]
pub struct CacheArgs {
    /// Where compiled policies are kept [default: portcullis in the user's cache folder]
    #[arg(long, value_name = "DIR", env = "PORTCULLIS_CACHE", conflicts_with = "no_cache")]
    pub cache_dir: Option<PathBuf>,
    /// Compile policies anew, and keep nothing
    #[arg(long)]
    pub no_cache: bool,
    /// Most MiB that compiled policies may take; what was used longest ago is removed
    #[arg(long, value_name = "MIB", env = "PORTCULLIS_CACHE_MIB", default_value_t = 4096)]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=1 << 40))]
    pub cache_mib: u64,
}

/// What a command's arguments say of the command, at length: its line in the list of commands would hide it.
fn about<A: Args>() -> clap::builder::StyledStr {
    let command = A::augment_args(clap::Command::new(""));
    command.get_long_about().or_else(|| command.get_about()).cloned().unwrap_or_default()
}

/// How reports are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people
    Human,
    /// For machines
    Json,
}

fn outcome(text: &str) -> Result<Outcome, String> {
    Outcome::from_name(text).ok_or_else(|| format!("one of {}", Outcome::ALL.map(Outcome::as_str).join(", ")))
}

/// An age before now, or a time.
fn since(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let help = "an age as in 45s, 90m, 36h, 30d, 2w, or a time as in 2026-03-14T09:30:00Z";
    let unit = text.chars().last().and_then(|unit| match unit {
        's' => Some(1),
        'm' => Some(60),
        'h' => Some(3600),
        'd' => Some(86_400),
        'w' => Some(604_800),
        _ => None,
    });
    let number = text.get(..text.len().saturating_sub(1)).and_then(|number| number.parse::<i64>().ok());
    let seconds = unit.zip(number).and_then(|(unit, number)| number.checked_mul(unit)).filter(|seconds| *seconds >= 0);
    let age = jiff::SignedDuration::from_secs(seconds.ok_or(help)?);
    Timestamp::now().checked_sub(age).map_err(|_| help.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis::doors::Kind;

    #[test]
    fn ages_and_times() {
        let ago = |text: &str| {
            let then = since(text).unwrap();
            Timestamp::now().duration_since(then).as_secs()
        };
        assert_eq!([ago("0m"), ago("90m"), ago("36h"), ago("30d")].map(|n| n / 60), [0, 90, 36 * 60, 30 * 1440]);
        assert_eq!([ago("45s"), ago("2w")], [45, 14 * 86_400]);
        assert_eq!(since("2026-03-14T09:30:00Z").unwrap().to_string(), "2026-03-14T09:30:00Z");
        for wrong in ["", "d", "30", "-1d", "-1w", "1y", "é", "9999999999999999999d", "yesterday"] {
            assert!(since(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn every_command_shows_an_example() {
        fn check(command: &clap::Command) {
            if command.has_subcommands() {
                command.get_subcommands().for_each(check);
            } else {
                let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
                assert!(help.contains("portcullis "), "{} has no example", command.get_name());
                // What it does at length, exit codes included, is more than its line among the commands.
                let about = command.get_long_about().map(ToString::to_string).unwrap_or_default();
                assert!(!about.is_empty(), "{} says nothing of itself", command.get_name());
            }
        }
        check(&Arguments::command());
    }

    /// What is wrapped by hand is wrapped once more by a narrow terminal, and then not to be read or pasted.
    #[test]
    fn what_follows_a_help_is_not_wrapped_twice() {
        fn check(command: &clap::Command) {
            command.get_subcommands().for_each(check);
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let mut before = "";
            for line in help.lines() {
                if line.starts_with("  ") {
                    let unbroken = line.split(' ').any(|word| word.len() > 60);
                    assert!(line.chars().count() <= 80 || unbroken, "{}: {line}", command.get_name());
                    assert!(!before.ends_with('\\') || line.starts_with("      "), "{}: {line}", command.get_name());
                } else {
                    let heading = before.ends_with(':') || before.starts_with("  ");
                    assert!(before.is_empty() || line.is_empty() || heading, "{}: {line}", command.get_name());
                }
                before = line;
            }
            assert!(!before.ends_with('\\'), "{}: {before}", command.get_name());
        }
        check(&Arguments::command());
    }

    #[test]
    fn kinds_have_the_same_names_as_the_doors() {
        let names: Vec<_> = From::value_variants().iter().filter_map(ValueEnum::to_possible_value).collect();
        assert_eq!(names.iter().map(|name| name.get_name()).collect::<Vec<_>>(), Kind::ALL.map(Kind::as_str));
        for (from, kind) in From::value_variants().iter().zip(Kind::ALL) {
            assert_eq!(Kind::from(*from), kind);
        }
    }
}
