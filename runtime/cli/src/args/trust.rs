//! `portcullis policy keygen`, `sign`, `verify` and `portcullis review`: who answers for a module.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{LedgerArgs, ReportFormat, about};

/// Makes an Ed25519 key: the private key in FILE (PKCS #8, readable by its owner only), the public key in FILE.pub (PEM).
/// Keys that `openssl genpkey -algorithm ed25519` makes work as well.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis policy keygen --out release.key

A manifest that asks for what this key signs, beside the module:
  [keys.release]
  public-key-file = \"release.key.pub\"   # or public-key = the PEM
  not-after = 2027-01-01T00:00:00Z      # optional
  [[trust]]
  modules = [\"policies/*.wasm\"]         # unless trust-default = \"accept\",
                                        # what none matches is refused
  signed-by = [\"release\"]               # any one of these
  reviewed-by = { any = 2, of = [\"alice\", \"bob\", \"carol\"] }")]
pub struct KeygenArgs {
    /// Where to write the private key; nothing is overwritten
    #[arg(long, value_name = "FILE")]
    pub out: PathBuf,
}

/// Signs a module as its author: writes a sigstore bundle (DSSE, in-toto) beside it, as
/// FILE.<16 digits of the bundle's sha256>.sigstore.json. Offline: no certificate, no transparency log. Exits 3 where no set
/// could load the module: nothing is signed then.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis policy sign target/policies/environment.wasm --key release.key")]
pub struct SignArgs {
    /// The private key: PEM, readable by its owner only
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// The module
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Checks that one of the keys signed a module as its author. Exits 0 where one did, and 4 where none did, saying of each
/// bundle what is wrong with it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis policy verify target/policies/environment.wasm \\
      --key release.key.pub
  portcullis policy verify environment.wasm --key a.pub --key b.pub \\
      --bundle environment.sigstore.json --format json")]
pub struct VerifySignatureArgs {
    /// The public keys, any of which may have signed: PEM
    #[arg(long, value_name = "FILE", required = true)]
    pub key: Vec<PathBuf>,
    /// Bundles to look at [default: the evidence beside the module]
    #[arg(long, value_name = "FILE")]
    pub bundle: Vec<PathBuf>,
    /// How to print the result
    #[arg(long, value_enum, default_value_t = ReportFormat::Human)]
    pub format: ReportFormat,
    /// The module
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// What reviewers do.
#[derive(Debug, Subcommand)]
pub enum ReviewCommand {
    /// Sign that a module may be used, exactly as its bytes are
    #[command(long_about = about::<ApproveArgs>())]
    Approve(ApproveArgs),
    /// List the reviews beside a module, or in the ledger
    #[command(long_about = about::<ReviewListArgs>())]
    List(ReviewListArgs),
    /// Show one review
    #[command(long_about = about::<ReviewShowArgs>())]
    Show(ReviewShowArgs),
}

/// Signs a review of a module's bytes: written as evidence beside the module, and recorded in the ledger as
/// `policy.reviewed`. Run `portcullis inspect` first. Exits 3 where no set could load the module.
///
/// The name and the note are recorded for good.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis review approve target/policies/environment.wasm \\
      --key alice.key --reviewer alice --note SEC-77
  portcullis review approve environment.wasm --key alice.key \\
      --reviewer alice --no-ledger")]
pub struct ApproveArgs {
    #[command(flatten)]
    pub ledger: LedgerArgs,
    /// Record nothing in a ledger: the evidence beside the module is all that there is
    #[arg(long, conflicts_with = "ledger")]
    pub no_ledger: bool,
    /// The reviewer's private key: PEM, readable by its owner only
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// Who reviewed, for people; the key is what counts
    #[arg(long, value_name = "NAME")]
    pub reviewer: String,
    /// What else there is to say: a ticket, a condition
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,
    /// The module
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// Lists the reviews beside a module; without one, those that the ledger recorded, the latest first.
///
/// A review is a claim until --key says whose word counts. Exits 4 where one of these keys has not reviewed the module, or
/// where a recorded review is not what its event says.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis review list target/policies/environment.wasm \\
      --key alice.key.pub --key bob.key.pub
  portcullis review list --ledger decisions.ledger")]
pub struct ReviewListArgs {
    #[command(flatten)]
    pub ledger: LedgerArgs,
    /// Public keys whose reviews count: PEM
    #[arg(long, value_name = "FILE")]
    pub key: Vec<PathBuf>,
    /// How to print the list
    #[arg(long, value_enum, default_value_t = ReportFormat::Human)]
    pub format: ReportFormat,
    /// The module
    #[arg(value_name = "FILE", conflicts_with = "ledger")]
    pub file: Option<PathBuf>,
}

/// Shows everything that one review says.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  portcullis review show environment.wasm.0123456789abcdef.sigstore.json \\
      --key alice.key.pub
  portcullis review show 12 --ledger decisions.ledger")]
pub struct ReviewShowArgs {
    #[command(flatten)]
    pub ledger: LedgerArgs,
    /// Public keys whose reviews count: PEM
    #[arg(long, value_name = "FILE")]
    pub key: Vec<PathBuf>,
    /// A file of evidence, or the index of a `policy.reviewed` event
    #[arg(value_name = "FILE|INDEX")]
    pub review: String,
}
