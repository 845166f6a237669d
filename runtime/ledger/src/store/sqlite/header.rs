//! What a file is, by its first bytes: nothing is made beside a file that is no ledger.
//!
//! The layout is that of [SQLite's file format](https://sqlite.org/fileformat2.html#the_database_header).

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use super::schema::APPLICATION_ID;
use crate::store_error::StoreError;

const MAGIC: &[u8; 16] = b"SQLite format 3\0";
const APPLICATION_ID_AT: usize = 68;
/// Where the first page's kind and its number of cells are: what of the schema is on it.
const KIND_AT: usize = 100;
const CELLS_AT: usize = 103;
/// A page with rows and no page below it.
const LEAF: u8 = 0x0d;
const READ_BYTES: u64 = 105;

/// Refuses a file that is neither a ledger nor an empty database, in which a ledger may be made. A file that is missing,
/// is empty, cannot be read, or was left in the middle of a transaction is left to SQLite.
///
/// # Errors
/// [`StoreError::File`], [`StoreError::Foreign`].
pub(super) fn check(path: &Path) -> Result<(), StoreError> {
    let mut header = Vec::new();
    let read = std::fs::metadata(path).and_then(|file| {
        if file.is_file() { File::open(path)?.take(READ_BYTES).read_to_end(&mut header) } else { Ok(0) }
    });
    if read.is_err() || header.is_empty() || journal(path).exists() {
        return Ok(());
    }
    if !header.starts_with(MAGIC) {
        return Err(StoreError::file(path, "not a Portcullis ledger: it is no SQLite database"));
    }
    let id = header.get(APPLICATION_ID_AT..).and_then(|rest| rest.first_chunk::<4>());
    // A file that ends within its header is a damaged one: SQLite tells.
    let Some(id) = id else { return Ok(()) };
    let found = i64::from(i32::from_be_bytes(*id));
    let is_empty = header.get(KIND_AT) == Some(&LEAF) && header.get(CELLS_AT..) == Some(&[0, 0]);
    if found == APPLICATION_ID || (found == 0 && is_empty) {
        return Ok(());
    }
    Err(StoreError::Foreign { what: path.display().to_string(), found, expected: APPLICATION_ID })
}

/// What SQLite leaves beside a database whose first transaction did not end.
fn journal(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push("-journal");
    name.into()
}
