//! The audit log: its records, and the head under which they are a Merkle log.
//!
//! The head is one row. Whoever appends takes it first and keeps it until the end of the transaction, so a record has
//! its place in the log from the moment it exists, and nothing else is needed to make the log's order.

use bursar_service::db::{AssertSqlSafe, Cell, DbError, Row, Tx};
use bursar_transparency::{Hash, Tree};
use bursar_types::Timestamp;

use super::damaged;
use crate::audit::{AuditRecord, leaf_of};

/// Records whose leaves are read at once.
const LEAVES_PAGE: i64 = 4_096;

/// The end of the log, locked for this transaction.
#[derive(Debug)]
pub(crate) struct Head {
    tree: Tree,
    keys: i64,
}

impl Head {
    /// Records in the log.
    pub(crate) fn size(&self) -> u64 {
        self.tree.size()
    }

    /// How often the keys were changed.
    pub(crate) fn keys(&self) -> i64 {
        self.keys
    }

    /// Its root.
    pub(crate) fn root(&self) -> Hash {
        self.tree.root()
    }
}

/// A record as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredRecord {
    pub(crate) index: i64,
    pub(crate) at: Timestamp,
    pub(crate) caller: String,
    pub(crate) customer_id: String,
    pub(crate) operation: String,
    pub(crate) subject: String,
    pub(crate) outcome: String,
    pub(crate) reason: String,
    pub(crate) body: Vec<u8>,
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn read_head(row: &Row) -> Result<Head, DbError> {
    let size = u64::try_from(row.get::<i64>("size")?).map_err(|_| damaged("size", "negative"))?;
    let bytes: Vec<u8> = row.get::<Option<Vec<u8>>>("peaks")?.unwrap_or_default();
    let (peaks, rest) = bytes.as_chunks::<32>();
    let tree = Tree::from_peaks(size, peaks.to_vec()).ok().filter(|_| rest.is_empty());
    let tree = tree.ok_or_else(|| damaged("peaks", "not those of a log of this size"))?;
    Ok(Head { tree, keys: row.get("key_changes")? })
}

/// Takes the end of the log for this transaction: others that append wait for its end.
pub(crate) async fn lock(tx: &mut Tx<'_>) -> Result<Head, DbError> {
    let row = tx
        .query("UPDATE audit_head SET turns = turns + 1 WHERE id = 1 RETURNING size, peaks, key_changes")
        .fetch_one()
        .await?;
    read_head(&row)
}

/// The end of the log, as it is now.
pub(crate) async fn head(tx: &mut Tx<'_>) -> Result<Head, DbError> {
    let row = tx.query("SELECT size, peaks, key_changes FROM audit_head WHERE id = 1").fetch_one().await?;
    read_head(&row)
}

/// Tells everyone who locks the end of the log after this that the keys were changed.
pub(crate) async fn bump_keys(tx: &mut Tx<'_>) -> Result<(), DbError> {
    let bump = "UPDATE audit_head SET key_changes = key_changes + 1 WHERE id = 1";
    tx.query(bump).execute().await.map(drop)
}

async fn put_head(tx: &mut Tx<'_>, tree: &Tree) -> Result<(), DbError> {
    tx.query("UPDATE audit_head SET size = $1, peaks = $2 WHERE id = 1")
        .bind(number(tree.size()))
        .bind(tree.peaks().concat())
        .execute()
        .await
        .map(drop)
}

fn grow(tree: &mut Tree, leaf: Hash) -> Result<(), DbError> {
    tree.append(leaf, |_, _| {}).map_err(|_| damaged("size", "the log is full"))
}

