//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use jiff::Timestamp;
use portcullis::doors::{Kind, Subject};
use portcullis_gate::Outcome;

/// Decides whether a change may go on, by WebAssembly policies that cannot do anything else.
///
/// Exit codes: 0 proceeds (allow, warn) or done; 20 defer; 21 acknowledge; 22 escalate; 23 deny; 1 error; 2 wrong
/// usage; 3 module refused (inspect); 4 ledger or receipt not sound (verify); 5 a replay differs; 6 a backtest is more
/// lenient.
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
    /// Read, verify, prove and export what was decided
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Make recorded decisions again and compare them byte for byte
    Replay(ReplayArgs),
    /// Say what another policy set would have decided
    Backtest(BacktestArgs),
    /// Show one decision in one page: who, what, which modules, which verdicts, the proof
    Audit(AuditArgs),
    /// Issue and verify receipts, which prove a decision without the ledger
    #[command(subcommand)]
    Receipt(ReceiptCommand),
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

/// What can be done with a ledger.
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// List decisions, the latest first
    List(ListArgs),
    /// Show one decision
    Show(ShowArgs),
    /// Check every byte: events, tree, checkpoints, blobs, indexes, pages
    Verify(VerifyArgs),
    /// Prove that a decision is in the ledger, or that the ledger only grew
    Prove(ProveArgs),
    /// Write the log as tiles, with its checkpoint and public key, for other tools
    Export(ExportArgs),
    /// Print the newest signed checkpoint
    Checkpoint(CheckpointArgs),
    /// Erase what is stored of a decision's request; the log stays whole
    Erase(EraseArgs),
    /// Erase the requests of all decisions older than an age
    Retain(RetainArgs),
}

/// What can be done with receipts.
#[derive(Debug, Subcommand)]
pub enum ReceiptCommand {
    /// Write the receipt of a decision
    Export(ReceiptExportArgs),
    /// Verify a receipt, offline
    Verify(ReceiptVerifyArgs),
}

/// Lists decisions, the latest first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis ledger list
  portcullis ledger list --outcome deny --since 7d --format json")]
pub struct ListArgs {
    #[command(flatten)]
    pub ledger: LedgerArgs,
    /// How to print the list
    #[arg(long, value_enum, default_value_t = ReportFormat::Human)]
    pub format: ReportFormat,
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub limit: u32,
    /// Only with one of these outcomes
    #[arg(long, value_name = "OUTCOME", value_parser = outcome)]
    pub outcome: Vec<Outcome>,
    /// Only of this action
    #[arg(long, value_name = "NAME")]
    pub action: Option<String>,
    /// Only on the resource of this id
    #[arg(long, value_name = "ID")]
    pub resource: Option<String>,
    /// Only since: an age (90m, 36h, 30d) or a time (RFC 3339)
    #[arg(long, value_name = "AGE|TIME", value_parser = since)]
    pub since: Option<Timestamp>,
}

/// Shows one decision as it was shown when it was made.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis ledger show 01998f3a-7c00-7000-8000-000000000000
  portcullis ledger show 42 --format json")]
pub struct ShowArgs {
    #[command(flatten)]
    pub ledger: LedgerArgs,
    /// How to print it
    #[arg(long, value_enum, default_value_t = ReportFormat::Human)]
    pub format: ReportFormat,
    /// The decision's id, or the index of its event
    #[arg(value_name = "ID")]
    pub id: String,
}

/// Checks every byte of a ledger: that each event is canonical, that the tree is theirs, that every signed checkpoint is a
/// prefix of it, that each blob has its digest, that the indexes say what the events say.
///
/// Exits 0 where it is sound and 4 where it is not, naming what is wrong.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis ledger verify decisions.ledger
  portcullis ledger verify --ledger decisions.ledger --key log.vkey --format json")]
pub struct VerifyArgs {
    #[command(flatten)]
    pub ledger: LedgerArgs,
    /// How to print the report
    #[arg(long, value_enum, default_value_t = ReportFormat::Human)]
    pub format: ReportFormat,
    /// The ledger's public key, known from elsewhere: a file as `ledger export` writes it
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Compare with no copy of a checkpoint but the one inside the ledger
    #[arg(long, conflicts_with = "checkpoint")]
    pub no_checkpoint: bool,
    /// The ledger's file
    #[arg(value_name = "FILE", conflicts_with = "ledger")]
    pub file: Option<PathBuf>,
}

