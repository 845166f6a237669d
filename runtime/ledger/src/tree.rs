//! The Merkle tree of [RFC 6962, section 2.1](https://www.rfc-editor.org/rfc/rfc6962#section-2.1).
//!
//! A node is named by its level (leaves are level 0) and its index in that level, and is complete when all
//! `2^level` leaves below it are there.

use portcullis_gate::Sha256;
use sha2::Digest as _;

use crate::error::FormatError;

/// Most leaves of one tree: indexes are integers in canonical JSON.
pub const MAX_TREE_SIZE: u64 = (1 << 53) - 1;

/// The hash of a leaf: `sha256(0x00 || leaf)`.
#[must_use]
pub fn leaf_hash(leaf: &[u8]) -> Sha256 {
    let hash = sha2::Sha256::new_with_prefix([0]).chain_update(leaf);
    Sha256::from_bytes(hash.finalize().into())
}

/// The hash of a node: `sha256(0x01 || left || right)`.
#[must_use]
pub fn node_hash(left: &Sha256, right: &Sha256) -> Sha256 {
    let hash = sha2::Sha256::new_with_prefix([1]).chain_update(left.as_bytes()).chain_update(right.as_bytes());
    Sha256::from_bytes(hash.finalize().into())
}

/// The right edge of a tree: the roots of the complete subtrees that it is made of, the largest first. Enough to add
/// leaves and to know the root, and never more than 53 hashes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    nodes: Vec<Sha256>,
}

impl Edge {
    /// The empty tree.
    #[must_use]
    pub fn new() -> Edge {
        Edge::default()
    }

    /// The edge of a tree of `size` leaves that was stored as [`Edge::nodes`].
    ///
    /// # Errors
    /// [`FormatError::Malformed`] where the number of nodes is not the number of ones in `size`.
    pub fn from_parts(size: u64, nodes: Vec<Sha256>) -> Result<Edge, FormatError> {
        if size > MAX_TREE_SIZE {
            return Err(FormatError::malformed("edge", format!("{size} leaves, more than {MAX_TREE_SIZE}")));
        }
        if size.count_ones() as usize != nodes.len() {
            let problem = format!("{} nodes for {size} leaves, not {}", nodes.len(), size.count_ones());
            return Err(FormatError::malformed("edge", problem));
        }
        Ok(Edge { size, nodes })
    }

    /// How many leaves the tree has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The roots of the complete subtrees, the largest (leftmost) first.
    #[must_use]
    pub fn nodes(&self) -> &[Sha256] {
        &self.nodes
    }

    /// Adds a leaf, given its [`leaf_hash`]. `complete` gets each node that this completes, as level, index and hash:
    /// the leaf itself first, then upward.
    pub fn push(&mut self, leaf: Sha256, mut complete: impl FnMut(u8, u64, Sha256)) {
        let (mut level, mut index, mut node) = (0u8, self.size, leaf);
        complete(level, index, node);
        while index & 1 == 1
            && let Some(left) = self.nodes.pop()
        {
            (level, index, node) = (level + 1, index >> 1, node_hash(&left, &node));
            complete(level, index, node);
        }
        self.nodes.push(node);
        self.size += 1;
    }

    /// The root; that of the empty tree is `sha256("")`.
    #[must_use]
    pub fn root(&self) -> Sha256 {
        let root = self.nodes.iter().rev().copied().reduce(|right, left| node_hash(&left, &right));
        root.unwrap_or_else(|| Sha256::of(b""))
    }
}

/// The root of the leaves `start..end`, from complete nodes. `start` is a multiple of the largest power of two below
/// the number of leaves, as it is for every subtree that a proof names.
pub(crate) fn subtree<E>(
    start: u64,
    end: u64,
    node: &mut impl FnMut(u8, u64) -> Result<Sha256, E>,
) -> Result<Sha256, E> {
    let leaves = end - start;
    if leaves.is_power_of_two() {
        // A power of two in 64 bits has at most 63 zeros behind it.
        let level = leaves.trailing_zeros() as u8;
        return node(level, start >> level);
    }
    let middle = start + split(leaves);
    let left = subtree(start, middle, node)?;
    Ok(node_hash(&left, &subtree(middle, end, node)?))
}

/// The largest power of two below `leaves`, which is at least 2: how many leaves are left of the root.
pub(crate) fn split(leaves: u64) -> u64 {
    1 << (leaves - 1).ilog2()
}

#[cfg(test)]
pub(crate) mod testing {
    use std::collections::HashMap;

    use super::*;

    /// The leaves of `merkletree/merkle_tree_test.cc` in google/certificate-transparency.
    pub(crate) const LEAVES: [&str; 8] =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];

    pub(crate) fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    /// A tree that keeps every complete node.
    pub(crate) struct Tree {
        pub edge: Edge,
        pub roots: Vec<Sha256>,
        nodes: HashMap<(u8, u64), Sha256>,
    }

    impl Tree {
        pub(crate) fn of<L: AsRef<[u8]>>(leaves: impl IntoIterator<Item = L>) -> Tree {
            let mut tree = Tree { edge: Edge::new(), roots: vec![Edge::new().root()], nodes: HashMap::new() };
            for leaf in leaves {
                let Tree { edge, nodes, .. } = &mut tree;
                edge.push(leaf_hash(leaf.as_ref()), |level, index, hash| {
                    assert_eq!(nodes.insert((level, index), hash), None, "a node completes once");
                });
                tree.roots.push(tree.edge.root());
            }
            tree
        }

        pub(crate) fn node(&self, level: u8, index: u64) -> Result<Sha256, (u8, u64)> {
            self.nodes.get(&(level, index)).copied().ok_or((level, index))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{LEAVES, Tree, bytes};
    use super::*;

    /// The roots of the trees of the first 0 to 8 of them, in the same file.
    const ROOTS: [&str; 9] = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    #[test]
    fn has_the_published_roots() {
        let tree = Tree::of(LEAVES.map(bytes));
        assert_eq!(tree.roots.iter().map(ToString::to_string).collect::<Vec<_>>(), ROOTS);
    }

    #[test]
    fn goes_on_from_its_parts() {
        let mut edge = Edge::new();
        for n in 0..100u64 {
            let parts = Edge::from_parts(edge.size(), edge.nodes().to_vec()).unwrap();
            assert_eq!(parts, edge);
            edge.push(leaf_hash(&n.to_be_bytes()), |_, _, _| {});
        }
        assert!(Edge::from_parts(100, edge.nodes()[1..].to_vec()).is_err());
        assert!(Edge::from_parts(101, edge.nodes().to_vec()).is_err());
        assert!(Edge::from_parts(MAX_TREE_SIZE, vec![Sha256::of(b""); 53]).is_ok());
        assert!(Edge::from_parts(MAX_TREE_SIZE + 1, vec![Sha256::of(b"")]).is_err());
    }

    #[test]
    fn completes_every_node_with_the_leaf_that_it_waits_for() {
        let mut seen = Vec::new();
        let mut edge = Edge::new();
        for n in 0..8u8 {
            edge.push(leaf_hash(&[n]), |level, index, _| seen.push((n, level, index)));
        }
        let completed = [
            (0, 0, 0),
            (1, 0, 1),
            (1, 1, 0),
            (2, 0, 2),
            (3, 0, 3),
            (3, 1, 1),
            (3, 2, 0),
            (4, 0, 4),
            (5, 0, 5),
            (5, 1, 2),
            (6, 0, 6),
            (7, 0, 7),
            (7, 1, 3),
            (7, 2, 1),
            (7, 3, 0),
        ];
        assert_eq!(seen, completed);
    }
}
