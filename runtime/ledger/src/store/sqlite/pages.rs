//! Accounts for every byte of a closed ledger file.
//!
//! SQLite's own `integrity_check` looks at what it needs, and reads over much else: unused fields of the header, unused
//! space, more than one spelling of a number. Here each page of the [file format](https://www.sqlite.org/fileformat2.html)
//! is taken apart: a byte is part of a cell in its one spelling, or has a value that is known beforehand. Every index has
//! each row of its table once, in order. So nothing that `integrity_check` would find is left. What the tables say is
//! checked elsewhere, against the events.
//!
//! Two things that SQLite leaves behind are not accounted for. Where it split a page of an index, an inner page of a table,
//! or a page of the schema, a remnant of moved cells may stay in the space between the cell pointers and the cells. And
//! where it freed pages of an index, a remnant of their list may stay behind the list. Nothing reads that space, and
//! nothing that can be erased is ever in it.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

mod blocks;
mod cursor;
mod indexes;
mod page;
mod record;
mod rows;

use blocks::Blocks;
use cursor::Cursor;
use indexes::Indexes;
use page::{Kind, is_zero};
use record::{Column, number};

use super::schema::{APPLICATION_ID, FORMAT_VERSION, SCHEMA};
use crate::store::Totals;
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
/// Most pages from a root to a leaf: SQLite reads no deeper tree.
const MAX_DEPTH: usize = 20;
/// Largest record whose numbers are all looked at. Larger ones end in a blob, which has one spelling only.
const MAX_ASSEMBLED: usize = 256 << 10;
/// The page with this byte of the file is locked by some systems, and never used.
const LOCK_BYTE: u64 = 0x4000_0000;

/// Walks all pages of a ledger file. Nothing may write to it meanwhile, and it must have no WAL.
///
/// `sqlite_version` is what the ledger says wrote the file.
///
/// # Errors
/// [`StoreError::Io`], [`StoreError::Damaged`] where it has not even pages.
pub fn check_pages(path: &Path, sqlite_version: i64) -> Result<PageReport, StoreError> {
    Account::open(path, sqlite_version).map(|account| account.end().0)
}

/// The account of a file's bytes. Whoever takes rows from it reads each page once and for all; the rest is walked at the
/// end.
pub(crate) struct Account {
    blocks: Blocks,
    page_bytes: usize,
    seen: Vec<bool>,
    report: PageReport,
    indexes: Indexes,
    /// The tree of each statement of the schema that was found.
    trees: Vec<Option<Cursor>>,
    /// How many columns a record of each of them has.
    columns: Vec<usize>,
    /// For records that stand in several pages.
    assembled: Vec<u8>,
    /// The first free page, and how many there are.
    free: (u64, u64),
}

impl Account {
    /// Checks the header and the schema of a file.
    pub(crate) fn open(path: &Path, sqlite_version: i64) -> Result<Account, StoreError> {
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
        let whole = length % page_bytes == 0;
        let page_bytes = usize::try_from(page_bytes).unwrap_or(usize::MAX);
        let mut account = Account {
            blocks: Blocks::new(file, length, page_bytes),
            page_bytes,
            seen: vec![false; usize::try_from(pages).unwrap_or(usize::MAX)],
            report: PageReport::default(),
            indexes: Indexes::of_schema(),
            trees: Vec::new(),
            columns: SCHEMA.iter().map(|text| columns_of(text)).collect(),
            assembled: Vec::new(),
            free: (number(&header, 32, 4).unwrap_or(0), number(&header, 36, 4).unwrap_or(0)),
        };
        if !whole {
            account.problem(1, "the file does not end with a page");
        }
        account.header(&header, pages, sqlite_version);
        account.schema();
        Ok(account)
    }

    /// Most rows that the file can have.
    pub(crate) fn max_rows(&self) -> u64 {
        // No cell is shorter.
        (self.seen.len() as u64).saturating_mul(self.page_bytes as u64 / 4)
    }

