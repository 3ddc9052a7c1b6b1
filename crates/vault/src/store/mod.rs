//! All SQL of the vault. Functions take the transaction they are part of and decide nothing.

pub(crate) mod audit;
pub(crate) mod cards;
pub(crate) mod cvv2;
pub(crate) mod keys;
pub(crate) mod merkle;
pub(crate) mod passwords;
pub(crate) mod purge;
pub(crate) mod ranges;
pub(crate) mod rewrap;
pub(crate) mod schema;
pub(crate) mod tickets;

use bursar_service::db::{AssertSqlSafe, DbError, Row, Tx};

/// The error of a stored number that does not fit its type.
pub(crate) fn damaged(column: &str, what: &str) -> DbError {
    DbError::Column { column: column.to_owned(), what: what.to_owned() }
}

/// Values of one `IN (…)`: more are asked for in several statements.
const IN_MAX: usize = 256;

/// The rows of `select`, which ends before the list of an `IN`, for each of `keys`. The lists have few lengths, so that
/// few different statements stay prepared: what is too much of a list is its last key again.
async fn select_in<const N: usize>(
    tx: &mut Tx<'_>,
    select: &'static str,
    keys: &[[u8; N]],
) -> Result<Vec<Row>, DbError> {
    let mut rows = Vec::with_capacity(keys.len());
    for keys in keys.chunks(IN_MAX) {
        let length = keys.len().next_power_of_two();
        let places: Vec<String> = (1..=length).map(|n| format!("${n}")).collect();
        let mut query = tx.query(AssertSqlSafe(format!("{select} ({})", places.join(", "))));
        for index in 0..length {
            query = query.bind(keys[index.min(keys.len() - 1)]);
        }
        rows.extend(query.fetch_all().await?);
    }
    Ok(rows)
}
