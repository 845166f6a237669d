//! Policy sets in the ledger: recorded when they begin to decide, and read back for replays.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use portcullis_engine::Engine;
use portcullis_gate::{Lock, SetDefinition, Settings, Sha256};
use portcullis_ledger::store::{Blob, Entry};
use portcullis_ledger::{Body, Event, FormatError, Ledger, PolicyFiles, PolicySetActivated, Reader, StoreError, Time};
use uuid::Uuid;

use crate::set::Sources;
use crate::{EvidenceFile, GateError, LOCK_FILE, MANIFEST_FILE, PolicySet, ReadFiles, SetError, SetFiles};

const KIND: &str = "policy-set.activated";

/// Activations looked at, at once.
const PAGE: u32 = 64;

/// Most bytes of a set's files, each counted once: they are one entry of the ledger, of which a PostgreSQL server takes less
/// than 1 GiB.
pub const MAX_SET_BYTES: usize = 512 * 1024 * 1024;

/// Records that a set decides from here on, with all its files, unless it is the ledger's newest.
pub(crate) fn activate(
    ledger: &Ledger,
    set: &PolicySet,
    data: &BTreeMap<String, BTreeMap<String, Sha256>>,
) -> Result<(), GateError> {
    let pinned = set.pinned();
    let reader = ledger.reader()?;
    let files = set.files();
    let evidence_sha256 = files.evidence.as_ref().map(|bytes| Sha256::of(bytes));
    if let Some((_, leaf)) = reader.of_kind(KIND, u64::MAX, 1)?.into_iter().next()
        && let body = activated(&leaf)?
        && body.sha256 == pinned.sha256
        && body.evidence_sha256 == evidence_sha256
    {
        return Ok(());
    }
    let policies = pinned.definition.policies().iter().zip(&pinned.pins).map(|(spec, pin)| PolicyFiles {
        name: spec.name.clone(),
        module_sha256: pin.module_sha256,
        settings_sha256: pin.settings_sha256,
        data: data.get(&spec.name).cloned().unwrap_or_default(),
    });
    let mut body = PolicySetActivated {
        name: pinned.definition.name().into(),
        sha256: pinned.sha256,
        manifest_sha256: Sha256::of(&files.manifest),
        lock_sha256: Sha256::of(&files.lock),
        evidence_sha256,
        policies: policies.collect(),
        policies_left_out: 0,
    };
    body.fit();
    let event = Event { id: Uuid::now_v7(), time: Time::new(Timestamp::now())?, body: Body::PolicySetActivated(body) };
    let mut entry = Entry::new(&event)?;
    entry.blobs = blobs(files, MAX_SET_BYTES)?;
    ledger.append(entry)?;
    Ok(())
}

/// Everything that a set was loaded from, each once.
///
/// # Errors
/// [`GateError::TooLarge`]: in sum it is more than `limit` bytes.
fn blobs(files: &SetFiles, limit: usize) -> Result<Vec<Blob>, GateError> {
    let all = [&files.manifest, &files.lock].into_iter().chain(&files.others).chain(&files.evidence);
    let all: BTreeMap<Sha256, &Arc<[u8]>> = all.map(|bytes| (Sha256::of(bytes), bytes)).collect();
    let bytes = all.values().fold(0, |sum: usize, bytes| sum.saturating_add(bytes.len()));
    if bytes > limit {
        return Err(GateError::TooLarge { bytes, limit });
    }
    Ok(all.into_values().map(|bytes| Blob::new(Arc::clone(bytes))).collect())
}

/// The set that decided at `index`, loaded from the ledger's bytes.
pub(crate) fn set_of(
    reader: &Reader,
    sha256: Sha256,
    index: u64,
    now: Timestamp,
    engine: &Engine,
) -> Result<PolicySet, NotStored> {
    let body = activation_of(reader, sha256, index)?;
    stored_set(reader, &body, now, engine).map(|(set, _)| set)
}

/// A set that was activated, loaded from the ledger's bytes; and its files.
pub(crate) fn stored_set<'r>(
    reader: &'r Reader,
    body: &PolicySetActivated,
    now: Timestamp,
    engine: &Engine,
) -> Result<(PolicySet, LedgerFiles<'r>), NotStored> {
    let manifest = blob(reader, "the manifest", &body.manifest_sha256)?;
    let lock = blob(reader, "the lock", &body.lock_sha256)?;
    let sources = Sources::parse((Path::new(MANIFEST_FILE), &manifest), (Path::new(LOCK_FILE), &lock), now)?;
    let files = LedgerFiles { reader, digests: digests(&sources.definition, &sources.locked) };
    let set = PolicySet::load_recorded(sources, &files, now, engine)?;
    // Inline settings were read from the manifest; decisions name them by their digest all the same.
    let settings = set.pinned().pins.iter().filter_map(|pin| pin.settings_sha256);
    settings.map(|sha256| blob(reader, "a policy's settings", &sha256)).try_for_each(|bytes| bytes.map(drop))?;
    Ok((set, files))
}