    /// Walks what is left. Says what is wrong with the file, and how many rows its tables have.
    pub(crate) fn end(mut self) -> (PageReport, Totals) {
        for statement in 0..SCHEMA.len() {
            while self.take(statement, MAX_ASSEMBLED, |_, _| ()).is_some() {}
        }
        for problem in self.indexes.differences() {
            self.problem(1, problem);
        }
        self.free_pages();
        let lock_page = self.lock_page();
        if usize::try_from(lock_page).is_ok_and(|page| page <= self.seen.len())
            && !self.blocks.page(lock_page).is_ok_and(|page| is_zero(&page))
        {
            self.problem(lock_page, "SQLite never uses it, and it is not zero");
        }
        let numbered = self.seen.iter().zip(1u32..).filter(|(seen, page)| !**seen && *page != lock_page);
        let unseen: Vec<u32> = numbered.map(|(_, page)| page).take(MAX_PAGE_PROBLEMS).collect();
        for page in unseen {
            self.problem(page, "no tree has it");
        }
        let rows = |name| table(name).and_then(|table| self.trees.get(table)?.as_ref()).map_or(0, |tree| tree.taken);
        let totals = Totals {
            events: rows("events"),
            nodes: rows("nodes"),
            blobs: rows("blobs"),
            payloads: rows("payloads"),
            decisions: rows("decisions"),
            idempotency: rows("idempotency"),
        };
        (self.report, totals)
    }

    /// The number of the next row of the table that a statement makes.
    fn peek(&mut self, statement: usize) -> Option<i64> {
        let mut cursor = self.trees.get_mut(statement)?.take()?;
        let found = self.find(&mut cursor).and_then(|cell| cell.row);
        self.put_back(statement, cursor);
        found
    }

