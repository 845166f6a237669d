//! Trees that SQLite never makes: each page in them is well-formed, and what they hold is what it was.

use std::path::{Path, PathBuf};

use portcullis_ledger::{Problem, default_copies, verify_file};
use rusqlite::Connection;

use crate::damage::write;

/// A ledger file as pages.
struct Pages {
    bytes: Vec<u8>,
    size: usize,
}

impl Pages {
    fn read(path: &Path, size: usize) -> Pages {
        Pages { bytes: std::fs::read(path).unwrap(), size }
    }

    fn page(&self, number: u32) -> &[u8] {
        let start = (number as usize - 1) * self.size;
        &self.bytes[start..start + self.size]
    }

    fn set(&mut self, number: u32, page: &[u8]) {
        let start = (number as usize - 1) * self.size;
        self.bytes[start..start + self.size].copy_from_slice(page);
    }

    /// Adds a page, and gives its number.
    fn push(&mut self, page: &[u8]) -> u32 {
        self.bytes.extend_from_slice(page);
        let count = u32::try_from(self.bytes.len() / self.size).unwrap();
        self.bytes[28..32].copy_from_slice(&count.to_be_bytes());
        count
    }

    fn leaf(&self, kind: u8, cells: &[Vec<u8>]) -> Vec<u8> {
        self.made(kind, cells, None)
    }

    /// Cells are the page below them, and what stands behind its number.
    fn inner(&self, kind: u8, cells: &[(u32, Vec<u8>)], right: u32) -> Vec<u8> {
        let cells: Vec<_> = cells.iter().map(|(left, rest)| [&left.to_be_bytes(), rest.as_slice()].concat()).collect();
        self.made(kind, &cells, Some(right))
    }

    fn made(&self, kind: u8, cells: &[Vec<u8>], right: Option<u32>) -> Vec<u8> {
        let mut page = vec![0; self.size];
        let mut end = self.size;
        page[0] = kind;
        page[3..5].copy_from_slice(&u16::try_from(cells.len()).unwrap().to_be_bytes());
        let pointers = if right.is_some() { 12 } else { 8 };
        right.iter().for_each(|right| page[8..12].copy_from_slice(&right.to_be_bytes()));
        for (n, cell) in cells.iter().enumerate() {
            end -= cell.len();
            page[end..end + cell.len()].copy_from_slice(cell);
            let pointer = u16::try_from(end).unwrap().to_be_bytes();
            page[pointers + 2 * n..pointers + 2 * n + 2].copy_from_slice(&pointer);
        }
        // 65,536 is written as 0.
        page[5..7].copy_from_slice(&(end as u16).to_be_bytes());
        page
    }
}

const TABLE: (u8, u8) = (0x0d, 0x05);
const INDEX: (u8, u8) = (0x0a, 0x02);

fn varint(bytes: &[u8], next: &mut usize) -> usize {
    let mut value = 0;
    loop {
        let byte = bytes[*next];
        *next += 1;
        value = value << 7 | usize::from(byte & 0x7f);
        if byte < 0x80 {
            return value;
        }
    }
}

fn as_varint(value: usize) -> Vec<u8> {
    if value < 0x80 { vec![value as u8] } else { vec![0x80 | (value >> 7) as u8, (value & 0x7f) as u8] }
}

/// The cells of a leaf, whose records are all in it.
fn cells(page: &[u8]) -> Vec<Vec<u8>> {
    let count = usize::from(page[3]) << 8 | usize::from(page[4]);
    let cell = |n: usize| {
        let start = usize::from(page[8 + 2 * n]) << 8 | usize::from(page[9 + 2 * n]);
        let mut next = start;
        let length = varint(page, &mut next);
        if page[0] == TABLE.0 {
            varint(page, &mut next);
        }
        page[start..next + length].to_vec()
    };
    (0..count).map(cell).collect()
}

/// The number of a table's row, as an inner page has it.
fn key(cell: &[u8]) -> Vec<u8> {
    let mut start = 0;
    varint(cell, &mut start);
    let mut end = start;
    varint(cell, &mut end);
    cell[start..end].to_vec()
}

/// The same cell with another record.
fn with_record(cell: &[u8], is_table: bool, change: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut start = 0;
    varint(cell, &mut start);
    let row = if is_table { key(cell) } else { Vec::new() };
    let record = change(&cell[start + row.len()..]);
    [as_varint(record.len()), row, record].concat()
}

fn root(path: &Path, name: &str) -> u32 {
    let db = Connection::open(path).unwrap();
    db.query_row("SELECT rootpage FROM sqlite_schema WHERE name = ?1", [name], |row| row.get(0)).unwrap()
}

fn problems(path: &Path) -> Vec<Problem> {
    verify_file(path, &default_copies(path), None).unwrap().problems
}

/// A ledger, changed.
fn changed(folder: &Path, size: u32, change: impl FnOnce(&Path, &mut Pages)) -> PathBuf {
    let path = folder.join("log");
    let _ = std::fs::remove_dir_all(folder);
    std::fs::create_dir(folder).unwrap();
    write(&path, 9, size);
    let mut pages = Pages::read(&path, size as usize);
    change(&path, &mut pages);
    std::fs::write(&path, &pages.bytes).unwrap();
    path
}

