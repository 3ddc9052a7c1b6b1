//! Append-only logs that can be proven.
//!
//! A log is a list of leaves under a Merkle tree (RFC 6962 §2.1). Its [`Checkpoint`], a size and a root hash, commits to
//! every leaf; a proof of *inclusion* shows with a few hashes that a leaf is in it, a proof of *consistency* that an
//! older checkpoint's log is the beginning of a newer one's.
//!
//! - [`Tree`] is the compact tree: it takes leaves and knows size and root, and keeps no more than 64 hashes.
//! - [`Plan`] says which [`Node`]s a proof needs and makes the proof of their hashes, wherever those are kept.
//! - [`tiles`] keeps nodes in tiles of 256 hashes, so that a proof is a few reads; [`TiledTree`] writes them.
//! - [`verify_inclusion`] and [`verify_consistency`] check proofs, and need nothing but the hashes they are given.
//! - [`Checkpoint`] and [`SignedCheckpoint`] are the text form; who signs, and how, is their user's affair.
//!
//! Everything is bounded, and no input makes any of it panic. Nothing here does I/O or knows what a leaf means.
#![forbid(unsafe_code)]

mod checkpoint;
mod hash;
mod node;
mod plan;
pub mod tiles;
mod tree;
mod verify;

pub use checkpoint::{Checkpoint, CheckpointError, ORIGIN_BYTES_MAX, SignedCheckpoint, TEXT_BYTES_MAX};
pub use hash::{Hash, empty_root, leaf_hash, node_hash};
pub use node::Node;
pub use plan::{OutOfRange, Plan};
pub use tiles::TiledTree;
pub use tree::{Full, Tree, Unfit};
pub use verify::{ProofError, verify_consistency, verify_inclusion};

/// Most leaves of a log: positions are signed 64-bit numbers everywhere else.
pub const SIZE_MAX: u64 = i64::MAX as u64;

/// Most hashes of a proof: a path has one a level, a proof of consistency one more.
pub const PATH_MAX: usize = 64;
