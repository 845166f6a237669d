//! A SQLite file: besides what the store says, an account of every byte or, where somebody writes, SQLite's own check.

use std::path::{Path, PathBuf};

use super::{Collected, Pages, ProblemCode, Verification, verify_store};
use crate::VerifierKey;
use crate::store::ReadStore as _;
use crate::store::sqlite::{PageReport, Sqlite, WriterLock, beside, check_pages};
use crate::store_error::StoreError;

/// Verifies a SQLite ledger file and the copies of its checkpoint. Writes nothing where nobody else has it open and it
/// was closed cleanly; then every byte of the file is accounted for as well.
///
/// `copies` are those that must be there; `key` is the verifier key where the caller knows it from elsewhere.
///
/// # Errors
/// [`StoreError`] only where the file cannot be opened as a ledger at all.
pub fn verify_file(path: &Path, copies: &[PathBuf], key: Option<&VerifierKey>) -> Result<Verification, StoreError> {
    // A process that is just being started by this one holds its locks too, for a moment.
    let lock = WriterLock::take(path, std::time::Duration::from_secs(1));
    let wal = PathBuf::from(format!("{}-wal", path.display()));
    let unmoved = std::fs::metadata(&wal).is_ok_and(|wal| wal.len() > 0);
    let unchecked = match &lock {
        Ok(_) | Err(StoreError::Io { .. }) if unmoved => Some("it was not closed cleanly: open it for writing once"),
        Err(StoreError::Locked { .. }) => Some("another process has it open for writing"),
        // Without a lock file nobody writes: a writer makes one first.
        Ok(_) | Err(_) => None,
    };
    let (mut store, mut structure) = match unchecked {
        None => (Sqlite::open_still(path)?, Sqlite::open_still(path)?),
        Some(_) => (Sqlite::open_reader(path)?, Sqlite::open_reader(path)?),
    };
    let written_by = store.written_by();
    std::thread::scope(|scope| {
        // Where every byte is accounted for, SQLite's own check would find nothing more, in as much time again.
        let itself = scope.spawn(move || match unchecked {
            None => structure.check_rows(),
            Some(_) => structure.check_itself(),
        });
        let pages = match (unchecked, &written_by) {
            (None, Ok(version)) => {
                let version = *version;
                Some(scope.spawn(move || check_pages(path, version)))
            }
            _ => None,
        };
        let mut found = verify_store(&mut store, copies, key)?;
        let mut all = Collected::of(&mut found);
        match itself.join() {
            Ok(Ok(lines)) => lines.into_iter().for_each(|line| all.add(ProblemCode::Structure, path.display(), line)),
            Ok(Err(error)) => all.add(ProblemCode::Structure, path.display(), error.to_string()),
            Err(_) => all.add(ProblemCode::Structure, path.display(), "the check panicked"),
        }
        let report = match pages.map(std::thread::ScopedJoinHandle::join) {
            Some(Ok(Ok(report))) => report,
            Some(Ok(Err(error))) => {
                all.add(ProblemCode::Page, path.display(), error.to_string());
                PageReport::default()
            }
            Some(Err(_)) => {
                all.add(ProblemCode::Page, path.display(), "the check panicked");
                PageReport::default()
            }
            None => {
                if let Err(error) = written_by {
                    all.add(ProblemCode::Unreadable, "meta", error.to_string());
                }
                let reason = unchecked.unwrap_or("the version of SQLite that wrote it is not readable").to_owned();
                found.pages = Pages::NotChecked { reason };
                return Ok(found);
            }
        };
        for problem in report.problems {
            all.add(ProblemCode::Page, format!("page {}", problem.page), problem.problem);
        }
        found.pages = Pages::Checked { remnant_bytes: report.remnant_bytes };
        Ok(found)
    })
}

/// The copies that a ledger has where nothing else is said.
#[must_use]
pub fn default_copies(path: &Path) -> Vec<PathBuf> {
    vec![beside(path, "checkpoint")]
}
