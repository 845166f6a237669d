//! The compile cache: machine code on disk, authenticated.
//!
//! Loading machine code is as good as running it, so an entry is believed only with its message authentication code
//! (HMAC-SHA256) under a key that lies outside the cache's folder, in a file that only this user can read: a folder
//! restored from a shared build cache cannot carry code in. What is verified and what is loaded are the same buffer.
//!
//! Each entry has a key of its own, derived from that key and the entry's name (everything that the code depends on:
//! module, settings, limits, engine). So two entries cannot be swapped. The child that compiles a module gets none of
//! these keys, and no file of the cache: it writes into memory, under a key that is made for it, and the serving process
//! writes the entry once it has verified what the child wrote. Where it cannot, a full disk for one, the code is used all
//! the same and not kept.

mod room;

use std::fs::{self, File};
use std::io::{Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hmac::{Hmac, KeyInit as _, Mac as _};
use portcullis_files::{Rights, create_new};
use portcullis_gate::Sha256;

use room::{make_room, used};

/// Where compiled policies are kept.
#[derive(Clone, Debug)]
pub struct CacheOptions {
    /// The folder of the entries; made with access for this user only.
    pub folder: PathBuf,
    /// The file of the key, outside the folder; made at first use.
    pub key_file: PathBuf,
}

/// What the cache did for one policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CacheUse {
    /// No cache is configured.
    Off,
    /// The entry was there and authentic.
    Hit,
    /// There was no entry; one was written.
    Stored,
    /// There was an entry, but not an authentic one: the module was compiled anew and the entry replaced.
    Refused,
    /// The cache cannot be used, and why. The module was compiled without it.
    Unavailable(String),
}

/// Longest entry that is read: code of the largest module that is admitted.
pub(crate) const MAX_ENTRY_BYTES: u64 = 512 * 1024 * 1024;

/// What the names of entries end with.
const EXTENSION: &str = "cwasm";

const MAC_BYTES: usize = 32;
/// One block of the hash: HMAC takes such a key as it is.
const KEY_BYTES: usize = 64;

pub(crate) struct Cache {
    folder: PathBuf,
    key_file: PathBuf,
    key: [u8; KEY_BYTES],
    max_bytes: u64,
}

pub(crate) enum Lookup {
    Found(Vec<u8>),
    Absent,
    Refused,
}

impl Cache {
    pub(crate) fn open(options: &CacheOptions, max_bytes: u64) -> Result<Cache, String> {
        if options.key_file.starts_with(&options.folder) {
            return Err(format!("{}: the key must lie outside the cache's folder", options.key_file.display()));
        }
        make_private_folder(&options.folder)?;
        remove_abandoned(&options.folder);
        let key = read_or_make_key(&options.key_file)?;
        let cache = Cache { folder: options.folder.clone(), key_file: options.key_file.clone(), key, max_bytes };
        cache.make_room(None);
        Ok(cache)
    }

    /// The key of one entry.
    fn entry_key(&self, name: &Sha256) -> EntryKey {
        let mut mac = Hmac::<sha2::Sha256>::new(&self.key.into());
        mac.update(ENTRY_KEY_PURPOSE);
        mac.update(name.as_bytes());
        EntryKey(mac.finalize().into_bytes().into())
    }

    /// The entry of that name, without its authentication code, if it is authentic.
    pub(crate) fn get(&self, name: &Sha256) -> Lookup {
        let path = self.path(name);
        match read_entry(&path) {
            Ok(bytes) => match self.entry_key(name).open(bytes) {
                Some(content) => {
                    used(&path);
                    Lookup::Found(content)
                }
                None => Lookup::Refused,
            },
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Lookup::Absent,
            Err(_) => Lookup::Refused,
        }
    }

    /// Writes an entry, atomically: readers see the old one or the new one.
    ///
    /// # Errors
    /// Why it is not written, for the record.
    pub(crate) fn put(&self, name: &Sha256, content: &[u8]) -> Result<(), String> {
        let draft = self.draft()?;
        self.entry_key(name).write(draft.file(), content).map_err(|error| self.failed(name, &error))?;
        self.publish(name, draft)
    }

    /// A file without the name of an entry.
    ///
    /// # Errors
    /// Why there is none, for the record.
    fn draft(&self) -> Result<Draft, String> {
        let file = tempfile::Builder::new().prefix(DRAFT).tempfile_in(&self.folder);
        file.map(Draft).map_err(|error| format!("{}: {error}", self.folder.display()))
    }

    /// Makes a draft the entry of that name, and room for it.
    ///
    /// # Errors
    /// Why it is not there, for the record.
    fn publish(&self, name: &Sha256, draft: Draft) -> Result<(), String> {
        let path = self.path(name);
        let bytes = draft.0.as_file().metadata().map_err(|error| self.failed(name, &error))?.len();
        if bytes > self.max_bytes {
            return Err(format!("{}: {bytes} bytes, more than the cache may have", path.display()));
        }
        draft.0.persist(&path).map(drop).map_err(|error| self.failed(name, &error.error))?;
        self.make_room(Some(&path));
        Ok(())
    }

