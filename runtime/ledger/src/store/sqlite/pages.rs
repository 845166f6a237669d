//! Accounts for every byte of a closed ledger file.
//!
//! SQLite's own `integrity_check` looks at what it needs, and reads over much else: unused fields of the header, unused
//! space, more than one spelling of a number. Here each page of the [file format](https://www.sqlite.org/fileformat2.html)
//! is taken apart: a byte is part of a cell in its one spelling, or has a value that is known beforehand. Every index has
//! each row of its table once, in order. So nothing that `integrity_check` would find is left. What the tables say is
//! checked elsewhere, against the events.
//!
//! One thing that SQLite leaves behind is not accounted for: where it split a page of an index, an inner page of a table,
//! or a page of the schema, a remnant of moved cells may stay in the space between the cell pointers and the cells.
//! Nothing reads that space, and nothing that can be erased is ever in it.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

mod indexes;
mod record;

use indexes::Indexes;
use record::{Column, columns, number, varint};

use super::schema::{APPLICATION_ID, FORMAT_VERSION, SCHEMA};
use crate::store_error::StoreError;

/// A page that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PageProblem {
    /// The page's number, from 1.
    pub page: u32,
    /// What is wrong.
    pub problem: String,
}

/// What [`check_pages`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageReport {
    /// Problems, at most [`MAX_PAGE_PROBLEMS`].
    pub problems: Vec<PageProblem>,
    /// Bytes of space that nothing reads, in pages that SQLite split.
    pub remnant_bytes: u64,
}

/// Problems after which the walk ends.
pub const MAX_PAGE_PROBLEMS: usize = 100;
/// Deepest tree: more than any file of SQLite's largest size has.
const MAX_DEPTH: u32 = 24;
/// Largest record whose numbers are all looked at. Larger ones end in a blob, which has one spelling only.
const MAX_ASSEMBLED: usize = 256 << 10;
/// The page with this byte of the file is never used.
const LOCK_BYTE: u64 = 0x4000_0000;

/// Walks all pages of a ledger file. Nothing may write to it meanwhile, and it must have no WAL.
///
/// `sqlite_version` is what the ledger says wrote the file.
///
/// # Errors
/// [`StoreError::Io`], [`StoreError::Damaged`] where it has not even pages.
pub fn check_pages(path: &Path, sqlite_version: i64) -> Result<PageReport, StoreError> {
    let file = File::open(path).map_err(|e| StoreError::io(path, "opening", e))?;
    let length = file.metadata().map_err(|e| StoreError::io(path, "opening", e))?.len();
    let mut header = [0; 100];
    file.read_exact_at(&mut header, 0).map_err(|e| StoreError::io(path, "reading the header", e))?;
    let page_bytes = match number(&header, 16, 2) {
        Some(1) => 65_536,
        Some(bytes) if bytes.is_power_of_two() && bytes >= 512 => bytes,
        _ => return Err(StoreError::damaged("the header has no page size")),
    };
    let pages = u32::try_from(length / page_bytes).unwrap_or(u32::MAX);
    let mut walk = Walk {
        file,
        page_bytes: usize::try_from(page_bytes).unwrap_or(usize::MAX),
        seen: vec![false; usize::try_from(pages).unwrap_or(usize::MAX)],
        report: PageReport::default(),
        is_schema: false,
        statement: 0,
        indexes: Indexes::of_schema(),
    };
    if length % page_bytes != 0 {
        walk.problem(1, "the file does not end with a page");
    }
    walk.header(&header, pages, sqlite_version);
    walk.is_schema = true;
    walk.tree(1, Kind::Table, 0, true);
    walk.is_schema = false;
    for (statement, kind, root) in walk.schema() {
        walk.statement = statement;
        walk.tree(root, kind, 0, true);
    }
    for problem in walk.indexes.differences() {
        walk.problem(1, problem);
    }
    let lock_page = usize::try_from(LOCK_BYTE / page_bytes).unwrap_or(usize::MAX);
    let unseen: Vec<usize> =
        walk.seen.iter().enumerate().filter(|(n, seen)| !**seen && *n != lock_page).map(|(n, _)| n).collect();
    for n in unseen {
        walk.problem(u32::try_from(n + 1).unwrap_or(u32::MAX), "no tree has it");
    }
    Ok(walk.report)
}

