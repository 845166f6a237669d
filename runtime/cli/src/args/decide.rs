//! `portcullis decide`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use jiff::Timestamp;
use portcullis::doors::{Kind, Subject};

use super::{CacheArgs, LedgerArgs, ModuleStoreArgs};

/// Decides each payload by the policy set and says why.
///
/// The exit code is that of the strictest decision; any error makes it 1, and nothing proceeds.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis decide --policies sample-policies \\
      sample-policies/requests/service-minor.json
  terraform show -json plan.bin | portcullis decide --policies policies \\
      --environment production
  portcullis decide --policies policies --format github checks/*.json

With --format json, one payload gives one JSON object; several give one object per line. Each has its `source` first, and \
subject, action, resource and environment as the request names them. \
A payload that could not be decided has a member `error` instead of an outcome. `proceed` is what the decision means; \
`holds` whether it means that now: false, and `proceed` too, for one that was made under the same idempotency key and whose \
time is over; false, with `rehearsal`, for --dry-run and --now. Nothing may go on without `proceed` and `holds`.")]
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
    /// Rehearse at another time (RFC 3339). Policies and waivers see it as the present; implies --dry-run
    #[arg(long, value_name = "TIME")]
    pub now: Option<Timestamp>,
    /// Record nothing. Nothing may go on because of such a decision
    #[arg(long)]
    pub dry_run: bool,
    /// Under the same key, the same request gets the same decision, and another request is refused
    #[arg(long, value_name = "KEY", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub idempotency_key: Option<String>,
    /// Your own id for the change; recorded
    #[arg(long, value_name = "ID", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub correlation_id: Option<String>,
    #[command(flatten)]
    pub ledger: LedgerArgs,
    /// How many payloads to decide at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: u8,
    #[command(flatten)]
    pub cache: CacheArgs,
    #[command(flatten)]
    pub modules: ModuleStoreArgs,
    /// The payloads; `-` is standard input, which is also read where no file is given
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
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
