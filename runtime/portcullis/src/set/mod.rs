//! A policy set: opened from its manifest, its lock and its files, ready to decide.

mod error;
mod files;
mod load;
mod lock;
mod pinned;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use portcullis_engine::{Engine, Policy};
use portcullis_gate::{
    EngineIdentity, Faulted, FoundPolicy, Lock, Manifest, Mark, PinnedSet, PolicyPin, SetDefinition, Sha256,
};

pub use error::{NotLoaded, SetError};
pub use files::ReadFiles;
pub(crate) use files::{Folder, Sources};
pub use lock::{Locked, LockedModule};

use files::{Found, read_files, read_lock, read_manifest, read_with_module};
use load::{Ask, check_trust, faulted, load_each, texts};
use pinned::pinned_modules;

use crate::{ModuleStore, trust};

/// The manifest's name in a policy set's folder.
pub const MANIFEST_FILE: &str = "portcullis.toml";
/// The lock's name, beside the manifest.
pub const LOCK_FILE: &str = "portcullis.lock";

/// A policy set, loaded: ready to decide any number of requests, from any thread.
#[derive(Debug)]
pub struct PolicySet {
    pinned: Arc<PinnedSet>,
    /// In the manifest's order. A policy that could not be loaded faults in every decision that concerns it.
    policies: Vec<Result<Policy, Faulted>>,
    warnings: Vec<Mark>,
    files: SetFiles,
    /// What runs the policies.
    engine: Engine,
    data: BTreeMap<String, BTreeMap<String, Sha256>>,
}

/// The bytes that a set was loaded from: what a record of its decisions has to keep so that they can be replayed.
#[derive(Clone)]
pub struct SetFiles {
    /// The manifest.
    pub manifest: Arc<[u8]>,
    /// The lock.
    pub lock: Arc<[u8]>,
    /// Modules, settings and reference documents, each once, in no particular order; what could not be read is not among them.
    pub others: Vec<Arc<[u8]>>,
    /// The signatures and reviews that the set's trust rules asked for, with the keys; `None` where they ask for none.
    pub evidence: Option<Arc<[u8]>>,
}

impl std::fmt::Debug for SetFiles {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let bytes: usize = self.others.iter().map(|bytes| bytes.len()).sum();
        write!(f, "SetFiles({} files, {bytes} bytes)", self.others.len())
    }
}

impl PolicySet {
    /// Opens a set: `path` is the manifest or the folder that holds `portcullis.toml`. Everything is compared with the
    /// lock before any module is compiled.
    ///
    /// A module that matches the lock and cannot be loaded does not stop the others: it is a fault in each decision
    /// that concerns it.
    ///
    /// # Errors
    /// [`SetError`]: the manifest or the lock is wrong or missing, or something is not what the lock says.
    pub fn open(path: &Path, engine: &Engine) -> Result<PolicySet, SetError> {
        PolicySet::open_with(path, None, engine)
    }

    /// Opens a set some of whose modules come from a registry: they are read from `modules`, by the digests in the lock.
    ///
    /// # Errors
    /// As for [`PolicySet::open`], and [`SetError::NotFetched`].
    pub fn open_with(path: &Path, modules: Option<&ModuleStore>, engine: &Engine) -> Result<PolicySet, SetError> {
        let (manifest_path, manifest) = read_manifest(path)?;
        let lock_path = manifest_path.with_file_name(LOCK_FILE);
        let lock = read_lock(&lock_path, &manifest_path)?;
        let now = Timestamp::now();
        let sources = Sources::parse((&manifest_path, &manifest), (&lock_path, &lock), now)?;
        let pinned = pinned_modules(&sources, modules)?;
        let folder = Folder::with(&manifest_path, modules, pinned);
        PolicySet::of(sources, &folder, now, engine, Ask::Evidence)
    }

    /// Opens a set from a manifest, a lock, and a source for the files that the manifest names. `now` tells which keys
    /// have ended, and which waivers to warn of.
    ///
    /// # Errors
    /// As for [`PolicySet::open`].
    pub fn load(
        manifest: (&Path, &[u8]),
        lock: (&Path, &[u8]),
        files: &dyn ReadFiles,
        now: Timestamp,
        engine: &Engine,
    ) -> Result<PolicySet, SetError> {
        PolicySet::of(Sources::parse(manifest, lock, now)?, files, now, engine, Ask::Evidence)
    }

    /// Opens a set from the bytes in a ledger, which recorded the evidence when the set began to decide.
    pub(crate) fn load_recorded(
        sources: Sources<'_>,
        files: &dyn ReadFiles,
        now: Timestamp,
        engine: &Engine,
    ) -> Result<PolicySet, SetError> {
        PolicySet::of(sources, files, now, engine, Ask::Nothing)
    }

