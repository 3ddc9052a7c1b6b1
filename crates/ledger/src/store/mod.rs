//! All the SQL of the ledger.

mod schema;

pub(crate) mod checkpoint;
pub(crate) mod inbox;
pub(crate) mod index;
pub(crate) mod journal;
pub(crate) mod lease;
pub(crate) mod merkle;
pub(crate) mod projection;
pub(crate) mod read;
mod tune;

pub(crate) use schema::MIGRATIONS;
pub(crate) use tune::tune;