/// The event that made that set the one which decided at `index`.
pub(crate) fn activation_of(reader: &Reader, sha256: Sha256, index: u64) -> Result<PolicySetActivated, NotStored> {
    let mut before = index;
    loop {
        let page = reader.of_kind(KIND, before, PAGE)?;
        let Some((oldest, _)) = page.last() else { return Err(NotStored::NoSet { sha256 }) };
        before = *oldest;
        let mut found = page.iter().map(|(_, leaf)| activated(leaf));
        if let Some(body) = found.find(|body| body.as_ref().map_or(true, |body| body.sha256 == sha256)) {
            return Ok(body?);
        }
    }
}

/// Why a set cannot be loaded from a ledger.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotStored {
    #[error("no event says that the policy set {sha256} was active")]
    NoSet { sha256: Sha256 },
    #[error("{what} ({sha256}) is not in the ledger")]
    NoBlob { what: &'static str, sha256: Sha256 },
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Format(#[from] FormatError),
    #[error("the files of the policy set in the ledger are not those that its lock names:\n{0}")]
    OtherFiles(String),
    #[error(transparent)]
    Set(SetError),
}

impl From<SetError> for NotStored {
    fn from(error: SetError) -> NotStored {
        match error {
            // What is to be done about a folder is not to be done about a ledger.
            SetError::Mismatch { mismatches, .. } => {
                let lines: Vec<String> = mismatches.iter().map(|mismatch| format!("  {mismatch}")).collect();
                NotStored::OtherFiles(lines.join("\n"))
            }
            other => NotStored::Set(other),
        }
    }
}

fn activated(leaf: &[u8]) -> Result<PolicySetActivated, FormatError> {
    match Event::decode(leaf)?.body {
        Body::PolicySetActivated(body) => Ok(body),
        other => Err(FormatError::malformed("event", format!("expected {KIND}, found {other:?}"))),
    }
}

fn blob(reader: &Reader, what: &'static str, sha256: &Sha256) -> Result<Vec<u8>, NotStored> {
    reader.blob(sha256)?.ok_or(NotStored::NoBlob { what, sha256: *sha256 })
}

/// The digest of each file that a manifest names, as its lock says.
fn digests(definition: &SetDefinition, lock: &Lock) -> BTreeMap<String, Sha256> {
    let mut digests = BTreeMap::new();
    for spec in definition.policies() {
        let Some(locked) = lock.policy(&spec.name) else { continue };
        digests.insert(spec.module.clone(), locked.module_sha256);
        if let Settings::File(file) = &spec.settings {
            digests.insert(file.clone(), locked.settings_sha256);
        }
        for (name, file) in &spec.data {
            digests.extend(locked.data.get(name).map(|sha256| (file.clone(), *sha256)));
        }
    }
    digests
}

/// Files in the ledger, by the digests that the lock gives their paths.
pub(crate) struct LedgerFiles<'r> {
    reader: &'r Reader,
    digests: BTreeMap<String, Sha256>,
}

impl ReadFiles for LedgerFiles<'_> {
    fn read(&self, file: &str, limit: usize) -> std::io::Result<Vec<u8>> {
        let missing = || std::io::Error::new(std::io::ErrorKind::NotFound, "not in the ledger");
        let sha256 = self.digests.get(file).ok_or_else(missing)?;
        let bytes = self.reader.blob(sha256).map_err(std::io::Error::other)?.ok_or_else(missing)?;
        if bytes.len() > limit {
            return Err(std::io::Error::other(format!("larger than {limit} bytes")));
        }
        Ok(bytes)
    }

    // A set that is loaded from a ledger is not asked for evidence again.
    fn evidence(&self, _: &str) -> std::io::Result<Vec<EvidenceFile>> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    fn resolved(&self, _: &str) -> std::io::Result<PathBuf> {
        Err(std::io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_files_are_one_blob_and_the_sum_is_bounded() {
        let module: Arc<[u8]> = vec![7; 100].into();
        let files = SetFiles {
            manifest: Arc::from(b"manifest".as_slice()),
            lock: Arc::from(b"lock".as_slice()),
            others: vec![Arc::clone(&module), vec![7; 100].into(), vec![8; 10].into(), Arc::clone(&module)],
            evidence: None,
        };
        let sum = 8 + 4 + 100 + 10;
        let kept = blobs(&files, sum).unwrap();
        assert_eq!(kept.iter().map(|blob| blob.bytes().len()).sum::<usize>(), sum);
        let error = blobs(&files, sum - 1).unwrap_err();
        assert!(matches!(error, GateError::TooLarge { bytes, limit } if (bytes, limit) == (sum, sum - 1)), "{error}");
        assert_eq!(error.to_string(), "the policy set's files have 122 bytes, at most 121 are recorded");
    }
}
