//! `portcullis receipt`.

use anyhow::{Context as _, bail};
use portcullis::Stored;
use portcullis_ledger::store::StoredPayload;
use portcullis_ledger::{Evidence, MAX_RECEIPT_BYTES, Receipt, Verified, VerifierKey};
use serde_json::json;

use crate::args::{ReceiptCommand, ReceiptExportArgs, ReceiptVerifyArgs, ReportFormat};
use crate::exit::Exit;
use crate::text::shown;
use crate::{ledger, report};

/// Does what a `receipt` subcommand says.
///
/// # Errors
/// A file cannot be read or written, or the decision was erased.
pub fn run(command: &ReceiptCommand) -> anyhow::Result<Exit> {
    match command {
        ReceiptCommand::Export(args) => export(args),
        ReceiptCommand::Verify(args) => verify(args),
    }
}

fn export(args: &ReceiptExportArgs) -> anyhow::Result<Exit> {
    let reader = ledger::reader(&args.ledger)?;
    let key = ledger::signing_key(&args.ledger)?;
    let stored = Stored::read(&reader, ledger::id(&reader, &args.id)?)?;
    let payload = match reader.decision_of(stored.event.id)? {
        Some(StoredPayload::Present(payload)) => payload,
        _ => {
            bail!("what was stored of decision {} was erased: there is nothing to issue a receipt for", stored.event.id)
        }
    };
    let (note, checkpoint, _) = ledger::newest(&reader)?;
    let proof = ledger::included(&reader, stored.index, checkpoint.size())?;
    let evidence = Evidence { index: stored.index, leaf: stored.event.encode()?, proof, checkpoint: note };
    let receipt = Receipt::issue(&payload.bytes, &payload.salt, &evidence, &key)?;
    std::fs::write(&args.out, receipt.to_bytes()?).with_context(|| format!("cannot write {}", args.out.display()))?;
    report::out(&format!(
        "{}: the receipt of decision {}; whoever has the public key can verify it offline\n",
        args.out.display(),
        stored.event.id
    ))?;
    Ok(Exit::Done)
}

/// A receipt is verified by the key that issued it, and by no other.
fn with_any(receipt: &Receipt, keys: &[VerifierKey]) -> Result<Verified, String> {
    let mut problems = Vec::new();
    for key in keys {
        match receipt.verify(key) {
            Ok(verified) => return Ok(verified),
            Err(error) => problems.push(error.to_string()),
        }
    }
    problems.dedup();
    Err(problems.join("; "))
}

fn verify(args: &ReceiptVerifyArgs) -> anyhow::Result<Exit> {
    let keys = ledger::public_keys(&args.key)?;
    let length = std::fs::metadata(&args.file).with_context(|| format!("cannot read {}", args.file.display()))?.len();
    if length > MAX_RECEIPT_BYTES as u64 {
        bail!("{} has {length} bytes, more than a receipt may have", args.file.display());
    }
    let bytes = std::fs::read(&args.file).with_context(|| format!("cannot read {}", args.file.display()))?;
    let verified = match bytes.is_empty() {
        true => Err("the file is empty".to_owned()),
        false => Receipt::from_bytes(&bytes).map_err(|error| error.to_string()),
    };
    let verified = verified.and_then(|receipt| with_any(&receipt, &keys));
    let text = match (args.format, &verified) {
        (ReportFormat::Json, Ok(verified)) => {
            let shown = json!({
                "valid": true, "id": verified.event().id, "outcome": verified.outcome(), "proceed": verified.proceeds(),
                "index": verified.index(), "origin": verified.checkpoint().origin(), "size": verified.checkpoint().size(),
                "root": verified.checkpoint().root(),
            });
            serde_json::to_string_pretty(&shown)? + "\n"
        }
        (ReportFormat::Json, Err(problem)) => {
            serde_json::to_string_pretty(&json!({ "valid": false, "problem": problem }))? + "\n"
        }
        (ReportFormat::Human, Ok(verified)) => format!(
            "✔ VALID  decision {}: {}\n  event {} of {}, in the tree of {} events\n",
            verified.event().id,
            verified.outcome(),
            verified.index(),
            shown(verified.checkpoint().origin()),
            verified.checkpoint().size()
        ),
        (ReportFormat::Human, Err(problem)) => format!("✖ NOT VALID  {}\n", shown(problem)),
    };
    report::out(&crate::decide::printable(&text))?;
    Ok(if verified.is_ok() { Exit::Done } else { Exit::Unsound })
}
