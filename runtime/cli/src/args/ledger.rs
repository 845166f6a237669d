//! `portcullis ledger`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use portcullis_gate::Outcome;

use super::{LedgerArgs, ReportFormat, about, outcome, since};

/// What can be done with a ledger.
#[derive(Debug, Subcommand)]
pub enum LedgerCommand {
    /// List decisions, the latest first
    #[command(long_about = about::<ListArgs>())]
    List(ListArgs),
    /// Show one decision
    #[command(long_about = about::<ShowArgs>())]
    Show(ShowArgs),
    /// Check every byte: events, tree, checkpoints, blobs, indexes, pages
    #[command(long_about = about::<VerifyArgs>())]
    Verify(VerifyArgs),
    /// Prove that a decision is in the ledger, or that the ledger only grew
    #[command(long_about = about::<ProveArgs>())]
    Prove(ProveArgs),
    /// Write the log as tiles, with its checkpoint and public key, for other tools
    #[command(long_about = about::<ExportArgs>())]
    Export(ExportArgs),
    /// Print the newest signed checkpoint
    #[command(long_about = about::<CheckpointArgs>())]
    Checkpoint(CheckpointArgs),
    /// Erase what is stored of a decision's request; the log stays whole
    #[command(long_about = about::<EraseArgs>())]
    Erase(EraseArgs),
    /// Erase the requests of all decisions older than an age
    #[command(long_about = about::<RetainArgs>())]
    Retain(RetainArgs),
    /// Let a new key sign from here on
    #[command(long_about = about::<RotateKeyArgs>())]
    RotateKey(RotateKeyArgs),
}

/// Lists decisions, the latest first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis ledger list
  portcullis ledger list --outcome deny --since 7d --format json
  portcullis ledger list --environment production --subject user:alice \\
      --correlation-id CHG-7

What was erased of a decision is neither shown nor found: its subject and environment. The list comes from an index, which
is compared with the log's events in its range (the latest 65,536 at most). Exits 4 where they are not the same.")]
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
    /// Only of this subject: its id, or TYPE:ID
    #[arg(long, value_name = "[TYPE:]ID")]
    pub subject: Option<String>,
    /// Only in this environment
    #[arg(long, value_name = "NAME")]
    pub environment: Option<String>,
    /// Only with a finding of this code
    #[arg(long, value_name = "CODE")]
    pub code: Option<String>,
    /// Only for the change to which the caller gave this id
    #[arg(long, value_name = "ID")]
    pub correlation_id: Option<String>,
    /// Only since: an age (45s, 90m, 36h, 30d, 2w) or a time (RFC 3339)
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
  portcullis ledger verify --ledger decisions.ledger --key log.vkey \\
      --format json")]
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

/// Writes the log in the layout of C2SP tlog-tiles: tiles, entries, the signed checkpoint, and the public key that signs now.
/// Run again into the same folder, it adds what is new.
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
  portcullis ledger checkpoint > checkpoint.txt
  portcullis ledger checkpoint --keys > log.vkeys")]
pub struct CheckpointArgs {
    #[command(flatten)]
    pub ledger: LedgerArgs,
    /// Print the public key that verifies it instead
    #[arg(long, conflicts_with = "keys")]
    pub key: bool,
    /// Print every public key that the ledger had instead, one a line, the oldest first: `receipt verify` takes them all
    #[arg(long)]
    pub keys: bool,
}

/// Erases what is stored of one decision: the request, the whole decision, and the salts of their commitments. The event
/// stays, and another says what was erased and why. A replay then answers `erased`.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis ledger erase 01998f3a-7c00-7000-8000-000000000000 \\
      --reason data-subject --reference PRIV-77")]
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
    /// An age (45s, 90m, 36h, 30d, 2w) or a time (RFC 3339)
    #[arg(long, value_name = "AGE|TIME", value_parser = since)]
    pub older_than: Timestamp,
    /// Only say how many there are
    #[arg(long)]
    pub dry_run: bool,
}

/// Makes a new key, and lets the one before hand over to it: an event that names both, and a checkpoint that both sign.
///
/// No other program may have the ledger open for writing. Receipts that were issued before still verify with the public key
/// of then; `ledger checkpoint --keys` prints all of them for `receipt verify --key`, and `ledger verify --key` takes any.
/// The old key is overwritten. It could sign nothing newer.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis ledger rotate-key
  portcullis ledger rotate-key --ledger decisions.ledger \\
      --ledger-key /etc/portcullis/ledger.key")]
pub struct RotateKeyArgs {
    #[command(flatten)]
    pub ledger: LedgerArgs,
}

/// Why something is erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Reason {
    /// A person whom it is about asked for it
    DataSubject,
    /// Another reason
    Operator,
}
