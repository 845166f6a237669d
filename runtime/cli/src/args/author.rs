//! `portcullis policy test`, `run`, `bench` and `readme`: what authors do with a component.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use portcullis::doors::Subject;

use super::{CacheArgs, From, ReportFormat, since};

/// Runs the cases in the `cases` folder of each policy against the compiled component.
///
/// Limits are the default ones, raised to what the component's author proposes, with ten times the wall time. Code is compiled
/// fast and not well, and large modules (JavaScript, Python, Go) run without snapshots of their settings: verdicts and fuel are
/// the same.
///
/// Says which declared codes no case reaches, and, where `fuel.json` is beside the cases, which cases use other fuel than is
/// kept there. Fuel depends on the component's bytes, and so on the toolchain: a change is a warning unless
/// --deny-fuel-change is given.
///
/// Exits 1 where a case failed, where there was none to run, and where something that is denied was found.
#[derive(Clone, Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis policy test sample-policies
  portcullis policy test sample-policies/rules \\
      --module target/policies/rules.wasm
  portcullis policy test --update-fuel && portcullis policy test \\
      --deny-fuel-change --deny-uncovered
  portcullis policy test --watch")]
pub struct TestArgs {
    /// Policies, or folders of policies; what has no `cases` folder is passed over
    #[arg(value_name = "DIR", default_value = ".")]
    pub dirs: Vec<PathBuf>,
    /// The component, where it is neither NAME.wasm in the folder, nor the only .wasm file there, nor
    /// target/policies/NAME.wasm in a folder above it
    #[arg(long, value_name = "FILE")]
    pub module: Option<PathBuf>,
    /// Run only the cases whose name contains this
    #[arg(long, value_name = "TEXT")]
    pub filter: Option<String>,
    /// How to print what came of them
    #[arg(long, value_enum, default_value_t = TestFormat::Human)]
    pub format: TestFormat,
    /// Keep the fuel of every case in fuel.json beside the cases; commit it. Only of policies whose cases pass
    #[arg(long, conflicts_with_all = ["filter", "deny_fuel_change"])]
    pub update_fuel: bool,
    /// By how many percent a case's fuel may change
    #[arg(long, value_name = "PERCENT", default_value_t = 5.0, value_parser = percent)]
    pub fuel_tolerance: f64,
    /// Fail where fuel changed by more than that, and where there is no fuel.json or it has other cases
    #[arg(long)]
    pub deny_fuel_change: bool,
    /// Fail where a declared code is reached by no case, or a case reaches one that is not declared
    #[arg(long, conflicts_with = "filter")]
    pub deny_uncovered: bool,
    /// Build and test again whenever a file of the policies changes, until Ctrl-C; exits as the last run would have
    #[arg(long, conflicts_with = "update_fuel")]
    pub watch: bool,
    /// With --watch: test again, but do not build; the component is watched instead
    #[arg(long, requires = "watch")]
    pub no_build: bool,
    #[command(flatten)]
    pub cache: CacheArgs,
}

/// How the results of cases are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum TestFormat {
    /// For people
    Human,
    /// One object
    Json,
    /// A JUnit report: a suite for each policy
    Junit,
}

/// Runs one policy on one request, with the default limits, and shows everything: the values that it was given, what it
/// asked of the host with the answers, its log, verdict, fuel, memory and time.
///
/// Nothing is decided or recorded, and nothing may go on because of it. Exits as a policy set of this policy alone would:
/// 0 allow or warn, 20 to 23 otherwise, an abstention as a deny; 1 where it faults or cannot be loaded.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis policy run policy.wasm --request request.json \\
      --settings settings.json
  portcullis policy run policy.wasm --request - --from terraform \\
      --now 2026-03-14T09:30:00Z --format json < plan.json
  portcullis policy run policy.wasm --case cases/windows.json \\
      --name 'the freeze ends'

