//! Blobs and tiles as files in a folder.
//!
//! A crash leaves a file whole or not at all, and a name that begins with a dot, which nothing reads.

use std::fs::{self, File};
use std::io::{ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use portcullis_files::{Rights, create_new, make_folders, replace};

use crate::files::{Files, check_length, check_name, same};
use crate::store_error::StoreError;

/// A folder of files that are written once.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
}

impl Folder {
    /// Opens a folder, or makes it.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn open(path: &Path) -> Result<Folder, StoreError> {
        make_folders(path)?;
        Ok(Folder { path: path.to_owned() })
    }

    fn place(&self, name: &str) -> Result<PathBuf, StoreError> {
        check_name(name)?;
        Ok(self.path.join(name))
    }

    /// The path of a name, in a folder that is there.
    fn place_to_write(&self, name: &str) -> Result<PathBuf, StoreError> {
        let path = self.place(name)?;
        make_folders(path.parent().unwrap_or(&self.path))?;
        Ok(path)
    }
}

impl Files for Folder {
    fn put(&self, name: &str, bytes: &[u8]) -> Result<bool, StoreError> {
        let path = self.place_to_write(name)?;
        if create_new(&path, bytes, Rights::Usual)? {
            return Ok(true);
        }
        let found = fs::read(&path).map_err(|e| StoreError::io(&path, "reading", e))?;
        same(&path, &found, bytes)
    }

    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        Ok(replace(&self.place_to_write(name)?, bytes, Rights::Usual)?)
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
