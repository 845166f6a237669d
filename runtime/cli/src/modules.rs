//! Modules that come from registries: the client, the store, and what a lock pins.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use portcullis::{LockedModule, ModuleStore, PolicySet, SetError};
use portcullis_gate::{Limits, OciPin, OciReference, SetDefinition, Sha256};
use portcullis_inspect::InspectLimits;
use portcullis_registry::{Artifact, Client, ClientOptions, Keychain, Proxy};

use crate::args::{ModuleStoreArgs, RegistryArgs};
use crate::cache;

/// A client as the arguments say. `named` says whether the user names the registry in the command itself.
///
/// # Errors
/// The certificates cannot be read, half of the credentials is set, or the environment names a proxy that is none.
pub fn client(args: &RegistryArgs, named: bool) -> anyhow::Result<Client> {
    let roots_pem = args
        .registry_ca
        .as_ref()
        .map(|path| std::fs::read(path).with_context(|| format!("cannot read the certificates in {}", path.display())));
    let options = ClientOptions {
        plain_http: args.plain_http,
        https: args.https,
        allowed_realms: args.allow_realm.iter().map(|host| host.to_ascii_lowercase()).collect(),
        roots_pem: roots_pem.transpose()?,
        time_limit: std::time::Duration::from_secs(args.registry_timeout),
        proxy: Proxy::from_environment(|name| std::env::var(name).ok()).context("HTTPS_PROXY or ALL_PROXY")?,
    };
    let keychain = Keychain::from_environment(named, |name| std::env::var(name).ok())?;
    Ok(Client::new(options, keychain)?)
}

/// The module store that the arguments name, or the user's.
///
/// # Errors
/// There is no home folder.
pub fn store(args: &ModuleStoreArgs) -> anyhow::Result<ModuleStore> {
    let folder = args.module_store.clone().or_else(|| Some(cache::folder()?.join("modules")));
    folder.map(ModuleStore::new).context("there is no home folder to keep modules in: say --module-store DIR")
}

/// Keeps all of an artifact.
///
/// # Errors
/// The store cannot be written.
pub fn keep(store: &ModuleStore, artifact: &Artifact) -> anyhow::Result<()> {
    store.insert(artifact.manifest())?;
    store.insert(artifact.config())?;
    for evidence in artifact.evidence() {
        store.insert_evidence(artifact.module_sha256(), evidence)?;
    }
    // Last: where the module is, the rest is too.
    store.insert(artifact.module())?;
    Ok(())
}

/// The distinct references among a set's modules, each with what its module may be.
#[must_use]
pub fn references(definition: &SetDefinition) -> BTreeMap<String, (OciReference, InspectLimits)> {
    let mut references: BTreeMap<String, (OciReference, Limits)> = BTreeMap::new();
    for spec in definition.policies() {
        // The manifest was checked: whatever starts as a reference is one.
        let Some(Ok(reference)) = OciReference::of_module(&spec.module) else { continue };
        let (_, limits) = references.entry(spec.module.clone()).or_insert_with(|| (reference, spec.limits));
        limits.module_bytes = limits.module_bytes.max(spec.limits.module_bytes);
        limits.memory_bytes = limits.memory_bytes.max(spec.limits.memory_bytes);
        limits.table_elements = limits.table_elements.max(spec.limits.table_elements);
        limits.instances = limits.instances.max(spec.limits.instances);
    }
    references.into_iter().map(|(module, (reference, limits))| (module, (reference, (&limits).into()))).collect()
}

/// What a lock pins of the modules of registries.
pub struct Pinned {
    /// As the manifest names it, without the scheme.
    pub reference: OciReference,
    /// What it was when it was locked.
    pub locked: LockedModule,
    /// What its module may be.
    pub limits: InspectLimits,
}

/// What the lock of a set pins: by the manifest's `module`.
///
/// # Errors
/// The manifest or the lock cannot be read, or the lock lacks a module of a registry that the manifest names.
pub fn pinned(policies: &Path) -> anyhow::Result<(PathBuf, BTreeMap<String, Pinned>)> {
    let (manifest, definition) = PolicySet::definition(policies)?;
    let lock = PolicySet::read_lock(&manifest)?;
    let mut all = BTreeMap::new();
    for (module, (reference, limits)) in references(&definition) {
        let mut found = definition.policies().iter().filter(|spec| spec.module == module).map(|spec| {
            let policy = lock.policy(&spec.name)?;
            let pin = policy.oci.as_ref().filter(|pin| pin.reference == module)?;
            Some(locked_module(pin, policy.module_sha256))
        });
        let first = found.next().flatten();
        let locked = first.filter(|first| found.all(|other| other == Some(*first))).with_context(|| {
            format!(
                "the lock does not pin {module}; run `portcullis lock --policies {}` and review its difference",
                policies.display()
            )
        })?;
        all.insert(module, Pinned { reference, locked, limits });
    }
    Ok((manifest, all))
}

/// What a pin and the module's digest say together.
#[must_use]
pub fn locked_module(pin: &OciPin, module_sha256: Sha256) -> LockedModule {
    LockedModule { manifest_sha256: pin.manifest_sha256, module_sha256 }
}

/// A file that is no manifest is told before that there is no lock beside it.
pub fn manifest_first(policies: &Path, error: SetError) -> SetError {
    match error {
        SetError::NoLock { .. } => PolicySet::definition(policies).err().unwrap_or(error),
        error => error,
    }
}
