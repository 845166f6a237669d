//! `portcullis policy`: what authors do.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{BenchArgs, ReadmeArgs, RunArgs, TestArgs};

/// What policy authors do.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Build a policy's crate into a component
    Build(BuildArgs),
    /// Run the cases beside a policy against its component
    Test(TestArgs),
    /// Run one policy on one request and show everything that it was given, asked and said
    Run(Box<RunArgs>),
    /// Measure time, fuel and memory of a policy over its cases or over recorded decisions
    Bench(BenchArgs),
    /// Write into READMEs what policies describe and decide
    Readme(ReadmeArgs),
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
