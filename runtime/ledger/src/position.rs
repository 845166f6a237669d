use crate::MAX_TREE_SIZE;

/// Where a complete node above the leaves stands when all of them are numbered in the order in which a growing tree
/// completes them: its number from 0. `None` for leaves, and for nodes of no tree.
///
/// A tree of `n` leaves has `n - popcount(n)` such nodes, so appending adds them behind each other, and any node is found
/// by one calculation.
#[must_use]
pub fn node_position(level: u8, index: u64) -> Option<u64> {
    if level == 0 || level > 53 {
        return None;
    }
    // The leaf that completes it is the last one below it.
    let before = index.checked_add(1)?.checked_mul(1 << level)?.checked_sub(1)?;
    if before >= MAX_TREE_SIZE {
        return None;
    }
    Some(nodes_of(before) + u64::from(level) - 1)
}

/// How many complete nodes above the leaves a tree of that many leaves has.
#[must_use]
pub fn nodes_of(size: u64) -> u64 {
    size - u64::from(size.count_ones())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Edge, leaf_hash};

    #[test]
    fn positions_count_up_as_the_tree_grows() {
        let mut edge = Edge::new();
        let mut expected = 0;
        for n in 0..3000u64 {
            edge.push(leaf_hash(&n.to_be_bytes()), |level, index, _| {
                if level > 0 {
                    assert_eq!(node_position(level, index), Some(expected), "level {level}, index {index}");
                    expected += 1;
                }
            });
            assert_eq!(nodes_of(n + 1), expected);
        }
    }

    #[test]
    fn leaves_and_impossible_nodes_have_no_position() {
        assert_eq!(node_position(0, 7), None);
        assert_eq!(node_position(54, 0), None);
        assert_eq!(node_position(1, u64::MAX), None);
        assert_eq!(node_position(1, 1 << 52), None);
    }
}
