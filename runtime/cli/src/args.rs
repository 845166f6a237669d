//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;
use portcullis::doors::{Kind, Subject};

/// Decides whether a change may go on, by WebAssembly policies that cannot do anything else.
///
/// Exit codes: 0 proceeds (allow, warn) or done; 20 defer; 21 acknowledge; 22 escalate; 23 deny; 1 error; 2 wrong
/// usage; 3 module refused (inspect).
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
    Decide(DecideArgs),
    /// Say what a module is and can do, without running it
    Inspect(InspectArgs),
    /// Pin the bytes of a policy set's modules, settings and documents
    Lock(LockArgs),
    /// Build and test policies
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
}

/// What policy authors do.
#[derive(Debug, Subcommand)]
pub enum PolicyCommand {
    /// Build a policy's crate into a component
    Build(BuildArgs),
    /// Run the cases beside a policy against its component
    Test(TestArgs),
}

/// Decides each payload by the policy set and says why.
///
/// The exit code is that of the strictest decision; any error makes it 1, and nothing proceeds.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis decide --policies sample-policies sample-policies/requests/service-minor.json
  terraform show -json plan.bin | portcullis decide --policies policies --environment production
  portcullis decide --policies policies --format github checks/*.json

With --format json, one payload gives one JSON object; several give one object per line, each with its `source` first.
A payload that could not be decided has a member `error` instead of an outcome.")]
pub struct DecideArgs {
    /// The policy set: a portcullis.toml, or the folder that holds it. Its portcullis.lock must match
    #[arg(long, value_name = "DIR-OR-FILE", env = "PORTCULLIS_POLICIES")]
    pub policies: PathBuf,
    /// What the payloads are; guessed from their members where that is unambiguous
    #[arg(long, value_name = "KIND", value_enum)]
    pub from: Option<From>,
    /// How to print decisions
    #[arg(long, value_enum, default_value_t = DecisionFormat::Human)]
    pub format: DecisionFormat,
    /// Who asks, where the payload does not say it
    #[arg(long, value_name = "TYPE:ID")]
    pub subject: Option<Subject>,
    /// The environment, where the payload does not say it
    #[arg(long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub environment: Option<String>,
    /// What is changed, where the payload does not say it: the name of a Terraform workspace, say
    #[arg(long, value_name = "ID", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub resource_id: Option<String>,
    /// More for policies to read under /context: KEY=TEXT, KEY:=JSON, KEY=@FILE (a JSON file), or @FILE (a JSON
    /// object, whose members are added)
    #[arg(long, value_name = "KEY=VALUE|@FILE")]
    pub context: Vec<String>,
    /// Rehearse at another time (RFC 3339). Policies and waivers see it as the present
    #[arg(long, value_name = "TIME")]
    pub now: Option<Timestamp>,
    /// How many payloads to decide at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: u8,
    #[command(flatten)]
    pub cache: CacheArgs,
    /// The payloads; `-` is standard input, which is also read where no file is given
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
}

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
/// Commit the lock. What does not match it is refused.
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

/// Prints a completion script.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis completions bash > ~/.local/share/bash-completion/completions/portcullis
  portcullis completions zsh > ~/.zfunc/_portcullis")]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// Where compiled policies are kept.
#[derive(Debug, Args)]
pub struct CacheArgs {
    /// Where compiled policies are kept [default: portcullis in the user's cache folder]
    #[arg(long, value_name = "DIR", env = "PORTCULLIS_CACHE", conflicts_with = "no_cache")]
    pub cache_dir: Option<PathBuf>,
    /// Compile policies anew, and keep nothing
    #[arg(long)]
    pub no_cache: bool,
}

/// The kinds of payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum From {
    /// A request with subject, action, resource and context
    Native,
    /// A Stage0 check
    Stage0,
    /// A Terraform plan: terraform show -json
    Terraform,
    /// A Kubernetes AdmissionReview, v1
    Kubernetes,
}

/// How decisions are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DecisionFormat {
    /// For people
    Human,
    /// The whole decision
    Json,
    /// GitHub's workflow commands, and a step summary where GITHUB_STEP_SUMMARY is set
    Github,
    /// A JUnit report
    Junit,
}

/// How reports are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ReportFormat {
    /// For people
    Human,
    /// For machines
    Json,
}

impl std::convert::From<From> for Kind {
    fn from(from: From) -> Kind {
        match from {
            From::Native => Kind::Native,
            From::Stage0 => Kind::Stage0,
            From::Terraform => Kind::Terraform,
            From::Kubernetes => Kind::Kubernetes,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

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
            }
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
