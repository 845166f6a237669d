use ct_merkle::mem_backed_tree::MemoryBackedTree;
use ct_merkle::{ConsistencyProof, InclusionProof};
use proptest::prelude::*;

use super::*;
use crate::tree::leaf_hash;
use crate::tree::testing::{LEAVES, Tree, bytes};

/// The proofs of `merkletree/merkle_tree_test.cc` in google/certificate-transparency, over [`LEAVES`].
const N96: &str = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7";
const N5F: &str = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e";
const N6B: &str = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4";
const NBC: &str = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b";
const NCA: &str = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0";
const ND3: &str = "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7";
const NFA: &str = "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125";
const N6E: &str = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d";
const N0E: &str = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a";
const INCLUSION: [(u64, u64, &[&str]); 5] =
    [(0, 1, &[]), (0, 8, &[N96, N5F, N6B]), (5, 8, &[NBC, NCA, ND3]), (2, 3, &[NFA]), (1, 5, &[N6E, N5F, NBC])];
const CONSISTENCY: [(u64, u64, &[&str]); 4] =
    [(1, 1, &[]), (1, 8, &[N96, N5F, N6B]), (6, 8, &[N0E, NCA, ND3]), (2, 5, &[N5F, NBC])];

fn hashes(proof: &[&str]) -> Vec<Sha256> {
    proof.iter().map(|hash| Sha256::from_hex(hash).unwrap()).collect()
}

#[test]
fn the_published_proofs_are_made_and_verified() {
    let tree = Tree::of(LEAVES.map(bytes));
    for (index, size, proof) in INCLUSION {
        let made = inclusion_proof(index, size, |level, index| tree.node(level, index)).unwrap();
        assert_eq!(made, hashes(proof), "leaf {index} of {size}");
        let leaf = leaf_hash(&bytes(LEAVES[index as usize]));
        verify_inclusion(&leaf, index, size, &made, &tree.roots[size as usize]).unwrap();
    }
    for (old, new, proof) in CONSISTENCY {
        let made = consistency_proof(old, new, |level, index| tree.node(level, index)).unwrap();
        assert_eq!(made, hashes(proof), "{old} to {new}");
        verify_consistency(old, &tree.roots[old as usize], new, &tree.roots[new as usize], &made).unwrap();
    }
}

fn leaf(n: u64) -> [u8; 8] {
    n.to_be_bytes()
}

/// Every proof of every tree up to 70 leaves verifies, at its own place and with its own hashes only.
#[test]
fn a_proof_proves_one_thing() {
    const MOST: u64 = 70;
    let tree = Tree::of((0..MOST).map(leaf));
    for size in 1..=MOST {
        let root = tree.roots[size as usize];
        for index in 0..size {
            let proof = inclusion_proof(index, size, |level, index| tree.node(level, index)).unwrap();
            let hash = leaf_hash(&leaf(index));
            assert_eq!(verify_inclusion(&hash, index, size, &proof, &root), Ok(()), "{index} of {size}");
            for other in (0..size + 2).filter(|other| *other != index) {
                assert!(verify_inclusion(&hash, other, size, &proof, &root).is_err(), "{index} as {other} of {size}");
            }
            // A tree of another size has another root, so the size that is claimed with a root is trusted as the root is.
            assert!(verify_inclusion(&leaf_hash(b""), index, size, &proof, &root).is_err());
            for place in 0..proof.len() {
                let mut changed = proof.clone();
                changed[place] = Sha256::of(b"");
                assert_eq!(verify_inclusion(&hash, index, size, &changed, &root), Err(VerifyError::Root));
                changed.remove(place);
                let length = VerifyError::ProofLength { expected: proof.len(), found: proof.len() - 1 };
                assert_eq!(verify_inclusion(&hash, index, size, &changed, &root), Err(length));
            }
            let longer = [&proof[..], &[root]].concat();
            assert!(matches!(
                verify_inclusion(&hash, index, size, &longer, &root),
                Err(VerifyError::ProofLength { .. })
            ));
        }
        for old in 1..=size {
            let proof = consistency_proof(old, size, |level, index| tree.node(level, index)).unwrap();
            let (old_root, new_root) = (&tree.roots[old as usize], &root);
            assert_eq!(verify_consistency(old, old_root, size, new_root, &proof), Ok(()), "{old} to {size}");
            let wrong = Sha256::of(b"");
            assert!(verify_consistency(old, &wrong, size, new_root, &proof).is_err());
            assert!(verify_consistency(old, old_root, size, &wrong, &proof).is_err());
            for place in 0..proof.len() {
                let mut changed = proof.clone();
                changed[place] = wrong;
                assert!(verify_consistency(old, old_root, size, new_root, &changed).is_err(), "{old} to {size}");
                changed.remove(place);
                assert!(verify_consistency(old, old_root, size, new_root, &changed).is_err());
            }
            let longer = [&proof[..], &[root]].concat();
            assert!(verify_consistency(old, old_root, size, new_root, &longer).is_err());
        }
        assert_eq!(verify_consistency(0, &tree.roots[0], size, &root, &[]), Ok(()));
        assert_eq!(verify_consistency(0, &root, size, &root, &[]), Err(VerifyError::OldRoot));
    }
}

