//! Reading the files of a policy set.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;
use portcullis_engine::LoadError;
use portcullis_gate::{
    Document, FoundPolicy, LoadFault, Lock, MAX_DOCUMENT_BYTES, MAX_MANIFEST_BYTES, Manifest, Mark, OCI_SCHEME,
    PolicySpec, SetDefinition, Settings, Sha256,
};

use super::{MANIFEST_FILE, SetError};
use crate::ModuleStore;
use crate::evidence::{EvidenceFile, evidence_beside};

/// Largest lock, in bytes.
const MAX_LOCK_BYTES: usize = 4 * 1024 * 1024;

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
    /// The folder of a manifest, with modules of a registry by the digests that `pinned` gives them.
    pub(super) fn with(manifest: &Path, modules: Option<&ModuleStore>, pinned: BTreeMap<String, Sha256>) -> Folder {
        Folder { modules: modules.cloned(), pinned, ..Folder::of(manifest) }
    }

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

/// A set's manifest and lock, with their paths, parsed.
pub(crate) struct Sources<'s> {
    pub(super) manifest: (&'s Path, &'s [u8]),
    pub(super) lock: (&'s Path, &'s [u8]),
    pub(crate) definition: SetDefinition,
    pub(super) warnings: Vec<Mark>,
    pub(crate) locked: Lock,
}

impl<'s> Sources<'s> {
    /// Parses both. `now` tells which waivers to warn of.
    ///
    /// # Errors
    /// [`SetError::Source`]: one of them is wrong.
    pub(crate) fn parse(
        manifest: (&'s Path, &'s [u8]),
        lock: (&'s Path, &'s [u8]),
        now: Timestamp,
    ) -> Result<Sources<'s>, SetError> {
        let Manifest { definition, warnings } = Manifest::parse(&manifest.0.display().to_string(), manifest.1, now)?;
        let locked = Lock::parse(&lock.0.display().to_string(), lock.1)?;
        Ok(Sources { manifest, lock, definition, warnings, locked })
    }
}

/// What was read for one policy.
pub(super) struct Found {
    pub(super) module: Result<Arc<[u8]>, LoadError>,
    pub(super) settings: Result<Arc<[u8]>, LoadError>,
    pub(super) data: BTreeMap<String, Result<Document, LoadError>>,
    pub(super) digests: FoundPolicy,
    /// All that could be read, as it is.
    pub(super) bytes: Vec<Bytes>,
}

/// Bytes with their digest.
#[derive(Clone)]
pub(super) struct Bytes {
    pub(super) sha256: Sha256,
    pub(super) bytes: Arc<[u8]>,
}

/// Reads each file once, and keeps equal bytes once.
struct Reading<'f> {
    files: &'f dyn ReadFiles,
    by_path: HashMap<String, Bytes>,
    by_digest: HashMap<Sha256, Bytes>,
}

impl Reading<'_> {
    fn of(files: &dyn ReadFiles) -> Reading<'_> {
        Reading { files, by_path: HashMap::new(), by_digest: HashMap::new() }
    }

    fn read(&mut self, file: &str, limit: usize) -> std::io::Result<Bytes> {
        if let Some(read) = self.by_path.get(file) {
            return if read.bytes.len() > limit { Err(too_large(limit)) } else { Ok(read.clone()) };
        }
        let bytes = self.files.read(file, limit)?;
        let read = self.keep(bytes);
        self.by_path.insert(file.to_owned(), read.clone());
        Ok(read)
    }

    fn keep(&mut self, bytes: Vec<u8>) -> Bytes {
        let sha256 = Sha256::of(&bytes);
        self.by_digest.entry(sha256).or_insert_with(|| Bytes { sha256, bytes: bytes.into() }).clone()
    }
}

pub(super) fn read_manifest(path: &Path) -> Result<(PathBuf, Vec<u8>), SetError> {
    let manifest_path = if path.is_dir() { path.join(MANIFEST_FILE) } else { path.to_path_buf() };
    match read_file(&manifest_path, MAX_MANIFEST_BYTES) {
        Ok(bytes) => Ok((manifest_path, bytes)),
        Err(source) => Err(SetError::Unreadable { path: manifest_path, source }),
    }
}

/// Reads the files of all policies.
pub(super) fn read_files(definition: &SetDefinition, files: &dyn ReadFiles) -> Vec<Found> {
    let mut reading = Reading::of(files);
    definition.policies().iter().map(|spec| read_policy(spec, &mut reading)).collect()
}

/// Reads the files of these policies, but for their modules, which are `module`.
pub(super) fn read_with_module<'p>(
    policies: impl Iterator<Item = &'p PolicySpec>,
    module: &Arc<[u8]>,
    files: &dyn ReadFiles,
) -> Vec<Found> {
    let mut reading = Reading::of(files);
    let sha256 = Sha256::of(module);
    let with_module = |spec| {
        let mut found = read_policy(spec, &mut reading);
        found.module = Ok(Arc::clone(module));
        found.digests.module_sha256 = Some(sha256);
        found
    };
    policies.map(with_module).collect()
}

fn read_policy(spec: &PolicySpec, reading: &mut Reading<'_>) -> Found {
    let mut kept: Vec<Bytes> = Vec::new();
    // What a decision says of a fault is recorded and made again from files that may have moved since: it names what a file
    // is to the policy, never where it was.
    let mut keep = |read: std::io::Result<Bytes>, what: &str, fault| {
        let read = read.map_err(|error| failed(fault, format!("{what}: {error}")))?;
        kept.push(read.clone());
        Ok(read)
    };
    let module_limit = usize::try_from(spec.limits.module_bytes).unwrap_or(usize::MAX);
    let module = keep(reading.read(&spec.module, module_limit), "the module", LoadFault::Missing);
    let settings = match &spec.settings {
        Settings::Inline(text) => Ok(reading.keep(text.as_bytes().to_vec())),
        Settings::File(file) => reading.read(file, MAX_DOCUMENT_BYTES),
    };
    let settings = keep(settings, "the settings", LoadFault::Settings);
    let mut data = BTreeMap::new();
    let mut data_digests = BTreeMap::new();
    for (name, file) in &spec.data {
        let what = format!("the document {name:?}");
        let bytes = keep(reading.read(file, MAX_DOCUMENT_BYTES), &what, LoadFault::Data);
        data_digests.insert(name.clone(), digest(&bytes));
        let document = bytes.and_then(|bytes| {
            Document::parse(&bytes.bytes).map_err(|error| failed(LoadFault::Data, format!("{what}: {error}")))
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
    let bytes = |read: Bytes| read.bytes;
    Found { module: module.map(bytes), settings: settings.map(bytes), data, digests, bytes: kept }
}

pub(super) fn read_lock(path: &Path, manifest: &Path) -> Result<Vec<u8>, SetError> {
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
        return Err(too_large(limit));
    }
    Ok(bytes)
}

fn too_large(limit: usize) -> std::io::Error {
    std::io::Error::other(format!("larger than {limit} bytes"))
}

fn digest<E>(read: &Result<Bytes, E>) -> Option<Sha256> {
    read.as_ref().ok().map(|read| read.sha256)
}

pub(super) fn failed(fault: LoadFault, detail: String) -> LoadError {
    LoadError { fault, cause: None, detail }
}
