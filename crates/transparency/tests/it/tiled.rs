//! Trees kept in tiles.

use std::collections::BTreeMap;

use bursar_transparency::tiles::{Place, TileId, WIDTH, partial};
use bursar_transparency::*;
use proptest::prelude::*;

use crate::slow;

type Store = BTreeMap<TileId, Vec<Hash>>;

fn leaf(n: u64) -> Hash {
    leaf_hash(&[&n.to_be_bytes()])
}

fn store(tree: &mut TiledTree, kept: &mut Store) {
    for (id, hashes) in tree.changed() {
        // A tile only ever grows.
        let before = kept.insert(id, hashes.to_vec()).unwrap_or_default();
        assert_eq!(before, hashes[..before.len()]);
    }
    tree.taken();
}

fn restore(size: u64, kept: &Store) -> Result<TiledTree, Unfit> {
    let open = partial(size).filter_map(|(id, _)| Some((id, kept.get(&id)?.clone())));
    TiledTree::restore(size, open.collect())
}

fn get(kept: &Store) -> impl Fn(Node) -> Result<Hash, Node> + '_ {
    move |node| {
        let place = Place::of(node).ok_or(node)?;
        place.hash(kept.get(&place.tile).ok_or(node)?).ok_or(node)
    }
}

#[test]
fn three_levels_of_tiles_prove_what_the_slow_tree_does() {
    let count = (WIDTH * WIDTH + 3 * WIDTH + 5) as u64;
    let (mut tree, mut kept) = (TiledTree::new(), Store::new());
    for n in 0..count {
        tree.append(leaf(n)).unwrap();
        if n % 1_000 == 17 {
            store(&mut tree, &mut kept);
        }
    }
    store(&mut tree, &mut kept);
    let leaves: Vec<Hash> = (0..count).map(leaf).collect();
    assert_eq!(tree.root(), slow::root(&leaves));
    assert!(kept.contains_key(&TileId { level: 2, index: 0 }));
    let held: usize = kept.values().map(Vec::len).sum();
    assert_eq!(held as u64, count + count / 256 + count / 65_536);
    for (index, size) in [(0, count), (count - 1, count), (65_535, 65_536), (70, 256), (300, 70_000 - 4_000)]
    {
        let path = Plan::inclusion(index, size).unwrap().hashes(get(&kept)).unwrap();
        let log = &leaves[..usize::try_from(size).unwrap()];
        assert_eq!(path, slow::path(usize::try_from(index).unwrap(), log));
        let root = Plan::root(size).unwrap().hashes(get(&kept)).unwrap();
        assert_eq!(root, [slow::root(log)]);
    }
    for (old, new) in [(1, count), (65_536, count), (255, 257), (60_001, 65_537)] {
        let proof = Plan::consistency(old, new).unwrap().hashes(get(&kept)).unwrap();
        assert_eq!(
            proof,
            slow::proof(usize::try_from(old).unwrap(), &leaves[..usize::try_from(new).unwrap()])
        );
    }
}

#[test]
fn what_tiles_do_not_hold_is_an_error() {
    let (mut tree, mut kept) = (TiledTree::new(), Store::new());
    (0..300).for_each(|n| tree.append(leaf(n)).unwrap());
    store(&mut tree, &mut kept);
    assert_eq!(restore(300, &kept).unwrap().root(), tree.root());
    assert_eq!(restore(299, &kept).unwrap_err(), Unfit);
    assert_eq!(restore(301, &kept).unwrap_err(), Unfit);
    assert_eq!(restore(600, &kept).unwrap_err(), Unfit);
    assert_eq!(restore(SIZE_MAX + 1, &kept).unwrap_err(), Unfit);
    assert!(Plan::inclusion(0, 301).unwrap().hashes(get(&kept)).is_err());
    assert!(Plan::inclusion(0, 299).unwrap().hashes(get(&kept)).is_ok());
}

proptest! {
    #[test]
    fn a_restored_tree_goes_on_like_one_that_never_stopped(stops in proptest::collection::vec(1_u64..400, 1..6)) {
        let (mut kept, mut whole) = (Store::new(), Tree::new());
        let mut size = 0;
        for run in stops {
            let mut tree = restore(size, &kept).unwrap();
            prop_assert_eq!(tree.root(), whole.root());
            for n in size..size + run {
                tree.append(leaf(n)).unwrap();
                whole.append(leaf(n), |_, _| {}).unwrap();
            }
            // What was appended and not stored is lost; the next life starts from what was.
            prop_assert_eq!(tree.root(), whole.root());
            store(&mut tree, &mut kept);
            size += run;
        }
        for index in [0, size / 2, size - 1] {
            let path = Plan::inclusion(index, size).unwrap().hashes(get(&kept)).unwrap();
            prop_assert_eq!(verify_inclusion(&leaf(index), index, size, &path, &whole.root()), Ok(()));
        }
    }
}
