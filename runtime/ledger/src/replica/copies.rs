//! The copies of the checkpoint of a replica that does not write.

use std::path::PathBuf;

use crate::log::{check_prefix, edge_of};
use crate::store::ReadStore as _;
use crate::store::postgres::{Postgres, PostgresOptions};
use crate::store_error::StoreError;
use crate::{KeyChain, outside};

/// The copies of a replica that does not write. They follow what the writer stores, so that the ledger cannot be put back
/// behind what any replica saw.
pub(super) struct Copies {
    place: PostgresOptions,
    pub(super) paths: Vec<PathBuf>,
    /// Whether they were there before: then one that is missing is missed when this replica opens the ledger.
    made: bool,
    /// Kept from one look to the next.
    connection: Option<Postgres>,
}

impl Copies {
    pub(super) fn new(place: PostgresOptions, paths: Vec<PathBuf>) -> Copies {
        Copies { place, paths, made: false, connection: None }
    }

    /// Writes what is stored to the copies, where that is a continuation of what they say; and says who has the lease,
    /// where it has not ended.
    pub(super) fn follow(&mut self) -> Result<Option<String>, StoreError> {
        if let Some(kept) = self.connection.take() {
            match self.look(kept) {
                // It may be only this connection that is gone.
                Err(StoreError::Database { .. }) => {}
                other => return other,
            }
        }
        let new = Postgres::open_reader(&self.place)?;
        self.look(new)
    }

    fn look(&mut self, mut store: Postgres) -> Result<Option<String>, StoreError> {
        self.write(&mut store)?;
        let leased = store.leased()?;
        self.connection = Some(store);
        Ok(leased)
    }

    /// Closes the connection, where this replica does not look at others for a while.
    pub(super) fn rest(&mut self) {
        self.connection = None;
    }

    fn write(&mut self, store: &mut Postgres) -> Result<(), StoreError> {
        let Some(note) = store.checkpoint()? else { return Ok(()) };
        let (chain, edge) = (KeyChain::of(store)?, edge_of(store)?);
        for path in &self.paths {
            match outside::read_copy(path)? {
                Some(kept) if kept == note => continue,
                Some(kept) => check_prefix(store, &edge, &kept, &chain, path)?,
                None if self.made => continue,
                None => {}
            }
            check_prefix(store, &edge, &note, &chain, path)?;
            outside::write_text(path, &note)?;
        }
        self.made = true;
        Ok(())
    }
}
