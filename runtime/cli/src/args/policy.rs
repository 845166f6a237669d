//! `portcullis policy`: what authors do.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{
    BenchArgs, FetchArgs, KeygenArgs, LoadArgs, PullArgs, PushArgs, ReadmeArgs, RunArgs, SaveArgs, SignArgs, TestArgs,
    VerifySignatureArgs, about,
};
use crate::policy_build::Language;

/// What policy authors do.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Begin a policy, in the language that you like
    #[command(long_about = about::<NewArgs>())]
    New(NewArgs),
    /// Build a policy into a component
    #[command(long_about = about::<BuildArgs>())]
    Build(BuildArgs),
    /// Run the cases beside a policy against its component
    #[command(long_about = about::<TestArgs>())]
    Test(TestArgs),
    /// Push a component and its evidence to a registry
    #[command(long_about = about::<PushArgs>())]
    Push(PushArgs),
    /// Pull a component and its evidence from a registry
    #[command(long_about = about::<PullArgs>())]
    Pull(PullArgs),
    /// Fetch the modules that a lock pins into the module store
    #[command(long_about = about::<FetchArgs>())]
    Fetch(FetchArgs),
    /// Write the modules that a lock pins into an archive
    #[command(long_about = about::<SaveArgs>())]
    Save(SaveArgs),
    /// Put the modules of an archive into the module store
    #[command(long_about = about::<LoadArgs>())]
    Load(LoadArgs),
    /// Make a key that signs or reviews modules
    #[command(long_about = about::<KeygenArgs>())]
    Keygen(KeygenArgs),
    /// Sign a module as its author
    #[command(long_about = about::<SignArgs>())]
    Sign(SignArgs),
    /// Check who signed a module
    #[command(long_about = about::<VerifySignatureArgs>())]
    Verify(VerifySignatureArgs),
    /// Run one policy on one request and show everything that it was given, asked and said
    #[command(long_about = about::<RunArgs>())]
    Run(Box<RunArgs>),
    /// Measure time, fuel and memory of a policy over its cases or over recorded decisions
    #[command(long_about = about::<BenchArgs>())]
    Bench(BenchArgs),
    /// Write into READMEs what policies describe and decide
    #[command(long_about = about::<ReadmeArgs>())]
    Readme(ReadmeArgs),
}

/// Begins a policy: source, description, cases and README, with the SDK beside them. It builds and passes its cases at once.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis policy new change-ticket --lang rust
  portcullis policy new change-ticket --lang python \\
      --out policies/change-ticket")]
pub struct NewArgs {
    /// The policy's name: a-z 0-9 -
    pub name: String,
    /// The language
    #[arg(long, value_enum)]
    pub lang: Language,
    /// The folder to make [default: NAME]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Rust: use the SDK in this folder, and write none into the policy's
    #[arg(long, value_name = "DIR")]
    pub sdk: Option<PathBuf>,
}

/// Builds a policy into a component: finds or fetches the language's tools, compiles, embeds the description, checks the
/// world.
///
/// The language is known by the source: Cargo.toml, policy.js, policy.ts, policy.py, policy.go or policy.c. For Rust, the
/// compiler and its target wasm32-unknown-unknown are the user's. What the other languages need beyond node or python3 is
/// fetched once, in fixed versions, into portcullis/toolchains of the user's cache folder, or into the folder that
/// PORTCULLIS_TOOLCHAINS names. PORTCULLIS_GO, PORTCULLIS_CC and PORTCULLIS_PYTHON name tools of your own.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis policy build change-ticket
  portcullis policy build --all sample-policies --out-dir target/policies")]
pub struct BuildArgs {
    /// The policy's folder
    #[arg(value_name = "DIR", default_value = ".", conflicts_with = "all")]
    pub dir: PathBuf,
    /// Where to write the component [default: NAME.wasm in DIR; for one of several crates of a workspace, in its
    /// target/policies]
    #[arg(long, value_name = "FILE", conflicts_with = "all")]
    pub out: Option<PathBuf>,
    /// Build every policy crate of the cargo workspace in DIR
    #[arg(long, value_name = "DIR")]
    pub all: Option<PathBuf>,
    /// Where to write the components
    #[arg(long, value_name = "DIR", conflicts_with = "out")]
    pub out_dir: Option<PathBuf>,
}
