//! Which nodes a proof is made of, so that they can be fetched from anywhere, all at once.

use crate::node::cover;
use crate::{Hash, Node, SIZE_MAX, hash};

/// A leaf or a size that the log does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no such leaf or size in the log")]
pub struct OutOfRange;

/// What a proof is made of: each of its hashes is the root over a few complete subtrees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    parts: Vec<Vec<Node>>,
}

/// Leaves of the left side where a tree over `size` > 1 leaves splits: the largest power of two below it.
fn split(size: u64) -> u64 {
    1 << (size - 1).ilog2()
}

impl Plan {
    /// The root of a log of `size` leaves: one hash.
    ///
    /// # Errors
    /// [`OutOfRange`] if no log can be so large.
    pub fn root(size: u64) -> Result<Self, OutOfRange> {
        if size > SIZE_MAX {
            return Err(OutOfRange);
        }
        Ok(Self { parts: vec![cover(0, size)] })
    }

    /// The proof that leaf `index`, counted from 0, is in the log of `size` leaves: PATH(m, D[n]) of RFC 6962 §2.1.1.
    ///
    /// # Errors
    /// [`OutOfRange`] if there is no such leaf.
    pub fn inclusion(index: u64, size: u64) -> Result<Self, OutOfRange> {
        if index >= size || size > SIZE_MAX {
            return Err(OutOfRange);
        }
        let mut parts = Vec::new();
        let (mut from, mut to) = (0, size);
        while to - from > 1 {
            let middle = from + split(to - from);
            if index < middle {
                parts.push(cover(middle, to));
                to = middle;
            } else {
                parts.push(cover(from, middle));
                from = middle;
            }
        }
        // The way down was from the root; a path is told from the leaf up.
        parts.reverse();
        Ok(Self { parts })
    }

    /// The proof that the log of `old` leaves is the beginning of the log of `new`: PROOF(m, D[n]) of RFC 6962 §2.1.2.
    ///
    /// # Errors
    /// [`OutOfRange`] if `old` is 0, of which nothing can be proven, or more than `new`.
    pub fn consistency(old: u64, new: u64) -> Result<Self, OutOfRange> {
        if old == 0 || old > new || new > SIZE_MAX {
            return Err(OutOfRange);
        }
        let mut parts = Vec::new();
        let (mut from, mut to) = (0, new);
        while to != old {
            let middle = from + split(to - from);
            if old <= middle {
                parts.push(cover(middle, to));
                to = middle;
            } else {
                parts.push(cover(from, middle));
                from = middle;
            }
        }
        // What is left is the end of the old log; all of it if it is a subtree of the new one, which is known already.
        if from > 0 {
            parts.push(cover(from, to));
        }
        parts.reverse();
        Ok(Self { parts })
    }

    /// Every node whose hash is needed.
    pub fn nodes(&self) -> impl Iterator<Item = Node> + '_ {
        self.parts.iter().flatten().copied()
    }

    /// The hashes of the proof, of those that `get` gives for its nodes.
    ///
    /// # Errors
    /// The first of `get`.
    pub fn hashes<E>(&self, mut get: impl FnMut(Node) -> Result<Hash, E>) -> Result<Vec<Hash>, E> {
        let mut hashes = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            let peaks = part.iter().map(|node| get(*node)).collect::<Result<Vec<Hash>, E>>()?;
            hashes.push(hash::fold_peaks(&peaks));
        }
        Ok(hashes)
    }
}
