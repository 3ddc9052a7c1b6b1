//! Random logs: roots and proofs are those of the slow definition, and only right proofs are taken.

use bursar_transparency::*;
use proptest::prelude::*;

use crate::slow;

fn leaves(count: usize) -> Vec<Hash> {
    (0..count).map(|n| leaf_hash(&[b"leaf ", &n.to_be_bytes()])).collect()
}

fn get(leaves: &[Hash]) -> impl Fn(Node) -> Result<Hash, ()> + '_ {
    move |node| {
        let first = usize::try_from(node.index).unwrap() << node.level;
        Ok(slow::root(&leaves[first..first + (1 << node.level)]))
    }
}

fn number(value: usize) -> u64 {
    u64::try_from(value).unwrap()
}

#[test]
fn every_proof_of_small_logs_is_the_slow_one_and_holds() {
    let all = leaves(70);
    for size in 1..=all.len() {
        let (log, root) = (&all[..size], slow::root(&all[..size]));
        for index in 0..size {
            let path = Plan::inclusion(number(index), number(size)).unwrap().hashes(get(log)).unwrap();
            assert_eq!(path, slow::path(index, log));
            assert_eq!(verify_inclusion(&log[index], number(index), number(size), &path, &root), Ok(()));
        }
        for old in 1..=size {
            let proof = Plan::consistency(number(old), number(size)).unwrap().hashes(get(log)).unwrap();
            assert_eq!(proof, slow::proof(old, log));
            let old_root = slow::root(&all[..old]);
            assert_eq!(verify_consistency(number(old), &old_root, number(size), &root, &proof), Ok(()));
        }
    }
}

#[test]
fn what_is_not_there_cannot_be_proven() {
    assert_eq!(Plan::inclusion(0, 0), Err(OutOfRange));
    assert_eq!(Plan::inclusion(5, 5), Err(OutOfRange));
    assert_eq!(Plan::inclusion(0, u64::MAX), Err(OutOfRange));
    assert_eq!(Plan::consistency(0, 5), Err(OutOfRange));
    assert_eq!(Plan::consistency(6, 5), Err(OutOfRange));
    assert_eq!(Plan::consistency(1, u64::MAX), Err(OutOfRange));
    assert_eq!(Plan::root(u64::MAX), Err(OutOfRange));
    let hash = Hash::default();
    assert_eq!(verify_inclusion(&hash, 0, 0, &[], &hash), Err(ProofError::OutOfRange));
    assert_eq!(verify_consistency(0, &hash, 1, &hash, &[]), Err(ProofError::OutOfRange));
    assert_eq!(verify_inclusion(&hash, 0, SIZE_MAX, &[hash; 65], &hash), Err(ProofError::Length));
    assert_eq!(Tree::from_peaks(SIZE_MAX + 1, vec![hash]), Err(Unfit));
    assert_eq!(Tree::from_peaks(3, vec![hash]), Err(Unfit));
    let full = Tree::from_peaks(SIZE_MAX, vec![hash; 63]).unwrap();
    assert_eq!(full.clone().append(hash, |_, _| {}), Err(Full));
}

#[test]
fn the_largest_log_has_proofs_of_bounded_length() {
    for (index, size) in [(0, SIZE_MAX), (SIZE_MAX - 1, SIZE_MAX), (SIZE_MAX / 2, SIZE_MAX)] {
        let plan = Plan::inclusion(index, size).unwrap();
        let path = plan.hashes(|_| Ok::<_, ()>(Hash::default())).unwrap();
        assert!(path.len() <= PATH_MAX, "{}", path.len());
    }
    let plan = Plan::consistency(SIZE_MAX / 3, SIZE_MAX).unwrap();
    assert!(plan.hashes(|_| Ok::<_, ()>(Hash::default())).unwrap().len() <= PATH_MAX);
}

