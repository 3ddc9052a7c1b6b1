//! The compact tree: a log's size and the roots of the complete subtrees it falls into.

use crate::{Hash, Node, SIZE_MAX, hash};

/// The log has as many leaves as a log can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the log is full")]
pub struct Full;

/// The hashes are not as many as a log of that size has, or not of that form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the stored hashes are not those of a log of this size")]
pub struct Unfit;

/// A log's size and *peaks*: the roots of its complete subtrees, the largest first, one for each bit that is set in the
/// size. Enough to go on appending and to know the root at any time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    peaks: Vec<Hash>,
}

impl Tree {
    /// A log without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// The log with these peaks.
    ///
    /// # Errors
    /// [`Unfit`] if their number is not that of a log of `size` leaves.
    pub fn from_peaks(size: u64, peaks: Vec<Hash>) -> Result<Self, Unfit> {
        if size > SIZE_MAX || u32::try_from(peaks.len()) != Ok(size.count_ones()) {
            return Err(Unfit);
        }
        Ok(Self { size, peaks })
    }

    /// How many leaves it has.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Its peaks, the largest first.
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Its root hash.
    pub fn root(&self) -> Hash {
        hash::fold_peaks(&self.peaks)
    }

    /// Appends a leaf by its hash, and tells `completed` every subtree that is complete with it: the leaf first, then
    /// upwards.
    ///
    /// # Errors
    /// [`Full`]; nothing is changed then.
    pub fn append(&mut self, leaf: Hash, mut completed: impl FnMut(Node, Hash)) -> Result<(), Full> {
        if self.size >= SIZE_MAX {
            return Err(Full);
        }
        let (mut hash, mut node) = (leaf, Node { level: 0, index: self.size });
        completed(node, hash);
        // Each bit that is set at the low end of the old size is a peak that the new leaf completes a pair with.
        while node.index & 1 == 1 {
            let Some(left) = self.peaks.pop() else { break };
            hash = hash::node_hash(&left, &hash);
            node = Node { level: node.level + 1, index: node.index >> 1 };
            completed(node, hash);
        }
        self.peaks.push(hash);
        self.size += 1;
        Ok(())
    }
}