/// Prints the inclusion proof of a decision, or the consistency proof between two sizes, with what it takes to check it
/// (RFC 6962).
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis ledger prove 01998f3a-7c00-7000-8000-000000000000
  portcullis ledger prove --from 100 --to 200")]
pub struct ProveArgs {
    #[command(flatten)]
    pub ledger: LedgerArgs,
    /// The decision's id, or the index of its event
    #[arg(value_name = "ID", required_unless_present = "from", conflicts_with_all = ["from", "to"])]
    pub id: Option<String>,
    /// The number of events of the older tree
    #[arg(long, value_name = "SIZE")]
    pub from: Option<u64>,
    /// The number of events of the newer tree [default: all]
    #[arg(long, value_name = "SIZE", requires = "from")]
    pub to: Option<u64>,
}

/// Writes the log in the layout of C2SP tlog-tiles: tiles, entries, the signed checkpoint, and the public key.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis ledger export --out log")]
pub struct ExportArgs {
    #[command(flatten)]
    pub ledger: LedgerArgs,
    /// The folder; made where there is none
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}

/// Prints the newest signed checkpoint: a C2SP signed note of the log's origin, size and root.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis ledger checkpoint > checkpoint.txt")]
pub struct CheckpointArgs {
    #[command(flatten)]
    pub ledger: LedgerArgs,
    /// Print the public key that verifies it instead
    #[arg(long)]
    pub key: bool,
}

/// Erases what is stored of one decision: the request, the whole decision, and the salts of their commitments. The event
/// stays, and another says what was erased and why. A replay then answers `erased`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis ledger erase 01998f3a-7c00-7000-8000-000000000000 --reason data-subject --reference PRIV-77")]
pub struct EraseArgs {
    #[command(flatten)]
    pub ledger: LedgerArgs,
    /// Why
    #[arg(long, value_enum)]
    pub reason: Reason,
    /// The ticket or order that asks for it; recorded, so without personal data
    #[arg(long, value_name = "TEXT")]
    pub reference: Option<String>,
    /// The decision's id, or the index of its event
    #[arg(value_name = "ID")]
    pub id: String,
}

/// Erases what is stored of every decision that is older than an age, one event each.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis ledger retain --older-than 365d")]
pub struct RetainArgs {
    #[command(flatten)]
    pub ledger: LedgerArgs,
    /// An age (90m, 36h, 30d) or a time (RFC 3339)
    #[arg(long, value_name = "AGE|TIME", value_parser = since)]
    pub older_than: Timestamp,
    /// Only say how many there are
    #[arg(long)]
    pub dry_run: bool,
}

/// Makes recorded decisions again from the ledger alone, and compares them byte for byte, fuel included.
///
/// Exits 0 where every decision is identical, and 5 where one is not or cannot be made again.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis replay 01998f3a-7c00-7000-8000-000000000000
  portcullis replay --all --ledger decisions.ledger --format json")]
pub struct ReplayArgs {
    #[command(flatten)]
    pub ledger: LedgerArgs,
    #[command(flatten)]
    pub cache: CacheArgs,
    /// How to print the results
    #[arg(long, value_enum, default_value_t = ReportFormat::Human)]
    pub format: ReportFormat,
    /// Every decision
    #[arg(long)]
    pub all: bool,
    /// With --all: only since an age (90m, 36h, 30d) or a time (RFC 3339)
    #[arg(long, value_name = "AGE|TIME", value_parser = since, requires = "all")]
    pub since: Option<Timestamp>,
    /// How many at once [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: Option<u8>,
    /// The decisions' ids, or the indexes of their events
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    pub ids: Vec<String>,
}

/// Lets a candidate policy set decide what was decided, each request at its time, and shows which outcomes would change.
///
/// Exits 6 where an outcome becomes more lenient, unless that is allowed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis backtest --candidate next/portcullis.toml --since 30d
  portcullis backtest --candidate next --allow-more-lenient --format json")]