    /// Reads the next row of a table, or the next key of an index, whose record is no longer than `limit`; of a longer one
    /// the last column is cut. The number of a row is not among its columns: [`Column::Null`] stands there.
    fn take<T>(
        &mut self,
        statement: usize,
        limit: usize,
        read: impl FnMut(Option<i64>, &[Column<'_>]) -> T,
    ) -> Option<T> {
        let mut cursor = self.trees.get_mut(statement)?.take()?;
        let taken = self.take_from(&mut cursor, limit, read);
        self.put_back(statement, cursor);
        taken
    }

    fn put_back(&mut self, statement: usize, cursor: Cursor) {
        if let Some(place) = self.trees.get_mut(statement) {
            *place = Some(cursor);
        }
    }

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
        let fields: [(usize, usize, &str, u64); 16] = [
            (18, 1, "write version", 2),
            (19, 1, "read version", 2),
            (20, 1, "reserved bytes", 0),
            (21, 1, "largest fraction", 64),
            (22, 1, "smallest fraction", 32),
            (23, 1, "leaf fraction", 32),
            (28, 4, "number of pages", u64::from(pages)),
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

    /// Finds the tables and indexes, which must be those of [`SCHEMA`] and no others.
    fn schema(&mut self) {
        let mut cursor = Cursor::of_schema();
        let (mut trees, mut count) = (Vec::new(), 0);
        let wrong = |name: &str, kind: &str| format!("the schema has another {kind} than {name}");
        while let Some(expected) = SCHEMA.get(count) {
            let mut words = expected.split([' ', '(']);
            let is_table = expected.starts_with("CREATE TABLE");
            let word = |skip: usize, words: &mut dyn Iterator<Item = &'static str>| words.nth(skip).unwrap_or("");
            let name = word(if expected.starts_with("CREATE UNIQUE") { 3 } else { 2 }, &mut words);
            let table = if is_table { name } else { word(1, &mut words) };
            let kind = if is_table { "table" } else { "index" };
            let row = i64::try_from(count).unwrap_or(i64::MAX).saturating_add(1);
            let found = self.take_from(&mut cursor, MAX_ASSEMBLED, |found, columns| match columns {
                [Column::Text(a), Column::Text(b), Column::Text(c), Column::Integer(root), Column::Text(sql)]
                    if found == Some(row) && [*a, *b, *c, *sql] == [kind, name, table, expected].map(str::as_bytes) =>
                {
                    u32::try_from(*root).ok()
                }
                _ => None,
            });
            let Some(root) = found else { break };
            if root.is_none() {
                self.problem(1, wrong(name, kind));
            }
            let kind = if is_table { Kind::Table } else { Kind::Index };
            trees.push(root.map(|root| Cursor::of(count, kind, root)));
            count += 1;
        }
        let mut others = 0;
        while self.take_from(&mut cursor, MAX_ASSEMBLED, |_, _| ()).is_some() {
            others += 1;
        }
        if count + others != SCHEMA.len() {
            self.problem(1, format!("the schema has {} objects instead of {}", count + others, SCHEMA.len()));
        }
        self.trees = trees;
    }

    /// Walks the pages that are free: where it balanced an index whose keys differ in length, SQLite may have needed one
    /// page less. They are zero, but for the list of themselves and what is left of longer lists.
    fn free_pages(&mut self) {
        let (mut trunk, count) = self.free;
        let mut found = 0u64;
        while trunk != 0 {
            let page = u32::try_from(trunk).unwrap_or(u32::MAX);
            match self.trunk(page) {
                Ok((next, listed)) => (trunk, found) = (next, found + listed + 1),
                Err(problem) => return self.problem(page, format!("in the list of free pages: {problem}")),
            }
        }
        if found != count {
            self.problem(1, format!("the header's number of free pages is {count}, and there are {found}"));
        }
    }

    /// A page of the list of free pages: the next one of the list, and how many other pages it names.
    fn trunk(&mut self, page: u32) -> Result<(u64, u64), String> {
        self.visit(page)?;
        let trunk = self.blocks.page(page).map_err(|e| format!("not readable: {e}"))?;
        let (next, listed) = number(&trunk, 0, 4).zip(number(&trunk, 4, 4)).ok_or("too short")?;
        let end = usize::try_from(listed).unwrap_or(usize::MAX).saturating_mul(4).saturating_add(8);
        let rest = trunk.get(end..).ok_or("it names more pages than it has space for")?;
        self.report.remnant_bytes += rest.len() as u64;
        for at in (8..end).step_by(4) {
            let free = number(&trunk, at, 4).and_then(|free| u32::try_from(free).ok()).unwrap_or(0);
            self.visit(free).map_err(|problem| format!("page {free}: {problem}"))?;
            if !self.blocks.page(free).is_ok_and(|page| is_zero(&page)) {
                return Err(format!("page {free} is not zero"));
            }
        }
        Ok((next, listed))
    }

    fn lock_page(&self) -> u32 {
        u32::try_from(LOCK_BYTE / self.page_bytes as u64 + 1).unwrap_or(u32::MAX)
    }

    fn visit(&mut self, page: u32) -> Result<(), &'static str> {
        if page == self.lock_page() {
            return Err("SQLite never uses it");
        }
        let place = usize::try_from(page).ok().and_then(|page| page.checked_sub(1));
        match place.and_then(|place| self.seen.get_mut(place)) {
            None => Err("there is no such page"),
            Some(seen) if *seen => Err("it is in two places"),
            Some(seen) => {
                *seen = true;
                Ok(())
            }
        }
    }

    /// Reads the rest of a record, which is appended to what is `assembled`, if anything is.
    fn overflow(&mut self, first: u32, rest: usize, mut assembled: Option<&mut Vec<u8>>) -> Result<(), String> {
        let (mut number_of_page, mut rest) = (first, rest);
        while rest > 0 {
            let wrong = |problem: &str| format!("overflow page {number_of_page}: {problem}");
            self.visit(number_of_page).map_err(wrong)?;
            let page = self.blocks.page(number_of_page).map_err(|e| wrong(&format!("not readable: {e}")))?;
            let next = number(&page, 0, 4).and_then(|next| u32::try_from(next).ok()).unwrap_or(0);
            let here = rest.min(self.page_bytes - 4);
            if let Some(assembled) = &mut assembled {
                assembled.extend_from_slice(page.get(4..4 + here).unwrap_or(&[]));
            }
            if page.get(4 + here..).is_none_or(|tail| !is_zero(tail)) {
                return Err(format!("the end of overflow page {number_of_page} is not zero"));
            }
            rest -= here;
            if (rest > 0) != (next != 0) {
                return Err(format!("the chain of overflow pages ends wrongly at {number_of_page}"));
            }
            number_of_page = next;
        }
        Ok(())
    }
}

/// How many columns a record has: those of a table, or those of an index and the row's number.
fn columns_of(statement: &str) -> usize {
    let (own, is_table) = match statement.split_once(" ON ") {
        Some((_, index)) => (index.split(')').next().unwrap_or_default(), false),
        None => (statement, true),
    };
    own.split(", ").count() + usize::from(!is_table)
}

/// The statement of the schema that makes a table.
fn table(name: &str) -> Option<usize> {
    let makes = |text: &str| {
        let rest = text.strip_prefix("CREATE TABLE ").and_then(|rest| rest.strip_prefix(name));
        rest.is_some_and(|rest| rest.starts_with('('))
    };
    SCHEMA.iter().position(|text| makes(text))
}
