//! The issuer's bank: what its files say, and what the ledger makes of it.

mod book;
mod import;
mod read;

pub(crate) use book::Booker;
pub(crate) use import::{Import, Imported};
pub(crate) use read::BankFileError;