pub struct BacktestArgs {
    #[command(flatten)]
    pub ledger: LedgerArgs,
    #[command(flatten)]
    pub cache: CacheArgs,
    /// The policy set to try: a portcullis.toml, or the folder that holds it. Its portcullis.lock must match
    #[arg(long, value_name = "DIR-OR-FILE")]
    pub candidate: PathBuf,
    /// Only decisions since an age (90m, 36h, 30d) or a time (RFC 3339)
    #[arg(long, value_name = "AGE|TIME", value_parser = since)]
    pub since: Option<Timestamp>,
    /// Exit 0 although outcomes become more lenient
    #[arg(long)]
    pub allow_more_lenient: bool,
    /// How to print the table
    #[arg(long, value_enum, default_value_t = ReportFormat::Human)]
    pub format: ReportFormat,
    /// How many at once [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: Option<u8>,
}

/// Shows one decision in one page: who asked for what, which modules said what, and where it is in the log.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis audit 01998f3a-7c00-7000-8000-000000000000 --verify")]
pub struct AuditArgs {
    #[command(flatten)]
    pub ledger: LedgerArgs,
    #[command(flatten)]
    pub cache: CacheArgs,
    /// Check the proof, the signature, and the digest of each module, and make the decision again
    #[arg(long)]
    pub verify: bool,
    /// How to print it
    #[arg(long, value_enum, default_value_t = ReportFormat::Human)]
    pub format: ReportFormat,
    /// The decision's id, or the index of its event
    #[arg(value_name = "ID")]
    pub id: String,
}

/// Writes the receipt of a decision: two signed in-toto statements (the whole decision; a SLSA verification summary), the
/// inclusion proof and the checkpoint, in one file.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis receipt export 01998f3a-7c00-7000-8000-000000000000 --out receipt.json")]
pub struct ReceiptExportArgs {
    #[command(flatten)]
    pub ledger: LedgerArgs,
    /// Where to write it
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
    /// The decision's id, or the index of its event
    #[arg(value_name = "ID")]
    pub id: String,
}

/// Verifies a receipt with the ledger's public key, offline. Exits 0 where it proves the decision, and 4 where it does
/// not.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis receipt verify receipt.json --key log.vkey")]
pub struct ReceiptVerifyArgs {
    /// The ledger's public key: a file as `ledger export` writes it
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// How to print the result
    #[arg(long, value_enum, default_value_t = ReportFormat::Human)]
    pub format: ReportFormat,
    /// The receipt
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Why something is erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Reason {
    /// A person whom it is about asked for it
    DataSubject,
    /// Another reason
    Operator,
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

/// The ledger, and what is kept beside it.
#[derive(Debug, Args)]
pub struct LedgerArgs {
    /// The ledger's file; made where there is none [default: decisions.ledger in the user's state folder]
    #[arg(long, value_name = "FILE", env = "PORTCULLIS_LEDGER")]
    pub ledger: Option<PathBuf>,
    /// The file with the key that signs checkpoints and receipts [default: FILE.key]
    #[arg(long, value_name = "FILE", env = "PORTCULLIS_LEDGER_KEY")]
    pub ledger_key: Option<PathBuf>,
    /// Where copies of the newest checkpoint are kept, each best where whoever could put back an old ledger could not put
    /// back an old copy [default: FILE.checkpoint]
    #[arg(long, value_name = "FILE", env = "PORTCULLIS_CHECKPOINT", value_delimiter = ':')]
    pub checkpoint: Vec<PathBuf>,
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

fn outcome(text: &str) -> Result<Outcome, String> {
    Outcome::from_name(text).ok_or_else(|| format!("one of {}", Outcome::ALL.map(Outcome::as_str).join(", ")))
}

/// An age before now, or a time.
fn since(text: &str) -> Result<Timestamp, String> {
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    let help = "an age as in 90m, 36h, 30d, or a time as in 2026-03-14T09:30:00Z";
    let unit = text.chars().last().and_then(|unit| match unit {
        'm' => Some(60),
        'h' => Some(3600),
        'd' => Some(86_400),
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
    use clap::CommandFactory as _;

    #[test]
    fn ages_and_times() {
        let ago = |text: &str| {
            let then = since(text).unwrap();
            Timestamp::now().duration_since(then).as_secs()
        };
        assert_eq!([ago("0m"), ago("90m"), ago("36h"), ago("30d")].map(|n| n / 60), [0, 90, 36 * 60, 30 * 1440]);
        assert_eq!(since("2026-03-14T09:30:00Z").unwrap().to_string(), "2026-03-14T09:30:00Z");
        for wrong in ["", "d", "30", "-1d", "1w", "é", "9999999999999999999d", "yesterday"] {
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
