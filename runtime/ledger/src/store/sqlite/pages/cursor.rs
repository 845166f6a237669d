//! Walks a tree in the order of its keys, and checks each page when it comes to it.

use std::mem;

use super::blocks::Page;
use super::page::{self, Cell, Kind};
use super::record::{Column, columns};
use super::{Account, MAX_DEPTH, MAX_PAGE_PROBLEMS};

/// Where a walk through a tree is.
pub(super) struct Cursor {
    /// Which statement of the schema made the tree; `None` for the schema itself.
    statement: Option<usize>,
    kind: Kind,
    /// The root, until the walk begins.
    root: Option<u32>,
    /// The pages from the root down.
    frames: Vec<Frame>,
    /// How many pages there are above a leaf: above each as many as above the first.
    depth: Option<usize>,
    /// The last row that was taken.
    last: Option<i64>,
    /// How many rows or keys were taken.
    pub(super) taken: u64,
}

struct Frame {
    number: u32,
    page: Page,
    cells: Vec<Cell>,
    right: Option<u32>,
    /// The next cell.
    next: usize,
    /// Whether the page below the next cell, or the rightmost page, was entered, and the last row that was found there.
    entered: bool,
    below: Option<i64>,
}

impl Cursor {
    pub(super) fn of(statement: usize, kind: Kind, root: u32) -> Cursor {
        Cursor { statement: Some(statement), kind, root: Some(root), ..Cursor::of_schema() }
    }

    pub(super) fn of_schema() -> Cursor {
        let (kind, root) = (Kind::Table, Some(1));
        Cursor { statement: None, kind, root, frames: Vec::new(), depth: None, last: None, taken: 0 }
    }
}

