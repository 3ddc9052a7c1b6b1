//! All the SQL of the ledger.

mod schema;

pub(crate) mod checkpoint;
pub(crate) mod inbox;
pub(crate) mod journal;
pub(crate) mod lease;
pub(crate) mod merkle;
pub(crate) mod projection;
pub(crate) mod read;

pub(crate) use schema::MIGRATIONS;
