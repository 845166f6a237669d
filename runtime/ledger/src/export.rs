//! A whole log as files in the layout of [tlog-tiles](https://c2sp.org/tlog-tiles), for whoever wants to check it
//! without this program: `checkpoint`, `log.vkey`, `tile/...`, `tile/entries/...`.
//!
//! Nothing here opens a file: what writes and reads them is given.

use portcullis_gate::Sha256;

use crate::checkpoint::Checkpoint;
use crate::error::{FormatError, VerifyError};
use crate::key::VerifierKey;
use crate::tile::{MAX_TILED_SIZE, TILE_WIDTH, TileKind, TilePath, decode_bundle, encode_bundle};
use crate::tree::{Edge, leaf_hash};

/// Where the signed checkpoint is: written last, so that an export without one is not finished.
pub const CHECKPOINT_PATH: &str = "checkpoint";
/// Where the public key is that verifies the checkpoint, in the text form of signed notes, for tools that are told which key
/// to believe: the one that signs now.
pub const KEY_PATH: &str = "log.vkey";

/// Why an export was not written, or is not believed.
#[derive(Debug, thiserror::Error)]
pub enum ExportError<E> {
    /// A file is not what the checkpoint and the entries say.
    #[error("{path}: {error}")]
    File {
        /// Which file.
        path: String,
        /// What is wrong with it.
        error: VerifyError,
    },
    /// What gives leaves, or writes or reads files, failed.
    #[error(transparent)]
    Given(#[from] E),
}

/// Writes a log of the checkpoint's size. `leaf` gives a leaf's bytes, `put` gets each file's path and bytes; each path
/// once. Tiles that are not full are written as wide as they are.
///
/// # Errors
/// [`ExportError`]: the checkpoint is not signed by the key, the leaves do not have its root, or what is given failed.
pub fn write_export<E>(
    checkpoint: &str,
    key: &VerifierKey,
    mut leaf: impl FnMut(u64) -> Result<Vec<u8>, E>,
    mut put: impl FnMut(&str, &[u8]) -> Result<(), E>,
) -> Result<Checkpoint, ExportError<E>> {
    let opened = open(checkpoint, key)?;
    let mut tiles = Tiles::default();
    for bundle in bundles(opened.size()) {
        let bundle = bundle.map_err(|error| at(CHECKPOINT_PATH, error))?;
        let start = bundle.index() * u64::from(TILE_WIDTH);
        let entries = (start..start + u64::from(bundle.width())).map(&mut leaf).collect::<Result<Vec<_>, E>>()?;
        let path = bundle.to_string();
        put(&path, &encode_bundle(&entries).map_err(|error| at(&path, error))?)?;
        for entry in &entries {
            tiles.push(leaf_hash(entry), &mut |path, hashes| Ok(put(path, hashes)?))?;
        }
    }
    tiles.finish(&opened, &mut |path, hashes| Ok(put(path, hashes)?))?;
    put(KEY_PATH, key_file(key).as_bytes())?;
    put(CHECKPOINT_PATH, checkpoint.as_bytes())?;
    Ok(opened)
}

/// Checks a whole export: that the key signed its checkpoint, that the entries have the checkpoint's root, that every
/// tile holds the hashes of the entries, and that its key file holds the key. `get` gives a file's bytes; `entry` gets
/// each entry with its number, before the whole is known to be good.
///
/// # Errors
/// [`ExportError`]: the first file that is wrong, or what is given failed.
pub fn verify_export<E>(
    key: &VerifierKey,
    mut get: impl FnMut(&str) -> Result<Vec<u8>, E>,
    mut entry: impl FnMut(u64, &[u8]) -> Result<(), E>,
) -> Result<Checkpoint, ExportError<E>> {
    let note = get(CHECKPOINT_PATH)?;
    let note = std::str::from_utf8(&note);
    let note = note.map_err(|_| at(CHECKPOINT_PATH, FormatError::malformed("checkpoint", "not UTF-8")))?;
    let opened = open(note, key)?;
    if get(KEY_PATH)? != key_file(key).as_bytes() {
        return Err(at(KEY_PATH, VerifyError::Mismatch { what: "the key", reference: "the key that was given" }));
    }
    let mut tiles = Tiles::default();
    for bundle in bundles(opened.size()) {
        let bundle = bundle.map_err(|error| at(CHECKPOINT_PATH, error))?;
        let path = bundle.to_string();
        let bytes = get(&path)?;
        let entries = decode_bundle(&bytes, bundle.width()).map_err(|error| at(&path, error))?;
        for (number, bytes) in (bundle.index() * u64::from(TILE_WIDTH)..).zip(entries) {
            entry(number, bytes)?;
            tiles.push(leaf_hash(bytes), &mut |path, hashes| compare(path, &get(path)?, hashes))?;
        }
    }
    tiles.finish(&opened, &mut |path, hashes| compare(path, &get(path)?, hashes))?;
    Ok(opened)
}

/// The hashes of a log on their way into tiles, level by level.
#[derive(Default)]
struct Tiles {
    edge: Edge,
    levels: Vec<Level>,
}

#[derive(Default)]
struct Level {
    index: u64,
    hashes: Vec<u8>,
    edge: Edge,
}

type Emit<'e, E> = &'e mut dyn FnMut(&str, &[u8]) -> Result<(), ExportError<E>>;

impl Tiles {
    fn push<E>(&mut self, leaf: Sha256, emit: Emit<'_, E>) -> Result<(), ExportError<E>> {
        self.edge.push(leaf, |_, _, _| {});
        let mut hash = leaf;
        for number in 0.. {
            if self.levels.len() == number {
                self.levels.push(Level::default());
            }
            let Some(level) = self.levels.get_mut(number) else { break };
            level.hashes.extend_from_slice(hash.as_bytes());
            level.edge.push(hash, |_, _, _| {});
            if level.edge.size() < u64::from(TILE_WIDTH) {
                break;
            }
            level.emit(number, emit)?;
            hash = level.edge.root();
            *level = Level { index: level.index + 1, ..Level::default() };
        }
        Ok(())
    }

