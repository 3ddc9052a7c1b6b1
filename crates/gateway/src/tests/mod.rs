//! The gateway's modules with vault and ledger played.

mod bank;
pub(crate) mod fake;
