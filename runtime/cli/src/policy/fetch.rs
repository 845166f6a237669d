//! `portcullis policy fetch`, `save` and `load`.

use std::fmt::Write as _;
use std::io::BufReader;

use anyhow::Context as _;
use portcullis::ModuleStore;
use portcullis_files::{Rights, replace};
use portcullis_inspect::InspectLimits;
use portcullis_registry::{Artifact, MAX_CONFIG_BYTES, MAX_EVIDENCE_BYTES, MAX_MANIFEST_BYTES, Part, RegistryError};

use crate::args::{FetchArgs, LoadArgs, SaveArgs};
use crate::exit::Exit;
use crate::modules::{self, Pinned};
use crate::progress::Spinner;
use crate::report;
use crate::text::{counted, shown};

/// Fetches what a lock pins and the store lacks.
///
/// # Errors
/// A registry does not have it, or has something else under its digest.
pub fn fetch(args: &FetchArgs) -> anyhow::Result<Exit> {
    let (_, pinned) = modules::pinned(&args.policies)?;
    let store = modules::store(&args.modules)?;
    let client = modules::client(&args.registry, false)?;
    let mut out = String::new();
    for (module, pinned) in &pinned {
        let what = shown(module);
        if read(&store, pinned).is_ok() {
            _ = writeln!(out, "{what}: sha256:{} is there", pinned.locked.module_sha256);
            continue;
        }
        let _spinner = Spinner::start("fetching modules");
        let by_digest = pinned.reference.pinned(pinned.locked.manifest_sha256);
        let artifact = client.pull(&by_digest, &pinned.limits)?;
        same_module(pinned, &artifact)?;
        modules::keep(&store, &artifact)?;
        _ = writeln!(out, "{what}: sha256:{} fetched", pinned.locked.module_sha256);
    }
    if pinned.is_empty() {
        out.push_str("no module of this set comes from a registry\n");
    }
    report::out(&out)?;
    Ok(Exit::Done)
}

/// Writes what a lock pins into an archive, from the store.
///
/// # Errors
/// The store lacks something, or the archive cannot be written.
pub fn save(args: &SaveArgs) -> anyhow::Result<Exit> {
    let (manifest, pinned) = modules::pinned(&args.policies)?;
    let store = modules::store(&args.modules)?;
    let mut artifacts = Vec::new();
    for (module, pinned) in &pinned {
        let artifact = read(&store, pinned).with_context(|| {
            let (policies, store) = (args.policies.display(), store.folder().display());
            format!("{module} is not in the module store; fetch it with `portcullis policy fetch --policies {policies} --module-store {store}`")
        })?;
        artifacts.push((pinned.reference.to_string(), artifact));
    }
    if artifacts.is_empty() {
        anyhow::bail!("{}: no module of this set comes from a registry; nothing was saved", manifest.display());
    }
    let mut bytes = Vec::new();
    portcullis_registry::save(&artifacts, &mut bytes)?;
    replace(&args.out, &bytes, Rights::Usual).context("the archive cannot be written")?;
    let mut out = format!("{}: {}\n", args.out.display(), counted(artifacts.len(), "module", "modules"));
    for (name, artifact) in &artifacts {
        _ = writeln!(out, "  {} sha256:{}", shown(name), artifact.module_sha256());
    }
    report::out(&out)?;
    Ok(Exit::Done)
}

/// Puts what an archive holds into the store.
///
/// # Errors
/// Something in it is not as it should be: then nothing was put there.
pub fn load(args: &LoadArgs) -> anyhow::Result<Exit> {
    let store = modules::store(&args.modules)?;
    let name = args.file.display().to_string();
    let file = std::fs::File::open(&args.file).with_context(|| format!("cannot read {name}"))?;
    let artifacts = portcullis_registry::load(BufReader::new(file), &InspectLimits::default())
        .with_context(|| format!("{name}: nothing was loaded"))?;
    let mut out = format!("{}\n", counted(artifacts.len(), "module is in the store", "modules are in the store"));
    for (name, artifact) in &artifacts {
        modules::keep(&store, artifact)?;
        _ = writeln!(out, "  {} sha256:{}", shown(name), artifact.module_sha256());
    }
    report::out(&out)?;
    Ok(Exit::Done)
}

/// A pinned artifact from the store, all of it compared with its digests.
fn read(store: &ModuleStore, pinned: &Pinned) -> Result<Artifact, RegistryError> {
    let failed = |error: portcullis::ModuleStoreError| RegistryError::Io(std::io::Error::other(error));
    let size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
    let sha256 = pinned.locked.manifest_sha256;
    let manifest = store.read(sha256, size(MAX_MANIFEST_BYTES)).map_err(failed)?;
    let what = pinned.reference.to_string();
    let artifact = Artifact::read(&what, manifest, Some(sha256), &pinned.limits, |part, sha256, _| {
        let bytes = match part {
            Part::Config => store.read(sha256, size(MAX_CONFIG_BYTES)),
            Part::Module => store.read(sha256, size(pinned.limits.module_bytes)),
            Part::Evidence(module) => store.evidence(module, sha256, size(MAX_EVIDENCE_BYTES)),
        };
        bytes.map_err(failed)
    })?;
    same_module(pinned, &artifact)?;
    Ok(artifact)
}

/// A lock whose two digests do not belong together was written by hand.
fn same_module(pinned: &Pinned, artifact: &Artifact) -> Result<(), RegistryError> {
    let (expected, found) = (pinned.locked.module_sha256, artifact.module_sha256());
    if expected == found {
        return Ok(());
    }
    Err(RegistryError::Digest { what: format!("{}: the module that the lock pins", pinned.reference), expected, found })
}
