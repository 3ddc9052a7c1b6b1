//! The follower of the journal: a second pair of eyes beside the writer.
//!
//! One task of the process that owns the shard reads the journal back from the database, behind the projections, and
//! does not trust it: it checks the chain of hashes, has a second engine decide every command again, and compares. What
//! it has so verified it
//!
//! - appends to the Merkle log, a leaf a position ([`leaf`]), kept in tiles of 256 hashes, and signs a checkpoint of
//!   ([`seal`]), so that anyone can hold the journal to what it was;
//! - stores as the engine's state from time to time ([`state`]), so that a start replays only the rest, and the writer
//!   never has to stop for it;
//! - checks against the engine's invariants.
//!
//! A finding is kept and told, and nothing beyond it is verified, signed or stored; the ledger goes on serving, for
//! what to do is a person's decision.
//!
//! It may lag: it works in small pages, rests while the writer is busy, and its lag is a metric. A start resumes from
//! what was stored in one transaction: log, tiles and checkpoint. The memory it takes is that of a second engine.

mod finding;
mod followed;
mod follower;
mod leaf;
pub(crate) mod proofs;
mod replica;
mod seal;
pub(crate) mod state;

pub(crate) use finding::{Finding, INVARIANTS};
pub(crate) use followed::{Followed, Report};
pub(crate) use follower::Follower;
pub(crate) use leaf::leaf;
pub(crate) use seal::{AUDIENCE, Claims, Seal, shard_of};
