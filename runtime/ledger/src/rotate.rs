//! Another key signs from here on.
//!
//! The steps, each durable before the next, so that a crash between two of them leaves a ledger that opens:
//! the next key in `KEYFILE.next`; the `key.rotated` event with the hand-over, signed by both keys, in one transaction;
//! the copies of the checkpoint; `KEYFILE.next` renamed to `KEYFILE`. After the transaction the ledger belongs to the next
//! key, and opening it finishes what is left; before it, the next key is of no use to anybody and is made anew.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use uuid::Uuid;

use crate::event::{Body, Event, KeyRotated};
use crate::outside::{KeyFile, random_key, read_key, write_text};
use crate::sequencer::Appended;
use crate::store::Entry;
use crate::store::sqlite::beside;
use crate::store_error::StoreError;
use crate::time::Time;
use crate::{KeyChain, Ledger, VerifierKey};

/// The type of the event.
pub(crate) const KEY_ROTATED: &str = "key.rotated";

impl Ledger {
    /// Lets a new key sign from here on, and closes the ledger. The key file is replaced, and nothing keeps the old key,
    /// which could sign nothing more for this ledger. What keys for other purposes are derived from stays.
    ///
    /// # Errors
    /// [`StoreError`]: as for [`Ledger::append`], or a file cannot be written. Whether the key was rotated shows when the
    /// ledger is opened again: with either result it opens.
    pub fn rotate_key(self) -> Result<VerifierKey, StoreError> {
        if self.is_replica() {
            return Err(StoreError::refused(
                "a replica does not sign: rotate the key where the ledger is opened for writing",
            ));
        }
        let (key_file, previous) = (self.key_file.clone(), self.verifier_key().clone());
        let key = random_key(&key_file, previous.name())?;
        let next = key.verifier().clone();
        let new = KeyFile { key: key.clone(), secret: self.secret() };
        write_text(&next_file(&key_file), &new.text())?;
        let refused = |error: crate::FormatError| StoreError::refused(error.to_string());
        let body = Body::KeyRotated(Box::new(KeyRotated { previous, next: next.clone() }));
        let time = Time::new(Timestamp::now()).map_err(refused)?;
        let entry = Entry::new(&Event { id: Uuid::now_v7(), time, body }).map_err(refused)?;
        match self.received(&self.send_with(entry, Some(key))?)? {
            Appended::Committed(_) => {}
            other => return Err(StoreError::damaged(format!("a rotation was answered with {other:?}"))),
        }
        // Writes the copies.
        drop(self);
        replace(&key_file)?;
        Ok(next)
    }
}

/// The key that signs for a ledger with these keys: in its file or, after a rotation that did not get to its end, beside it.
pub(crate) fn key_of(chain: &KeyChain, path: &Path) -> Result<KeyFile, StoreError> {
    let found = read_key(path)?;
    if let Some(file) = &found
        && file.key.verifier() == chain.current()
    {
        return Ok(file.clone());
    }
    if let Some(next) = read_key(&next_file(path))?
        && next.key.verifier() == chain.current()
    {
        replace(path)?;
        return Ok(next);
    }
    let found = found.ok_or_else(|| StoreError::file(path, "the ledger's signing key is missing"))?;
    Err(StoreError::WrongKey {
        path: path.to_owned(),
        found: found.key.verifier().to_string(),
        expected: chain.current().to_string(),
    })
}

fn next_file(path: &Path) -> PathBuf {
    beside(path, "next")
}

fn replace(path: &Path) -> Result<(), StoreError> {
    Ok(portcullis_files::rename(&next_file(path), path)?)
}
