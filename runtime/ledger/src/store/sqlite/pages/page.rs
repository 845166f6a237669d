//! One page: its cells, and everything in it that is no cell.

use std::ops::Range;

use super::record::{number, varint};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Table,
    Index,
}

/// What a cell says about its tree.
pub(super) struct Cell {
    pub(super) at: usize,
    pub(super) bytes: usize,
    pub(super) left: Option<u32>,
    pub(super) row: Option<i64>,
    /// Where its record stands in the page, or the first part of it.
    pub(super) record: Range<usize>,
    /// How long the record is.
    pub(super) length: usize,
    /// The page with the rest.
    pub(super) overflow: u32,
}

/// The first byte behind the file's header.
pub(super) fn start(page: u32) -> usize {
    if page == 1 { 100 } else { 0 }
}

/// The cells in the order of their pointers, and the rightmost page of an inner page.
pub(super) fn cells(page: u32, bytes: &[u8], kind: Kind) -> Result<(Vec<Cell>, Option<u32>), String> {
    let start = start(page);
    let field = |at: usize, length: usize| number(bytes, start + at, length).ok_or("too short");
    let inner = match (field(0, 1)?, kind) {
        (0x0d, Kind::Table) | (0x0a, Kind::Index) => false,
        (0x05, Kind::Table) | (0x02, Kind::Index) => true,
        (found, _) => return Err(format!("the page type is {found:#04x}")),
    };
    let right = if inner { u32::try_from(field(8, 4)?).ok() } else { None };
    let pointers = start + if inner { 12 } else { 8 };
    let count = usize::try_from(field(3, 2)?).map_err(|_| "too many cells")?;
    let mut cells = Vec::with_capacity(count.min(bytes.len() / 2));
    for n in 0..count {
        let at = number(bytes, pointers + 2 * n, 2).ok_or("a cell pointer is outside")?;
        let at = usize::try_from(at).map_err(|_| "a cell pointer is outside")?;
        cells.push(cell(bytes, at, kind, inner).map_err(|problem| format!("the cell at {at}: {problem}"))?);
    }
    Ok((cells, right))
}

fn cell(page: &[u8], at: usize, kind: Kind, inner: bool) -> Result<Cell, &'static str> {
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
        return Ok(Cell {
            at,
            bytes: (next - at).max(4),
            left,
            row: Some(row),
            record: next..next,
            length: 0,
            overflow: 0,
        });
    }
    let length = usize::try_from(varint(page, &mut next)?).map_err(|_| "a negative length")?;
    let row = if kind == Kind::Table { Some(varint(page, &mut next)?) } else { None };
    let record = next..next + local_bytes(page.len(), length, kind);
    if record.end > page.len() {
        return Err("outside the page");
    }
    next = record.end;
    let overflow = if record.len() < length {
        next += 4;
        let first = number(page, record.end, 4).ok_or("outside the page")?;
        u32::try_from(first).unwrap_or(0)
    } else {
        0
    };
    Ok(Cell { at, bytes: (next - at).max(4), left, row, record, length, overflow })
}

/// How much of a record of that length stands in a page.
fn local_bytes(page_bytes: usize, length: usize, kind: Kind) -> usize {
    let most = match kind {
        Kind::Table => page_bytes - 35,
        Kind::Index => (page_bytes - 12) * 64 / 255 - 23,
    };
    if length <= most {
        return length;
    }
    let least = (page_bytes - 12) * 32 / 255 - 23;
    let local = least + (length - least) % (page_bytes - 4);
    if local <= most { local } else { least }
}

/// Checks everything in a page that is not a cell. Gives how many bytes of it nothing reads: in a page that was split
/// they may hold anything.
pub(super) fn space(page: u32, bytes: &[u8], cells: &[Cell], inner: bool, split: bool) -> Result<usize, String> {
    let start = start(page);
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
    for (at, length) in used.iter().copied().chain([(bytes.len(), 0)]) {
        let between = bytes.get(end..at).ok_or_else(|| format!("what begins at {at} overlaps"))?;
        fragments += between.len();
        unused_zero &= is_zero(between);
        end = at + length;
    }
    if end != bytes.len() || fragments != field(7, 1) || !unused_zero {
        return Err(format!("{fragments} bytes belong to nothing, or are not zero"));
    }
    let gap = bytes.get(pointers_end..content).ok_or("the cells begin before their pointers end")?;
    if split {
        return Ok(gap.len());
    }
    if !is_zero(gap) {
        let remnant = gap.iter().filter(|byte| **byte != 0).count();
        return Err(format!("{remnant} bytes of unused space are not zero"));
    }
    Ok(0)
}

/// Eight bytes at a time: most of the gaps are long.
pub(super) fn is_zero(bytes: &[u8]) -> bool {
    let (words, rest) = bytes.as_chunks::<8>();
    words.iter().fold(0, |all, word| all | u64::from_ne_bytes(*word)) == 0 && rest.iter().all(|byte| *byte == 0)
}
