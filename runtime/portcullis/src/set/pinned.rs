//! What a lock pins of the modules that come from registries.

use std::collections::{BTreeMap, BTreeSet};

use portcullis_gate::{OciPin, OciReference, Sha256};

use super::{SetError, Sources};
use crate::{ModuleStore, ModuleStoreError};

/// The digests that the lock gives the modules of a registry; all of them are in the store.
///
/// # Errors
/// [`SetError::NotFetched`]: the store lacks some; [`SetError::NoModuleStore`]: there is none.
pub(super) fn pinned_modules(
    sources: &Sources<'_>,
    modules: Option<&ModuleStore>,
) -> Result<BTreeMap<String, Sha256>, SetError> {
    let manifest_path = sources.manifest.0;
    let mut pinned = BTreeMap::new();
    let mut missing = BTreeSet::new();
    for spec in sources.definition.policies().iter().filter(|spec| OciReference::of_module(&spec.module).is_some()) {
        let Some(modules) = modules else {
            return Err(SetError::NoModuleStore { path: manifest_path.into(), module: spec.module.clone() });
        };
        // One that the lock lacks, or knows from elsewhere, is a mismatch and not something to fetch.
        let locked = sources.locked.policy(&spec.name);
        let same_place = |pin: &OciPin| pin.reference == spec.module;
        let Some(locked) = locked.filter(|locked| locked.oci.as_ref().is_some_and(same_place)) else { continue };
        pinned.insert(spec.module.clone(), locked.module_sha256);
        let limit = usize::try_from(spec.limits.module_bytes).unwrap_or(usize::MAX);
        match modules.read(locked.module_sha256, limit) {
            Ok(_) => {}
            Err(ModuleStoreError::Missing { .. }) => {
                missing.insert(format!("{}: sha256 {} is not there", spec.module, locked.module_sha256));
            }
            Err(error) => {
                missing.insert(format!("{}: {error}", spec.module));
            }
        }
    }
    if missing.is_empty() {
        return Ok(pinned);
    }
    let store = modules.map(|modules| modules.folder().to_path_buf()).unwrap_or_default();
    Err(SetError::NotFetched { path: manifest_path.into(), store, modules: missing.into_iter().collect() })
}
