//! Complete subtrees, the pieces of which every tree and every proof is made.

/// A complete subtree: the one over the 2^`level` leaves from leaf `index` · 2^`level` on. Level 0 is the leaves.
///
/// Once its last leaf is there it never changes again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node {
    /// Its height above the leaves.
    pub level: u8,
    /// Its place among the nodes of its level, from the left, from 0 on.
    pub index: u64,
}

/// The complete subtrees that the leaves `from..to` fall into, the largest first.
///
/// Only for ranges as a tree splits into: `from` is a multiple of a power of two that is not smaller than the range.
pub(crate) fn cover(from: u64, to: u64) -> Vec<Node> {
    let mut nodes = Vec::new();
    let mut at = from;
    while at < to {
        let level = (to - at).ilog2();
        nodes.push(Node { level: level as u8, index: at >> level });
        at += 1 << level;
    }
    nodes
}
