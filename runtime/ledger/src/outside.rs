//! Files beside the database: the signing key, and copies of the newest signed checkpoint.
//!
//! A copy never leads: it is written after the commit that it speaks of. It may lag, so a database may be ahead of its
//! copies and never behind. Files are replaced by a rename, so that a crash leaves the old one or the new one; a key is
//! linked to its name, so that no key takes the place of another.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::sequencer::Shared;
use crate::store::OpenReader;
use crate::store::sqlite::{beside, sync_folder};
use crate::store_error::StoreError;
use crate::{FormatError, MAX_NOTE_BYTES, Sha256, SigningKey, base64};

/// Least time from one writing of the copies to the next. Checkpoints in between are skipped: each speaks for all before.
const MIN_COPY_INTERVAL: Duration = Duration::from_millis(100);
/// Largest key file, in bytes.
const MAX_KEY_FILE_BYTES: usize = 1024;

/// Reads a small text file; `None` where there is none.
pub(crate) fn read_text(path: &Path, limit: usize) -> Result<Option<String>, StoreError> {
    Ok(read_file(path, limit)?.map(|(_, text)| text))
}

fn read_file(path: &Path, limit: usize) -> Result<Option<(File, String)>, StoreError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(StoreError::io(path, "opening", e)),
    };
    let mut text = String::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    (&file).take(most).read_to_string(&mut text).map_err(|e| StoreError::io(path, "reading", e))?;
    if text.len() > limit {
        return Err(StoreError::file(path, format!("larger than {limit} bytes")));
    }
    Ok(Some((file, text)))
}

/// Replaces a file, durably, readable by its owner only.
pub(crate) fn write_text(path: &Path, text: &str) -> Result<(), StoreError> {
    let new = New::write(path, text)?;
    std::fs::rename(&new.0, path).map_err(|e| StoreError::io(path, "renaming", e))?;
    sync_folder(path)
}

/// As [`write_text`], but only where there is no file of that name. False where there is one.
fn write_new_text(path: &Path, text: &str) -> Result<bool, StoreError> {
    let new = New::write(path, text)?;
    // A link fails where the name is taken, which a rename does not.
    match std::fs::hard_link(&new.0, path) {
        Ok(()) => sync_folder(path).map(|()| true),
        Err(e) if e.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(e) => Err(StoreError::io(path, "linking", e)),
    }
}

/// A file beside another one, whole and synced. Its name goes with it, unless it was renamed.
struct New(PathBuf);

impl New {
    fn write(path: &Path, text: &str) -> Result<New, StoreError> {
        // A name that nobody could make first, with other rights or as a link.
        let new = beside(path, &format!("{}.new", uuid::Uuid::now_v7().simple()));
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&new)
            .map_err(|e| StoreError::io(&new, "creating", e))?;
        let new = New(new);
        file.write_all(text.as_bytes()).map_err(|e| StoreError::io(&new.0, "writing", e))?;
        file.sync_all().map_err(|e| StoreError::io(&new.0, "syncing", e))?;
        Ok(new)
    }
}

