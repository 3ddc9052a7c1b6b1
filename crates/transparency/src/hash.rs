//! The hashes of RFC 6962 §2.1: SHA-256, and a first byte that tells leaves from nodes, so that neither can be passed
//! off as the other.

use ring::digest::{Context, SHA256};

/// A SHA-256 value.
pub type Hash = [u8; 32];

const LEAF: u8 = 0;
const NODE: u8 = 1;

fn finish(context: Context) -> Hash {
    let mut hash = Hash::default();
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// The hash of the leaf whose bytes are these parts, one after another.
pub fn leaf_hash(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(&[LEAF]);
    parts.iter().for_each(|part| context.update(part));
    finish(context)
}

/// The hash of the node above two others.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    let mut bytes = [NODE; 65];
    bytes[1..33].copy_from_slice(left);
    bytes[33..].copy_from_slice(right);
    let mut hash = Hash::default();
    hash.copy_from_slice(ring::digest::digest(&SHA256, &bytes).as_ref());
    hash
}

/// The root of a log without leaves: the hash of nothing.
pub fn empty_root() -> Hash {
    finish(Context::new(&SHA256))
}

/// The root above complete subtrees that lie side by side, the largest first, as those of any log do.
pub(crate) fn fold_peaks(peaks: &[Hash]) -> Hash {
    let mut peaks = peaks.iter().rev();
    let Some(last) = peaks.next() else { return empty_root() };
    peaks.fold(*last, |right, left| node_hash(left, &right))
}

/// The root of a complete subtree over `hashes`, whose number is a power of two.
pub(crate) fn fold_complete(hashes: &[Hash]) -> Option<Hash> {
    if !hashes.len().is_power_of_two() {
        return None;
    }
    let mut level = hashes.to_vec();
    while level.len() > 1 {
        level = level.chunks_exact(2).map(|pair| node_hash(&pair[0], &pair[1])).collect();
    }
    level.first().copied()
}