impl Account {
    /// Goes on to the next cell that holds a row or a key.
    pub(super) fn find<'c>(&mut self, cursor: &'c mut Cursor) -> Option<&'c Cell> {
        if let Some(root) = cursor.root.take() {
            self.enter(cursor, root, true);
        }
        loop {
            // Who has to mend a file does not read more than that.
            if self.report.problems.len() >= MAX_PAGE_PROBLEMS {
                return None;
            }
            let frame = cursor.frames.last_mut()?;
            let cell = frame.cells.get(frame.next);
            let below = if cell.is_some() { cell.and_then(|cell| cell.left) } else { frame.right };
            if let Some(below) = below
                && !mem::replace(&mut frame.entered, true)
            {
                frame.below = None;
                self.enter(cursor, below, false);
                continue;
            }
            match cell {
                Some(cell) if cursor.kind == Kind::Table && cell.left.is_some() => {
                    if frame.below != cell.row {
                        let (page, at) = (frame.number, cell.at);
                        self.problem(page, format!("the key at {at} is not the last row below it"));
                    }
                    frame.advance();
                }
                Some(_) => break,
                None => {
                    let own = frame.cells.last().and_then(|cell| cell.row);
                    let last = if frame.right.is_some() { frame.below } else { own };
                    if cursor.kind == Kind::Table && frame.right.is_some() && last <= own {
                        let page = frame.number;
                        self.problem(page, "the rightmost page's rows are out of order");
                    }
                    cursor.frames.pop();
                    if let Some(above) = cursor.frames.last_mut() {
                        above.below = last;
                    }
                }
            }
        }
        cursor.frames.last().and_then(|frame| frame.cells.get(frame.next))
    }

    fn enter(&mut self, cursor: &mut Cursor, number: u32, root: bool) {
        let entered = self.frame(cursor, number, root);
        match entered {
            Ok(frame) => cursor.frames.push(frame),
            Err(problem) => self.problem(number, problem),
        }
    }

    fn frame(&mut self, cursor: &mut Cursor, number: u32, root: bool) -> Result<Frame, String> {
        self.visit(number)?;
        let depth = cursor.frames.len();
        if depth >= MAX_DEPTH {
            return Err("too deep".to_owned());
        }
        let page = self.blocks.page(number).map_err(|e| format!("not readable: {e}"))?;
        let (cells, right) = page::cells(number, &page, cursor.kind)?;
        if cells.is_empty() && !(root && right.is_none()) {
            return Err("it is empty".to_owned());
        }
        if right.is_none() && *cursor.depth.get_or_insert(depth) != depth {
            return Err("it is not as deep in its tree as others".to_owned());
        }
        let (is_index, inner) = (cursor.kind == Kind::Index, right.is_some());
        let split = if root { is_index && inner } else { is_index || inner || cursor.statement.is_none() };
        match page::space(number, &page, &cells, right.is_some(), split) {
            Ok(remnant) => self.report.remnant_bytes += remnant as u64,
            Err(problem) => self.problem(number, problem),
        }
        Ok(Frame { number, page, cells, right, next: 0, entered: false, below: None })
    }

    /// Reads the next row or key. What is malformed is a problem, and passed over.
    pub(super) fn take_from<T>(
        &mut self,
        cursor: &mut Cursor,
        limit: usize,
        mut read: impl FnMut(Option<i64>, &[Column<'_>]) -> T,
    ) -> Option<T> {
        loop {
            self.find(cursor)?;
            let frame = cursor.frames.last_mut()?;
            let cell = frame.cells.get(frame.next)?;
            let (page, at, row) = (frame.number, cell.at, cell.row);
            let mut assembled = mem::take(&mut self.assembled);
            let read = self.record(&frame.page, cell, limit, &mut assembled).and_then(|record| {
                let columns = columns(record, cell.length).ok_or("its record is not spelled as SQLite spells it")?;
                self.check(cursor.statement, row, record, &columns)?;
                Ok(read(row, &columns))
            });
            self.assembled = assembled;
            frame.advance();
            if row.is_some() && cursor.last >= row {
                self.problem(page, format!("the row at {at} is out of order"));
            }
            cursor.last = row;
            cursor.taken += 1;
            match read {
                Ok(read) => return Some(read),
                Err(problem) => self.problem(page, format!("the cell at {at}: {problem}")),
            }
        }
    }

    /// A record, from the page that has its cell and from those with the rest.
    fn record<'r>(
        &mut self,
        page: &'r Page,
        cell: &Cell,
        limit: usize,
        assembled: &'r mut Vec<u8>,
    ) -> Result<&'r [u8], String> {
        let here = page.get(cell.record.clone()).unwrap_or_default();
        let Some(rest) = cell.length.checked_sub(here.len()).filter(|rest| *rest > 0) else { return Ok(here) };
        assembled.clear();
        assembled.extend_from_slice(here);
        self.overflow(cell.overflow, rest, (cell.length <= limit).then_some(&mut *assembled))?;
        Ok(assembled)
    }

    /// Checks a record of a tree. The first column of a table is its row number, which a record leaves out; nothing else is
    /// ever left out.
    fn check(
        &mut self,
        statement: Option<usize>,
        row: Option<i64>,
        record: &[u8],
        columns: &[Column<'_>],
    ) -> Result<(), &'static str> {
        if statement.is_some_and(|statement| self.columns.get(statement) != Some(&columns.len())) {
            return Err("its record has other columns than its table or index");
        }
        let row_number_first = row.is_some() && statement.is_some();
        let left_out = |(n, column): (usize, &Column<'_>)| (*column == Column::Null) == (row_number_first && n == 0);
        if !columns.iter().enumerate().all(left_out) {
            return Err("its record leaves out other columns");
        }
        match (statement, row) {
            (None, _) => Ok(()),
            (Some(statement), Some(row)) => self.indexes.row(statement, row, columns),
            (Some(statement), None) => self.indexes.entry(statement, record, columns),
        }
    }
}

impl Frame {
    fn advance(&mut self) {
        self.next += 1;
        self.entered = false;
    }
}
