//! The compile cache: machine code on disk, authenticated.
//!
//! Loading machine code is as good as running it, so an entry is believed only with its message authentication code
//! (HMAC-SHA256) under a key that lies outside the cache's folder, in a file that only this user can read: a folder
//! restored from a shared build cache cannot carry code in. The code covers the entry's name, so that two entries
//! cannot be swapped; what is verified and what is loaded are the same buffer.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit as _, Mac as _};
use portcullis_gate::Sha256;

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
const MAX_ENTRY_BYTES: u64 = 512 * 1024 * 1024;

const MAC_BYTES: usize = 32;
/// One block of the hash: HMAC takes such a key as it is.
const KEY_BYTES: usize = 64;

pub(crate) struct Cache {
    folder: PathBuf,
    key: [u8; KEY_BYTES],
}

pub(crate) enum Lookup {
    Found(Vec<u8>),
    Absent,
    Refused,
}

impl Cache {
    pub(crate) fn open(options: &CacheOptions) -> Result<Cache, String> {
        if options.key_file.starts_with(&options.folder) {
            return Err(format!("{}: the key must lie outside the cache's folder", options.key_file.display()));
        }
        make_private_folder(&options.folder)?;
        let key = read_or_make_key(&options.key_file)?;
        Ok(Cache { folder: options.folder.clone(), key })
    }

    /// The entry of that name, without its authentication code, if it is authentic.
    pub(crate) fn get(&self, name: &Sha256) -> Lookup {
        let mut bytes = match read_entry(&self.path(name)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Lookup::Absent,
            Err(_) => return Lookup::Refused,
        };
        let Some(body) = bytes.len().checked_sub(MAC_BYTES) else { return Lookup::Refused };
        let (content, code) = bytes.split_at(body);
        if self.mac(name, content).verify_slice(code).is_err() {
            return Lookup::Refused;
        }
        bytes.truncate(body);
        Lookup::Found(bytes)
    }

    /// Writes an entry, atomically: readers see the old one or the new one.
    pub(crate) fn put(&self, name: &Sha256, content: &[u8]) -> Result<(), String> {
        let code = self.mac(name, content).finalize().into_bytes();
        let write = || {
            let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
            file.write_all(content)?;
            file.write_all(&code)?;
            file.persist(self.path(name)).map_err(|error| error.error)?;
            Ok::<(), std::io::Error>(())
        };
        write().map_err(|error| format!("{}: {error}", self.path(name).display()))
    }

    fn path(&self, name: &Sha256) -> PathBuf {
        self.folder.join(format!("{name}.cwasm"))
    }

    fn mac(&self, name: &Sha256, content: &[u8]) -> Hmac<sha2::Sha256> {
        let mut mac = Hmac::<sha2::Sha256>::new(&self.key.into());
        mac.update(name.as_bytes());
        mac.update(content);
        mac
    }
}

/// Reads an entry: a plain file of bounded size. A link, a pipe or a device is not read.
fn read_entry(path: &Path) -> std::io::Result<Vec<u8>> {
    let refused = || std::io::Error::other("not a plain file of the size of an entry");
    if !fs::symlink_metadata(path)?.is_file() {
        return Err(refused());
    }
    let file = fs::File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() || metadata.len() > MAX_ENTRY_BYTES {
        return Err(refused());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    file.take(MAX_ENTRY_BYTES).read_to_end(&mut bytes)?;
    Ok(bytes)
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
    // Two processes may start at once: the key is written aside and linked into place, and the first one wins.
    if !path.exists() {
        let mut key = [0u8; KEY_BYTES];
        getrandom::fill(&mut key).map_err(|error| shown(&error))?;
        let parent = path.parent().unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(parent).map_err(|error| shown(&error))?;
        file.write_all(&key).map_err(|error| shown(&error))?;
        match file.persist_noclobber(path) {
            Ok(_) => {}
            Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(shown(&error.error)),
        }
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
mod tests {
    use super::*;

    fn cache() -> (tempfile::TempDir, Cache) {
        let folder = tempfile::tempdir().expect("a folder");
        let options =
            CacheOptions { folder: folder.path().join("cache"), key_file: folder.path().join("keys/cache.key") };
        let cache = Cache::open(&options).expect("opens");
        (folder, cache)
    }

    #[test]
    fn every_flipped_byte_is_refused() {
        let (_folder, cache) = cache();
        let name = Sha256::of(b"one");
        cache.put(&name, b"machine code").expect("written");
        assert!(matches!(cache.get(&name), Lookup::Found(content) if content == b"machine code"));
        let good = fs::read(cache.path(&name)).expect("an entry");
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(cache.path(&name), &bad).expect("written");
            assert!(matches!(cache.get(&name), Lookup::Refused), "byte {at}");
        }
        for length in 0..good.len() {
            fs::write(cache.path(&name), &good[..length]).expect("written");
            assert!(matches!(cache.get(&name), Lookup::Refused), "length {length}");
        }
    }

    #[test]
    fn swapped_entries_and_other_keys_are_refused() {
        let (folder, cache) = cache();
        let (one, two) = (Sha256::of(b"one"), Sha256::of(b"two"));
        cache.put(&one, b"1").expect("written");
        cache.put(&two, b"2").expect("written");
        fs::copy(cache.path(&one), cache.path(&two)).expect("copied");
        assert!(matches!(cache.get(&two), Lookup::Refused));
        let options =
            CacheOptions { folder: folder.path().join("cache"), key_file: folder.path().join("other/cache.key") };
        assert!(matches!(Cache::open(&options).expect("opens").get(&one), Lookup::Refused));
    }

    #[test]
    fn a_key_inside_the_folder_or_open_to_others_is_refused() {
        let (folder, _cache) = cache();
        let inside = CacheOptions { folder: folder.path().join("c"), key_file: folder.path().join("c/key") };
        assert!(Cache::open(&inside).is_err());
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let key_file = folder.path().join("keys/cache.key");
            fs::set_permissions(&key_file, fs::Permissions::from_mode(0o644)).expect("permissions");
            assert!(Cache::open(&CacheOptions { folder: folder.path().join("cache"), key_file }).is_err());
        }
    }
}