    /// Keeps to the bound. What is locked is the key's file, which every process with this cache has open to read only.
    fn make_room(&self, made: Option<&Path>) {
        make_room(&self.folder, &self.key_file, self.max_bytes, made);
    }

    fn failed(&self, name: &Sha256, error: &std::io::Error) -> String {
        format!("{}: {error}", self.path(name).display())
    }

    fn path(&self, name: &Sha256) -> PathBuf {
        self.folder.join(format!("{name}.{EXTENSION}"))
    }
}

/// An entry that is being written. Dropped, it leaves no file.
struct Draft(tempfile::NamedTempFile);

impl Draft {
    fn file(&self) -> &File {
        self.0.as_file()
    }
}

/// What authenticates one entry, and no other.
#[derive(Clone)]
pub(crate) struct EntryKey(pub(crate) [u8; ENTRY_KEY_BYTES]);

pub(crate) const ENTRY_KEY_BYTES: usize = 32;

/// What the keys of entries are derived for.
const ENTRY_KEY_PURPOSE: &[u8] = b"portcullis compile cache entry 2";

impl EntryKey {
    /// A key for what one child writes.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub(crate) fn once() -> Result<EntryKey, String> {
        let mut key = [0u8; ENTRY_KEY_BYTES];
        getrandom::fill(&mut key).map_err(|error| error.to_string())?;
        Ok(EntryKey(key))
    }

    /// Writes an entry: the content and its authentication code.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(crate) fn write(&self, mut file: impl std::io::Write, content: &[u8]) -> std::io::Result<()> {
        file.write_all(content)?;
        file.write_all(&self.mac(content).finalize().into_bytes())?;
        file.flush()
    }

    /// The content of an entry, if it is authentic.
    pub(crate) fn open(&self, mut entry: Vec<u8>) -> Option<Vec<u8>> {
        let body = entry.len().checked_sub(MAC_BYTES)?;
        let (content, code) = entry.split_at(body);
        self.mac(content).verify_slice(code).ok()?;
        entry.truncate(body);
        Some(entry)
    }

    /// The content of an entry in a file that was written to, from its beginning, if it is authentic.
    pub(crate) fn open_file(&self, mut file: &File) -> Option<Vec<u8>> {
        file.rewind().ok()?;
        self.open(read_to_limit(file).ok()?)
    }

    fn mac(&self, content: &[u8]) -> Hmac<sha2::Sha256> {
        let mut mac = Hmac::<sha2::Sha256>::new(&self.block().into());
        mac.update(content);
        mac
    }

    /// HMAC pads a key to one block of the hash with zeros.
    fn block(&self) -> [u8; KEY_BYTES] {
        let mut block = [0u8; KEY_BYTES];
        for (to, from) in block.iter_mut().zip(self.0) {
            *to = from;
        }
        block
    }
}

/// Reads an entry: a plain file of bounded size. A link, a pipe or a device is not read.
fn read_entry(path: &Path) -> std::io::Result<Vec<u8>> {
    let refused = || std::io::Error::other("not a plain file of the size of an entry");
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(refused());
    }
    let file = File::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(refused());
    }
    read_to_limit(&file)
}

fn read_to_limit(file: &File) -> std::io::Result<Vec<u8>> {
    let length = file.metadata()?.len();
    if length > MAX_ENTRY_BYTES {
        return Err(std::io::Error::other("larger than an entry"));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
    file.take(MAX_ENTRY_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// How the name of a draft begins.
const DRAFT: &str = ".compiling-";

/// Nothing is compiled for so long: such a draft was left by a process that was killed.
const ABANDONED: Duration = Duration::from_secs(2 * 86_400);

/// Removes drafts that nobody will publish. What cannot be removed takes room, and does no other harm.
fn remove_abandoned(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let is_draft = entry.file_name().to_str().is_some_and(|name| name.starts_with(DRAFT));
        let age = || entry.metadata().ok()?.modified().ok()?.elapsed().ok();
        if is_draft && age().is_some_and(|age| age > ABANDONED) {
            _ = fs::remove_file(entry.path());
        }
    }
}

fn make_private_folder(folder: &Path) -> Result<(), String> {
    let made = {
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(folder)
    };
    made.map_err(|error| format!("{}: {error}", folder.display()))
}

fn read_or_make_key(path: &Path) -> Result<[u8; KEY_BYTES], String> {
    let shown = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
    if let Some(parent) = path.parent() {
        make_private_folder(parent)?;
    }
    // Two processes may start at once: the first one wins.
    if !path.exists() {
        let mut key = [0u8; KEY_BYTES];
        getrandom::fill(&mut key).map_err(|error| shown(&error))?;
        // Whose key it is does not matter: it is read below.
        let _first = create_new(path, &key, Rights::Owner).map_err(|error| error.to_string())?;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(path).map_err(|error| shown(&error))?.permissions().mode();
        if mode & 0o077 != 0 {
            return Err(format!("{}: others can read the cache's key; remove it and it is made anew", path.display()));
        }
    }
    let key = fs::read(path).map_err(|error| shown(&error))?;
    key.try_into()
        .map_err(|_| format!("{}: not a key of {KEY_BYTES} bytes; remove it and it is made anew", path.display()))
}

#[cfg(test)]
mod tests;
