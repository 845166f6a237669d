//! Records: numbers and columns, in the one spelling that SQLite uses.

/// A value, in the order in which SQLite sorts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Column<'r> {
    Null,
    Integer(i64),
    Text(&'r [u8]),
    Blob(&'r [u8]),
}

/// The columns of a record. No table or index has more.
pub(super) struct Columns<'r> {
    all: [Column<'r>; MAX_COLUMNS],
    count: usize,
}

const MAX_COLUMNS: usize = 8;

impl<'r> std::ops::Deref for Columns<'r> {
    type Target = [Column<'r>];

    fn deref(&self) -> &[Column<'r>] {
        self.all.get(..self.count).unwrap_or_default()
    }
}

/// A record's columns; `None` where it is malformed, or spells something as SQLite does not. `length` is the whole record's:
/// where less of it is given, the last column is cut.
pub(super) fn columns(record: &[u8], length: usize) -> Option<Columns<'_>> {
    let mut place = 0;
    let header = usize::try_from(varint(record, &mut place).ok()?).ok()?;
    let mut next = header;
    let mut found = Columns { all: [Column::Null; MAX_COLUMNS], count: 0 };
    if place >= header {
        return None;
    }
    while place < header {
        let kind = varint(record, &mut place).ok()?;
        let bytes = match kind {
            0 | 8 | 9 => 0,
            1..=4 => usize::try_from(kind).ok()?,
            5 => 6,
            6 => 8,
            12.. => usize::try_from((kind - 12) / 2).ok()?,
            _ => return None,
        };
        let end = next.checked_add(bytes)?;
        let cut = place == header && kind >= 12 && record.len() < length;
        let bytes = if cut { record.get(next..)? } else { record.get(next..end)? };
        next = end;
        let column = match kind {
            0 => Column::Null,
            8 => Column::Integer(0),
            9 => Column::Integer(1),
            1..=6 => {
                let value = signed(bytes);
                let spelled = match value {
                    0 | 1 => return None,
                    -0x80..=0x7f => 1,
                    -0x8000..=0x7fff => 2,
                    -0x80_0000..=0x7f_ffff => 3,
                    -0x8000_0000..=0x7fff_ffff => 4,
                    -0x8000_0000_0000..=0x7fff_ffff_ffff => 5,
                    _ => 6,
                };
                if spelled != kind {
                    return None;
                }
                Column::Integer(value)
            }
            _ if kind % 2 == 0 => Column::Blob(bytes),
            _ => Column::Text(bytes),
        };
        *found.all.get_mut(found.count)? = column;
        found.count += 1;
    }
    (place == header && next == length).then_some(found)
}

/// A big-endian number of at most 8 bytes.
pub(super) fn number(bytes: &[u8], at: usize, length: usize) -> Option<u64> {
    let found = bytes.get(at..at.checked_add(length)?)?;
    Some(found.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}

fn signed(bytes: &[u8]) -> i64 {
    let negative = bytes.first().is_some_and(|byte| *byte >= 0x80);
    bytes.iter().fold(if negative { -1 } else { 0 }, |sum, byte| sum << 8 | i64::from(*byte))
}

/// A number of 1 to 9 bytes in its shortest spelling, the only one that SQLite writes.
pub(super) fn varint(bytes: &[u8], next: &mut usize) -> Result<i64, &'static str> {
    let mut value = 0u64;
    for n in 0..9 {
        let byte = *bytes.get(*next).ok_or("a number is outside")?;
        *next += 1;
        if n == 8 {
            value = value << 8 | u64::from(byte);
            break;
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte < 0x80 {
            break;
        }
        if n == 0 && byte == 0x80 {
            return Err("a number is not in its shortest spelling");
        }
    }
    Ok(i64::from_be_bytes(value.to_be_bytes()))
}