struct Walk {
    file: File,
    page_bytes: usize,
    seen: Vec<bool>,
    report: PageReport,
    /// While the tree of the schema is walked.
    is_schema: bool,
    /// Which statement of the schema made the tree that is walked.
    statement: usize,
    indexes: Indexes,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Table,
    Index,
}

/// What a cell says about its tree.
struct Cell {
    at: usize,
    bytes: usize,
    left: Option<u32>,
    row: Option<i64>,
    record: Vec<u8>,
}

impl Walk {
    fn problem(&mut self, page: u32, problem: impl Into<String>) {
        if self.report.problems.len() < MAX_PAGE_PROBLEMS {
            self.report.problems.push(PageProblem { page, problem: problem.into() });
        }
    }

    fn header(&mut self, header: &[u8], pages: u32, sqlite_version: i64) {
        if header.get(..16) != Some(b"SQLite format 3\0") {
            self.problem(1, "the first bytes are not SQLite's");
        }
        let objects = u64::try_from(SCHEMA.len()).unwrap_or(0);
        // Offset, length, what it is, what it must be. The schema is changed once by each statement that creates
        // something.
        let fields: [(usize, usize, &str, u64); 18] = [
            (18, 1, "write version", 2),
            (19, 1, "read version", 2),
            (20, 1, "reserved bytes", 0),
            (21, 1, "largest fraction", 64),
            (22, 1, "smallest fraction", 32),
            (23, 1, "leaf fraction", 32),
            (28, 4, "number of pages", u64::from(pages)),
            (32, 4, "first free page", 0),
            (36, 4, "number of free pages", 0),
            (40, 4, "schema cookie", objects),
            (44, 4, "schema format", 4),
            (48, 4, "cache size", 0),
            (52, 4, "largest root page", 0),
            (56, 4, "text encoding", 1),
            (60, 4, "format version", u64::try_from(FORMAT_VERSION).unwrap_or(0)),
            (64, 4, "incremental vacuum", 0),
            (68, 4, "application id", u64::try_from(APPLICATION_ID).unwrap_or(0)),
            (96, 4, "SQLite's version", u64::try_from(sqlite_version).unwrap_or(0)),
        ];
        for (at, bytes, what, expected) in fields {
            let found = number(header, at, bytes).unwrap_or(u64::MAX);
            if found != expected {
                self.problem(1, format!("the header's {what} is {found} instead of {expected}"));
            }
        }
        if number(header, 24, 4) != number(header, 92, 4) {
            self.problem(1, "the header's change counter and its copy differ");
        }
        if header.get(72..92).is_none_or(|bytes| bytes.iter().any(|byte| *byte != 0)) {
            self.problem(1, "the header's reserved space is not zero");
        }
    }

    /// The tables and indexes: the number of the statement that makes it, its kind, its root page.
    fn schema(&mut self) -> Vec<(usize, Kind, u32)> {
        let mut cells = Vec::new();
        self.leaves(1, 0, &mut cells);
        let mut trees = Vec::new();
        if cells.len() != SCHEMA.len() {
            self.problem(1, format!("the schema has {} objects instead of {}", cells.len(), SCHEMA.len()));
        }
        for ((cell, expected), statement) in cells.iter().zip(SCHEMA).zip(0..) {
            let number = i64::try_from(statement).unwrap_or(i64::MAX).saturating_add(1);
            let mut words = expected.split([' ', '(']);
            let is_table = expected.starts_with("CREATE TABLE");
            let word = |skip: usize, words: &mut dyn Iterator<Item = &'static str>| words.nth(skip).unwrap_or("");
            let name = word(if expected.starts_with("CREATE UNIQUE") { 3 } else { 2 }, &mut words);
            let table = if is_table { name } else { word(1, &mut words) };
            let kind = if is_table { "table" } else { "index" };
            let root =
                columns(&cell.record).filter(|_| cell.row == Some(number)).and_then(|found| match found.as_slice() {
                    [Column::Text(a), Column::Text(b), Column::Text(c), Column::Integer(root), Column::Text(sql)]
                        if [*a, *b, *c, *sql] == [kind, name, table, expected].map(str::as_bytes) =>
                    {
                        u32::try_from(*root).ok()
                    }
                    _ => None,
                });
            match root {
                Some(root) => trees.push((statement, if is_table { Kind::Table } else { Kind::Index }, root)),
                None => self.problem(1, format!("the schema has another {kind} than {name}")),
            }
        }
        trees
    }

