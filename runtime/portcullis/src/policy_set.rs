//! Opening a policy set: manifest, lock, files, modules.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use portcullis_attest::NamedKey;
use portcullis_engine::{Engine, LoadError, Policy, PolicySource};
use portcullis_gate::{
    Document, EngineIdentity, Fault, Faulted, FoundPolicy, LoadFault, Lock, MAX_DOCUMENT_BYTES, MAX_MANIFEST_BYTES,
    Manifest, Mark, Mismatch, OCI_SCHEME, OciPin, PinnedSet, Pointer, PolicyPin, PolicySpec, SetDefinition, Settings,
    Sha256, SourceError,
};

use crate::ModuleStore;
use crate::evidence::{EvidenceFile, evidence_beside};
use crate::pinned::pinned_modules;
use crate::trust::{self, LOAD_TRUST, Untrusted};

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
    /// The signatures and reviews that the set's trust rules asked for, with the keys; `None` where they ask for none.
    pub evidence: Option<Arc<[u8]>>,
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
    /// The trusted keys cannot be used.
    #[error("{}: the trusted keys cannot be used; nothing was loaded\n{}", path.display(), lines(problems))]
    Keys {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with each.
        problems: Vec<String>,
    },
    /// Modules lack signatures or reviews that the manifest asks for.
    #[error("{LOAD_TRUST}: {}: modules lack what the manifest's [[trust]] asks for; nothing was loaded\n{}", path.display(), untrusted.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Untrusted {
        /// The manifest.
        path: PathBuf,
        /// Each module, what it needs and what was found.
        untrusted: Vec<Untrusted>,
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
        PolicySet::load_asking(manifest, lock, files, now, engine, Ask::Evidence)
    }

    /// Opens a set from the bytes in a ledger, which recorded the evidence when the set began to decide.
    pub(crate) fn load_recorded(
        manifest: (&Path, &[u8]),
        lock: (&Path, &[u8]),
        files: &dyn ReadFiles,
        now: Timestamp,
        engine: &Engine,
    ) -> Result<PolicySet, SetError> {
        PolicySet::load_asking(manifest, lock, files, now, engine, Ask::Nothing)
    }

    fn load_asking(
        (manifest_path, manifest_bytes): (&Path, &[u8]),
        (lock_path, lock_bytes): (&Path, &[u8]),
        files: &dyn ReadFiles,
        now: Timestamp,
        engine: &Engine,
        ask: Ask,
    ) -> Result<PolicySet, SetError> {
        let name = manifest_path.display().to_string();
        let manifest = Manifest::parse(&name, manifest_bytes, now)?;
        let mut definition = manifest.definition;
        let lock = Lock::parse(&lock_path.display().to_string(), lock_bytes)?;
        let keys = match ask {
            Ask::Evidence => trust::read_keys(&mut definition, files)
                .map_err(|problems| SetError::Keys { path: manifest_path.into(), problems })?,
            Ask::Nothing => {
                definition.find_keys(&lock.keys);
                Vec::new()
            }
        };
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
        let evidence = match ask {
            Ask::Evidence => check_trust(manifest_path, &definition, keys, &found, files, now)?,
            Ask::Nothing => None,
        };
        let loaded = each(definition.policies(), &mut found, |spec, found| load(spec, found, engine));
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
        let engine =
            EngineIdentity { version: engine.version().into(), configuration_sha256: engine.configuration_sha256() };
        let pinned = Arc::new(PinnedSet { definition, sha256: lock.set_sha256, pins, engine });
        let data = definition_data(&pinned.definition, &lock);
        let others = found.into_iter().flat_map(|found| found.bytes).collect();
        let files = SetFiles { manifest: manifest_bytes.into(), lock: lock_bytes.into(), others, evidence };
        Ok(PolicySet { pinned, policies, warnings: manifest.warnings, files, data })
    }

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
        let folder = Folder { modules: modules.cloned(), pinned, ..Folder::of(&manifest_path) };
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
        let inputs = each(definition.policies(), &mut found, |spec, found| inputs(spec, found, engine));
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
        for ((pin, spec), policy) in pins.filter(|((pin, _), _)| pin.module_sha256 == Some(*old)) {
            let mut found = read_policy(spec, files);
            found.digests.module_sha256 = Some(Sha256::of(module));
            found.module = Ok(Arc::clone(module));
            pin.module_sha256 = found.digests.module_sha256;
            *policy = load(spec, &mut found, engine).map_err(|error| {
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

/// Where the files come from that a manifest names.
pub trait ReadFiles {
    /// The content of a file, by its path in the manifest; one that is larger than `limit` bytes is an error.
    ///
    /// # Errors
    /// There is no such file, it cannot be read, or it is too large.
    fn read(&self, file: &str, limit: usize) -> std::io::Result<Vec<u8>>;

    /// The evidence about a module, by its path in the manifest: see [`evidence_beside`](crate::evidence_beside).
    ///
    /// # Errors
    /// It cannot be read, or is too much.
    fn evidence(&self, module: &str) -> std::io::Result<Vec<EvidenceFile>>;

    /// Where a file or folder is behind all links, as an absolute path. Asked of what has no scheme.
    ///
    /// # Errors
    /// There is nothing.
    fn resolved(&self, path: &str) -> std::io::Result<PathBuf>;
}

/// Files relative to a folder, and modules of a registry by their digests.
pub(crate) struct Folder {
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

    /// The folder of the set at `path`, which is a manifest or the folder that holds one; without a registry's modules.
    pub(crate) fn of_set(path: &Path) -> Folder {
        if path.is_dir() { Folder::of(&path.join(MANIFEST_FILE)) } else { Folder::of(path) }
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

    fn evidence(&self, module: &str) -> std::io::Result<Vec<EvidenceFile>> {
        if !module.starts_with(OCI_SCHEME) {
            return evidence_beside(&self.folder.join(module));
        }
        match (&self.modules, self.pinned.get(module)) {
            (Some(modules), Some(sha256)) => evidence_beside(&modules.path(*sha256)),
            (None, _) => Err(std::io::Error::other("no module store was given")),
            (_, None) => Err(std::io::Error::other("nothing says which module this is")),
        }
    }

    fn resolved(&self, path: &str) -> std::io::Result<PathBuf> {
        std::fs::canonicalize(self.folder.join(path))
    }
}

/// Whether modules are asked for the evidence that the set's trust rules say.
#[derive(Clone, Copy)]
enum Ask {
    Evidence,
    Nothing,
}

fn check_trust(
    path: &Path,
    definition: &SetDefinition,
    keys: Vec<NamedKey>,
    found: &[Found],
    files: &dyn ReadFiles,
    now: Timestamp,
) -> Result<Option<Arc<[u8]>>, SetError> {
    let modules = found.iter().map(|found| found.digests.module_sha256);
    let evidence = trust::check(definition, keys, modules, files, now)
        .map_err(|untrusted| SetError::Untrusted { path: path.into(), untrusted })?;
    Ok(evidence.map(|evidence| evidence.to_bytes().into()))
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
    // What a decision says of a fault is recorded and made again from files that may have moved since: it names what a file
    // is to the policy, never where it was.
    let mut read = |file: &str, what: &str, limit, fault| {
        let bytes = files.read(file, limit).map_err(|error| failed(fault, format!("{what}: {error}")))?;
        let bytes: Arc<[u8]> = bytes.into();
        kept.push(Arc::clone(&bytes));
        Ok(bytes)
    };
    let module_limit = usize::try_from(spec.limits.module_bytes).unwrap_or(usize::MAX);
    let module = read(&spec.module, "the module", module_limit, LoadFault::Missing);
    let settings = match &spec.settings {
        Settings::Inline(text) => Ok(text.as_bytes().into()),
        Settings::File(file) => read(file, "the settings", MAX_DOCUMENT_BYTES, LoadFault::Settings),
    };
    let mut data = BTreeMap::new();
    let mut data_digests = BTreeMap::new();
    for (name, file) in &spec.data {
        let what = format!("the document {name:?}");
        let bytes = read(file, &what, MAX_DOCUMENT_BYTES, LoadFault::Data);
        data_digests.insert(name.clone(), digest(&bytes));
        let document = bytes.and_then(|bytes| {
            Document::parse(&bytes).map_err(|error| failed(LoadFault::Data, format!("{what}: {error}")))
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
    with_source(spec, found, |module, source| engine.load(module, source))
}

fn inputs(spec: &PolicySpec, found: &mut Found, engine: &Engine) -> Result<Box<[Pointer]>, LoadError> {
    with_source(spec, found, |module, source| engine.inputs(module, source))
}

fn with_source<T>(
    spec: &PolicySpec,
    found: &mut Found,
    work: impl FnOnce(&[u8], &PolicySource<'_>) -> Result<T, LoadError>,
) -> Result<T, LoadError> {
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
    work(module, &source)
}

/// Does the work for each policy, on as many threads as there are cores; results are in the manifest's order.
fn each<T: Send>(
    specs: &[PolicySpec],
    found: &mut [Found],
    work: impl Fn(&PolicySpec, &mut Found) -> Result<T, LoadError> + Sync,
) -> Vec<Result<T, LoadError>> {
    let mut results: Vec<Option<Result<T, LoadError>>> = std::iter::repeat_with(|| None).take(found.len()).collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(found.len());
    // The slow ones are rarely neighbours: whoever is free takes the next.
    let waiting = Mutex::new(specs.iter().zip(found).zip(&mut results));
    let worker = || {
        loop {
            let next = waiting.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(((spec, found), result)) = next else { return };
            *result = Some(work(spec, found));
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads {
            // Without this thread, the others do its work.
            _ = std::thread::Builder::new().name("portcullis-load".into()).spawn_scoped(scope, worker);
        }
        worker();
    });
    let missing = || failed(LoadFault::Compiler, "it was not loaded".into());
    results.into_iter().map(|result| result.unwrap_or_else(|| Err(missing()))).collect()
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

fn texts(inputs: &[Pointer]) -> Vec<String> {
    inputs.iter().map(|pointer| pointer.as_str().to_owned()).collect()
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
