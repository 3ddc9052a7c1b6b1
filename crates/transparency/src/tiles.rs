//! Nodes kept in tiles of 256 hashes.
//!
//! Tile (l, n) holds the hashes of the 256 nodes of level 8·l from node 256·n on; the levels between are computed from
//! it. A tile that is not full yet holds what there is. A proof in a log of a thousand million leaves is so a handful
//! of reads, and a leaf costs little more than its own 32 bytes.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Full, Hash, Node, SIZE_MAX, Tree, Unfit, hash};

/// Hashes of a full tile.
pub const WIDTH: usize = 256;
/// Levels of the tree that one tile spans.
pub const HEIGHT: u8 = 8;
/// Levels of tiles: with 8 of them a log of any size has its place.
pub const LEVELS: u8 = 8;

/// Which tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TileId {
    /// Its level: 0 holds leaves.
    pub level: u8,
    /// Its place on its level, from 0 on.
    pub index: u64,
}

/// Where the hash of a node is found: it is the root over a run of hashes of one tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The tile.
    pub tile: TileId,
    first: usize,
    count: usize,
}

impl Place {
    /// Where the hash of `node` is found; `None` if no log has such a node.
    pub fn of(node: Node) -> Option<Self> {
        let (level, above) = (node.level / HEIGHT, node.level % HEIGHT);
        if level >= LEVELS || node.index > SIZE_MAX >> node.level {
            return None;
        }
        // At most as far as the node's own first leaf, so this cannot overflow.
        let first = node.index << above;
        let tile = TileId { level, index: first / WIDTH as u64 };
        Some(Self { tile, first: (first % WIDTH as u64) as usize, count: 1 << above })
    }

    /// The node's hash, from the hashes of its tile; `None` if the tile does not hold them.
    pub fn hash(&self, tile: &[Hash]) -> Option<Hash> {
        hash::fold_complete(tile.get(self.first..self.first + self.count)?)
    }
}

/// The tile on each level that is not full in a log of `size` leaves, with the number of hashes it holds. Levels whose
/// tiles are all full have none.
pub fn partial(size: u64) -> impl Iterator<Item = (TileId, usize)> {
    (0..LEVELS).filter_map(move |level| {
        let nodes = size >> (HEIGHT * level);
        let held = (nodes % WIDTH as u64) as usize;
        (held > 0).then(|| (TileId { level, index: nodes / WIDTH as u64 }, held))
    })
}

/// A compact tree that writes tiles: it keeps those that are not full, and those that changed until they are taken.
#[derive(Clone, Debug, Default)]
pub struct TiledTree {
    tree: Tree,
    tiles: BTreeMap<TileId, Vec<Hash>>,
    changed: BTreeSet<TileId>,
}

impl TiledTree {
    /// A log without leaves.
    pub fn new() -> Self {
        Self::default()
    }

    /// The log of `size` leaves whose tiles that are not full are `tiles`: those that [`partial`] names.
    ///
    /// # Errors
    /// [`Unfit`] if one is missing or does not hold as many hashes as it must.
    pub fn restore(size: u64, tiles: BTreeMap<TileId, Vec<Hash>>) -> Result<Self, Unfit> {
        let mut peaks = Vec::new();
        let wanted: Vec<(TileId, usize)> = partial(size).collect();
        if size > SIZE_MAX || wanted.len() != tiles.len() {
            return Err(Unfit);
        }
        // The bits of the size are the peaks; each level of tiles has eight of them.
        for (id, held) in wanted.into_iter().rev() {
            let hashes = tiles.get(&id).filter(|hashes| hashes.len() == held).ok_or(Unfit)?;
            let mut rest = hashes.as_slice();
            while !rest.is_empty() {
                let (run, after) = rest.split_at(1 << rest.len().ilog2());
                peaks.push(hash::fold_complete(run).ok_or(Unfit)?);
                rest = after;
            }
        }
        Ok(Self { tree: Tree::from_peaks(size, peaks)?, tiles, changed: BTreeSet::new() })
    }

    /// How many leaves it has.
    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// Its root hash.
    pub fn root(&self) -> Hash {
        self.tree.root()
    }

    /// Appends a leaf by its hash.
    ///
    /// # Errors
    /// [`Full`]; nothing is changed then.
    pub fn append(&mut self, leaf: Hash) -> Result<(), Full> {
        let Self { tree, tiles, changed } = self;
        tree.append(leaf, |node, hash| {
            if !node.level.is_multiple_of(HEIGHT) {
                return;
            }
            let id = TileId { level: node.level / HEIGHT, index: node.index / WIDTH as u64 };
            tiles.entry(id).or_default().push(hash);
            changed.insert(id);
        })
    }

    /// The tiles that changed since they were last [`taken`](Self::taken), as they are now.
    pub fn changed(&self) -> impl Iterator<Item = (TileId, &[Hash])> {
        self.changed.iter().filter_map(|id| Some((*id, self.tiles.get(id)?.as_slice())))
    }

    /// Everything that [`changed`](Self::changed) told is kept elsewhere now.
    pub fn taken(&mut self) {
        self.changed.clear();
        self.tiles.retain(|_, hashes| hashes.len() < WIDTH);
    }
}
