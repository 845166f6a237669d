//! Writing the lock of a policy set.

use std::collections::BTreeMap;
use std::path::Path;

use jiff::Timestamp;
use portcullis_engine::Engine;
use portcullis_gate::{FoundPolicy, Lock, Manifest, OciPin, Sha256};

use super::files::{Folder, Found, read_files, read_manifest};
use super::load::{check_trust, inputs_of_each, texts};
use super::{NotLoaded, PolicySet, SetError};
use crate::{ModuleStore, trust};

/// What a reference named when it was resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LockedModule {
    /// Of the artifact's manifest.
    pub manifest_sha256: Sha256,
    /// Of the module in it.
    pub module_sha256: Sha256,
}

/// A lock, and what whoever commits it must know.
#[derive(Clone, Debug)]
pub struct Locked {
    /// The lock.
    pub lock: Lock,
    /// Policies that cannot be loaded: locked as they are, they fault in every decision that concerns them.
    pub not_loaded: Vec<NotLoaded>,
}

impl PolicySet {
    /// Reads a set and has its modules configured and compiled, to write its lock.
    ///
    /// # Errors
    /// [`SetError`]: the manifest is wrong, or a file cannot be read.
    pub fn lock(path: &Path, engine: &Engine) -> Result<Locked, SetError> {
        PolicySet::lock_with(path, None, &BTreeMap::new(), engine)
    }

    /// Reads a set some of whose modules come from a registry, to write its lock. `resolved` says of each `module` that is
    /// a reference what it names now; its bytes are read from `modules`.
    ///
    /// # Errors
    /// As for [`PolicySet::lock`]; a reference that is not in `resolved`, or not in `modules`, is a file that cannot be
    /// read.
    pub fn lock_with(
        path: &Path,
        modules: Option<&ModuleStore>,
        resolved: &BTreeMap<String, LockedModule>,
        engine: &Engine,
    ) -> Result<Locked, SetError> {
        let (manifest_path, bytes) = read_manifest(path)?;
        let name = manifest_path.display().to_string();
        let now = Timestamp::now();
        let mut definition = Manifest::parse(&name, &bytes, now)?.definition;
        let pinned = resolved.iter().map(|(module, locked)| (module.clone(), locked.module_sha256)).collect();
        let folder = Folder::with(&manifest_path, modules, pinned);
        let keys = trust::read_keys(&mut definition, &folder)
            .map_err(|problems| SetError::Keys { path: manifest_path.clone(), problems })?;
        let mut found = read_files(&definition, &folder);
        for (spec, found) in definition.policies().iter().zip(&mut found) {
            found.digests.oci = resolved
                .get(&spec.module)
                .map(|locked| OciPin { reference: spec.module.clone(), manifest_sha256: locked.manifest_sha256 });
        }
        let locked = |found: &[Found]| {
            let found: Vec<FoundPolicy> = found.iter().map(|found| found.digests.clone()).collect();
            Lock::new(&definition, &found, &name)
                .map_err(|files| SetError::NotLocked { path: manifest_path.clone(), files })
        };
        // Nothing is compiled of a set that cannot be locked.
        locked(&found)?;
        check_trust(&manifest_path, &definition, keys, &found, &folder, now)?;
        let mut not_loaded = Vec::new();
        // Nobody has reviewed these modules: no code of theirs comes into this process.
        let inputs = inputs_of_each(definition.policies().iter().zip(&mut found).collect(), engine);
        for ((spec, found), inputs) in definition.policies().iter().zip(&mut found).zip(inputs) {
            match inputs {
                Ok(inputs) => found.digests.inputs = Some(texts(&inputs)),
                Err(error) => {
                    not_loaded.push(NotLoaded { name: spec.name.clone(), module: spec.module.clone(), error });
                }
            }
        }
        let lock = locked(&found)?;
        Ok(Locked { lock, not_loaded })
    }
}
