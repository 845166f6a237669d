//! Opening a policy set: manifest, lock, files, modules.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use portcullis_engine::{Engine, LoadError, Policy, PolicySource};
use portcullis_gate::{
    Document, EngineIdentity, Fault, Faulted, FoundPolicy, LoadFault, Lock, MAX_DOCUMENT_BYTES, MAX_MANIFEST_BYTES,
    Manifest, Mark, Mismatch, OCI_SCHEME, OciPin, PinnedSet, PolicyPin, PolicySpec, SetDefinition, Settings, Sha256,
    SourceError,
};

use crate::ModuleStore;
use crate::pinned::pinned_modules;

/// The manifest's name in a policy set's folder.
pub const MANIFEST_FILE: &str = "portcullis.toml";
/// The lock's name, beside the manifest.
pub const LOCK_FILE: &str = "portcullis.lock";

/// Largest lock, in bytes.
const MAX_LOCK_BYTES: usize = 4 * 1024 * 1024;

/// A policy set, loaded: ready to decide any number of requests, from any thread.
#[derive(Debug)]
pub struct PolicySet {
    pinned: Arc<PinnedSet>,
    /// In the manifest's order. A policy that could not be loaded faults in every decision that concerns it.
    policies: Vec<Result<Policy, Faulted>>,
    warnings: Vec<Mark>,
    files: SetFiles,
    data: BTreeMap<String, BTreeMap<String, Sha256>>,
}

/// The bytes that a set was loaded from: what a record of its decisions has to keep so that they can be replayed.
#[derive(Clone)]
pub struct SetFiles {
    /// The manifest.
    pub manifest: Arc<[u8]>,
    /// The lock.
    pub lock: Arc<[u8]>,
    /// Modules, settings and reference documents, in no particular order; what could not be read is not among them.
    pub others: Vec<Arc<[u8]>>,
}

/// Why a policy set was not opened or not locked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetError {
    /// A file cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The manifest or the lock is wrong; the error shows the lines.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// There is no lock.
    #[error("{}: there is no lock, so nothing says which modules these policies are; review them and write it with `portcullis lock --policies {}`", path.display(), manifest.display())]
    NoLock {
        /// Where the lock was looked for.
        path: PathBuf,
        /// The manifest.
        manifest: PathBuf,
    },
    /// Something is not what the lock says.
    #[error("{}: the policy set is not the one that was locked; nothing was loaded\n{}\nif these changes are meant, run `portcullis lock` and review its difference", path.display(), lines(mismatches))]
    Mismatch {
        /// The lock.
        path: PathBuf,
        /// Each difference, with file, expected and found.
        mismatches: Vec<Mismatch>,
    },
    /// Modules that a registry holds are not in the module store as the lock pins them.
    #[error("{}: these modules come from a registry and are not here as the lock pins them; nothing was loaded\n{}\nfetch them with `portcullis policy fetch --policies {} --module-store {}`", path.display(), lines(modules), path.display(), store.display())]
    NotFetched {
        /// The manifest.
        path: PathBuf,
        /// Where they were looked for.
        store: PathBuf,
        /// Each module, and why it is not read.
        modules: Vec<String>,
    },
    /// Modules come from a registry, and no module store was given.
    #[error("{}: {} comes from a registry, and no module store was given", path.display(), module)]
    NoModuleStore {
        /// The manifest.
        path: PathBuf,
        /// The first such module.
        module: String,
    },
    /// Files that a lock would have to name cannot be read.
    #[error("{}: these files cannot be read; nothing was locked\n{}", path.display(), lines(files))]
    NotLocked {
        /// The manifest.
        path: PathBuf,
        /// Each file, and what it is to the set.
        files: Vec<Mismatch>,
    },
}

