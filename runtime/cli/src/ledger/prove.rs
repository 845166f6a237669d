//! `portcullis ledger prove`, `export` and `checkpoint`.

use anyhow::{Context as _, bail};
use portcullis::{Reader, Stored};
use portcullis_gate::Sha256;
use portcullis_ledger::{Checkpoint, Files as _, Folder, VerifierKey, leaf_hash};
use serde_json::json;

use super::{id, reader};
use crate::args::{CheckpointArgs, ExportArgs, ProveArgs};
use crate::exit::Exit;
use crate::report;

/// The newest checkpoint in the ledger, and the key that signed it.
pub fn newest(reader: &Reader) -> anyhow::Result<(String, Checkpoint, VerifierKey)> {
    let (note, chain) = reader.signed()?;
    let (note, key) = (note.context("the ledger has no signed checkpoint yet")?, chain.current().clone());
    let checkpoint = Checkpoint::open(&note, &key)?;
    Ok((note, checkpoint, key))
}

/// The inclusion proof of an event in the tree that is signed.
pub fn included(reader: &Reader, index: u64, size: u64) -> anyhow::Result<Vec<Sha256>> {
    if index >= size {
        bail!(
            "the newest signed checkpoint in the ledger is of {size} events, so it does not speak of event {index} yet: ask \
             again when the writer has recorded more, or was closed"
        );
    }
    Ok(reader.prove_inclusion(index, size)?)
}

pub fn run(args: &ProveArgs) -> anyhow::Result<Exit> {
    let reader = reader(&args.ledger)?;
    let hashes = |proof: Vec<Sha256>| proof.iter().map(ToString::to_string).collect::<Vec<_>>();
    let proof = match (&args.id, args.from) {
        (Some(text), _) => {
            let (note, checkpoint, key) = newest(&reader)?;
            let stored = Stored::read(&reader, id(&reader, text)?)?;
            let leaf = stored.event.encode()?;
            let proof = super::included(&reader, stored.index, checkpoint.size())?;
            json!({
                "kind": "inclusion", "id": stored.event.id, "index": stored.index, "size": checkpoint.size(),
                "leaf": String::from_utf8_lossy(&leaf), "leaf_hash": leaf_hash(&leaf), "root": checkpoint.root(),
                "proof": hashes(proof), "checkpoint": note, "key": key.to_string(),
            })
        }
        (None, from) => {
            let size = reader.size()?;
            let (old, new) = (from.unwrap_or(0), args.to.unwrap_or(size));
            if old > new || new > size {
                bail!("there is no proof from {old} to {new}: the ledger has {size} events, and only grew");
            }
            json!({ "kind": "consistency", "from": old, "to": new, "proof": hashes(reader.prove_consistency(old, new)?) })
        }
    };
    report::out(&(crate::decide::printable(&serde_json::to_string_pretty(&proof)?) + "\n"))?;
    Ok(Exit::Done)
}

pub fn export(args: &ExportArgs) -> anyhow::Result<Exit> {
    let reader = reader(&args.ledger)?;
    let (note, checkpoint, key) = newest(&reader)?;
    let folder = Folder::open(&args.out)?;
    folder.export(&reader, &note, &key).map_err(|error| anyhow::anyhow!("{error}"))?;
    report::out(&format!(
        "{}: {} events of {}, with the checkpoint and the public key\n",
        args.out.display(),
        checkpoint.size(),
        checkpoint.origin()
    ))?;
    Ok(Exit::Done)
}

pub fn checkpoint(args: &CheckpointArgs) -> anyhow::Result<Exit> {
    let reader = reader(&args.ledger)?;
    if args.keys {
        let keys: Vec<String> = reader.keys()?.keys().map(|key| format!("{key}\n")).collect();
        report::out(&keys.concat())?;
        return Ok(Exit::Done);
    }
    let (note, _, key) = newest(&reader)?;
    report::out(&if args.key { format!("{key}\n") } else { note })?;
    Ok(Exit::Done)
}