    /// The cells of a table's leaves, in order.
    fn leaves(&mut self, page: u32, depth: u32, found: &mut Vec<Cell>) {
        if depth > MAX_DEPTH {
            return;
        }
        let Some(bytes) = self.read(page) else { return };
        let Ok((cells, right)) = self.cells(page, &bytes, Kind::Table) else { return };
        for cell in cells {
            match cell.left {
                Some(left) => self.leaves(left, depth + 1, found),
                None => found.push(cell),
            }
        }
        if let Some(right) = right {
            self.leaves(right, depth + 1, found);
        }
    }

    /// Checks a page and everything below it; the largest row number in it.
    fn tree(&mut self, page: u32, kind: Kind, depth: u32, root: bool) -> Option<i64> {
        if self.report.problems.len() >= MAX_PAGE_PROBLEMS {
            return None;
        }
        match self.visit(page) {
            Ok(()) if depth <= MAX_DEPTH => {}
            Ok(()) => {
                self.problem(page, "too deep");
                return None;
            }
            Err(problem) => {
                self.problem(page, problem);
                return None;
            }
        }
        let bytes = self.read(page)?;
        let (cells, right) = match self.cells(page, &bytes, kind) {
            Ok(found) => found,
            Err(problem) => {
                self.problem(page, problem);
                return None;
            }
        };
        let split_before = !root && (kind == Kind::Index || right.is_some() || self.is_schema);
        if let Err(problem) = self.space(page, &bytes, &cells, right.is_some(), split_before) {
            self.problem(page, problem);
        }
        let mut last = None;
        for cell in cells {
            if let Some(left) = cell.left {
                let below = self.tree(left, kind, depth + 1, false);
                if kind == Kind::Table && below != cell.row {
                    self.problem(page, format!("the key at {} is not the last row below it", cell.at));
                }
            }
            if (kind == Kind::Index || cell.left.is_none())
                && let Err(problem) = self.record(kind, &cell)
            {
                self.problem(page, format!("the cell at {}: {problem}", cell.at));
            }
            if kind == Kind::Table {
                if last >= cell.row {
                    self.problem(page, format!("the row at {} is out of order", cell.at));
                }
                last = cell.row;
            }
        }
        match right {
            Some(right) => {
                let below = self.tree(right, kind, depth + 1, false);
                if kind == Kind::Table && below <= last {
                    self.problem(page, "the rightmost page's rows are out of order");
                }
                below
            }
            None => last,
        }
    }

    /// A record of the tree that is walked. The first column of a table is its row number, which a record leaves out; nothing
    /// else is ever left out.
    fn record(&mut self, kind: Kind, cell: &Cell) -> Result<(), &'static str> {
        let columns = columns(&cell.record).ok_or("its record is not spelled as SQLite spells it")?;
        let row_number_first = kind == Kind::Table && !self.is_schema;
        let left_out = |(n, column): (usize, &Column<'_>)| (*column == Column::Null) == (row_number_first && n == 0);
        if !columns.iter().enumerate().all(left_out) {
            return Err("its record leaves out other columns");
        }
        match cell.row {
            _ if self.is_schema => Ok(()),
            Some(row) => self.indexes.row(self.statement, row, &columns),
            None => self.indexes.entry(self.statement, &cell.record, &columns),
        }
    }

