//! Where [tlog-tiles](https://c2sp.org/tlog-tiles) keeps the hashes and the entries of a log, and how entries are
//! bundled.

use std::fmt;
use std::str::FromStr;

use crate::error::FormatError;

/// Hashes in a full tile, and entries in a full bundle.
pub const TILE_WIDTH: u16 = 256;
/// Most leaves of a log in tiles: the paths have six levels.
pub const MAX_TILED_SIZE: u64 = 1 << 48;
/// Longest entry, in bytes.
pub const MAX_ENTRY_BYTES: usize = u16::MAX as usize;
const MAX_LEVEL: u8 = 5;

/// A file of hashes or of entries. Its text form is the path: `tile/0/x001/234.p/5`, `tile/entries/000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TilePath {
    kind: TileKind,
    index: u64,
    width: u16,
}

/// What a tile holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TileKind {
    /// Hashes of complete subtrees of `256^level` leaves.
    Hashes {
        /// 0 to 5.
        level: u8,
    },
    /// Leaves.
    Entries,
}

impl TilePath {
    /// The tile number `index` of its kind, with its first `width` hashes or entries.
    ///
    /// # Errors
    /// [`FormatError::Malformed`] where a tree of at most [`MAX_TILED_SIZE`] leaves has no such tile.
    pub fn new(kind: TileKind, index: u64, width: u16) -> Result<TilePath, FormatError> {
        let level = match kind {
            TileKind::Hashes { level } => level,
            TileKind::Entries => 0,
        };
        if level > MAX_LEVEL || !(1..=TILE_WIDTH).contains(&width) {
            return Err(FormatError::malformed(WHAT, "a level above 5, or a width that is not 1 to 256"));
        }
        let tiles = MAX_TILED_SIZE >> (8 * (u32::from(level) + 1));
        if index >= tiles {
            return Err(FormatError::malformed(WHAT, "beyond the largest tree"));
        }
        Ok(TilePath { kind, index, width })
    }

    /// What the tile holds.
    #[must_use]
    pub fn kind(&self) -> TileKind {
        self.kind
    }

    /// Which of its kind, from 0.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }

