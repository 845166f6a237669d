//! What is done with recorded decisions: replay, backtest, audit, receipts.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::{CacheArgs, LedgerArgs, ModuleStoreArgs, ReportFormat, about, since};

/// What can be done with receipts.
#[derive(Debug, Subcommand)]
pub enum ReceiptCommand {
    /// Write the receipt of a decision
    #[command(long_about = about::<ReceiptExportArgs>())]
    Export(ReceiptExportArgs),
    /// Verify a receipt, offline
    #[command(long_about = about::<ReceiptVerifyArgs>())]
    Verify(ReceiptVerifyArgs),
}

/// Makes recorded decisions again from the ledger alone, and compares them byte for byte, fuel included.
///
/// Exits 0 where every decision is identical, and 5 where one is not or cannot be made again. Neither is a difference: what
/// was erased, as an event says (with --all: a decision that is named exits 5), and a recorded failure of the host (a full
/// disk, the limit on wall time), which nothing can repeat, where the rest is the same. --format json counts each:
/// replayed, identical, erased, not_repeatable, different.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis replay 01998f3a-7c00-7000-8000-000000000000
  portcullis replay --all --ledger decisions.ledger --format json
  portcullis replay --all --since 7d --record")]
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
    /// With --all: only since an age (45s, 90m, 36h, 30d, 2w) or a time (RFC 3339)
    #[arg(long, value_name = "AGE|TIME", value_parser = since, requires = "all")]
    pub since: Option<Timestamp>,
    /// With --all: add an event to the ledger that says what came of it
    #[arg(long, requires = "all")]
    pub record: bool,
    /// How many at once [default: one for each processor]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=64))]
    pub jobs: Option<u8>,
    /// The decisions' ids, or the indexes of their events
    #[arg(value_name = "ID", required_unless_present = "all", conflicts_with = "all")]
    pub ids: Vec<String>,
}

/// Lets a candidate policy set decide what was decided, each request at its time, and shows which outcomes would change.
///
/// Exits 6 where an outcome becomes more lenient, unless that is allowed; 7 where no request was decided again, or a policy
/// of the candidate failed in one, so that what it would say is not known, unless that is allowed. A request that only a
/// failure of the host had stopped (a full disk, the limit on wall time) is counted by itself: no policy had said no to it.
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
    #[command(flatten)]
    pub modules: ModuleStoreArgs,
    /// The policy set to try: a portcullis.toml, or the folder that holds it. Its portcullis.lock must match
    #[arg(long, value_name = "DIR-OR-FILE")]
    pub candidate: PathBuf,
    /// Only decisions since an age (45s, 90m, 36h, 30d, 2w) or a time (RFC 3339)
    #[arg(long, value_name = "AGE|TIME", value_parser = since)]
    pub since: Option<Timestamp>,
    /// Exit 0 although outcomes become more lenient
    #[arg(long)]
    pub allow_more_lenient: bool,
    /// Exit 0 although nothing was compared, or a policy of the candidate failed
    #[arg(long)]
    pub allow_unknown: bool,
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
  portcullis receipt export 01998f3a-7c00-7000-8000-000000000000 \\
      --out receipt.json")]
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
    /// The ledger's public key, or several, one a line: a file as `ledger export` or `ledger checkpoint --keys` writes it
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// How to print the result
    #[arg(long, value_enum, default_value_t = ReportFormat::Human)]
    pub format: ReportFormat,
    /// The receipt
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}