    fn of(
        sources: Sources<'_>,
        files: &dyn ReadFiles,
        now: Timestamp,
        engine: &Engine,
        ask: Ask,
    ) -> Result<PolicySet, SetError> {
        let Sources {
            manifest: (manifest_path, manifest),
            lock: (lock_path, lock_bytes),
            mut definition,
            warnings,
            locked: lock,
        } = sources;
        let keys = match ask {
            Ask::Evidence => trust::read_keys(&mut definition, files)
                .map_err(|problems| SetError::Keys { path: manifest_path.into(), problems })?,
            Ask::Nothing => {
                definition.find_keys(&lock.keys);
                Vec::new()
            }
        };
        let name = manifest_path.display().to_string();
        let verify = |found: &[Found]| {
            let found: Vec<FoundPolicy> = found.iter().map(|found| found.digests.clone()).collect();
            let mismatches = lock.verify(&definition, &found, &name);
            if mismatches.is_empty() { Ok(()) } else { Err(SetError::Mismatch { path: lock_path.into(), mismatches }) }
        };

        let mut found = read_files(&definition, files);
        for (spec, found) in definition.policies().iter().zip(&mut found) {
            found.digests.inputs = lock.policy(&spec.name).and_then(|locked| locked.inputs.clone());
        }
        verify(&found)?;
        let evidence = match ask {
            Ask::Evidence => check_trust(manifest_path, &definition, keys, &found, files, now)?,
            Ask::Nothing => None,
        };
        let loaded = load_each(definition.policies().iter().zip(&mut found).collect(), engine);
        let mut policies = Vec::with_capacity(loaded.len());
        for (policy, found) in loaded.into_iter().zip(&mut found) {
            if let Ok(policy) = &policy {
                found.digests.inputs = Some(texts(policy.inputs()));
            }
            policies.push(policy.map_err(faulted));
        }
        verify(&found)?;

        let pins = found
            .iter()
            .map(|found| PolicyPin {
                module_sha256: found.digests.module_sha256,
                settings_sha256: found.digests.settings_sha256,
            })
            .collect();
        let identity =
            EngineIdentity { version: engine.version().into(), configuration_sha256: engine.configuration_sha256() };
        let pinned = Arc::new(PinnedSet { definition, sha256: lock.set_sha256, pins, engine: identity });
        let data = definition_data(&pinned.definition, &lock);
        let others: BTreeMap<Sha256, Arc<[u8]>> =
            found.into_iter().flat_map(|found| found.bytes).map(|read| (read.sha256, read.bytes)).collect();
        let others = others.into_values().collect();
        let files = SetFiles { manifest: manifest.into(), lock: lock_bytes.into(), others, evidence };
        Ok(PolicySet { pinned, policies, warnings, files, engine: engine.clone(), data })
    }

    /// What a manifest says: its path, and the set. `path` is the manifest or the folder that holds it.
    ///
    /// # Errors
    /// [`SetError`]: it cannot be read, or is wrong.
    pub fn definition(path: &Path) -> Result<(PathBuf, SetDefinition), SetError> {
        let (path, bytes) = read_manifest(path)?;
        let manifest = Manifest::parse(&path.display().to_string(), &bytes, Timestamp::now())?;
        Ok((path, manifest.definition))
    }

    /// The lock beside a manifest.
    ///
    /// # Errors
    /// [`SetError`]: it is missing, cannot be read, or is wrong.
    pub fn read_lock(manifest: &Path) -> Result<Lock, SetError> {
        let path = manifest.with_file_name(LOCK_FILE);
        Ok(Lock::parse(&path.display().to_string(), &read_lock(&path, manifest)?)?)
    }

    /// The set's definition and digests, as its decisions name them.
    #[must_use]
    pub fn pinned(&self) -> &Arc<PinnedSet> {
        &self.pinned
    }

    /// The loaded policies, in the manifest's order; a fault where one could not be loaded.
    pub fn policies(&self) -> &[Result<Policy, Faulted>] {
        &self.policies
    }

    /// What runs the policies.
    #[must_use]
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The digests of the reference documents, by the policy's and the document's name.
    pub(crate) fn data_digests(&self) -> BTreeMap<String, BTreeMap<String, Sha256>> {
        self.data.clone()
    }

    /// The same set, whose decisions name that release of the engine.
    pub(crate) fn with_engine_version(mut self, version: &str) -> PolicySet {
        let mut pinned = PinnedSet::clone(&self.pinned);
        pinned.engine.version = version.into();
        self.pinned = Arc::new(pinned);
        self
    }

    /// The same set with `module` wherever the module `old` is: with the settings, documents, limits and levels of the policy
    /// whose place it takes. `files` is where the set's files are. Answers also which policies cannot be loaded with it; they
    /// fault in each decision that concerns them.
    pub(crate) fn with_module(
        mut self,
        old: &Sha256,
        module: &Arc<[u8]>,
        files: &dyn ReadFiles,
        engine: &Engine,
    ) -> (PolicySet, Vec<NotLoaded>) {
        let mut pinned = PinnedSet::clone(&self.pinned);
        let mut not_loaded = Vec::new();
        let pins = pinned.pins.iter_mut().zip(self.pinned.definition.policies()).zip(&mut self.policies);
        let concerned: Vec<_> = pins.filter(|((pin, _), _)| pin.module_sha256 == Some(*old)).collect();
        let mut found = read_with_module(concerned.iter().map(|((_, spec), _)| *spec), module, files);
        let loaded = load_each(concerned.iter().map(|((_, spec), _)| *spec).zip(&mut found).collect(), engine);
        for (((pin, spec), policy), (loaded, found)) in concerned.into_iter().zip(loaded.into_iter().zip(&found)) {
            pin.module_sha256 = found.digests.module_sha256;
            *policy = loaded.map_err(|error| {
                let (name, module) = (spec.name.clone(), spec.module.clone());
                not_loaded.push(NotLoaded { name, module, error: error.clone() });
                faulted(error)
            });
        }
        self.pinned = Arc::new(pinned);
        (self, not_loaded)
    }

    /// The bytes that the set was loaded from.
    #[must_use]
    pub fn files(&self) -> &SetFiles {
        &self.files
    }

    /// What is worth knowing about the manifest although it is no error: a waiver that has ended, no policies.
    #[must_use]
    pub fn warnings(&self) -> &[Mark] {
        &self.warnings
    }
}

fn definition_data(definition: &SetDefinition, lock: &Lock) -> BTreeMap<String, BTreeMap<String, Sha256>> {
    let locked = definition.policies().iter().filter_map(|spec| lock.policy(&spec.name));
    locked.filter(|locked| !locked.data.is_empty()).map(|locked| (locked.name.clone(), locked.data.clone())).collect()
}