/// A policy that cannot be loaded.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the policy {name:?} ({module}): {error}")]
pub struct NotLoaded {
    /// The policy's name in the set.
    pub name: String,
    /// Its module's path, as in the manifest.
    pub module: String,
    /// Why.
    pub error: LoadError,
}

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
        let pinned = pinned_modules((&manifest_path, &manifest), (&lock_path, &lock), modules)?;
        let folder = Folder { modules: modules.cloned(), pinned, ..Folder::of(&manifest_path) };
        PolicySet::load((&manifest_path, &manifest), (&lock_path, &lock), &folder, Timestamp::now(), engine)
    }

    /// Opens a set from bytes that were kept: the manifest, the lock, and a source for the files that the manifest names.
    /// `now` tells only which waivers to warn of.
    ///
    /// # Errors
    /// As for [`PolicySet::open`].
    pub fn load(
        (manifest_path, manifest_bytes): (&Path, &[u8]),
        (lock_path, lock_bytes): (&Path, &[u8]),
        files: &dyn ReadFiles,
        now: Timestamp,
        engine: &Engine,
    ) -> Result<PolicySet, SetError> {
        let name = manifest_path.display().to_string();
        let manifest = Manifest::parse(&name, manifest_bytes, now)?;
        let definition = manifest.definition;
        let lock = Lock::parse(&lock_path.display().to_string(), lock_bytes)?;
        let found = read_files(&definition, files);
        let verify = |found: &[Found]| {
            let found: Vec<FoundPolicy> = found.iter().map(|found| found.digests.clone()).collect();
            let mismatches = lock.verify(&definition, &found, &name);
            if mismatches.is_empty() { Ok(()) } else { Err(SetError::Mismatch { path: lock_path.into(), mismatches }) }
        };

        let mut found = found;
        for (spec, found) in definition.policies().iter().zip(&mut found) {
            found.digests.inputs = lock.policy(&spec.name).and_then(|locked| locked.inputs.clone());
        }
        verify(&found)?;
        let mut policies = Vec::with_capacity(found.len());
        for (spec, found) in definition.policies().iter().zip(&mut found) {
            let policy = load(spec, found, engine);
            if let Ok(policy) = &policy {
                found.digests.inputs = Some(inputs(policy));
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
        let engine =
            EngineIdentity { version: engine.version().into(), configuration_sha256: engine.configuration_sha256() };
        let pinned = Arc::new(PinnedSet { definition, sha256: lock.set_sha256, pins, engine });
        let data = definition_data(&pinned.definition, &lock);
        let others = found.into_iter().flat_map(|found| found.bytes).collect();
        let files = SetFiles { manifest: manifest_bytes.into(), lock: lock_bytes.into(), others };
        Ok(PolicySet { pinned, policies, warnings: manifest.warnings, files, data })
    }

    /// Reads a set and loads its modules, to write its lock.
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
        let manifest = Manifest::parse(&manifest_path.display().to_string(), &bytes, Timestamp::now())?;
        let pinned = resolved.iter().map(|(module, locked)| (module.clone(), locked.module_sha256)).collect();
        let folder = Folder { modules: modules.cloned(), pinned, ..Folder::of(&manifest_path) };
        let mut found = read_files(&manifest.definition, &folder);
        let mut not_loaded = Vec::new();
        for (spec, found) in manifest.definition.policies().iter().zip(&mut found) {
            found.digests.oci = resolved
                .get(&spec.module)
                .map(|locked| OciPin { reference: spec.module.clone(), manifest_sha256: locked.manifest_sha256 });
            match load(spec, found, engine) {
                Ok(policy) => found.digests.inputs = Some(inputs(&policy)),
                Err(error) => {
                    not_loaded.push(NotLoaded { name: spec.name.clone(), module: spec.module.clone(), error });
                }
            }
        }
        let found: Vec<FoundPolicy> = found.into_iter().map(|found| found.digests).collect();
        let lock = Lock::new(&manifest.definition, &found, &manifest_path.display().to_string())
            .map_err(|files| SetError::NotLocked { path: manifest_path, files })?;
        Ok(Locked { lock, not_loaded })
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

/// Where the files come from that a manifest names.
pub trait ReadFiles {
    /// The content of a file, by its path in the manifest; one that is larger than `limit` bytes is an error.
    ///
    /// # Errors
    /// There is no such file, it cannot be read, or it is too large.
    fn read(&self, file: &str, limit: usize) -> std::io::Result<Vec<u8>>;
}

/// Files relative to a folder, and modules of a registry by their digests.
struct Folder {
    folder: PathBuf,
    modules: Option<ModuleStore>,
    /// The digest of each `module` that is a reference.
    pinned: BTreeMap<String, Sha256>,
}

impl Folder {
    fn of(manifest: &Path) -> Folder {
        let folder = manifest.parent().unwrap_or(Path::new("")).to_path_buf();
        Folder { folder, modules: None, pinned: BTreeMap::new() }
    }
}

impl ReadFiles for Folder {
    fn read(&self, file: &str, limit: usize) -> std::io::Result<Vec<u8>> {
        if !file.starts_with(OCI_SCHEME) {
            return read_file(&self.folder.join(file), limit);
        }
        match (&self.modules, self.pinned.get(file)) {
            (Some(modules), Some(sha256)) => modules.read(*sha256, limit).map_err(std::io::Error::other),
            (None, _) => Err(std::io::Error::other("no module store was given")),
            (_, None) => Err(std::io::Error::other("nothing says which module this is")),
        }
    }
}

/// What was read for one policy.
struct Found {
    module: Result<Arc<[u8]>, LoadError>,
    settings: Result<String, LoadError>,
    data: BTreeMap<String, Result<Document, LoadError>>,
    digests: FoundPolicy,
    /// All that could be read, as it is.
    bytes: Vec<Arc<[u8]>>,
}

fn read_manifest(path: &Path) -> Result<(PathBuf, Vec<u8>), SetError> {
    let manifest_path = if path.is_dir() { path.join(MANIFEST_FILE) } else { path.to_path_buf() };
    match read_file(&manifest_path, MAX_MANIFEST_BYTES) {
        Ok(bytes) => Ok((manifest_path, bytes)),
        Err(source) => Err(SetError::Unreadable { path: manifest_path, source }),
    }
}

fn read_files(definition: &SetDefinition, files: &dyn ReadFiles) -> Vec<Found> {
    definition.policies().iter().map(|spec| read_policy(spec, files)).collect()
}

fn read_policy(spec: &PolicySpec, files: &dyn ReadFiles) -> Found {
    let mut kept: Vec<Arc<[u8]>> = Vec::new();
    let mut read = |file: &str, limit, fault| {
        let bytes: Arc<[u8]> = read_named(files, file, limit, fault)?.into();
        kept.push(Arc::clone(&bytes));
        Ok(bytes)
    };
    let module_limit = usize::try_from(spec.limits.module_bytes).unwrap_or(usize::MAX);
    let module = read(&spec.module, module_limit, LoadFault::Missing);
    let settings = match &spec.settings {
        Settings::Inline(text) => Ok(text.as_bytes().into()),
        Settings::File(file) => read(file, MAX_DOCUMENT_BYTES, LoadFault::Settings),
    };
    let mut data = BTreeMap::new();
    let mut data_digests = BTreeMap::new();
    for (name, file) in &spec.data {
        let bytes = read(file, MAX_DOCUMENT_BYTES, LoadFault::Data);
        data_digests.insert(name.clone(), digest(&bytes));
        let document = bytes.and_then(|bytes| {
            Document::parse(&bytes).map_err(|error| failed(LoadFault::Data, format!("{file}: {error}")))
        });
        data.insert(name.clone(), document);
    }
    let digests = FoundPolicy {
        module_sha256: digest(&module),
        oci: None,
        settings_sha256: digest(&settings),
        data: data_digests,
        inputs: None,
    };
    let settings = settings.and_then(|bytes| {
        let text = std::str::from_utf8(&bytes).map(str::to_owned);
        text.map_err(|_| failed(LoadFault::Settings, "the settings are not UTF-8".into()))
    });
    if let Settings::Inline(text) = &spec.settings {
        kept.push(text.as_bytes().into());
    }
    Found { module, settings, data, digests, bytes: kept }
}

fn load(spec: &PolicySpec, found: &mut Found, engine: &Engine) -> Result<Policy, LoadError> {
    let module = found.module.as_ref().map_err(Clone::clone)?;
    let settings = found.settings.as_ref().map_err(Clone::clone)?;
    let data = std::mem::take(&mut found.data).into_iter().map(|(name, document)| Ok((name, document?)));
    let source = PolicySource {
        name: &spec.name,
        settings,
        limits: spec.limits,
        data: Arc::new(data.collect::<Result<BTreeMap<String, Document>, LoadError>>()?),
        expected_sha256: found.digests.module_sha256,
    };
    engine.load(module, &source)
}

fn definition_data(definition: &SetDefinition, lock: &Lock) -> BTreeMap<String, BTreeMap<String, Sha256>> {
    let locked = definition.policies().iter().filter_map(|spec| lock.policy(&spec.name));
    locked.filter(|locked| !locked.data.is_empty()).map(|locked| (locked.name.clone(), locked.data.clone())).collect()
}

/// A load error as the fault that it is in each decision: what went wrong inside the guest, where it was running.
fn faulted(error: LoadError) -> Faulted {
    match error.cause {
        Some(cause) => Faulted { fault: cause, detail: format!("while it was being configured: {}", error.detail) },
        None => Faulted { fault: Fault::Load(error.fault), detail: error.detail },
    }
}

fn inputs(policy: &Policy) -> Vec<String> {
    policy.inputs().iter().map(|pointer| pointer.as_str().to_owned()).collect()
}

fn read_lock(path: &Path, manifest: &Path) -> Result<Vec<u8>, SetError> {
    match read_file(path, MAX_LOCK_BYTES) {
        Ok(bytes) => Ok(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(SetError::NoLock { path: path.into(), manifest: manifest.into() })
        }
        Err(source) => Err(SetError::Unreadable { path: path.into(), source }),
    }
}

fn read_named(files: &dyn ReadFiles, file: &str, limit: usize, fault: LoadFault) -> Result<Vec<u8>, LoadError> {
    files.read(file, limit).map_err(|error| failed(fault, format!("{file}: {error}")))
}

/// Reads a file of at most `limit` bytes; what is larger is an error, not a prefix.
fn read_file(path: &Path, limit: usize) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take((limit as u64).saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() > limit {
        return Err(std::io::Error::other(format!("larger than {limit} bytes")));
    }
    Ok(bytes)
}

fn digest<E>(bytes: &Result<Arc<[u8]>, E>) -> Option<Sha256> {
    bytes.as_ref().ok().map(|bytes| Sha256::of(bytes))
}

fn failed(fault: LoadFault, detail: String) -> LoadError {
    LoadError { fault, cause: None, detail }
}

fn lines<T: std::fmt::Display>(items: &[T]) -> String {
    items.iter().map(|item| format!("  {item}")).collect::<Vec<_>>().join("\n")
}
