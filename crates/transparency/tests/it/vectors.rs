//! The test vectors of the Certificate Transparency reference implementation (merkletree/merkle_tree_test.cc).

use bursar_transparency::*;
use data_encoding::HEXLOWER;

/// The leaves of the reference's tests.
const LEAVES: [&str; 8] =
    ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];

/// The roots of the logs of the first 0 to 8 of them.
const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

/// Leaf counted from 1, size, path.
const PATHS: [(u64, u64, &[&str]); 5] = [
    (1, 1, &[]),
    (
        1,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        &[
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (3, 3, &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"]),
    (
        2,
        5,
        &[
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
];

/// Old size, new size, proof.
const PROOFS: [(u64, u64, &[&str]); 4] = [
    (1, 1, &[]),
    (
        1,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    ),
    (
        6,
        8,
        &[
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    ),
    (
        2,
        5,
        &[
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    ),
];

fn hash(hex: &str) -> Hash {
    HEXLOWER.decode(hex.as_bytes()).unwrap().try_into().unwrap()
}

fn leaf(n: usize) -> Hash {
    leaf_hash(&[&HEXLOWER.decode(LEAVES[n].as_bytes()).unwrap()])
}

fn root(size: u64) -> Hash {
    hash(ROOTS[usize::try_from(size).unwrap()])
}

fn node(node: Node) -> Result<Hash, ()> {
    let first = usize::try_from(node.index << node.level).unwrap();
    let leaves: Vec<Hash> = (first..first + (1 << node.level)).map(leaf).collect();
    Ok(crate::slow::root(&leaves))
}

fn hashes(path: &[&str]) -> Vec<Hash> {
    path.iter().map(|hex| hash(hex)).collect()
}

#[test]
fn roots_are_those_of_the_reference() {
    let mut tree = Tree::new();
    for (size, expected) in ROOTS.iter().enumerate() {
        assert_eq!(HEXLOWER.encode(&tree.root()), *expected, "size {size}");
        if size < LEAVES.len() {
            tree.append(leaf(size), |_, _| {}).unwrap();
        }
    }
}

#[test]
fn paths_are_those_of_the_reference() {
    for (number, size, path) in PATHS {
        let made = Plan::inclusion(number - 1, size).unwrap().hashes(node).unwrap();
        assert_eq!(made, hashes(path), "leaf {number} of {size}");
        let leaf = leaf(usize::try_from(number - 1).unwrap());
        assert_eq!(verify_inclusion(&leaf, number - 1, size, &made, &root(size)), Ok(()));
    }
}

#[test]
fn proofs_of_consistency_are_those_of_the_reference() {
    for (old, new, path) in PROOFS {
        let made = Plan::consistency(old, new).unwrap().hashes(node).unwrap();
        assert_eq!(made, hashes(path), "{old} to {new}");
        assert_eq!(verify_consistency(old, &root(old), new, &root(new), &made), Ok(()));
    }
}