impl Drop for New {
    fn drop(&mut self) {
        // A full disk must not fill up with names as well.
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The signing key in a file; `None` where there is none.
///
/// # Errors
/// [`StoreError`]: the file cannot be read, holds no key, or others than its owner have access to it.
pub fn read_signing_key(path: &Path) -> Result<Option<SigningKey>, StoreError> {
    Ok(read_key(path)?.map(|file| file.key))
}

/// What a key file holds.
#[derive(Clone)]
pub(crate) struct KeyFile {
    pub(crate) key: SigningKey,
    /// What the keys for other purposes are derived from. It stays when the key is rotated: masked values and idempotency
    /// keys keep their digests.
    pub(crate) secret: Sha256,
}

impl KeyFile {
    fn of(key: SigningKey) -> KeyFile {
        let secret = Sha256::of(key.to_secret_text().as_bytes());
        KeyFile { key, secret }
    }

    /// A line with the key and, once it was rotated, one with the secret.
    pub(crate) fn text(&self) -> String {
        format!("{}\n{SECRET}{}\n", self.key.to_secret_text(), base64::encode(self.secret.as_bytes()))
    }

    fn parse(text: &str) -> Result<KeyFile, FormatError> {
        let text = text.trim_end_matches('\n');
        let Some((key, rest)) = text.split_once('\n') else { return SigningKey::from_text(text).map(KeyFile::of) };
        let secret = rest.strip_prefix(SECRET).and_then(base64::decode).and_then(|bytes| bytes.try_into().ok());
        let secret = secret.ok_or_else(|| FormatError::malformed("key file", "the second line is no secret"))?;
        Ok(KeyFile { key: SigningKey::from_text(key)?, secret: Sha256::from_bytes(secret) })
    }
}

const SECRET: &str = "DERIVE+KEY+";

/// The key in a file; `None` where there is none.
pub(crate) fn read_key(path: &Path) -> Result<Option<KeyFile>, StoreError> {
    let Some((file, text)) = read_file(path, MAX_KEY_FILE_BYTES)? else {
        return Ok(None);
    };
    let mode =
        file.metadata().map_err(|e| StoreError::io(path, "looking at the mode", e))?.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        let problem = format!("the key's file has mode {mode:03o}, so others than its owner have access: chmod 600 it");
        return Err(StoreError::file(path, problem));
    }
    // The problem names nothing of the text.
    KeyFile::parse(&text).map(Some).map_err(|e| StoreError::file(path, e.to_string()))
}

/// The key in a file, which is made where there is none. Of several at once all get the one that is there in the end.
pub(crate) fn make_key(path: &Path, origin: &str) -> Result<SigningKey, StoreError> {
    let key = random_key(path, origin)?;
    if write_new_text(path, &format!("{}\n", key.to_secret_text()))? {
        return Ok(key);
    }
    let found = read_key(path)?.ok_or_else(|| StoreError::file(path, "the key is gone again"))?;
    Ok(found.key)
}

/// A key that nobody has yet. `path` is for the error.
pub(crate) fn random_key(path: &Path, origin: &str) -> Result<SigningKey, StoreError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|e| StoreError::file(path, format!("no randomness for a key: {e}")))?;
    SigningKey::from_seed(origin, &seed).map_err(|e| StoreError::file(path, e.to_string()))
}

/// Reads a copy; `None` where there is none.
pub(crate) fn read_copy(path: &Path) -> Result<Option<String>, StoreError> {
    read_text(path, MAX_NOTE_BYTES)
}

/// Writes the newest checkpoint to every copy whenever there is a newer one, until the ledger closes or stops.
pub(crate) fn publish(shared: &Shared, copies: &[PathBuf], readers: &Arc<dyn OpenReader>, mut published: u64) {
    loop {
        let newest = shared.wait(readers.tend_interval(), |newest| newest.size > published || newest.closing);
        if shared.check().is_err() {
            return;
        }
        let done = if newest.size > published {
            published = newest.size;
            copies.iter().try_for_each(|copy| write_text(copy, &newest.note))
        } else {
            Ok(())
        };
        if let Err(error) = done.and_then(|()| readers.tend()) {
            shared.stop(&error);
            return;
        }
        if newest.closing {
            return;
        }
        shared.wait(MIN_COPY_INTERVAL, |newest| newest.closing);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    #[test]
    fn of_many_that_make_a_key_at_once_all_have_the_one_that_stays() {
        for _ in 0..20 {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("key");
            let start = Barrier::new(8);
            let made: Vec<String> = std::thread::scope(|scope| {
                let one = || {
                    start.wait();
                    make_key(&path, "log").unwrap().to_secret_text()
                };
                let threads: Vec<_> = (0..8).map(|_| scope.spawn(one)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            let stays = read_signing_key(&path).unwrap().unwrap().to_secret_text();
            assert!(made.iter().all(|key| *key == stays));
            assert_eq!(names(folder.path()), ["key"]);
        }
    }

    #[test]
    fn what_could_not_replace_a_file_leaves_no_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("copy");
        // In the place of the file stands what no rename replaces.
        std::fs::create_dir_all(path.join("full")).unwrap();
        for _ in 0..3 {
            assert!(matches!(write_text(&path, "text"), Err(StoreError::Io { phase: "renaming", .. })));
        }
        assert_eq!(names(folder.path()), ["copy"]);
        std::fs::remove_dir_all(&path).unwrap();
        write_text(&path, "text").unwrap();
        assert_eq!(
            (names(folder.path()), std::fs::read_to_string(&path).unwrap()),
            (vec!["copy".into()], "text".into())
        );
    }
}
