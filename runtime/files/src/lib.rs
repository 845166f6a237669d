//! Files that are there whole or not at all, and stay there.
//!
//! Whatever this project writes and later relies on (a lock, a key, a module, evidence, a tile) is written by
//! [`replace`] or [`create_new`]: into a new file in the same folder, whose name nobody could make first, synced, given its
//! name in one step, and the folder synced. Where a call returns an error, what was at the path before is there still,
//! and no other file is left, but for the last step: where the folder cannot be synced, the new name is there and may
//! not outlive a crash. A process that is killed can leave a file whose name begins with `.tmp`; nothing reads it.
//!
//! What this crate does not do: lock, or follow a link at the path. A link is replaced, not what it names.
//!
//! The order of the calls is that of [rename(2)](https://man7.org/linux/man-pages/man2/rename.2.html) and
//! [fsync(2)](https://man7.org/linux/man-pages/man2/fsync.2.html): a rename is atomic, and is durable once the folder
//! is synced.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::panic,
        clippy::indexing_slicing,
        reason = "tests: what is wrong there is wrong with the tests"
    )
)]

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Who may read a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// Its owner alone: keys, and what is as confidential as a request.
    Owner,
    /// As files are usually made: mode 0666, from which the process's umask takes.
    Usual,
}

/// Why a file is not written.
#[derive(Debug, thiserror::Error)]
#[error("{}: {phase}: {source}", path.display())]
pub struct FileError {
    /// The file, or its folder.
    pub path: PathBuf,
    /// What was being done.
    pub phase: &'static str,
    /// What the system says.
    pub source: io::Error,
}

impl FileError {
    fn at(path: &Path, phase: &'static str) -> impl FnOnce(io::Error) -> FileError {
        move |source| FileError { path: path.to_owned(), phase, source }
    }
}

impl From<FileError> for io::Error {
    fn from(error: FileError) -> io::Error {
        io::Error::new(error.source.kind(), error)
    }
}

/// Writes a file, in the place of the one that may be there. Durable when it returns.
///
/// # Errors
/// [`FileError`].
pub fn replace(path: &Path, bytes: &[u8], rights: Rights) -> Result<(), FileError> {
    let new = written(path, bytes, rights)?;
    new.persist(path).map_err(|error| FileError::at(path, "renaming")(error.error))?;
    sync_folder(path)
}

/// Writes a file where there is none. Durable when it returns `true`; `false` where the name is taken, by whatever it
/// is, and that is as it was. Of several callers at once, one is told `true`.
///
/// # Errors
/// [`FileError`].
#[must_use = "whether the file is the caller's"]
pub fn create_new(path: &Path, bytes: &[u8], rights: Rights) -> Result<bool, FileError> {
    let new = written(path, bytes, rights)?;
    match new.persist_noclobber(path) {
        Ok(_) => sync_folder(path).map(|()| true),
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(FileError::at(path, "linking")(error.error)),
    }
}

/// Gives a file of the same folder another name, in the place of what may have it. Durable when it returns.
///
/// # Errors
/// [`FileError`].
pub fn rename(from: &Path, to: &Path) -> Result<(), FileError> {
    std::fs::rename(from, to).map_err(FileError::at(to, "renaming"))?;
    sync_folder(to)
}

/// Makes a folder and those above it, each durably, where they are not there.
///
/// # Errors
/// [`FileError`].
pub fn make_folders(folder: &Path) -> Result<(), FileError> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent() {
        make_folders(above)?;
    }
    match std::fs::create_dir(folder) {
        Ok(()) => sync_folder(folder),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists && folder.is_dir() => Ok(()),
        Err(error) => Err(FileError::at(folder, "creating the folder")(error)),
    }
}

/// Makes the names in the folder of a file durable.
///
/// # Errors
/// [`FileError`].
pub fn sync_folder(of: &Path) -> Result<(), FileError> {
    let folder = folder_of(of);
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(FileError::at(folder, "syncing the folder"))
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The bytes in a new file beside `path`, synced. Dropped, it is removed.
fn written(path: &Path, bytes: &[u8], rights: Rights) -> Result<NamedTempFile, FileError> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(match rights {
        Rights::Owner => 0o600,
        Rights::Usual => 0o666,
    }));
    #[cfg(not(unix))]
    let _ = rights;
    let mut file = builder.tempfile_in(folder_of(path)).map_err(FileError::at(path, "creating a file beside it"))?;
    file.write_all(bytes).map_err(FileError::at(path, "writing"))?;
    file.as_file().sync_all().map_err(FileError::at(path, "syncing"))?;
    Ok(file)
}

#[cfg(test)]
mod tests;
