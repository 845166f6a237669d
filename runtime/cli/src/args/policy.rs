//! `portcullis policy`: what authors do.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{CacheArgs, FetchArgs, KeygenArgs, LoadArgs, PullArgs, PushArgs, SaveArgs, SignArgs, VerifySignatureArgs};

/// What policy authors do.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Build a policy's crate into a component
    Build(BuildArgs),
    /// Run the cases beside a policy against its component
    Test(TestArgs),
    /// Push a component and its evidence to a registry
    Push(PushArgs),
    /// Pull a component and its evidence from a registry
    Pull(PullArgs),
    /// Fetch the modules that a lock pins into the module store
    Fetch(FetchArgs),
    /// Write the modules that a lock pins into an archive
    Save(SaveArgs),
    /// Put the modules of an archive into the module store
    Load(LoadArgs),
    /// Make a key that signs or reviews modules
    Keygen(KeygenArgs),
    /// Sign a module as its author
    Sign(SignArgs),
    /// Check who signed a module
    Verify(VerifySignatureArgs),
}

/// Builds a policy's crate into a component: finds the wasm target, compiles, embeds the description, checks the world.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis policy build sample-policies/stage0-constraints
  portcullis policy build --all sample-policies --out-dir target/policies")]
pub struct BuildArgs {
    /// The policy's crate
    #[arg(value_name = "DIR", default_value = ".", conflicts_with = "all")]
    pub dir: PathBuf,
    /// Where to write the component [default: NAME.wasm in target/policies of the crate's workspace]
    #[arg(long, value_name = "FILE", conflicts_with = "all")]
    pub out: Option<PathBuf>,
    /// Build every policy crate of the workspace in DIR
    #[arg(long, value_name = "DIR")]
    pub all: Option<PathBuf>,
    /// Where to write the components
    #[arg(long, value_name = "DIR", conflicts_with = "out")]
    pub out_dir: Option<PathBuf>,
}

/// Runs the cases in the `cases` folder of each policy crate against the compiled component.
///
/// Exits 1 where a case failed, or where there was none to run.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis policy test sample-policies
  portcullis policy test sample-policies/rules --module target/policies/rules.wasm")]
pub struct TestArgs {
    /// Policy crates, or folders of policy crates; what has no `cases` folder is passed over
    #[arg(value_name = "DIR", default_value = ".")]
    pub dirs: Vec<PathBuf>,
    /// The component, where it is neither NAME.wasm in the crate nor target/policies/NAME.wasm in a folder above it
    #[arg(long, value_name = "FILE")]
    pub module: Option<PathBuf>,
    /// Run only the cases whose name contains this
    #[arg(long, value_name = "TEXT")]
    pub filter: Option<String>,
    #[command(flatten)]
    pub cache: CacheArgs,
}
