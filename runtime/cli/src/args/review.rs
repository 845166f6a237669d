//! `portcullis inspect`, `diff` and `lock`: what goes into a set.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use jiff::Timestamp;

use super::{CacheArgs, ModuleStoreArgs, RegistryArgs, ReportFormat, since};

/// Says in plain words what a module can read and call, its sizes, its digest, and whether it is admissible.
///
/// Nothing of the module is executed. Exits 0 where it is admissible, 3 where it is refused.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis inspect target/policies/stage0-constraints.wasm
  portcullis inspect --format html --out report.html policy.wasm
  portcullis inspect --format json --ledger decisions.ledger \\
      --since 30d policy.wasm

The members of --format json, whose names are stable (new ones may be added): module_sha256, size_bytes, admissible, code \
and detail (where it is refused), reads, calls, exports, world, declared_inputs (a list of JSON pointers, \"from-settings\" \
or \"unknown\"), settings_schema, codes, data_documents, history, description, sizes, start_function, toolchain_claims, \
proposals; cannot, limits, parts, modules, metadata_claims, dependency_claims, strings, cut (lists that are not whole), \
complete; origin; usage (with --ledger).")]
pub struct InspectArgs {
    /// How to print the report; html is one file that needs nothing else
    #[arg(long, value_enum, default_value_t = InspectFormat::Human)]
    pub format: InspectFormat,
    /// Where to write the report [default: standard output]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Also say what the module did in the decisions of this ledger: outcomes, codes, fuel
    #[arg(long, value_name = "FILE")]
    pub ledger: Option<PathBuf>,
    /// With --ledger: only decisions since an age (45s, 90m, 36h, 30d, 2w) or a time (RFC 3339)
    #[arg(long, value_name = "AGE|TIME", value_parser = since, requires = "ledger")]
    pub since: Option<Timestamp>,
    /// The module
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// How `inspect` prints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum InspectFormat {
    /// For people
    Human,
    /// For machines
    Json,
    /// For people, in a browser
    Html,
}

/// Says what differs between two modules; and with a ledger, which recorded decisions would change.
///
/// With --ledger, every recorded decision whose set has OLD is made again with NEW in its place: the same request, settings,
/// documents, limits, waivers, time and history. What NEW reads and the recorded request lacks is missing, as it would have
/// been; where NEW asks the history otherwise, what would be decided cannot be known, and it is counted as such.
///
/// Where the code differs, what NEW decides may differ although nothing else does: only --ledger tells.
///
/// Exits 0 where no decision becomes more lenient, 6 where one does, unless that is allowed; 3 where NEW is refused; 7 where
/// --ledger has no decision that can tell (OLD never ran, everything was erased), unless that is allowed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis diff old.wasm new.wasm
  portcullis diff old.wasm new.wasm --ledger decisions.ledger --since 30d
  portcullis diff old.wasm new.wasm --policies policies --format json

The members of --format json, whose names are stable: old and new (module_sha256, size_bytes, admissible, code, detail), \
identical, same_code (the custom sections at most differ), changes (area, what, before, after, attention), cut, \
policies (with --policies), decisions (with --ledger).")]
pub struct DiffArgs {
    /// Make the decisions of this ledger again, with NEW in the place of OLD
    #[arg(long, value_name = "FILE")]
    pub ledger: Option<PathBuf>,
    /// With --ledger: only decisions since an age (45s, 90m, 36h, 30d, 2w) or a time (RFC 3339)
    #[arg(long, value_name = "AGE|TIME", value_parser = since, requires = "ledger")]
    pub since: Option<Timestamp>,
    /// Load NEW with the settings, documents and limits that this policy set gives OLD, and say what it reads then
    #[arg(long, value_name = "DIR-OR-FILE")]
    pub policies: Option<PathBuf>,
    /// Exit 0 although decisions become more lenient
    #[arg(long)]
    pub allow_more_lenient: bool,
    /// Exit 0 although the ledger has no decision that can tell
    #[arg(long, requires = "ledger")]
    pub allow_unknown: bool,
    /// How to print what differs
    #[arg(long, value_enum, default_value_t = ReportFormat::Human)]
    pub format: ReportFormat,
    #[command(flatten)]
    pub modules: ModuleStoreArgs,
    #[command(flatten)]
    pub cache: CacheArgs,
    /// How many decisions at once [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: Option<u8>,
    /// The module as it is
    #[arg(value_name = "OLD")]
    pub old: PathBuf,
    /// The module that would take its place
    #[arg(value_name = "NEW")]
    pub new: PathBuf,
}

/// Writes portcullis.lock beside the manifest: the sha256 of every module, settings and document, and of the set.
///
/// Commit the lock. What does not match it is refused. A module that a registry holds is resolved and fetched, and the lock
/// says what its tag named. With --check nothing is asked of a network.
///
/// Exits 3 where a module could only fail (it is damaged, refuses its settings, traps in `configure`): nothing is written then,
/// unless that is allowed. What a module does when it is evaluated is not tried.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis lock --policies sample-policies
  portcullis lock --policies sample-policies --check")]
pub struct LockArgs {
    /// The policy set: a portcullis.toml, or the folder that holds it
    #[arg(long, value_name = "DIR-OR-FILE", env = "PORTCULLIS_POLICIES")]
    pub policies: PathBuf,
    /// Write nothing; exit 1 where the lock does not match
    #[arg(long)]
    pub check: bool,
    /// Lock modules too that can only fail: such a policy faults in every decision that concerns it
    #[arg(long, conflicts_with = "check")]
    pub allow_failing: bool,
    #[command(flatten)]
    pub cache: CacheArgs,
    #[command(flatten)]
    pub modules: ModuleStoreArgs,
    #[command(flatten)]
    pub registry: RegistryArgs,
}
