//! Keeping the cache within its bound: the entries that were used longest ago go first. What is removed is compiled again
//! when it is needed; a policy that is loaded does not need its entry any more.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::EXTENSION;

/// Notes that an entry is used. File systems seldom note when a file is read, so it is its time of modification. Without
/// it, the entry only goes earlier.
pub(super) fn used(path: &Path) {
    _ = File::open(path).and_then(|file| file.set_modified(SystemTime::now()));
}

/// Removes entries until the rest takes `max_bytes` at most; never `made`, which was made just now. What cannot be removed
/// takes room, and does no other harm. Meanwhile `lock`, a file beside the folder, is locked, so that two processes do not
/// remove more than is needed.
pub(super) fn make_room(folder: &Path, lock: &Path, max_bytes: u64, made: Option<&Path>) {
    // Whoever has the lock makes room for both.
    let Some(_lock) = locked(lock) else { return };
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut entries: Vec<(SystemTime, u64, PathBuf)> = entries.flatten().filter_map(|entry| entry_of(&entry)).collect();
    let mut bytes = entries.iter().fold(0, |sum: u64, (_, bytes, _)| sum.saturating_add(*bytes));
    entries.sort();
    for (_, size, path) in entries {
        if bytes <= max_bytes {
            return;
        }
        if made != Some(&path) && fs::remove_file(&path).is_ok() {
            bytes = bytes.saturating_sub(size);
        }
    }
}

/// When it was used, its size, and its path; `None` of what is no entry.
fn entry_of(entry: &fs::DirEntry) -> Option<(SystemTime, u64, PathBuf)> {
    let path = entry.path();
    // Of a link, not of what it leads to.
    let metadata = entry.metadata().ok().filter(|metadata| metadata.is_file())?;
    let is_entry = path.extension().is_some_and(|extension| extension == EXTENSION);
    is_entry.then_some((metadata.modified().ok()?, metadata.len(), path))
}

fn locked(path: &Path) -> Option<File> {
    let file = File::open(path).ok()?;
    file.try_lock().ok()?;
    Some(file)
}