/// Appends records behind the locked end of the log.
pub(crate) async fn append_to(tx: &mut Tx<'_>, head: Head, records: &[AuditRecord]) -> Result<(), DbError> {
    let Head { mut tree, .. } = head;
    let mut rows = Vec::with_capacity(records.len());
    for record in records {
        let index = number(tree.size());
        let body = record.body();
        grow(&mut tree, leaf_of(&body))?;
        rows.push([
            Cell::from(index),
            record.at.into(),
            record.caller.into(),
            record.customer_id.clone().into(),
            record.operation.as_str().into(),
            record.subject.clone().into(),
            record.outcome.as_str().into(),
            record.reason.clone().into(),
            body.into(),
        ]);
    }
    tx.bulk_insert("audit_record", COLUMNS, rows).await?;
    put_head(tx, &tree).await
}

const COLUMNS: [&str; 9] =
    ["leaf_index", "at", "caller", "customer_id", "operation", "subject", "outcome", "reason", "body"];

/// Appends a record.
pub(crate) async fn append(tx: &mut Tx<'_>, record: &AuditRecord) -> Result<(), DbError> {
    let head = lock(tx).await?;
    append_to(tx, head, std::slice::from_ref(record)).await
}

/// Leaves of the log from `from` on, a page of them.
pub(crate) async fn leaves(tx: &mut Tx<'_>, from: u64, to: u64) -> Result<Vec<Hash>, DbError> {
    let rows = tx
        .query(
            "SELECT leaf_index, body FROM audit_record WHERE leaf_index >= $1 AND leaf_index < $2
             ORDER BY leaf_index LIMIT $3",
        )
        .bind(number(from))
        .bind(number(to))
        .bind(LEAVES_PAGE)
        .fetch_all()
        .await?;
    let mut leaves = Vec::with_capacity(rows.len());
    for (row, expected) in rows.iter().zip(number(from)..) {
        if row.get::<i64>("leaf_index")? != expected {
            return Err(damaged("leaf_index", "a record is missing"));
        }
        leaves.push(leaf_of(&row.get::<Vec<u8>>("body")?));
    }
    Ok(leaves)
}

/// Names the log if it has no name, takes records of before it had a head into it, and gives its name.
pub(crate) async fn adopt(tx: &mut Tx<'_>, fresh_id: &str) -> Result<String, DbError> {
    let Head { mut tree, .. } = lock(tx).await?;
    if tree.size() == 0 {
        loop {
            let leaves = leaves(tx, tree.size(), u64::MAX).await?;
            if leaves.is_empty() {
                break;
            }
            leaves.into_iter().try_for_each(|leaf| grow(&mut tree, leaf))?;
        }
        put_head(tx, &tree).await?;
    }
    tx.query("UPDATE audit_head SET log_id = $1 WHERE id = 1 AND log_id IS NULL")
        .bind(fresh_id)
        .execute()
        .await?;
    tx.query("SELECT log_id FROM audit_head WHERE id = 1").fetch_one().await?.get("log_id")
}

/// Records after the place `after`, at most `limit`; only those of `subject` unless it is empty.
pub(crate) async fn page(
    tx: &mut Tx<'_>,
    after: i64,
    subject: &str,
    limit: i64,
) -> Result<Vec<StoredRecord>, DbError> {
    let columns = COLUMNS.join(", ");
    let rows = if subject.is_empty() {
        let sql =
            format!("SELECT {columns} FROM audit_record WHERE leaf_index > $1 ORDER BY leaf_index LIMIT $2");
        tx.query(AssertSqlSafe(sql)).bind(after).bind(limit).fetch_all().await?
    } else {
        let sql = format!(
            "SELECT {columns} FROM audit_record WHERE subject = $3 AND leaf_index > $1
             ORDER BY leaf_index LIMIT $2"
        );
        tx.query(AssertSqlSafe(sql)).bind(after).bind(limit).bind(subject).fetch_all().await?
    };
    rows.iter().map(read).collect()
}

fn read(row: &Row) -> Result<StoredRecord, DbError> {
    Ok(StoredRecord {
        index: row.get("leaf_index")?,
        at: row.get("at")?,
        caller: row.get("caller")?,
        customer_id: row.get("customer_id")?,
        operation: row.get("operation")?,
        subject: row.get("subject")?,
        outcome: row.get("outcome")?,
        reason: row.get("reason")?,
        body: row.get("body")?,
    })
}
