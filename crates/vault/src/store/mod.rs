//! All SQL of the vault. Functions take the transaction they are part of and decide nothing.

pub(crate) mod audit;
pub(crate) mod cards;
pub(crate) mod cvv2;
pub(crate) mod keys;
pub(crate) mod passwords;
pub(crate) mod ranges;
pub(crate) mod schema;
pub(crate) mod tickets;

use bursar_service::db::DbError;

/// The error of a stored number that does not fit its type.
pub(crate) fn damaged(column: &str, what: &str) -> DbError {
    DbError::Column { column: column.to_owned(), what: what.to_owned() }
}
