//! The ledger process: journal, batching, projections, sagas and gRPC around `bursar-ledger-engine`.
//!
//! A call becomes a command ([`grpc`]), the one writer of the shard decides it in memory and appends it with others
//! to the journal ([`writer`], [`journal`]), and only then is it answered. Behind that, projections make rows and
//! events of what happened ([`project`]), and an index finds requests, transfers and entries again ([`index`],
//! [`history`], [`keep`]); they answer queries and decide nothing. Behind those, a follower verifies the journal, keeps
//! its Merkle log and signs it ([`follow`]), so that anyone can check a receipt offline ([`receipt`]). [`store`] has all
//! the SQL.
//!
//! Nothing here knows card numbers, and nothing but the engine knows what may be paid.
#![deny(clippy::float_arithmetic)]

mod config;
mod customers;
mod day;
mod derive;
mod disclosure;
mod error;
mod explained;
mod follow;
mod grpc;
mod history;
mod index;
mod issue;
mod journal;
mod keep;
mod peers;
mod program;
mod project;
mod proof;
pub mod receipt;
mod start;
mod store;
#[cfg(test)]
mod tests;
mod verify;
mod wire;
mod writer;

pub use config::{Config, LeaseConfig, ProgramConfig, ProgramIdText, SigningConfig, WriterConfig};
pub use error::LedgerError;
pub use start::spec;
