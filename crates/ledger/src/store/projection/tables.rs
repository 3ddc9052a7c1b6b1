//! The tables of the projections: their columns, keys, and how their rows are written and read whole.

use bursar_service::db::{AssertSqlSafe, Cell, DbError, Row, Tx};
use bursar_types::id::ProgramId;

/// A table of the projections with its rows as they must be.
pub(crate) struct TableRows {
    /// Name of the table.
    pub(crate) table: &'static str,
    /// Its columns, the key first.
    pub(crate) columns: &'static [&'static str],
    /// How many columns are the key.
    pub(crate) key: usize,
    /// The rows, without the shard.
    pub(crate) rows: Vec<Vec<Cell>>,
}

macro_rules! tables {
    ($($function:ident $table:literal key $key:literal [$($column:literal),+ $(,)?] update $update:literal)+) => {
        $(
            pub(super) fn $function() -> TableRows {
                TableRows { table: $table, columns: &[$($column),+], key: $key, rows: Vec::new() }
            }
        )+

        /// Writes rows into their table.
        pub(super) async fn write(tx: &mut Tx<'_>, shard: &str, rows: TableRows) -> Result<(), DbError> {
            match rows.table {
                $($table => {
                    let with_shard = with_shard(shard, rows.rows)?;
                    tx.bulk_upsert($table, ["shard", $($column),+], with_shard, $update).await?;
                })+
                other => return Err(damaged(other, "no such table".into())),
            }
            Ok(())
        }
    };
}

tables! {
    account_rows "account" key 1 ["account", "owner", "body", "position"]
        update "ON CONFLICT (shard, account) DO UPDATE SET body = excluded.body, position = excluded.position"
    hold_rows "hold" key 1 ["hold", "position", "body"] update ""
    hold_state_rows "hold_state" key 1
        ["hold", "held", "captured", "over_captured", "released", "outstanding", "expires_at", "last_change",
         "position", "told"]
        update "ON CONFLICT (shard, hold) DO UPDATE SET held = excluded.held, captured = excluded.captured,
                over_captured = excluded.over_captured, released = excluded.released,
                outstanding = excluded.outstanding, expires_at = excluded.expires_at,
                last_change = excluded.last_change, position = excluded.position, told = excluded.told"
    reversal_rows "reversal" key 1 ["original", "reversed_by", "position"] update ""
    card_rows "card" key 1 ["card", "customer", "issuing", "body", "position"]
        update "ON CONFLICT (shard, card) DO UPDATE SET issuing = excluded.issuing, body = excluded.body,
                position = excluded.position"
    payment_rows "payment" key 1 ["payment", "customer", "card", "opened_position", "body", "position"]
        update "ON CONFLICT (shard, payment) DO UPDATE SET body = excluded.body, position = excluded.position"
    top_up_rows "top_up" key 1 ["bank_transaction_id", "body", "position"] update ""
    product_rows "product" key 2 ["product", "version", "body", "position"]
        update "ON CONFLICT (shard, product, version) DO UPDATE SET body = excluded.body,
                position = excluded.position"
    customer_rows "customer" key 1 ["customer", "body", "position"]
        update "ON CONFLICT (shard, customer) DO UPDATE SET body = excluded.body, position = excluded.position"
    event_subject_rows "event_subject" key 1 ["subject", "version"]
        update "ON CONFLICT (shard, subject) DO UPDATE SET version = excluded.version"
}

fn with_shard<const N: usize>(shard: &str, rows: Vec<Vec<Cell>>) -> Result<Vec<[Cell; N]>, DbError> {
    rows.into_iter()
        .map(|row| {
            let mut cells = Vec::with_capacity(N);
            cells.push(Cell::from(shard));
            cells.extend(row);
            cells.try_into().map_err(|cells: Vec<Cell>| {
                damaged("row", format!("has {} columns where {N} are wanted", cells.len()))
            })
        })
        .collect()
}

fn damaged(column: &str, what: String) -> DbError {
    DbError::Column { column: column.into(), what }
}

/// A page of the rows of a table as cells, in the order of its key, after the row `after`: for the verification.
pub(crate) async fn dump(
    tx: &mut Tx<'_>,
    shard: ProgramId,
    table: &TableRows,
    after: Option<&Vec<Cell>>,
    limit: i64,
) -> Result<Vec<Vec<Cell>>, DbError> {
    let key = table.columns[..table.key].join(", ");
    let columns = table.columns.join(", ");
    let places: Vec<String> = (0..table.key).map(|n| format!("${}", n + 3)).collect();
    let beyond = match after {
        Some(_) => format!("AND ({key}) > ({})", places.join(", ")),
        None => String::new(),
    };
    let sql =
        format!("SELECT {columns} FROM {} WHERE shard = $1 {beyond} ORDER BY {key} LIMIT $2", table.table);
    let mut query = tx.query(AssertSqlSafe(sql)).bind_id(shard).bind(limit);
    for cell in after.into_iter().flat_map(|row| &row[..table.key]).cloned() {
        query = match cell {
            Cell::Int(value) => query.bind(value),
            Cell::Text(value) => query.bind(value),
            Cell::Bytes(value) => query.bind(value),
            Cell::Bool(value) => query.bind(value),
        };
    }
    let rows = query.fetch_all().await?;
    rows.iter()
        .map(|row| table.columns.iter().map(|column| read_cell(row, table.table, column)).collect())
        .collect()
}

/// A column by what its name stands for throughout the schema.
fn read_cell(row: &Row, table: &str, column: &str) -> Result<Cell, DbError> {
    Ok(match (table, column) {
        (_, "body") => Cell::Bytes(row.get(column)?),
        (_, "issuing") => Cell::Bool(row.get(column)?),
        (
            _,
            "account"
            | "owner"
            | "hold"
            | "last_change"
            | "original"
            | "reversed_by"
            | "card"
            | "customer"
            | "payment"
            | "bank_transaction_id"
            | "product"
            | "subject",
        ) => Cell::Text(row.get(column)?),
        _ => Cell::Int(row.get(column)?),
    })
}

/// Every table of the projections, empty: for the verification.
pub(crate) fn tables() -> Vec<TableRows> {
    vec![
        account_rows(),
        hold_rows(),
        hold_state_rows(),
        reversal_rows(),
        card_rows(),
        payment_rows(),
        top_up_rows(),
        product_rows(),
        customer_rows(),
        event_subject_rows(),
    ]
}
