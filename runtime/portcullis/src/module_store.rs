//! Modules that came from a registry, kept by their digests, so that deciding needs no network.
//!
//! ```text
//! DIR/sha256/<64 hex>                             a module, the manifest of an artifact, its config, or what lay beside a
//!                                                 module as evidence and is none about it
//! DIR/sha256/<64 hex>.<16 hex>.sigstore.json      evidence about the module of the first digest
//! ```

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use portcullis_files::Rights;
use portcullis_gate::Sha256;

use crate::evidence::is_about;

/// What the name of an evidence file ends with.
pub const EVIDENCE_SUFFIX: &str = ".sigstore.json";

/// A folder of modules. Whatever is read from it is compared with its digest; whoever can write it can take modules away,
/// and nothing else.
#[derive(Clone, Debug)]
pub struct ModuleStore {
    folder: PathBuf,
}

/// Why something is not read from a module store, or not written to it.
#[derive(Debug, thiserror::Error)]
pub enum ModuleStoreError {
    /// There is no such entry.
    #[error("{}: there is no such module in the store", path.display())]
    Missing {
        /// Where it would be.
        path: PathBuf,
    },
    /// The entry is not what its name says.
    #[error("{}: the store's entry was changed: expected sha256 {expected}, found {found}", path.display())]
    Changed {
        /// The entry.
        path: PathBuf,
        /// What its name says.
        expected: Sha256,
        /// Of its bytes.
        found: Sha256,
    },
    /// The entry is larger than what is asked for may be.
    #[error("{}: larger than {limit} bytes", path.display())]
    TooLarge {
        /// The entry.
        path: PathBuf,
        /// Most bytes.
        limit: usize,
    },
    /// The file system says no.
    #[error("{}: {source}", path.display())]
    Io {
        /// The entry, or the folder.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

impl ModuleStore {
    /// The store in a folder, which is made when something is written.
    pub fn new(folder: impl Into<PathBuf>) -> ModuleStore {
        ModuleStore { folder: folder.into() }
    }

    /// The folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the entry of a digest is, or would be.
    #[must_use]
    pub fn path(&self, sha256: Sha256) -> PathBuf {
        self.folder.join("sha256").join(sha256.to_string())
    }

    /// The bytes of an entry of at most `limit` bytes, compared with its digest.
    ///
    /// # Errors
    /// [`ModuleStoreError`].
    pub fn read(&self, sha256: Sha256, limit: usize) -> Result<Vec<u8>, ModuleStoreError> {
        let path = self.path(sha256);
        let bytes = read(&path, limit)?;
        let found = Sha256::of(&bytes);
        if found == sha256 { Ok(bytes) } else { Err(ModuleStoreError::Changed { path, expected: sha256, found }) }
    }

    /// Keeps an entry; one that is there and was changed is replaced.
    ///
    /// # Errors
    /// [`ModuleStoreError::Io`].
    pub fn insert(&self, bytes: &[u8]) -> Result<Sha256, ModuleStoreError> {
        let sha256 = Sha256::of(bytes);
        if self.read(sha256, bytes.len()).is_err() {
            write(&self.path(sha256), bytes)?;
        }
        Ok(sha256)
    }

    /// Keeps evidence about a module beside it, under the name that its bytes give it, and once. What is no evidence about
    /// that module is kept too, as a part of its artifact: where trust rules do not find it.
    ///
    /// # Errors
    /// [`ModuleStoreError::Io`].
    pub fn insert_evidence(&self, module: Sha256, evidence: &[u8]) -> Result<(), ModuleStoreError> {
        if !is_about(module, evidence) {
            return self.insert(evidence).map(drop);
        }
        let sha256 = Sha256::of(evidence);
        let path = evidence_path(&self.path(module), sha256);
        if read(&path, evidence.len()).is_ok_and(|found| Sha256::of(&found) == sha256) {
            return Ok(());
        }
        write(&path, evidence)
    }

    /// The evidence of a digest about a module, of at most `limit` bytes.
    ///
    /// # Errors
    /// [`ModuleStoreError`].
    pub fn evidence(&self, module: Sha256, sha256: Sha256, limit: usize) -> Result<Vec<u8>, ModuleStoreError> {
        let path = evidence_path(&self.path(module), sha256);
        let bytes = match read(&path, limit) {
            Err(ModuleStoreError::Missing { .. }) => return self.read(sha256, limit),
            read => read?,
        };
        let found = Sha256::of(&bytes);
        if found == sha256 { Ok(bytes) } else { Err(ModuleStoreError::Changed { path, expected: sha256, found }) }
    }
}

/// The file that holds evidence about a module: beside it, named by the first 16 digits of the evidence's digest.
#[must_use]
pub fn evidence_path(module: &Path, evidence_sha256: Sha256) -> PathBuf {
    let mut name = module.as_os_str().to_owned();
    name.push(evidence_ending(evidence_sha256));
    name.into()
}

/// What a module's name gets for evidence of that digest.
pub(crate) fn evidence_ending(evidence_sha256: Sha256) -> String {
    let digits: String = evidence_sha256.to_string().chars().take(EVIDENCE_DIGITS).collect();
    format!(".{digits}{EVIDENCE_SUFFIX}")
}

fn read(path: &Path, limit: usize) -> Result<Vec<u8>, ModuleStoreError> {
    let failed = |source: std::io::Error| match source.kind() {
        std::io::ErrorKind::NotFound => ModuleStoreError::Missing { path: path.into() },
        _ => ModuleStoreError::Io { path: path.into(), source },
    };
    // Opening a pipe would wait for whoever writes it.
    if !fs::metadata(path).map_err(failed)?.is_file() {
        return Err(failed(std::io::Error::other("not a file")));
    }
    let mut bytes = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes)).map_err(failed)?;
    if bytes.len() > limit {
        return Err(ModuleStoreError::TooLarge { path: path.into(), limit });
    }
    Ok(bytes)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), ModuleStoreError> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let written = portcullis_files::make_folders(folder);
    let written = written.and_then(|()| portcullis_files::replace(path, bytes, Rights::Owner));
    written.map_err(|error| ModuleStoreError::Io { path: error.path, source: error.source })
}

