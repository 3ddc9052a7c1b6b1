//! Many rows in few statements: one `UNNEST` on PostgreSQL, `VALUES` of many rows on SQLite.

use bursar_types::Timestamp;
use sqlx::Arguments as _;

use super::error::DbError;
use super::tx::{Dialect, Tx};
use super::value::Arguments;

/// Rows of one PostgreSQL statement: bounds the memory that its arrays take on both sides.
const POSTGRES_ROWS_MAX: usize = 4096;
/// Rows of one SQLite statement: more gain little, and each count is a statement to prepare.
const SQLITE_ROWS_MAX: usize = 128;
/// SQLite's most values in a statement (SQLITE_LIMIT_VARIABLE_NUMBER).
const SQLITE_VALUES_MAX: usize = 32_766;

/// One value of a row that is inserted in bulk. Made with `into()` from the types that can be bound.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cell {
    /// `BIGINT`.
    Int(Option<i64>),
    /// `TEXT`.
    Text(Option<String>),
    /// `{{bytes}}`.
    Bytes(Option<Vec<u8>>),
    /// `BOOLEAN`.
    Bool(Option<bool>),
}

macro_rules! cell_from {
    ($($type:ty => $variant:ident($value:ident) $make:expr),+ $(,)?) => {$(
        impl From<$type> for Cell {
            fn from($value: $type) -> Self { Self::$variant($make) }
        }
    )+};
}

cell_from! {
    i64 => Int(value) Some(value),
    Option<i64> => Int(value) value,
    Timestamp => Int(value) Some(value.as_micros()),
    Option<Timestamp> => Int(value) value.map(Timestamp::as_micros),
    String => Text(value) Some(value),
    &str => Text(value) Some(value.into()),
    Option<String> => Text(value) value,
    Vec<u8> => Bytes(value) Some(value),
    &[u8] => Bytes(value) Some(value.into()),
    Option<Vec<u8>> => Bytes(value) value,
    bool => Bool(value) Some(value),
    Option<bool> => Bool(value) value,
}

impl<const N: usize> From<[u8; N]> for Cell {
    fn from(value: [u8; N]) -> Self {
        Self::Bytes(Some(value.to_vec()))
    }
}

impl Tx<'_> {
    /// Inserts `rows` into `table`; each row holds the values of `columns` in their order, and each column values of
    /// one type. Returns the number of rows inserted.
    ///
    /// # Errors
    ///
    /// What the database refused it for; the transaction is doomed then.
    pub async fn bulk_insert<const N: usize>(
        &mut self,
        table: &'static str,
        columns: [&'static str; N],
        rows: Vec<[Cell; N]>,
    ) -> Result<u64, DbError> {
        self.bulk_upsert(table, columns, rows, "").await
    }

    /// As [`bulk_insert`](Self::bulk_insert), with an `ON CONFLICT …` clause after it. No two of the rows may
    /// conflict with each other: PostgreSQL refuses to update a row twice in one statement.
    ///
    /// # Errors
    ///
    /// What the database refused it for; the transaction is doomed then.
    pub async fn bulk_upsert<const N: usize>(
        &mut self,
        table: &'static str,
        columns: [&'static str; N],
        rows: Vec<[Cell; N]>,
        on_conflict: &'static str,
    ) -> Result<u64, DbError> {
        let target = Target { table, columns: &columns, on_conflict };
        let mut rows = rows.into_iter();
        let mut inserted = 0;
        while rows.len() > 0 {
            let size = match self.dialect() {
                Dialect::Postgres => rows.len().min(POSTGRES_ROWS_MAX),
                Dialect::Sqlite => sqlite_chunk(rows.len(), N),
            };
            let chunk: Vec<[Cell; N]> = rows.by_ref().take(size).collect();
            inserted += match self.dialect() {
                Dialect::Postgres => insert_postgres(self, &target, chunk).await?,
                Dialect::Sqlite => insert_sqlite(self, &target, chunk).await?,
            };
        }
        Ok(inserted)
    }
}

struct Target<'a> {
    table: &'static str,
    columns: &'a [&'static str],
    on_conflict: &'static str,
}

/// Sizes are powers of two, so that few different statements stay prepared.
fn sqlite_chunk(rows: usize, columns: usize) -> usize {
    let most = SQLITE_ROWS_MAX.min(SQLITE_VALUES_MAX / columns.max(1)).max(1);
    1 << rows.min(most).ilog2()
}