    fn visit(&mut self, page: u32) -> Result<(), String> {
        let place = usize::try_from(page).ok().and_then(|page| page.checked_sub(1));
        match place.and_then(|place| self.seen.get_mut(place)) {
            None => Err("there is no such page".to_owned()),
            Some(seen) if *seen => Err("it is in two places".to_owned()),
            Some(seen) => {
                *seen = true;
                Ok(())
            }
        }
    }

    fn read(&mut self, page: u32) -> Option<Vec<u8>> {
        let mut bytes = vec![0; self.page_bytes];
        let offset = u64::from(page.checked_sub(1)?).checked_mul(u64::try_from(self.page_bytes).ok()?)?;
        match self.file.read_exact_at(&mut bytes, offset) {
            Ok(()) => Some(bytes),
            Err(e) => {
                self.problem(page, format!("not readable: {e}"));
                None
            }
        }
    }

    /// The cells in the order of their pointers, and the rightmost page of an inner page.
    fn cells(&mut self, page: u32, bytes: &[u8], kind: Kind) -> Result<(Vec<Cell>, Option<u32>), String> {
        let start = if page == 1 { 100 } else { 0 };
        let field = |at: usize, length: usize| number(bytes, start + at, length).ok_or("too short");
        let inner = match (field(0, 1)?, kind) {
            (0x0d, Kind::Table) | (0x0a, Kind::Index) => false,
            (0x05, Kind::Table) | (0x02, Kind::Index) => true,
            (found, _) => return Err(format!("the page type is {found:#04x}")),
        };
        let right = if inner { u32::try_from(field(8, 4)?).ok() } else { None };
        let pointers = start + if inner { 12 } else { 8 };
        let count = usize::try_from(field(3, 2)?).map_err(|_| "too many cells")?;
        let mut cells = Vec::with_capacity(count.min(self.page_bytes / 2));
        for n in 0..count {
            let at = number(bytes, pointers + 2 * n, 2).ok_or("a cell pointer is outside")?;
            let at = usize::try_from(at).map_err(|_| "a cell pointer is outside")?;
            cells.push(self.cell(bytes, at, kind, inner).map_err(|problem| format!("the cell at {at}: {problem}"))?);
        }
        Ok((cells, right))
    }

    fn cell(&mut self, page: &[u8], at: usize, kind: Kind, inner: bool) -> Result<Cell, String> {
        let mut next = at;
        let left = if inner {
            next += 4;
            let left = number(page, at, 4).ok_or("outside the page")?;
            Some(u32::try_from(left).map_err(|_| "outside the page")?)
        } else {
            None
        };
        if inner && kind == Kind::Table {
            let row = varint(page, &mut next)?;
            return Ok(Cell { at, bytes: (next - at).max(4), left, row: Some(row), record: Vec::new() });
        }
        let length = usize::try_from(varint(page, &mut next)?).map_err(|_| "a negative length")?;
        let row = if kind == Kind::Table { Some(varint(page, &mut next)?) } else { None };
        let local = self.local_bytes(length, kind);
        let mut record = page.get(next..next + local).ok_or("outside the page")?.to_vec();
        next += local;
        if local < length {
            let overflow = number(page, next, 4).ok_or("outside the page")?;
            next += 4;
            self.overflow(u32::try_from(overflow).unwrap_or(0), length - local, length, &mut record)?;
        }
        Ok(Cell { at, bytes: (next - at).max(4), left, row, record })
    }

    /// How much of a record of that length stands in the page.
    fn local_bytes(&self, length: usize, kind: Kind) -> usize {
        let usable = self.page_bytes;
        let most = match kind {
            Kind::Table => usable - 35,
            Kind::Index => (usable - 12) * 64 / 255 - 23,
        };
        if length <= most {
            return length;
        }
        let least = (usable - 12) * 32 / 255 - 23;
        let local = least + (length - least) % (usable - 4);
        if local <= most { local } else { least }
    }

