//! RFC 6962 §2.1 word by word: recursive, with all leaves at hand.

use bursar_transparency::{Hash, empty_root, node_hash};

/// k of the RFC: the largest power of two smaller than n.
fn split(n: usize) -> usize {
    let mut k = 1;
    while k * 2 < n {
        k *= 2;
    }
    k
}

/// MTH over leaf hashes.
pub(crate) fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node_hash(&root(left), &root(right))
        }
    }
}

/// PATH(m, D[n]).
pub(crate) fn path(m: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return Vec::new();
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at(k);
    if m < k {
        [path(m, left), vec![root(right)]].concat()
    } else {
        [path(m - k, right), vec![root(left)]].concat()
    }
}

/// PROOF(m, D[n]).
pub(crate) fn proof(m: usize, leaves: &[Hash]) -> Vec<Hash> {
    sub_proof(m, leaves, true)
}

fn sub_proof(m: usize, leaves: &[Hash], whole: bool) -> Vec<Hash> {
    if m == leaves.len() {
        return if whole { Vec::new() } else { vec![root(leaves)] };
    }
    let k = split(leaves.len());
    let (left, right) = leaves.split_at(k);
    if m <= k {
        [sub_proof(m, left, whole), vec![root(right)]].concat()
    } else {
        [sub_proof(m - k, right, false), vec![root(left)]].concat()
    }
}