#[test]
fn a_tree_is_as_deep_everywhere_and_has_no_empty_pages() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("ledger");
    for name in ["nodes", "decisions"] {
        let (leaf, inner) = TABLE;
        let split = |balanced: bool| {
            changed(&folder, 4096, |path, pages| {
                let root = root(path, name);
                let all = cells(pages.page(root));
                assert!(all.len() >= 3);
                let [one, two, rest] = [&all[..1], &all[1..2], &all[2..]].map(|part| pages.leaf(leaf, part));
                let [one, two, rest] = [one, two, rest].map(|page| pages.push(&page));
                let top = if balanced {
                    pages.inner(inner, &[(one, key(&all[0])), (two, key(&all[1]))], rest)
                } else {
                    let below = pages.inner(inner, &[(two, key(&all[1]))], rest);
                    let below = pages.push(&below);
                    pages.inner(inner, &[(one, key(&all[0]))], below)
                };
                pages.set(root, &top);
            })
        };
        // That the pages are made as SQLite makes them.
        assert_eq!(problems(&split(true)), [], "{name}");
        let found = problems(&split(false));
        assert!(found.iter().any(|problem| problem.detail.contains("not as deep")), "{name}: {found:?}");
    }
    for (name, (_, inner)) in [
        ("nodes", TABLE),
        ("decisions", TABLE),
        ("idempotency", TABLE),
        ("checkpoint", TABLE),
        ("events_id", INDEX),
        ("decisions_time", INDEX),
        ("decisions_action", INDEX),
        ("idempotency_key", INDEX),
    ] {
        let path = changed(&folder, 4096, |path, pages| {
            let root = root(path, name);
            let moved = pages.page(root).to_vec();
            let right = pages.push(&moved);
            let top = pages.inner(inner, &[], right);
            pages.set(root, &top);
        });
        let found = problems(&path);
        assert!(found.iter().any(|problem| problem.detail.contains("it is empty")), "{name}: {found:?}");
    }
}

/// What SQLite would not look at has no place in a record.
#[test]
fn a_record_has_the_columns_of_its_table() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("ledger");
    for (name, is_table) in [
        ("meta", true),
        ("checkpoint", true),
        ("nodes", true),
        ("decisions", true),
        ("idempotency", true),
        ("events_id", false),
        ("decisions_time", false),
        ("blobs_sha256", false),
    ] {
        let path = changed(&folder, 4096, |path, pages| {
            let root = root(path, name);
            let mut all = cells(pages.page(root));
            // One more column, of the type that is the number 1 and takes no space.
            all[0] = with_record(&all[0], is_table, |record| {
                let header = usize::from(record[0]);
                [&[record[0] + 1], &record[1..header], &[9], &record[header..]].concat()
            });
            let leaf = pages.leaf(if is_table { TABLE.0 } else { INDEX.0 }, &all);
            pages.set(root, &leaf);
        });
        let found = problems(&path);
        assert!(found.iter().any(|problem| problem.detail.contains("other columns")), "{name}: {found:?}");
    }
}

/// An index whose key makes SQLite find the same event again and again.
#[test]
fn an_index_that_leads_in_circles_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = changed(&folder.path().join("ledger"), 4096, |path, pages| {
        let root = root(path, "events_kind");
        let mut all = cells(pages.page(root));
        // A type that says that the kind is half a tebibyte long.
        all[0] = with_record(&all[0], false, |record| {
            let mut next = 1;
            varint(record, &mut next);
            [&[record[0] + 6 - u8::try_from(next - 1).unwrap()], b"\xa0\x80\x80\x80\x80\0".as_slice(), &record[next..]]
                .concat()
        });
        let leaf = pages.leaf(INDEX.0, &all);
        pages.set(root, &leaf);
    });
    assert_ne!(problems(&path), []);
}

/// The page at 1 GiB, which systems lock and SQLite neither reads nor writes.
#[test]
fn the_page_that_is_never_used_is_not_used_and_empty() {
    const SIZE: u32 = 65_536;
    const LOCKED: u32 = 0x4000_0000 / SIZE + 1;
    let folder = tempfile::tempdir().unwrap();
    let says = |path: &Path, what: &str| {
        let found = problems(path);
        found.iter().any(|problem| problem.at == format!("page {LOCKED}") && problem.detail.contains(what))
    };
    // The rest of the file is not there, and takes no space; that is a problem of its own.
    let lengthen = |path: &Path, root: Option<u32>, page: &[u8]| {
        use std::os::unix::fs::FileExt as _;
        let file = std::fs::OpenOptions::new().write(true).open(path).unwrap();
        file.write_all_at(page, u64::from(LOCKED - 1) * u64::from(SIZE)).unwrap();
        file.write_all_at(&LOCKED.to_be_bytes(), 28).unwrap();
        if let Some(root) = root {
            let pages = Pages { bytes: Vec::new(), size: SIZE as usize };
            let cell = cells(page).last().map(|cell| key(cell)).unwrap();
            let top = pages.inner(TABLE.1, &[(LOCKED, cell)], LOCKED + 1);
            file.write_all_at(&top, u64::from(root - 1) * u64::from(SIZE)).unwrap();
        }
    };
    let path = changed(&folder.path().join("ledger"), SIZE, |_, _| {});
    lengthen(&path, None, &[0; SIZE as usize]);
    assert!(!says(&path, ""), "it may be there");
    lengthen(&path, None, &[&[0; SIZE as usize - 1], b"x".as_slice()].concat());
    assert!(says(&path, "it is not zero"));
    let path = changed(&folder.path().join("ledger"), SIZE, |_, _| {});
    let nodes = root(&path, "nodes");
    let leaf = Pages::read(&path, SIZE as usize).page(nodes).to_vec();
    lengthen(&path, Some(nodes), &leaf);
    assert!(says(&path, "SQLite never uses it"));
}
