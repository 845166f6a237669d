//! A SQLite file: besides what the store says, an account of every byte or, where somebody writes, SQLite's own check.

use std::path::{Path, PathBuf};

use super::{Collected, Pages, ProblemCode, Verification, verify, verify_store};
use crate::VerifierKey;
use crate::store::ReadStore as _;
use crate::store::sqlite::{Account, PageReport, Sqlite, WriterLock, beside, check_pages};
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
    match unchecked {
        None => still(path, copies, key),
        Some(reason) => {
            let (mut store, mut structure) = (Sqlite::open_reader(path)?, Sqlite::open_reader(path)?);
            std::thread::scope(|scope| {
                let itself = scope.spawn(move || structure.check_itself());
                let mut found = verify_store(&mut store, copies, key)?;
                found.pages = Pages::NotChecked { reason: reason.to_owned() };
                add_structure(&mut found, path, itself.join().unwrap_or_else(|_| Err(panicked())));
                Ok(found)
            })
        }
    }
}

/// Verifies a file that nobody writes to, in one reading. Where anything is wrong, SQLite reads it once more: it says what
/// can still be read, and so what else is wrong.
fn still(path: &Path, copies: &[PathBuf], key: Option<&VerifierKey>) -> Result<Verification, StoreError> {
    let mut store = Sqlite::open_still(path)?;
    // Where every byte is accounted for, SQLite's own check would find nothing more, in as much time again.
    let structure = store.check_rows();
    let written_by = store.written_by();
    let first = match written_by {
        Ok(version) => Account::open(path, version)
            .and_then(|account| verify(&mut store, Some(account), copies, key))
            .map(|(mut found, report)| {
                add_pages(&mut found, report);
                found
            }),
        Err(_) => Err(StoreError::damaged("the version of SQLite that wrote it is not readable")),
    };
    if let (Ok(found), Ok(lines)) = (&first, &structure)
        && found.is_sound()
        && lines.is_empty()
    {
        return first;
    }
    let again = Sqlite::open_still(path).and_then(|mut again| verify_store(&mut again, copies, key));
    let mut found = match (again, &first) {
        (Ok(found), _) => found,
        // What cannot be read a second time was not read well the first time.
        (Err(error), Ok(first)) => {
            let mut found = first.clone();
            Collected::of(&mut found).add(ProblemCode::Unreadable, path.display(), error.to_string());
            found
        }
        (Err(error), Err(_)) => return Err(error),
    };
    add_structure(&mut found, path, structure);
    match written_by {
        Ok(version) => match check_pages(path, version) {
            Ok(report) => add_pages(&mut found, report),
            Err(error) => Collected::of(&mut found).add(ProblemCode::Page, path.display(), error.to_string()),
        },
        Err(error) => {
            Collected::of(&mut found).add(ProblemCode::Unreadable, "meta", error.to_string());
            let reason = "the version of SQLite that wrote it is not readable".to_owned();
            found.pages = Pages::NotChecked { reason };
        }
    }
    match first {
        // It is never better than the first reading.
        Ok(first) if found.is_sound() => Ok(first),
        Err(error) if found.is_sound() => {
            Collected::of(&mut found).add(ProblemCode::Unreadable, path.display(), error.to_string());
            Ok(found)
        }
        _ => Ok(found),
    }
}

fn add_structure(found: &mut Verification, path: &Path, lines: Result<Vec<String>, StoreError>) {
    let mut all = Collected::of(found);
    match lines {
        Ok(lines) => lines.into_iter().for_each(|line| all.add(ProblemCode::Structure, path.display(), line)),
        Err(error) => all.add(ProblemCode::Structure, path.display(), error.to_string()),
    }
}

fn add_pages(found: &mut Verification, report: PageReport) {
    let mut all = Collected::of(found);
    for problem in report.problems {
        all.add(ProblemCode::Page, format!("page {}", problem.page), problem.problem);
    }
    found.pages = Pages::Checked { remnant_bytes: report.remnant_bytes };
}

fn panicked() -> StoreError {
    StoreError::damaged("the check panicked")
}

/// The copies that a ledger has where nothing else is said.
#[must_use]
pub fn default_copies(path: &Path) -> Vec<PathBuf> {
    vec![beside(path, "checkpoint")]
}