proptest! {
    #[test]
    fn the_compact_tree_is_the_slow_tree(size in 0_usize..600) {
        let all = leaves(size);
        let mut tree = Tree::new();
        for (n, leaf) in all.iter().enumerate() {
            let mut completed = Vec::new();
            tree.append(*leaf, |node, hash| completed.push((node, hash))).unwrap();
            prop_assert_eq!(completed.len(), (n + 1).trailing_zeros() as usize + 1);
            for (node, hash) in completed {
                prop_assert_eq!(get(&all)(node), Ok(hash));
            }
        }
        prop_assert_eq!(tree.root(), slow::root(&all));
        prop_assert_eq!(Tree::from_peaks(tree.size(), tree.peaks().to_vec()), Ok(tree));
    }

    #[test]
    fn a_changed_path_proves_nothing(size in 1_usize..300, seed: usize, bit in 0_usize..256, other in 0_usize..300) {
        let all = leaves(size);
        let (index, root) = (seed % size, slow::root(&all));
        let path = slow::path(index, &all);
        let check = |leaf: &Hash, index: usize, size: usize, path: &[Hash], root: &Hash| {
            verify_inclusion(leaf, number(index), number(size), path, root).is_ok()
        };
        let flipped = |hash: &Hash| {
            let mut hash = *hash;
            hash[bit / 8] ^= 1 << (bit % 8);
            hash
        };
        prop_assert!(check(&all[index], index, size, &path, &root));
        prop_assert!(!check(&flipped(&all[index]), index, size, &path, &root));
        prop_assert!(!check(&all[index], index, size, &path, &flipped(&root)));
        for at in 0..path.len() {
            let mut changed = path.clone();
            changed[at] = flipped(&changed[at]);
            prop_assert!(!check(&all[index], index, size, &changed, &root));
        }
        let longer = [path.clone(), vec![root]].concat();
        prop_assert!(!check(&all[index], index, size, &longer, &root));
        if !path.is_empty() {
            prop_assert!(!check(&all[index], index, size, &path[1..], &root));
            prop_assert!(!check(&all[index], index, size, &path[..path.len() - 1], &root));
        }
        if other != index && other < size {
            prop_assert!(!check(&all[index], other, size, &path, &root));
        }
    }

    #[test]
    fn a_changed_proof_of_consistency_proves_nothing(new in 2_usize..300, seed: usize, bit in 0_usize..256) {
        let all = leaves(new);
        let old = 1 + seed % (new - 1);
        let (old_root, new_root) = (slow::root(&all[..old]), slow::root(&all));
        let proof = slow::proof(old, &all);
        let check = |old: usize, old_root: &Hash, new: usize, new_root: &Hash, proof: &[Hash]| {
            verify_consistency(number(old), old_root, number(new), new_root, proof).is_ok()
        };
        let flipped = |hash: &Hash| {
            let mut hash = *hash;
            hash[bit / 8] ^= 1 << (bit % 8);
            hash
        };
        prop_assert!(check(old, &old_root, new, &new_root, &proof));
        prop_assert!(!check(old, &flipped(&old_root), new, &new_root, &proof));
        prop_assert!(!check(old, &old_root, new, &flipped(&new_root), &proof));
        for at in 0..proof.len() {
            let mut changed = proof.clone();
            changed[at] = flipped(&changed[at]);
            prop_assert!(!check(old, &old_root, new, &new_root, &changed));
        }
        prop_assert!(!check(old, &old_root, new, &new_root, &[proof.clone(), vec![new_root]].concat()));
        prop_assert!(!check(old, &old_root, new, &new_root, &proof[..proof.len() - 1]));
        // A log that was changed before its old end has another root, whatever the proof.
        let mut changed = all.clone();
        changed[seed % old] = flipped(&changed[seed % old]);
        prop_assert!(!check(old, &old_root, new, &slow::root(&changed), &slow::proof(old, &changed)));
    }

    #[test]
    fn no_input_panics(
        index: u64, size: u64, old: u64, root: Hash,
        path in proptest::collection::vec(any::<Hash>(), 0..80), level: u8,
    ) {
        let _ = verify_inclusion(&root, index, size, &path, &root);
        let _ = verify_consistency(old, &root, size, &root, &path);
        if let Ok(plan) = Plan::inclusion(index, size) {
            prop_assert!(plan.nodes().all(|node| tiles::Place::of(node).is_some()));
        }
        if let Ok(plan) = Plan::consistency(old, size) {
            prop_assert!(plan.nodes().all(|node| tiles::Place::of(node).is_some()));
        }
        let _ = tiles::Place::of(Node { level, index }).map(|place| place.hash(&path));
        let _ = Tree::from_peaks(size, path);
    }
}
