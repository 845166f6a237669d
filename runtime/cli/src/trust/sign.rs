//! Signatures of authors.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use anyhow::Context as _;
use jiff::Timestamp;
use portcullis::{Sha256, evidence_beside, read_bundle, write_evidence};
use portcullis_attest::{Bundle, Evidence, Kind, signature_statement};
use portcullis_gate::PublicKey;
use serde_json::json;

use super::{keys, module};
use crate::args::{ReportFormat, SignArgs, VerifySignatureArgs};
use crate::exit::Exit;
use crate::report;
use crate::text::shown;

const GOOD: Style = AnsiColor::Green.on_default().bold();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// Signs a module.
///
/// # Errors
/// A file cannot be read or written, or the key is readable by others.
pub fn sign(args: &SignArgs) -> anyhow::Result<Exit> {
    let key = keys::private(&args.key)?;
    let (bytes, name) = module(&args.file)?;
    if let Some(refused) = super::refused(&bytes, &name) {
        return Ok(refused);
    }
    let sha256 = Sha256::of(&bytes);
    let bundle = Bundle::sign(signature_statement(&name, sha256, bytes.len(), Timestamp::now()), &key);
    // What would not verify is not written.
    Bundle::parse(&bundle)?.verify(sha256, [key.public()])?;
    let path = write_evidence(&args.file, &bundle).context("the signature cannot be written")?;
    report::out(&format!(
        "{}: sha256 {sha256} is signed with key {}\n",
        shown(&path.display().to_string()),
        key.public().id()
    ))?;
    Ok(Exit::Done)
}

/// One bundle, and what it proves or does not.
pub(super) struct Checked {
    pub name: String,
    pub result: Result<Evidence, Problem>,
}

/// Why a bundle is no signature of the author.
pub(super) enum Problem {
    /// It is evidence of something else.
    NotCounted(&'static str),
    /// It is no evidence.
    Wrong(String),
}

impl From<String> for Problem {
    fn from(problem: String) -> Problem {
        Problem::Wrong(problem)
    }
}

impl Problem {
    fn words(&self) -> &str {
        match self {
            Problem::NotCounted(words) => words,
            Problem::Wrong(problem) => problem,
        }
    }
}

/// Checks who signed a module.
///
/// # Errors
/// The module or a key cannot be read.
pub fn verify(args: &VerifySignatureArgs) -> anyhow::Result<Exit> {
    let keys = keys::public(&args.key)?;
    let (bytes, _) = module(&args.file)?;
    let sha256 = Sha256::of(&bytes);
    let found = if args.bundle.is_empty() {
        evidence_beside(&args.file)
            .with_context(|| format!("the evidence beside {} cannot be read", args.file.display()))?
            .into_iter()
            .map(|file| (file.name.clone(), file.bytes()))
            .collect()
    } else {
        let read = |path: &std::path::PathBuf| {
            (path.display().to_string(), read_bundle(path).map_err(|error| error.to_string()))
        };
        args.bundle.iter().map(read).collect::<Vec<_>>()
    };
    let checked: Vec<Checked> =
        found.into_iter().map(|(name, bytes)| Checked { name, result: check(bytes, sha256, &keys) }).collect();
    let signed = checked.iter().any(|one| one.result.is_ok());
    let file = args.file.display().to_string();
    let text = match args.format {
        ReportFormat::Human => human(&file, sha256, signed, &checked),
        ReportFormat::Json => {
            let bundle = |one: &Checked| match &one.result {
                Ok(evidence) => json!({
                    "bundle": one.name, "valid": true, "key": evidence.key().id(), "time": evidence.time(),
                }),
                Err(problem) => json!({ "bundle": one.name, "valid": false, "problem": problem.words() }),
            };
            let shown = json!({
                "file": file, "sha256": sha256, "valid": signed, "bundles": checked.iter().map(bundle).collect::<Vec<_>>(),
            });
            crate::decide::printable(&serde_json::to_string_pretty(&shown)?) + "\n"
        }
    };
    report::out(&text)?;
    Ok(if signed { Exit::Done } else { Exit::Unsound })
}

fn check(bytes: Result<Vec<u8>, String>, module: Sha256, keys: &[PublicKey]) -> Result<Evidence, Problem> {
    const REVIEW: Problem = Problem::NotCounted("a review, not counted here: `portcullis review list` says whose");
    let bundle = Bundle::parse(&bytes?).map_err(|error| error.to_string())?;
    // A review is made with another key than the author's: that it is not one of these says nothing.
    if bundle.claim().is_ok_and(|claim| claim.kind == Kind::Review) {
        return Err(REVIEW);
    }
    let evidence = bundle.verify(module, keys).map_err(|error| error.to_string())?;
    match evidence.kind() {
        Kind::Signature => Ok(evidence),
        Kind::Review => Err(REVIEW),
    }
}

fn human(file: &str, sha256: Sha256, signed: bool, checked: &[Checked]) -> String {
    let verdict = if signed { format!("{GOOD}✔ SIGNED{GOOD:#}") } else { format!("{BAD}✖ NOT SIGNED{BAD:#}") };
    let mut out = format!("{verdict}  {}\n  sha256 {sha256}\n", shown(file));
    if checked.is_empty() {
        _ = writeln!(out, "  there is no evidence beside it");
    }
    for one in checked {
        match &one.result {
            Ok(evidence) => {
                let time = evidence.time().map(|time| format!(", at {time} as it says")).unwrap_or_default();
                _ = writeln!(out, "  {GOOD}✔{GOOD:#} {}\n      by key {}{time}", shown(&one.name), evidence.key().id());
            }
            Err(Problem::NotCounted(words)) => _ = writeln!(out, "  · {}\n      {words}", shown(&one.name)),
            Err(Problem::Wrong(problem)) => {
                _ = writeln!(out, "  {BAD}✖{BAD:#} {}\n      {}", shown(&one.name), shown(problem));
            }
        }
    }
    out
}