async fn insert_sqlite<const N: usize>(
    tx: &mut Tx<'_>,
    target: &Target<'_>,
    rows: Vec<[Cell; N]>,
) -> Result<u64, DbError> {
    let mut sql = format!("INSERT INTO {} ({}) VALUES ", target.table, target.columns.join(", "));
    for row in 0..rows.len() {
        sql.push_str(if row == 0 { "(" } else { ", (" });
        for column in 0..N {
            // Places without a number: SQLite finds a numbered one by looking at all before it, which for a thousand
            // values was a third of what the ledger's projections cost.
            sql.push_str(if column == 0 { "?" } else { ", ?" });
        }
        sql.push(')');
    }
    sql.push(' ');
    sql.push_str(target.on_conflict);
    let mut query = tx.query(sqlx::AssertSqlSafe(sql));
    for cell in rows.into_iter().flatten() {
        query = match cell {
            Cell::Int(value) => query.bind(value),
            Cell::Text(value) => query.bind(value),
            Cell::Bytes(value) => query.bind(value),
            Cell::Bool(value) => query.bind(value),
        };
    }
    query.execute().await
}

/// The values of one column.
enum ColumnValues {
    Int(Vec<Option<i64>>),
    Text(Vec<Option<String>>),
    Bytes(Vec<Option<Vec<u8>>>),
    Bool(Vec<Option<bool>>),
}

impl ColumnValues {
    fn like(cell: &Cell, capacity: usize) -> Self {
        match cell {
            Cell::Int(_) => Self::Int(Vec::with_capacity(capacity)),
            Cell::Text(_) => Self::Text(Vec::with_capacity(capacity)),
            Cell::Bytes(_) => Self::Bytes(Vec::with_capacity(capacity)),
            Cell::Bool(_) => Self::Bool(Vec::with_capacity(capacity)),
        }
    }

    /// Whether the cell was of this column's type.
    fn push(&mut self, cell: Cell) -> bool {
        match (self, cell) {
            (Self::Int(values), Cell::Int(value)) => values.push(value),
            (Self::Text(values), Cell::Text(value)) => values.push(value),
            (Self::Bytes(values), Cell::Bytes(value)) => values.push(value),
            (Self::Bool(values), Cell::Bool(value)) => values.push(value),
            _ => return false,
        }
        true
    }

    fn cast(&self) -> &'static str {
        match self {
            Self::Int(_) => "bigint[]",
            Self::Text(_) => "text[]",
            Self::Bytes(_) => "bytea[]",
            Self::Bool(_) => "boolean[]",
        }
    }
}

async fn insert_postgres<const N: usize>(
    tx: &mut Tx<'_>,
    target: &Target<'_>,
    rows: Vec<[Cell; N]>,
) -> Result<u64, DbError> {
    let Some(first) = rows.first() else { return Ok(0) };
    let count = rows.len();
    let mut columns: Vec<ColumnValues> = first.iter().map(|cell| ColumnValues::like(cell, count)).collect();
    for row in rows {
        for ((values, cell), name) in columns.iter_mut().zip(row).zip(target.columns) {
            if !values.push(cell) {
                let what = "the rows of a bulk insert hold values of several types".to_owned();
                return Err(DbError::Column { column: (*name).into(), what });
            }
        }
    }
    let arrays: Vec<String> =
        columns.iter().enumerate().map(|(n, values)| format!("${}::{}", n + 1, values.cast())).collect();
    let sql = format!(
        "INSERT INTO {} ({}) SELECT * FROM UNNEST({}) {}",
        target.table,
        target.columns.join(", "),
        arrays.join(", "),
        target.on_conflict
    );
    let mut query = tx.query(sqlx::AssertSqlSafe(sql));
    if let Arguments::Postgres(arguments) = query.arguments_mut() {
        for values in columns {
            let added = match values {
                ColumnValues::Int(values) => arguments.add(values),
                ColumnValues::Text(values) => arguments.add(values),
                ColumnValues::Bytes(values) => arguments.add(values),
                ColumnValues::Bool(values) => arguments.add(values),
            };
            added.map_err(|error| DbError::Statement { what: error.to_string(), code: "client".into() })?;
        }
    }
    query.execute().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_powers_of_two_within_the_limit_of_values() {
        assert_eq!(sqlite_chunk(1, 3), 1);
        assert_eq!(sqlite_chunk(127, 3), 64);
        assert_eq!(sqlite_chunk(10_000, 3), 128);
        assert_eq!(sqlite_chunk(10_000, 1000), 32);
    }
}
