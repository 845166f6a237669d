//! `portcullis inspect` and `lock`: what goes into a set.

use std::path::PathBuf;

use clap::Args;

use super::{CacheArgs, ModuleStoreArgs, RegistryArgs, ReportFormat};

/// Says in plain words what a module can read and call, its sizes, its digest, and whether it is admissible.
///
/// Nothing of the module is executed. Exits 0 where it is admissible, 3 where it is refused.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis inspect target/policies/stage0-constraints.wasm
  portcullis inspect --format json policy.wasm")]
pub struct InspectArgs {
    /// How to print the report
    #[arg(long, value_enum, default_value_t = ReportFormat::Human)]
    pub format: ReportFormat,
    /// The module
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Writes portcullis.lock beside the manifest: the sha256 of every module, settings and document, and of the set.
///
/// Commit the lock. What does not match it is refused. A module that a registry holds is resolved and fetched, and the lock
/// says what its tag named. With --check nothing is asked of a network.
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
    #[command(flatten)]
    pub cache: CacheArgs,
    #[command(flatten)]
    pub modules: ModuleStoreArgs,
    #[command(flatten)]
    pub registry: RegistryArgs,
}
