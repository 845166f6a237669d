//! What the stored nodes of the tree say: its edge, the root of any prefix, and whether a signed checkpoint is of one.

use std::path::Path;

use crate::store::ReadStore;
use crate::store_error::StoreError;
use crate::verify::checkpoints::stored_checkpoint;
use crate::{Edge, KeyChain, Sha256, consistency_proof, leaf_hash, node_position, verify_consistency};

/// The tree's right edge, from the nodes that are stored.
pub(crate) fn edge_of(store: &mut dyn ReadStore) -> Result<Edge, StoreError> {
    let size = store.size()?;
    edge_at(store, size)
}

/// The root of the first `size` leaves, from the nodes that are stored.
pub(crate) fn prefix_root(store: &mut dyn ReadStore, size: u64) -> Result<Sha256, StoreError> {
    edge_at(store, size).map(|edge| edge.root())
}

fn edge_at(store: &mut dyn ReadStore, size: u64) -> Result<Edge, StoreError> {
    let mut nodes = Vec::new();
    let mut start = 0u64;
    for level in (0..64u8).rev().filter(|level| size >> level & 1 == 1) {
        nodes.push(stored_node(store, level, start >> level)?);
        start += 1 << level;
    }
    Edge::from_parts(size, nodes).map_err(|e| StoreError::damaged(e.to_string()))
}

/// A complete node: a leaf's hash from the leaf, any other as stored.
pub(crate) fn stored_node(store: &mut dyn ReadStore, level: u8, index: u64) -> Result<Sha256, StoreError> {
    let missing = || StoreError::damaged(format!("node {index} of level {level} is missing"));
    if level == 0 {
        return store.leaf(index)?.map(|leaf| leaf_hash(&leaf)).ok_or_else(missing);
    }
    let position = node_position(level, index).ok_or_else(missing)?;
    store.node(position)?.ok_or_else(missing)
}

/// Refuses a store whose own checkpoint is not of all its events. Gives the note.
pub(crate) fn check_signed(
    store: &mut dyn ReadStore,
    edge: &Edge,
    chain: &KeyChain,
) -> Result<Option<String>, StoreError> {
    let note = store.checkpoint()?;
    let signed = stored_checkpoint(note.as_deref(), chain, edge.size())
        .map_err(|problem| StoreError::StoredCheckpoint { problem })?;
    match signed {
        Some(signed) if signed.root() != edge.root() => {
            let problem = format!("signed is {}, the stored nodes give {}", signed.root(), edge.root());
            Err(StoreError::StoredCheckpoint { problem })
        }
        _ => Ok(note),
    }
}

/// Refuses a store that is behind a signed checkpoint or does not continue it.
pub(crate) fn check_prefix(
    store: &mut dyn ReadStore,
    edge: &Edge,
    note: &str,
    chain: &KeyChain,
    path: &Path,
) -> Result<(), StoreError> {
    let signed = chain.open(note).map_err(|e| StoreError::file(path, e.to_string()))?;
    let (old, new) = (signed.size(), edge.size());
    if old > new {
        return Err(StoreError::Behind { path: path.to_owned(), copy: old, size: new });
    }
    let differs = |problem: String| StoreError::NotPrefix { path: path.to_owned(), size: old, problem };
    let root = prefix_root(store, old)?;
    if root != signed.root() {
        return Err(differs(format!("its root is {}, the database's {}", signed.root().short(), root.short())));
    }
    if old > 0 {
        let proof = consistency_proof(old, new, |level, index| stored_node(store, level, index))
            .map_err(|e| differs(e.to_string()))?;
        verify_consistency(old, &root, new, &edge.root(), &proof).map_err(|e| differs(e.to_string()))?;
    }
    Ok(())
}