#[test]
fn what_is_not_there_is_not_proved() {
    let tree = Tree::of((0..5).map(leaf));
    let node = |level, index| tree.node(level, index);
    assert_eq!(inclusion_proof(5, 5, node), Err(ProofError::OutOfRange { index: 5, size: 5 }));
    assert_eq!(inclusion_proof(0, 0, node), Err(ProofError::OutOfRange { index: 0, size: 0 }));
    assert!(matches!(inclusion_proof(0, 9, node), Err(ProofError::Node(_))));
    assert_eq!(consistency_proof(0, 5, node), Err(ProofError::Sizes { old: 0, new: 5 }));
    assert_eq!(consistency_proof(6, 5, node), Err(ProofError::Sizes { old: 6, new: 5 }));
    assert_eq!(
        verify_consistency(5, &tree.roots[5], 4, &tree.roots[4], &[]),
        Err(VerifyError::Shrunk { old: 5, new: 4 })
    );
}

/// Numbers from outside reach the verifiers before anything else looked at them.
#[test]
fn no_numbers_overflow() {
    let hash = Sha256::of(b"");
    let edges = [0, 1, 2, MAX_TREE_SIZE - 1, MAX_TREE_SIZE, MAX_TREE_SIZE + 1, 1 << 63, u64::MAX - 1, u64::MAX];
    for a in edges {
        for b in edges {
            for proof in [vec![], vec![hash; 53], vec![hash; 64]] {
                assert!(verify_inclusion(&hash, a, b, &proof, &Sha256::of(b"x")).is_err());
                let trivial = proof.is_empty() && (a == b || a == 0) && b <= MAX_TREE_SIZE;
                assert_eq!(verify_consistency(a, &hash, b, &hash, &proof).is_ok(), trivial, "{a} {b}");
            }
        }
    }
}

/// `ct-merkle` is another implementation of the same RFC: its proofs are ours, and each verifies the other's.
fn theirs(size: u64) -> MemoryBackedTree<sha2::Sha256, [u8; 8]> {
    let mut tree = MemoryBackedTree::new();
    (0..size).for_each(|n| tree.push(leaf(n)));
    tree
}

fn joined(proof: &[Sha256]) -> Vec<u8> {
    proof.iter().flat_map(|hash| *hash.as_bytes()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn agrees_with_ct_merkle(new in 1u64..600, old in any::<prop::sample::Index>(), index in any::<prop::sample::Index>()) {
        let (old, index) = (old.index(new as usize) as u64 + 1, index.index(new as usize) as u64);
        let ours = Tree::of((0..new).map(leaf));
        let (new_theirs, old_theirs) = (theirs(new), theirs(old));
        prop_assert!(new_theirs.root().as_bytes().as_slice() == ours.edge.root().as_bytes());

        let proof = inclusion_proof(index, new, |level, index| ours.node(level, index)).unwrap();
        prop_assert!(new_theirs.prove_inclusion(index as usize).as_bytes() == joined(&proof));
        let foreign = InclusionProof::<sha2::Sha256>::try_from_bytes(joined(&proof)).unwrap();
        prop_assert!(new_theirs.root().verify_inclusion(&leaf(index), index, &foreign).is_ok());
        prop_assert!(new_theirs.root().verify_inclusion(&leaf(index + 1), index, &foreign).is_err());

        let proof = consistency_proof(old, new, |level, index| ours.node(level, index)).unwrap();
        prop_assert!(new_theirs.prove_consistency((new - old) as usize).as_bytes() == joined(&proof));
        let foreign = ConsistencyProof::<sha2::Sha256>::try_from_bytes(joined(&proof)).unwrap();
        prop_assert!(new_theirs.root().verify_consistency(&old_theirs.root(), &foreign).is_ok());
    }
}
