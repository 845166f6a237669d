//! Blobs and tiles as files in a folder.
//!
//! A crash leaves a file whole or not at all, and a name that begins with a dot, which nothing reads.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::files::{Files, check_length, check_name, same};
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

    fn place(&self, name: &str) -> Result<PathBuf, StoreError> {
        check_name(name)?;
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

impl Files for Folder {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<bool, StoreError> {
        let path = self.place(name)?;
        let new = self.write_new(&path, bytes)?;
        // A link fails where the name is taken, which a rename does not.
        let linked = fs::hard_link(&new, &path);
        fs::remove_file(&new).map_err(|e| StoreError::io(&new, "removing", e))?;
        match linked {
            Ok(()) => sync_folder(&path).map(|()| true),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {
                let found = fs::read(&path).map_err(|e| StoreError::io(&path, "reading", e))?;
                same(&path, &found, bytes)
            }
            Err(e) => Err(StoreError::io(&path, "linking", e)),
        }
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.place(name)?;
        let new = self.write_new(&path, bytes)?;
        fs::rename(&new, &path).map_err(|e| StoreError::io(&path, "renaming", e))?;
        sync_folder(&path)
    }

    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.place(name)?;
        let io = |e| StoreError::io(&path, "reading", e);
        let mut file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(io(e)),
        };
        check_length(&path, file.metadata().map_err(io)?.len())?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io)?;
        Ok(Some(bytes))
    }
}
