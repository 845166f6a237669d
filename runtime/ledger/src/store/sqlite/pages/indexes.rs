//! What an index says, against its table: each row once, in order.
//!
//! Both are walked once, the table first. Of every key that the table calls for and of every one that the index has a
//! hash is added up, under a secret of this run: the sums are equal only if the keys are.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hash as _, Hasher as _};

use super::super::schema::SCHEMA;
use super::record::{Column, columns};

/// The indexes of the schema.
pub(super) struct Indexes {
    secret: RandomState,
    all: Vec<Index>,
}

struct Index {
    name: &'static str,
    /// Which statements of the schema make it and its table.
    statement: usize,
    table: usize,
    /// Which columns of the table it has.
    columns: Vec<usize>,
    unique: bool,
    /// The rows that it leaves out: a column and a value.
    without: Option<(usize, &'static [u8])>,
    /// Keys, and the sum of their hashes: as the table calls for, and as the index has.
    expected: (u64, u64),
    found: (u64, u64),
    last: Vec<u8>,
}

impl Indexes {
    pub(super) fn of_schema() -> Indexes {
        let all = SCHEMA.iter().enumerate().filter_map(|(statement, text)| Index::of(statement, text)).collect();
        Indexes { secret: RandomState::new(), all }
    }

    /// A row of the table that a statement makes.
    pub(super) fn row(&mut self, statement: usize, row: i64, columns: &[Column<'_>]) -> Result<(), &'static str> {
        for index in self.all.iter_mut().filter(|index| index.table == statement) {
            if let Some((column, value)) = index.without
                && columns.get(column) == Some(&Column::Text(value))
            {
                continue;
            }
            let mut hasher = self.secret.build_hasher();
            for column in &index.columns {
                columns.get(*column).ok_or("its record has too few columns")?.hash(&mut hasher);
            }
            Column::Integer(row).hash(&mut hasher);
            index.expected = add(index.expected, hasher.finish());
        }
        Ok(())
    }

    /// The next key of the index that a statement makes.
    pub(super) fn entry(&mut self, statement: usize, record: &[u8], key: &[Column<'_>]) -> Result<(), &'static str> {
        let Some(index) = self.all.iter_mut().find(|index| index.statement == statement) else { return Ok(()) };
        if key.len() != index.columns.len() + 1 {
            return Err("its record has not the columns of the index");
        }
        let mut hasher = self.secret.build_hasher();
        key.iter().for_each(|column| column.hash(&mut hasher));
        let before = columns(&index.last, index.last.len());
        let before = before.as_deref().unwrap_or_default();
        let compared = if index.unique { index.columns.len() } else { key.len() };
        let in_order = index.found.0 == 0 || before.get(..compared) < key.get(..compared);
        index.found = add(index.found, hasher.finish());
        index.last.clear();
        index.last.extend_from_slice(record);
        if in_order { Ok(()) } else { Err("its key is out of order, or there twice") }
    }

    /// Which indexes are not of their tables.
    pub(super) fn differences(&self) -> Vec<String> {
        let differs = |index: &&Index| index.expected != index.found;
        let say = |index: &Index| {
            let (expected, found) = (index.expected.0, index.found.0);
            format!(
                "the index {} has {found} keys, its table calls for {expected}, and they are not the same",
                index.name
            )
        };
        self.all.iter().filter(differs).map(say).collect()
    }
}

impl Index {
    /// The index that a statement of the schema makes, if it makes one.
    fn of(statement: usize, text: &'static str) -> Option<Index> {
        let rest = text.strip_prefix("CREATE UNIQUE INDEX ").or_else(|| text.strip_prefix("CREATE INDEX "))?;
        let (name, rest) = rest.split_once(" ON ")?;
        let (table, rest) = rest.split_once('(')?;
        let (own, rest) = rest.split_once(')')?;
        let start = format!("CREATE TABLE {table}(");
        let (number, made) = SCHEMA.iter().enumerate().find(|(_, text)| text.starts_with(&start))?;
        let names: Vec<&str> = made
            .strip_prefix(start.as_str())?
            .split(", ")
            .filter_map(|column| column.split_once(' '))
            .map(|(name, _)| name)
            .collect();
        let place = |name: &str| names.iter().position(|found| *found == name);
        let without = match rest.strip_prefix(" WHERE ") {
            Some(condition) => {
                let (column, value) = condition.split_once(" <> ")?;
                Some((place(column)?, value.trim_matches('\'').as_bytes()))
            }
            None => None,
        };
        Some(Index {
            name,
            statement,
            table: number,
            columns: own.split(", ").map(place).collect::<Option<_>>()?,
            unique: text.starts_with("CREATE UNIQUE"),
            without,
            expected: (0, 0),
            found: (0, 0),
            last: Vec::new(),
        })
    }
}

fn add((count, sum): (u64, u64), hash: u64) -> (u64, u64) {
    (count.saturating_add(1), sum.wrapping_add(hash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_index_of_the_schema_is_known() {
        let indexes = Indexes::of_schema();
        let made = SCHEMA.iter().filter(|text| text.contains(" INDEX ")).count();
        assert_eq!(indexes.all.len(), made);
        let named = |name| indexes.all.iter().find(|index| index.name == name).unwrap();
        assert_eq!(named("decisions_resource").columns, [3, 4, 1, 2, 5]);
        assert_eq!((named("events_id").columns.as_slice(), named("events_id").unique), ([1].as_slice(), true));
        assert_eq!(named("events_kind").without, Some((2, b"decision".as_slice())));
    }

    #[test]
    fn an_index_that_differs_is_named() {
        let kinds = |indexes: &mut Indexes, rows: &[(i64, &str)], keys: &[(&str, i64)]| {
            for (row, kind) in rows {
                let columns = [Column::Null, Column::Blob(b"id"), Column::Text(kind.as_bytes())];
                indexes.row(2, *row, &columns).unwrap();
            }
            let entry = |(kind, row): &(&str, i64)| {
                indexes.entry(4, &[], &[Column::Text(kind.as_bytes()), Column::Integer(*row)])
            };
            keys.iter().map(entry).collect::<Result<Vec<()>, _>>().map(|_| ())
        };
        assert!(SCHEMA[2].starts_with("CREATE TABLE events") && SCHEMA[4].starts_with("CREATE INDEX events_kind"));
        let rows = [(0, "a"), (1, "decision"), (2, "b")];
        for (keys, same) in [
            ([("a", 0), ("b", 2)].as_slice(), true),
            (&[("a", 0)], false),
            (&[("a", 2), ("b", 0)], false),
            (&[("a", 0), ("c", 2)], false),
            (&[("a", 0), ("b", 2), ("decision", 1)], false),
        ] {
            let mut indexes = Indexes::of_schema();
            kinds(&mut indexes, &rows, keys).unwrap();
            let differs = indexes.differences().iter().any(|problem| problem.contains("events_kind"));
            assert_eq!(!differs, same, "{keys:?}");
        }
    }
}