/// How many digits of its digest name an evidence file.
pub(crate) const EVIDENCE_DIGITS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_back_and_nothing_else_is() {
        let folder = tempfile::tempdir().unwrap();
        let store = ModuleStore::new(folder.path().join("modules"));
        let sha256 = Sha256::of(b"module");
        assert!(
            matches!(store.read(sha256, 100), Err(ModuleStoreError::Missing { path }) if path == store.path(sha256))
        );
        assert_eq!(store.insert(b"module").unwrap(), sha256);
        assert_eq!(store.read(sha256, 6).unwrap(), b"module");
        assert!(matches!(store.read(sha256, 5), Err(ModuleStoreError::TooLarge { limit: 5, .. })));

        fs::write(store.path(sha256), b"another").unwrap();
        let changed = store.read(sha256, 100).unwrap_err();
        assert!(
            matches!(changed, ModuleStoreError::Changed { expected, found, .. }
                if expected == sha256 && found == Sha256::of(b"another")),
            "{changed}"
        );
        // What was changed is mended by fetching it again.
        store.insert(b"module").unwrap();
        assert_eq!(store.read(sha256, 100).unwrap(), b"module");
        let entries = fs::read_dir(folder.path().join("modules/sha256")).unwrap().count();
        assert_eq!(entries, 1, "no temporary file stays");
    }

    #[test]
    fn evidence_is_beside_its_module_under_the_name_of_its_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let store = ModuleStore::new(folder.path());
        let module = store.insert(b"module").unwrap();
        let (bytes, limit) = (signed(module), 10_000);
        let evidence = Sha256::of(&bytes);
        store.insert_evidence(module, &bytes).unwrap();
        let path = evidence_path(&store.path(module), evidence);
        assert_eq!(fs::read(&path).unwrap(), bytes);
        assert_eq!(store.evidence(module, evidence, limit).unwrap(), bytes);
        fs::write(&path, b"[]").unwrap();
        assert!(matches!(store.evidence(module, evidence, limit), Err(ModuleStoreError::Changed { .. })));
        assert!(matches!(store.evidence(evidence, evidence, limit), Err(ModuleStoreError::Missing { .. })));
        store.insert_evidence(module, &bytes).unwrap();
        assert_eq!(store.evidence(module, evidence, limit).unwrap(), bytes, "mended");
    }

    fn signed(module: Sha256) -> Vec<u8> {
        let key = portcullis_attest::PrivateKey::from_seed(&[7; 32]).unwrap();
        let statement = portcullis_attest::signature_statement("a", module, 1, "2026-03-14T09:30:00Z".parse().unwrap());
        portcullis_attest::Bundle::sign(statement, &key)
    }

    #[test]
    fn what_proves_nothing_of_a_module_is_not_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let store = ModuleStore::new(folder.path());
        let module = store.insert(b"module").unwrap();
        for junk in [b"{}".to_vec(), b"\xff".to_vec(), signed(Sha256::of(b"another module"))] {
            store.insert_evidence(module, &junk).unwrap();
            assert_eq!(store.evidence(module, Sha256::of(&junk), 10_000).unwrap(), junk, "a part of its artifact");
        }
        assert_eq!(crate::evidence_beside(&store.path(module)).unwrap().len(), 0);
        store.insert_evidence(module, &signed(module)).unwrap();
        let found = crate::evidence_beside(&store.path(module)).unwrap();
        assert_eq!(found.iter().filter(|file| file.bytes().is_ok()).count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let store = ModuleStore::new(folder.path());
        let sha256 = store.insert(b"module").unwrap();
        fs::remove_file(store.path(sha256)).unwrap();
        std::os::unix::net::UnixListener::bind(store.path(sha256)).unwrap();
        assert!(matches!(store.read(sha256, 100), Err(ModuleStoreError::Io { .. })));
    }
}
