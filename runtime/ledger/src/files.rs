//! Blobs and tiles as files, for what serves or mirrors them.
//!
//! A file that is there stays as it is: what is put again must be the same bytes. Only the checkpoint is replaced, and it
//! is written last; and before it the key, by one that the log's keys were handed over to. A crash leaves a file whole or
//! not at all.

use std::path::{Component, Path};

use crate::checkpoint::Checkpoint;
use crate::export::{CHECKPOINT_PATH, ExportError, KEY_PATH, key_file, write_export};
use crate::key::VerifierKey;
use crate::reader::Reader;
use crate::store_error::StoreError;
use crate::{MAX_BLOB_BYTES, Sha256};

/// Files that are written once: a [`Folder`](crate::Folder), or [`Objects`](crate::Objects).
pub trait Files {
    /// Writes a file of that name, such as `tile/0/000`, durably, where there is none. Whether there was none.
    ///
    /// # Errors
    /// [`StoreError::File`] where there are other bytes under that name, or it is no name of a file here; what the place
    /// itself says.
    fn put(&self, name: &str, bytes: &[u8]) -> Result<bool, StoreError>;

    /// Writes a file of that name, durably, in the place of any other.
    ///
    /// # Errors
    /// As for [`Files::put`].
    fn replace(&self, name: &str, bytes: &[u8]) -> Result<(), StoreError>;

    /// The bytes of a file, at most [`MAX_BLOB_BYTES`]; `None` where there is none.
    ///
    /// # Errors
    /// As for [`Files::put`].
    fn get(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError>;

    /// Writes bytes under their digest. Whether they were not there.
    ///
    /// # Errors
    /// As for [`Files::put`].
    fn put_blob(&self, bytes: &[u8]) -> Result<bool, StoreError> {
        self.put(&blob_name(&Sha256::of(bytes)), bytes)
    }

    /// The bytes of that digest, hashed again; `None` where there are none.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where the bytes are others.
    fn blob(&self, sha256: &Sha256) -> Result<Option<Vec<u8>>, StoreError> {
        let found = self.get(&blob_name(sha256))?;
        match &found {
            Some(bytes) if Sha256::of(bytes) != *sha256 => {
                Err(StoreError::damaged(format!("the blob {sha256} has other bytes")))
            }
            _ => Ok(found),
        }
    }

    /// Writes the log as of a signed checkpoint in the layout of tiles. Run again for a later checkpoint, it adds what is
    /// new, whether the key was rotated or not.
    ///
    /// # Errors
    /// [`ExportError`]: the checkpoint is not of the events, or writing failed.
    fn export(
        &self,
        reader: &Reader,
        checkpoint: &str,
        key: &VerifierKey,
    ) -> Result<Checkpoint, ExportError<StoreError>> {
        let leaf = |index| {
            let missing = || StoreError::damaged(format!("event {index} is missing"));
            reader.with(|store| store.leaf(index)?.ok_or_else(missing))
        };
        let replaced = match self.get(KEY_PATH)? {
            None => false,
            // Of another log the key stays, and is in the way.
            Some(found) => reader.keys()?.keys().any(|earlier| key_file(earlier).as_bytes() == found),
        };
        write_export(checkpoint, key, leaf, |name, bytes| match name {
            CHECKPOINT_PATH => self.replace(name, bytes),
            KEY_PATH if replaced => self.replace(name, bytes),
            _ => self.put(name, bytes).map(|_| ()),
        })
    }
}

/// Refuses what leads out of a folder, or is hidden in it.
pub(crate) fn check_name(name: &str) -> Result<(), StoreError> {
    let inside = Path::new(name).components().all(|part| matches!(part, Component::Normal(_)));
    let hidden = name.split('/').any(|part| part.is_empty() || part.starts_with('.'));
    if !inside || hidden {
        return Err(StoreError::file(Path::new(name), "no name of a file in this folder"));
    }
    Ok(())
}

/// What a second writer of a name finds: the same bytes, or an error.
pub(crate) fn same(name: &Path, found: &[u8], bytes: &[u8]) -> Result<bool, StoreError> {
    if found == bytes { Ok(false) } else { Err(StoreError::file(name, "there are other bytes already")) }
}

pub(crate) fn check_length(name: &Path, length: u64) -> Result<(), StoreError> {
    if length > u64::try_from(MAX_BLOB_BYTES).unwrap_or(u64::MAX) {
        return Err(StoreError::file(name, format!("{length} bytes, at most {MAX_BLOB_BYTES} are read")));
    }
    Ok(())
}

/// Two levels, so that no folder has too many names.
fn blob_name(sha256: &Sha256) -> String {
    let digits = sha256.to_string();
    let (first, rest) = digits.split_at_checked(2).unwrap_or((&digits, ""));
    format!("blob/{first}/{rest}")
}