--history is a list of past decisions as a case's `past` has them, or the `history` of a policy in a recorded decision; \
without it a policy that asks faults.")]
pub struct RunArgs {
    /// The component
    #[arg(value_name = "FILE")]
    pub module: PathBuf,
    /// The request, or a payload that a door understands; `-` is standard input
    #[arg(long, value_name = "FILE", required_unless_present = "case")]
    pub request: Option<PathBuf>,
    /// Take everything from a case in this file
    #[arg(long, value_name = "FILE", conflicts_with_all = [
        "request", "settings", "settings_json", "data", "history", "from", "now", "subject", "environment", "resource_id",
        "context",
    ])]
    pub case: Option<PathBuf>,
    /// With --case: the case whose name contains this
    #[arg(long, value_name = "TEXT", requires = "case")]
    pub name: Option<String>,
    /// The settings: a JSON file, byte for byte what the policy gets [default: {}]
    #[arg(long, value_name = "FILE")]
    pub settings: Option<PathBuf>,
    /// The settings as JSON text
    #[arg(long, value_name = "JSON", conflicts_with = "settings")]
    pub settings_json: Option<String>,
    /// A reference document: a JSON file under the name by which the policy asks for it
    #[arg(long, value_name = "NAME=FILE")]
    pub data: Vec<String>,
    /// What the ledger holds, or held
    #[arg(long, value_name = "FILE")]
    pub history: Option<PathBuf>,
    /// What the request is; guessed from its members where that is unambiguous
    #[arg(long, value_name = "KIND", value_enum)]
    pub from: Option<From>,
    /// The time that the policy sees (RFC 3339) [default: now]
    #[arg(long, value_name = "TIME")]
    pub now: Option<Timestamp>,
    /// Who asks, where the payload does not say it
    #[arg(long, value_name = "TYPE:ID")]
    pub subject: Option<Subject>,
    /// The environment, where the payload does not say it
    #[arg(long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub environment: Option<String>,
    /// What is changed, where the payload does not say it
    #[arg(long, value_name = "ID", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub resource_id: Option<String>,
    /// More for the policy to read under /context, as for `decide`
    #[arg(long, value_name = "KEY=VALUE|@FILE")]
    pub context: Vec<String>,
    /// How to print it
    #[arg(long, value_enum, default_value_t = ReportFormat::Human)]
    pub format: ReportFormat,
    #[command(flatten)]
    pub cache: CacheArgs,
}

/// Measures a component: how long it takes to load, and how long, with how much fuel and memory, it takes to judge each
/// request in a fresh sandbox.
///
/// The requests are the policy's cases; or, with --ledger, those of recorded decisions that this very module took part in,
/// each with its settings, documents and history; with --policy-name, those of a policy of that name, whatever its module was.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis policy bench sample-policies/rules
  portcullis policy bench policy.wasm --cases cases --iterations 1000 \\
      --format json
  portcullis policy bench policy.wasm --ledger decisions.ledger --since 30d")]
pub struct BenchArgs {
    /// The component, or the folder of a policy
    #[arg(value_name = "FILE|DIR")]
    pub policy: PathBuf,
    /// The folder with the cases [default: cases in the policy's folder, or beside the component]
    #[arg(long, value_name = "DIR", conflicts_with = "ledger")]
    pub cases: Option<PathBuf>,
    /// Judge the requests of this ledger's decisions instead
    #[arg(long, value_name = "FILE")]
    pub ledger: Option<PathBuf>,
    /// With --ledger: only decisions since an age (45s, 90m, 36h, 30d, 2w) or a time (RFC 3339)
    #[arg(long, value_name = "AGE|TIME", value_parser = since, requires = "ledger")]
    pub since: Option<Timestamp>,
    /// With --ledger: decisions of the policy of this name, whatever its module was
    #[arg(long, value_name = "NAME", requires = "ledger")]
    pub policy_name: Option<String>,
    /// How often each request is judged, after one round to warm up
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub iterations: u32,
    /// How to print the figures
    #[arg(long, value_enum, default_value_t = ReportFormat::Human)]
    pub format: ReportFormat,
    #[command(flatten)]
    pub cache: CacheArgs,
}

/// Writes into the README of each policy a request, the settings and what the policy decides, from one of its cases; and
/// into the README of a folder of policies a table of what they describe.
///
/// What is written stands between two comments; everything else is left alone. The case is named in the first comment; where
/// there is none yet, the first case is taken and the part is added at the end. Exits 1 with --check where something
/// would be written.
#[derive(Debug, Args)]
#[command(group(clap::ArgGroup::new("what").args(["write", "check"]).required(true)), after_help = "\
Examples:
  portcullis policy readme sample-policies --write
  portcullis policy readme sample-policies --check")]
pub struct ReadmeArgs {
    /// A policy's folder, or a folder of policies
    #[arg(value_name = "DIR", default_value = ".")]
    pub dir: PathBuf,
    /// Write what is not current
    #[arg(long)]
    pub write: bool,
    /// Write nothing; say what is not current
    #[arg(long)]
    pub check: bool,
    #[command(flatten)]
    pub cache: CacheArgs,
}

/// A tolerance in percent.
fn percent(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(percent) if (0.0..=1000.0).contains(&percent) => Ok(percent),
        _ => Err("a number of percent from 0 to 1000".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tolerance_is_finite_and_not_negative() {
        assert_eq!((percent("0"), percent("2.5")), (Ok(0.0), Ok(2.5)));
        for wrong in ["-1", "1001", "NaN", "inf", "5%", ""] {
            assert!(percent(wrong).is_err(), "{wrong}");
        }
    }
}
