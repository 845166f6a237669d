//! A file's pages, read in blocks of several. The trees of a ledger grow side by side: who walks some of them together finds
//! the next pages of all in one block.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Error, ErrorKind};
use std::ops::{Deref, Range};
use std::os::unix::fs::FileExt as _;
use std::rc::Rc;

/// Pages of a block: few enough for a file whose pages are in no order at all.
const BLOCK_PAGES: usize = 16;
/// Blocks that are kept.
const KEPT: usize = 24;

pub(super) struct Blocks {
    file: File,
    length: u64,
    page_bytes: usize,
    block_bytes: usize,
    /// The latest first.
    kept: VecDeque<(u64, Rc<Vec<u8>>)>,
}

/// A page, which keeps its block.
#[derive(Clone)]
pub(super) struct Page {
    block: Rc<Vec<u8>>,
    range: Range<usize>,
}

impl Deref for Page {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.block.get(self.range.clone()).unwrap_or_default()
    }
}

impl Blocks {
    pub(super) fn new(file: File, length: u64, page_bytes: usize) -> Blocks {
        Blocks { file, length, page_bytes, block_bytes: page_bytes * BLOCK_PAGES, kept: VecDeque::new() }
    }

    /// A page by its number, from 1.
    pub(super) fn page(&mut self, number: u32) -> Result<Page, Error> {
        let outside = || Error::new(ErrorKind::UnexpectedEof, "there is no such page");
        let (page_bytes, block_bytes) = (self.page_bytes as u64, self.block_bytes as u64);
        let offset = u64::from(number.checked_sub(1).ok_or_else(outside)?) * page_bytes;
        let start = usize::try_from(offset % block_bytes).map_err(Error::other)?;
        let block = self.block(offset - offset % block_bytes)?;
        let range = start..start + self.page_bytes;
        if range.end > block.len() {
            return Err(outside());
        }
        Ok(Page { block, range })
    }

    fn block(&mut self, offset: u64) -> Result<Rc<Vec<u8>>, Error> {
        if let Some(at) = self.kept.iter().position(|(found, _)| *found == offset) {
            if at > 0
                && let Some(found) = self.kept.remove(at)
            {
                self.kept.push_front(found);
            }
        } else {
            let oldest = if self.kept.len() < KEPT { None } else { self.kept.pop_back() };
            let mut bytes = oldest.and_then(|(_, block)| Rc::try_unwrap(block).ok()).unwrap_or_default();
            let there = self.length.saturating_sub(offset).min(self.block_bytes as u64);
            bytes.resize(usize::try_from(there).map_err(Error::other)?, 0);
            self.file.read_exact_at(&mut bytes, offset)?;
            self.kept.push_front((offset, Rc::new(bytes)));
        }
        let first = self.kept.front().ok_or(ErrorKind::NotFound)?;
        Ok(Rc::clone(&first.1))
    }
}