    fn finish<E>(self, checkpoint: &Checkpoint, emit: Emit<'_, E>) -> Result<(), ExportError<E>> {
        for (number, level) in self.levels.iter().enumerate().filter(|(_, level)| level.edge.size() > 0) {
            level.emit(number, emit)?;
        }
        if self.edge.root() != checkpoint.root() {
            return Err(at(CHECKPOINT_PATH, VerifyError::Root));
        }
        Ok(())
    }
}

impl Level {
    fn emit<E>(&self, number: usize, emit: Emit<'_, E>) -> Result<(), ExportError<E>> {
        // A tile is never wider than 256, and a level above 255 would need more leaves than there are atoms.
        let (level, width) = (number.try_into().unwrap_or(u8::MAX), self.edge.size().try_into().unwrap_or(u16::MAX));
        let path = TilePath::new(TileKind::Hashes { level }, self.index, width);
        let path = path.map_err(|error| at(CHECKPOINT_PATH, error))?;
        emit(&path.to_string(), &self.hashes)
    }
}

/// The bundles of a log of that size.
fn bundles(size: u64) -> impl Iterator<Item = Result<TilePath, FormatError>> {
    let width = u64::from(TILE_WIDTH);
    (0..size.div_ceil(width)).map(move |index| {
        let entries = (size - index * width).min(width);
        TilePath::new(TileKind::Entries, index, entries.try_into().unwrap_or(TILE_WIDTH))
    })
}

fn open<E>(note: &str, key: &VerifierKey) -> Result<Checkpoint, ExportError<E>> {
    let opened = Checkpoint::open(note, key).map_err(|error| at(CHECKPOINT_PATH, error))?;
    if opened.size() > MAX_TILED_SIZE {
        return Err(at(CHECKPOINT_PATH, FormatError::malformed("checkpoint", "more leaves than tiles have paths for")));
    }
    Ok(opened)
}

fn compare<E>(path: &str, found: &[u8], expected: &[u8]) -> Result<(), ExportError<E>> {
    if found != expected {
        return Err(at(path, VerifyError::Mismatch { what: "the tile", reference: "the entries" }));
    }
    Ok(())
}

pub(crate) fn key_file(key: &VerifierKey) -> String {
    format!("{key}\n")
}

fn at<E>(path: &str, error: impl Into<VerifyError>) -> ExportError<E> {
    ExportError::File { path: path.to_owned(), error: error.into() }
}

#[cfg(test)]
mod tests;