    /// How many hashes or entries, 1 to 256.
    #[must_use]
    pub fn width(&self) -> u16 {
        self.width
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            TileKind::Hashes { level } => write!(f, "tile/{level}/")?,
            TileKind::Entries => f.write_str("tile/entries/")?,
        }
        let mut place = 1u64;
        while let Some(next) = place.checked_mul(1000).filter(|next| *next <= self.index) {
            place = next;
        }
        while place > 1 {
            write!(f, "x{:03}/", self.index / place % 1000)?;
            place /= 1000;
        }
        write!(f, "{:03}", self.index % 1000)?;
        if self.width < TILE_WIDTH { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

impl FromStr for TilePath {
    type Err = FormatError;

    fn from_str(text: &str) -> Result<TilePath, FormatError> {
        // A number has one spelling: what is read must be what would be written.
        let path = parse(text).filter(|path| path.to_string() == text);
        path.ok_or_else(|| FormatError::malformed(WHAT, "not a path of a tile"))
    }
}

fn parse(text: &str) -> Option<TilePath> {
    let (kind, rest) = text.strip_prefix("tile/")?.split_once('/')?;
    let kind = match kind {
        "entries" => TileKind::Entries,
        level => TileKind::Hashes { level: level.parse().ok()? },
    };
    let (number, width) = match rest.split_once(".p/") {
        Some((number, width)) => (number, width.parse().ok().filter(|width| *width < TILE_WIDTH)?),
        None => (rest, TILE_WIDTH),
    };
    let mut index = 0u64;
    for digits in number.split('/') {
        let digits: u64 = digits.strip_prefix('x').unwrap_or(digits).parse().ok()?;
        index = index.checked_mul(1000)?.checked_add(digits)?;
    }
    TilePath::new(kind, index, width).ok()
}

/// Writes entries one after the other, each behind its length in two bytes, the high one first.
///
/// # Errors
/// [`FormatError`]: more than 256 entries, or one that is too long.
pub fn encode_bundle<E: AsRef<[u8]>>(entries: &[E]) -> Result<Vec<u8>, FormatError> {
    FormatError::check_size("bundle", entries.len(), TILE_WIDTH.into())?;
    let mut bundle = Vec::new();
    for entry in entries.iter().map(AsRef::as_ref) {
        let length = u16::try_from(entry.len());
        let length = length.map_err(|_| too_long(entry.len()))?;
        bundle.extend_from_slice(&length.to_be_bytes());
        bundle.extend_from_slice(entry);
    }
    Ok(bundle)
}

/// The entries of a bundle: `width` of them, with nothing behind.
///
/// # Errors
/// [`FormatError::Malformed`].
pub fn decode_bundle(bundle: &[u8], width: u16) -> Result<Vec<&[u8]>, FormatError> {
    let (mut entries, mut rest) = (Vec::new(), bundle);
    while let Some((length, behind)) = rest.split_first_chunk() {
        let entry = behind.split_at_checked(u16::from_be_bytes(*length).into());
        let (entry, behind) = entry.ok_or_else(|| FormatError::malformed("bundle", "it ends within an entry"))?;
        entries.push(entry);
        rest = behind;
    }
    if !rest.is_empty() || entries.len() != usize::from(width) {
        return Err(FormatError::malformed("bundle", format!("not {width} entries, or something behind them")));
    }
    Ok(entries)
}

fn too_long(bytes: usize) -> FormatError {
    FormatError::TooLarge { what: "entry", bytes, limit: MAX_ENTRY_BYTES }
}

const WHAT: &str = "tile path";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_written_and_read_as_published() {
        let hashes = |level| TileKind::Hashes { level };
        for (kind, index, width, text) in [
            // The examples of tlog-tiles.
            (hashes(0), 1_234_067, 256, "tile/0/x001/x234/067"),
            (hashes(0), 273, 112, "tile/0/273.p/112"),
            (hashes(1), 1, 17, "tile/1/001.p/17"),
            (hashes(2), 0, 1, "tile/2/000.p/1"),
            (TileKind::Entries, 1234, 5, "tile/entries/x001/234.p/5"),
            (TileKind::Entries, 0, 256, "tile/entries/000"),
            (hashes(0), 999, 255, "tile/0/999.p/255"),
            (hashes(0), 1000, 1, "tile/0/x001/000.p/1"),
            (hashes(5), 0, 255, "tile/5/000.p/255"),
            (hashes(0), (1 << 40) - 1, 256, "tile/0/x001/x099/x511/x627/775"),
        ] {
            let path = TilePath::new(kind, index, width).unwrap();
            assert_eq!(path.to_string(), text);
            assert_eq!(text.parse(), Ok(path));
        }
    }

    #[test]
    fn other_paths_are_refused() {
        for text in [
            "",
            "tile",
            "tile/0",
            "tile/0/",
            "tile/6/000",
            "tile/00/000",
            "tile/+0/000",
            "tile/-1/000",
            "tile/0/0",
            "tile/0/00",
            "tile/0/0000",
            "tile/0/x000/000",
            "tile/0/001/000",
            "tile/0/x001",
            "tile/0/x001/x000",
            "tile/0/000.p/0",
            "tile/0/000.p/256",
            "tile/0/000.p/00",
            "tile/0/000.p/05",
            "tile/0/000.p",
            "tile/0/000.p/",
            "tile/0/000.p/1/2",
            "tile/0/000/",
            "/tile/0/000",
            "tile/0//000",
            "tile/data/000",
            "tile/8/0/000",
            "tile/0/x001/x099/x511/x627/776",
            "tile/0/x018/x446/x744/x073/x709/x551/x616/000",
            "tile/0/٠٠٠",
            "tile/0/../000",
        ] {
            assert!(text.parse::<TilePath>().is_err(), "{text}");
        }
        assert!(TilePath::new(TileKind::Hashes { level: 5 }, 1, 1).is_err());
        assert!(TilePath::new(TileKind::Entries, 0, 0).is_err());
        assert!(TilePath::new(TileKind::Entries, 0, 257).is_err());
    }

    #[test]
    fn bundles_have_lengths() {
        let bundle = encode_bundle(&[&b"ab"[..], b"", b"c"]).unwrap();
        assert_eq!(bundle, b"\0\x02ab\0\0\0\x01c");
        assert_eq!(decode_bundle(&bundle, 3).unwrap(), [&b"ab"[..], b"", b"c"]);
        for (bytes, width) in [(&bundle[..], 2), (&bundle[..], 4), (&bundle[..8], 3), (&bundle[..8], 2), (b"", 1)] {
            assert!(decode_bundle(bytes, width).is_err(), "{bytes:?} {width}");
        }
        let behind = [&bundle[..], b"\0"].concat();
        assert!(decode_bundle(&behind, 3).is_err());
        assert!(encode_bundle(&[vec![0; MAX_ENTRY_BYTES]]).is_ok());
        assert!(encode_bundle(&[vec![0; MAX_ENTRY_BYTES + 1]]).is_err());
        assert!(encode_bundle(&[b""; 257]).is_err());
    }

    proptest::proptest! {
        #[test]
        fn a_path_is_read_as_it_was_written(level in 0u8..6, index in 0u64..1 << 40, width in 1u16..257) {
            let index = index >> (8 * level);
            let path = TilePath::new(TileKind::Hashes { level }, index, width).unwrap();
            proptest::prop_assert_eq!(path.to_string().parse(), Ok(path));
        }
    }
}
