//! Checking proofs, as RFC 9162 §2.1.3.2 and §2.1.4.2 write it down for the trees of RFC 6962.

use crate::{Hash, PATH_MAX, SIZE_MAX, hash};

/// Why a proof proves nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// There is no such leaf or size.
    #[error("it is about a leaf or a size that such a log does not have")]
    OutOfRange,
    /// It has more or fewer hashes than a proof of this has.
    #[error("it does not have as many hashes as a proof of this has")]
    Length,
    /// The hashes do not lead where they should.
    #[error("its hashes do not lead to the root")]
    Root,
}

/// Whether the leaf with hash `leaf` is leaf `index`, counted from 0, of the log with `size` leaves and `root`.
///
/// # Errors
/// [`ProofError`] if `path` does not prove it.
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    path: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if index >= size || size > SIZE_MAX {
        return Err(ProofError::OutOfRange);
    }
    if path.len() > PATH_MAX {
        return Err(ProofError::Length);
    }
    // Where the way is on its level, and where the last node of that level is.
    let (mut at, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in path {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if at & 1 == 1 || at == last {
            hash = hash::node_hash(sibling, &hash);
            climb_right_edge(&mut at, &mut last);
        } else {
            hash = hash::node_hash(&hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::Length);
    }
    if hash == *root { Ok(()) } else { Err(ProofError::Root) }
}

/// Whether the log with `old_size` leaves and `old_root` is the beginning of that with `new_size` and `new_root`.
///
/// # Errors
/// [`ProofError`] if `path` does not prove it. Of an empty log nothing can be proven.
pub fn verify_consistency(
    old_size: u64,
    old_root: &Hash,
    new_size: u64,
    new_root: &Hash,
    path: &[Hash],
) -> Result<(), ProofError> {
    if old_size == 0 || old_size > new_size || new_size > SIZE_MAX {
        return Err(ProofError::OutOfRange);
    }
    if path.len() > PATH_MAX {
        return Err(ProofError::Length);
    }
    if old_size == new_size {
        return match path {
            [] if old_root == new_root => Ok(()),
            [] => Err(ProofError::Root),
            _ => Err(ProofError::Length),
        };
    }
    // A log whose size is a power of two is a subtree of every later one: its root is the proof's first hash.
    let (first, rest) = if old_size.is_power_of_two() {
        (old_root, path)
    } else {
        path.split_first().ok_or(ProofError::Length)?
    };
    let (mut at, mut last) = (old_size - 1, new_size - 1);
    while at & 1 == 1 {
        at >>= 1;
        last >>= 1;
    }
    let (mut old, mut new) = (*first, *first);
    for hash in rest {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if at & 1 == 1 || at == last {
            old = hash::node_hash(hash, &old);
            new = hash::node_hash(hash, &new);
            climb_right_edge(&mut at, &mut last);
        } else {
            new = hash::node_hash(&new, hash);
        }
        at >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofError::Length);
    }
    if old == *old_root && new == *new_root { Ok(()) } else { Err(ProofError::Root) }
}

/// On the right edge of a tree levels are skipped where a node has no partner.
fn climb_right_edge(at: &mut u64, last: &mut u64) {
    while *at & 1 == 0 && *at != 0 {
        *at >>= 1;
        *last >>= 1;
    }
}
