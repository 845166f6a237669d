//! Blobs and tiles as files in a folder, for what serves or mirrors them.
//!
//! A file that is there stays as it is: what is put again must be the same bytes. Only the checkpoint is replaced, and it
//! is written last. A crash leaves a file whole or not at all, and a name that begins with a dot, which nothing reads.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::Checkpoint;
use crate::Sha256;
use crate::export::{CHECKPOINT_PATH, ExportError, write_export};
use crate::key::VerifierKey;
use crate::reader::Reader;
use crate::store::sqlite::sync_folder;
use crate::store_error::StoreError;

/// A folder of files that are written once.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    next: AtomicU64,
}

impl Folder {
    /// Opens a folder, or makes it.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn open(path: &Path) -> Result<Folder, StoreError> {
        fs::create_dir_all(path).map_err(|e| StoreError::io(path, "creating the folder", e))?;
        Ok(Folder { path: path.to_owned(), next: AtomicU64::new(0) })
    }

    /// Writes a file of that name, such as `tile/0/000`, durably, where there is none. Whether there was none.
    ///
    /// # Errors
    /// [`StoreError::File`] where there are other bytes under that name, or the name leads out of the folder;
    /// [`StoreError::Io`].
    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<bool, StoreError> {
        let path = self.place(name)?;
        let new = self.write_new(&path, bytes)?;
        // A link fails where the name is taken, which a rename does not.
        let linked = fs::hard_link(&new, &path);
        fs::remove_file(&new).map_err(|e| StoreError::io(&new, "removing", e))?;
        match linked {
            Ok(()) => sync_folder(&path).map(|()| true),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                let found = fs::read(&path).map_err(|e| StoreError::io(&path, "reading", e))?;
                if found == bytes { Ok(false) } else { Err(StoreError::file(&path, "there are other bytes already")) }
            }
            Err(e) => Err(StoreError::io(&path, "linking", e)),
        }
    }

    /// Writes a file of that name, durably, in the place of any other.
    ///
    /// # Errors
    /// As for [`Folder::put`].
    pub fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.place(name)?;
        let new = self.write_new(&path, bytes)?;
        fs::rename(&new, &path).map_err(|e| StoreError::io(&path, "renaming", e))?;
        sync_folder(&path)
    }

    /// The bytes of a file; `None` where there is none.
    ///
    /// # Errors
    /// As for [`Folder::put`].
    pub fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.place(name)?;
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(e) => Err(StoreError::io(&path, "reading", e)),
        }
    }

    /// Writes bytes under their digest. Whether they were not there.
    ///
    /// # Errors
    /// As for [`Folder::put`].
    pub fn put_blob(&self, bytes: &[u8]) -> Result<bool, StoreError> {
        self.put(&blob_name(&Sha256::of(bytes)), bytes)
    }

    /// The bytes of that digest, hashed again; `None` where there are none.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where the bytes are others.
    pub fn blob(&self, sha256: &Sha256) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.get(&blob_name(sha256))?;
        match &found {
            Some(bytes) if Sha256::of(bytes) != *sha256 => {
                Err(StoreError::damaged(format!("the blob {sha256} has other bytes")))
            }
            _ => Ok(found),
        }
    }

    /// Writes the log as of a signed checkpoint in the layout of tiles. Run again for a later checkpoint, it adds what is
    /// new.
    ///
    /// # Errors
    /// [`ExportError`]: the checkpoint is not of the events, or writing failed.
    pub fn export(
        &self,
        reader: &Reader,
        checkpoint: &str,
        key: &VerifierKey,
    ) -> Result<Checkpoint, ExportError<StoreError>> {
        let leaf = |index| {
            let missing = || StoreError::damaged(format!("event {index} is missing"));
            reader.with(|store| store.leaf(index)?.ok_or_else(missing))
        };
        write_export(checkpoint, key, leaf, |name, bytes| {
            if name == CHECKPOINT_PATH { self.replace(name, bytes) } else { self.put(name, bytes).map(|_| ()) }
        })
    }

    fn place(&self, name: &str) -> Result<PathBuf, StoreError> {
        let inside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
        let hidden = name.split('/').any(|part| part.is_empty() || part.starts_with('.'));
        if !inside || hidden {
            return Err(StoreError::file(Path::new(name), "no name of a file in this folder"));
        }
        Ok(self.path.join(name))
    }

    /// A new file beside `path` with these bytes, synced.
    fn write_new(&self, path: &Path, bytes: &[u8]) -> Result<PathBuf, StoreError> {
        let folder = path.parent().unwrap_or(&self.path);
        self.make_folders(folder)?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let new = folder.join(format!(".new-{}-{number}", std::process::id()));
        let write = || -> std::io::Result<()> {
            let mut file: File = OpenOptions::new().write(true).create(true).truncate(true).open(&new)?;
            file.write_all(bytes)?;
            file.sync_all()
        };
        write().map_err(|e| StoreError::io(&new, "writing", e))?;
        Ok(new)
    }

    /// Makes a folder and those above it, each durably.
    fn make_folders(&self, folder: &Path) -> Result<(), StoreError> {
        if folder == self.path || folder.is_dir() {
            return Ok(());
        }
        if let Some(above) = folder.parent() {
            self.make_folders(above)?;
        }
        match fs::create_dir(folder) {
            Ok(()) => sync_folder(folder),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(()),
            Err(e) => Err(StoreError::io(folder, "creating the folder", e)),
        }
    }
}

/// Two levels, so that no folder has too many names.
fn blob_name(sha256: &Sha256) -> String {
    let digits = sha256.to_string();
    let (first, rest) = digits.split_at_checked(2).unwrap_or((&digits, ""));
    format!("blob/{first}/{rest}")
}