    fn overflow(&mut self, first: u32, rest: usize, length: usize, record: &mut Vec<u8>) -> Result<(), String> {
        let (mut page, mut rest) = (first, rest);
        while rest > 0 {
            self.visit_overflow(page)?;
            let bytes = self.read(page).ok_or("an overflow page is not readable")?;
            let next = number(&bytes, 0, 4).and_then(|next| u32::try_from(next).ok()).unwrap_or(0);
            let here = rest.min(self.page_bytes - 4);
            let content = bytes.get(4..4 + here).unwrap_or(&[]);
            if length <= MAX_ASSEMBLED {
                record.extend_from_slice(content);
            }
            if bytes.get(4 + here..).is_none_or(|tail| tail.iter().any(|byte| *byte != 0)) {
                return Err(format!("the end of overflow page {page} is not zero"));
            }
            rest -= here;
            if (rest > 0) != (next != 0) {
                return Err(format!("the chain of overflow pages ends wrongly at {page}"));
            }
            page = next;
        }
        Ok(())
    }

    fn visit_overflow(&mut self, page: u32) -> Result<(), String> {
        self.visit(page).map_err(|problem| format!("overflow page {page}: {problem}"))
    }

    /// Everything in a page that is not a cell.
    fn space(&mut self, page: u32, bytes: &[u8], cells: &[Cell], inner: bool, split: bool) -> Result<(), String> {
        let start = if page == 1 { 100 } else { 0 };
        let field = |at: usize, length: usize| {
            number(bytes, start + at, length).and_then(|found| usize::try_from(found).ok()).unwrap_or(usize::MAX)
        };
        let pointers_end = start + if inner { 12 } else { 8 } + 2 * cells.len();
        let content = match field(5, 2) {
            0 => 65_536,
            found => found,
        };
        let mut used: Vec<(usize, usize)> = cells.iter().map(|cell| (cell.at, cell.bytes)).collect();
        let mut block = field(1, 2);
        while block != 0 {
            let next = number(bytes, block, 2).ok_or("a free block is outside")?;
            let length = number(bytes, block + 2, 2).and_then(|found| usize::try_from(found).ok()).unwrap_or(0);
            let next = usize::try_from(next).unwrap_or(0);
            if length < 4 || (next != 0 && next < block + length + 4) {
                return Err(format!("the free block at {block} is malformed"));
            }
            let zero = bytes.get(block + 4..block + length).is_some_and(is_zero);
            if !zero {
                return Err(format!("the free block at {block} is not zero"));
            }
            used.push((block, length));
            block = next;
        }
        used.sort_unstable();
        let mut end = content;
        let mut fragments = 0;
        let mut unused_zero = true;
        for (at, length) in used.iter().copied().chain([(self.page_bytes, 0)]) {
            let between = bytes.get(end..at).ok_or_else(|| format!("what begins at {at} overlaps"))?;
            fragments += between.len();
            unused_zero &= is_zero(between);
            end = at + length;
        }
        if end != self.page_bytes || fragments != field(7, 1) || !unused_zero {
            return Err(format!("{fragments} bytes belong to nothing, or are not zero"));
        }
        let gap = bytes.get(pointers_end..content).ok_or("the cells begin before their pointers end")?;
        if split {
            self.report.remnant_bytes += u64::try_from(gap.len()).unwrap_or(0);
        } else if !is_zero(gap) {
            let remnant = gap.iter().filter(|byte| **byte != 0).count();
            return Err(format!("{remnant} bytes of unused space are not zero"));
        }
        Ok(())
    }
}

/// Eight bytes at a time: most of the gaps are long.
fn is_zero(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<8>();
    words.iter().fold(0, |all, word| all | u64::from_ne_bytes(*word)) == 0 && rest.iter().all(|byte| *byte == 0)
}
