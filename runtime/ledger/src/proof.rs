//! Inclusion and consistency proofs: [RFC 6962](https://www.rfc-editor.org/rfc/rfc6962#section-2.1.1) makes them,
//! [RFC 9162](https://www.rfc-editor.org/rfc/rfc9162#section-2.1.3.2) says how to verify them.

use portcullis_gate::Sha256;

use crate::error::VerifyError;
use crate::tree::{MAX_TREE_SIZE, node_hash, split, subtree};

/// Why no proof was made.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError<E> {
    /// The tree has no such leaf.
    #[error("leaf {index} is not in a tree of {size} leaves")]
    OutOfRange {
        /// The leaf's number, from 0.
        index: u64,
        /// How many leaves the tree has.
        size: u64,
    },
    /// The earlier tree is empty or larger than the later one.
    #[error("there is no proof from {old} to {new} leaves")]
    Sizes {
        /// Leaves of the earlier tree.
        old: u64,
        /// Leaves of the later tree.
        new: u64,
    },
    /// A node could not be read.
    #[error(transparent)]
    Node(#[from] E),
}

/// Proves that leaf `index` is in the tree of `size` leaves. `node` gives complete nodes by level and index.
///
/// # Errors
/// [`ProofError`]: no such leaf, or what `node` says.
pub fn inclusion_proof<E>(
    index: u64,
    size: u64,
    mut node: impl FnMut(u8, u64) -> Result<Sha256, E>,
) -> Result<Vec<Sha256>, ProofError<E>> {
    if index >= size || size > MAX_TREE_SIZE {
        return Err(ProofError::OutOfRange { index, size });
    }
    let (mut start, mut end) = (0, size);
    let mut proof = Vec::new();
    while end - start > 1 {
        let middle = start + split(end - start);
        if index < middle {
            proof.push(subtree(middle, end, &mut node)?);
            end = middle;
        } else {
            proof.push(subtree(start, middle, &mut node)?);
            start = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// Proves that the tree of `old` leaves is a prefix of the tree of `new` leaves. `node` gives complete nodes by level
/// and index. The proof of equal sizes is empty.
///
/// # Errors
/// [`ProofError`]: `old` is 0 or more than `new`, or what `node` says.
pub fn consistency_proof<E>(
    old: u64,
    new: u64,
    mut node: impl FnMut(u8, u64) -> Result<Sha256, E>,
) -> Result<Vec<Sha256>, ProofError<E>> {
    if old == 0 || old > new || new > MAX_TREE_SIZE {
        return Err(ProofError::Sizes { old, new });
    }
    let (mut start, mut end) = (0, new);
    let mut proof = Vec::new();
    while end != old {
        let middle = start + split(end - start);
        if old <= middle {
            proof.push(subtree(middle, end, &mut node)?);
            end = middle;
        } else {
            proof.push(subtree(start, middle, &mut node)?);
            start = middle;
        }
    }
    // The verifier has the whole earlier tree's root already.
    if start > 0 {
        proof.push(subtree(start, end, &mut node)?);
    }
    proof.reverse();
    Ok(proof)
}

/// Checks that the leaf of that hash is number `index` of the `size` leaves whose tree has that root.
///
/// # Errors
/// [`VerifyError`]: `OutOfRange`, `ProofLength`, `Root`.
pub fn verify_inclusion(
    leaf: &Sha256,
    index: u64,
    size: u64,
    proof: &[Sha256],
    root: &Sha256,
) -> Result<(), VerifyError> {
    if index >= size || size > MAX_TREE_SIZE {
        return Err(VerifyError::OutOfRange { index, size });
    }
    let expected = inclusion_length(index, size);
    if proof.len() != expected {
        return Err(VerifyError::ProofLength { expected, found: proof.len() });
    }
    let (mut at, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in proof {
        if last == 0 {
            return Err(VerifyError::Root);
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(sibling, &hash);
            // A node without a right sibling moves up until it has a left one.
            let up = if at & 1 == 1 { 0 } else { at.trailing_zeros() };
            (at, last) = (at >> up, last >> up);
        } else {
            hash = node_hash(&hash, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    if last == 0 && hash == *root { Ok(()) } else { Err(VerifyError::Root) }
}

/// Checks that the `old` leaves with `old_root` are the first of the `new` leaves with `new_root`. The empty tree is a
/// prefix of every tree, by the empty proof.
///
/// # Errors
/// [`VerifyError`]: `Shrunk`, `ProofLength`, `OldRoot`, `Root`.
pub fn verify_consistency(
    old: u64,
    old_root: &Sha256,
    new: u64,
    new_root: &Sha256,
    proof: &[Sha256],
) -> Result<(), VerifyError> {
    if old > new || new > MAX_TREE_SIZE {
        return Err(VerifyError::Shrunk { old, new });
    }
    let expected = consistency_length(old, new);
    if proof.len() != expected {
        return Err(VerifyError::ProofLength { expected, found: proof.len() });
    }
    if old == 0 && *old_root != Sha256::of(b"") {
        return Err(VerifyError::OldRoot);
    }
    if old == 0 || old == new {
        return if old == 0 || old_root == new_root { Ok(()) } else { Err(VerifyError::Root) };
    }
    // The largest complete subtree at the earlier tree's right edge is what both roots are computed from.
    let up = old.trailing_zeros();
    let (mut at, mut last) = ((old - 1) >> up, (new - 1) >> up);
    let mut hashes = proof.iter();
    let first = if old.is_power_of_two() { Some(old_root) } else { hashes.next() };
    let Some(first) = first else { return Err(VerifyError::ProofLength { expected, found: 0 }) };
    let (mut old_hash, mut new_hash) = (*first, *first);
    for sibling in hashes {
        if last == 0 {
            return Err(VerifyError::Root);
        }
        if at & 1 == 1 || at == last {
            (old_hash, new_hash) = (node_hash(sibling, &old_hash), node_hash(sibling, &new_hash));
            let up = if at & 1 == 1 { 0 } else { at.trailing_zeros() };
            (at, last) = (at >> up, last >> up);
        } else {
            new_hash = node_hash(&new_hash, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    if old_hash != *old_root {
        return Err(VerifyError::OldRoot);
    }
    if last == 0 && new_hash == *new_root { Ok(()) } else { Err(VerifyError::Root) }
}

/// How many hashes prove leaf `index` in a tree of `size`: one for each level up to where the leaf's path meets the
/// right edge, then one for each complete subtree left of it.
fn inclusion_length(index: u64, size: u64) -> usize {
    let inner = u64::BITS - (index ^ (size - 1)).leading_zeros();
    let border = index.checked_shr(inner).map_or(0, u64::count_ones);
    (inner + border) as usize
}

fn consistency_length(old: u64, new: u64) -> usize {
    if old == 0 || old == new {
        return 0;
    }
    let up = old.trailing_zeros();
    let path = inclusion_length((old - 1) >> up, ((new - 1) >> up) + 1);
    path + usize::from(!old.is_power_of_two())
}

#[cfg(test)]
mod tests;
