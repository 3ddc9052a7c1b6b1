//! Bank files and their entries.

use bursar_proto::gateway::v1::{BankEntryOutcome, BankFile};
use bursar_service::db::{DbError, Row, Tx};
use bursar_service::parse;
use bursar_types::id::{BankFileId, TopUpId};
use bursar_types::{Asset, Money, Timestamp};

/// A file as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct StoredFile {
    pub(crate) id: BankFileId,
    /// SHA-256 of its bytes.
    pub(crate) digest: [u8; 32],
    pub(crate) message_id: String,
    pub(crate) document_type: String,
    pub(crate) entries: i64,
    pub(crate) imported_at: Timestamp,
}

impl StoredFile {
    /// As the contract has it.
    pub(crate) fn message(&self) -> BankFile {
        BankFile {
            bank_file_id: self.id.to_string(),
            message_id: self.message_id.clone(),
            document_type: self.document_type.clone(),
            entries: i32::try_from(self.entries).unwrap_or(i32::MAX),
            import_time: Some(parse::timestamp_message(self.imported_at)),
        }
    }
}

/// An entry as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct StoredEntry {
    pub(crate) bank_transaction_id: String,
    pub(crate) amount: Money,
    pub(crate) funding_reference: String,
    /// `YYYY-MM-DD`; empty: not given.
    pub(crate) value_date: String,
    pub(crate) debtor_name: String,
    /// What it says, as a digest, where the bank gave no reference.
    pub(crate) content_key: Option<[u8; 32]>,
    /// Of which kind of file it is: 53 or 54.
    pub(crate) kind: i64,
    /// Number of `bursar.gateway.v1.BankEntryOutcome`.
    pub(crate) outcome: i32,
    pub(crate) top_up_id: Option<TopUpId>,
}

/// An entry that is not booked yet.
#[derive(Clone, Debug)]
pub(crate) struct PendingEntry {
    pub(crate) file: BankFileId,
    pub(crate) index: i64,
    pub(crate) entry: StoredEntry,
}

fn of_file(row: &Row) -> Result<StoredFile, DbError> {
    let digest: Vec<u8> = row.get("digest")?;
    Ok(StoredFile {
        id: row.id("bank_file_id")?,
        digest: digest
            .try_into()
            .map_err(|_| DbError::Corrupt { what: "the digest of a bank file".into() })?,
        message_id: row.get("message_id")?,
        document_type: row.get("document_type")?,
        entries: row.get("entries")?,
        imported_at: Timestamp::from_micros(row.get("imported_at")?),
    })
}

/// The file with these bytes, if it was imported.
pub(crate) async fn by_digest(tx: &mut Tx<'_>, digest: &[u8; 32]) -> Result<Option<StoredFile>, DbError> {
    let found = tx
        .query(
            "SELECT bank_file_id, digest, message_id, document_type, entries, imported_at
             FROM bank_files WHERE digest = $1",
        )
        .bind(digest)
        .fetch_optional()
        .await?;
    found.as_ref().map(of_file).transpose()
}

/// The file with this id.
pub(crate) async fn file(tx: &mut Tx<'_>, id: BankFileId) -> Result<Option<StoredFile>, DbError> {
    let found = tx
        .query(
            "SELECT bank_file_id, digest, message_id, document_type, entries, imported_at
             FROM bank_files WHERE bank_file_id = $1",
        )
        .bind_id(id)
        .fetch_optional()
        .await?;
    found.as_ref().map(of_file).transpose()
}

fn of_entry(row: &Row) -> Result<StoredEntry, DbError> {
    let asset: Asset = row.parse("asset")?;
    let outcome: i64 = row.get("outcome")?;
    let content_key: Option<Vec<u8>> = row.get("content_key")?;
    let content_key = content_key.map(TryInto::try_into).transpose();
    Ok(StoredEntry {
        bank_transaction_id: row.get("bank_transaction_id")?,
        amount: Money::new(row.get("amount_minor")?, asset),
        funding_reference: row.get("funding_reference")?,
        value_date: row.get("value_date")?,
        debtor_name: row.get("debtor_name")?,
        content_key: content_key
            .map_err(|_| DbError::Corrupt { what: "the digest of a bank entry".into() })?,
        kind: row.get("kind")?,
        outcome: i32::try_from(outcome)
            .map_err(|_| DbError::Corrupt { what: "the outcome of a bank entry".into() })?,
        top_up_id: row.id_opt("top_up_id")?,
    })
}

fn of_pending(row: &Row) -> Result<PendingEntry, DbError> {
    Ok(PendingEntry { file: row.id("bank_file_id")?, index: row.get("entry_index")?, entry: of_entry(row)? })
}

/// The entries of a file, in order.
pub(crate) async fn entries_of(tx: &mut Tx<'_>, id: BankFileId) -> Result<Vec<StoredEntry>, DbError> {
    let rows = tx
        .query(
            "SELECT bank_transaction_id, amount_minor, asset, funding_reference, value_date, debtor_name,
                    content_key, kind, outcome, top_up_id
             FROM bank_file_entries WHERE bank_file_id = $1 ORDER BY entry_index",
        )
        .bind_id(id)
        .fetch_all()
        .await?;
    rows.iter().map(of_entry).collect()
}

/// How many movements that say the same there were in files of this kind.
pub(crate) async fn times_seen(tx: &mut Tx<'_>, content_key: &[u8; 32], kind: i64) -> Result<i64, DbError> {
    let row = tx
        .query("SELECT COUNT(*) AS times FROM bank_file_entries WHERE content_key = $1 AND kind = $2")
        .bind(content_key)
        .bind(kind)
        .fetch_one()
        .await?;
    row.get("times")
}

/// Entries of one file that are not booked yet, in its order.
pub(crate) async fn pending_of(
    tx: &mut Tx<'_>,
    id: BankFileId,
    limit: usize,
) -> Result<Vec<PendingEntry>, DbError> {
    let rows = tx
        .query(
            "SELECT bank_file_id, entry_index, bank_transaction_id, amount_minor, asset, funding_reference,
                    value_date, debtor_name, content_key, kind, outcome, top_up_id
             FROM bank_file_entries WHERE bank_file_id = $1 AND outcome = 5 ORDER BY entry_index LIMIT $2",
        )
        .bind_id(id)
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all()
        .await?;
    rows.iter().map(of_pending).collect()
}

/// Entries of any file that are not booked yet, oldest file first.
pub(crate) async fn pending(tx: &mut Tx<'_>, limit: usize) -> Result<Vec<PendingEntry>, DbError> {
    let rows = tx
        .query(
            "SELECT bank_file_id, entry_index, bank_transaction_id, amount_minor, asset, funding_reference,
                    value_date, debtor_name, content_key, kind, outcome, top_up_id
             FROM bank_file_entries WHERE outcome = 5 ORDER BY bank_file_id, entry_index LIMIT $1",
        )
        .bind(i64::try_from(limit).unwrap_or(i64::MAX))
        .fetch_all()
        .await?;
    rows.iter().map(of_pending).collect()
}

/// Writes down what became of an entry.
pub(crate) async fn settle(
    tx: &mut Tx<'_>,
    pending: &PendingEntry,
    outcome: BankEntryOutcome,
    top_up_id: Option<TopUpId>,
) -> Result<(), DbError> {
    tx.query(
        "UPDATE bank_file_entries SET outcome = $3, top_up_id = $4 WHERE bank_file_id = $1 AND entry_index = $2",
    )
    .bind_id(pending.file)
    .bind(pending.index)
    .bind(i64::from(i32::from(outcome)))
    .bind(top_up_id.map(|id| id.to_string()))
    .execute()
    .await
    .map(|_| ())
}

/// Stores a file with its entries.
pub(crate) async fn insert(
    tx: &mut Tx<'_>,
    file: &StoredFile,
    entries: &[StoredEntry],
) -> Result<(), DbError> {
    tx.query(
        "INSERT INTO bank_files (bank_file_id, digest, message_id, document_type, entries, imported_at)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind_id(file.id)
    .bind(file.digest)
    .bind(&file.message_id)
    .bind(&file.document_type)
    .bind(file.entries)
    .bind(file.imported_at)
    .execute()
    .await?;
    let id = file.id.to_string();
    let rows = (0_i64..)
        .zip(entries)
        .map(|(index, entry)| {
            [
                id.as_str().into(),
                index.into(),
                entry.bank_transaction_id.as_str().into(),
                entry.amount.minor_units.into(),
                entry.amount.asset.code().into(),
                entry.funding_reference.as_str().into(),
                entry.value_date.as_str().into(),
                entry.debtor_name.as_str().into(),
                entry.content_key.map(Vec::from).into(),
                entry.kind.into(),
                i64::from(entry.outcome).into(),
                entry.top_up_id.map(|top_up| top_up.to_string()).into(),
            ]
        })
        .collect();
    let columns = [
        "bank_file_id",
        "entry_index",
        "bank_transaction_id",
        "amount_minor",
        "asset",
        "funding_reference",
        "value_date",
        "debtor_name",
        "content_key",
        "kind",
        "outcome",
        "top_up_id",
    ];
    tx.bulk_insert("bank_file_entries", columns, rows).await.map(|_| ())
}

/// Files from the newest on, after `after` where it is given.
pub(crate) async fn list(
    tx: &mut Tx<'_>,
    after: Option<&str>,
    limit: i64,
) -> Result<Vec<StoredFile>, DbError> {
    // Ids grow with time, and nothing sorts after a tilde.
    let rows = tx
        .query(
            "SELECT bank_file_id, digest, message_id, document_type, entries, imported_at
             FROM bank_files WHERE bank_file_id < $1 ORDER BY bank_file_id DESC LIMIT $2",
        )
        .bind(after.unwrap_or("~"))
        .bind(limit)
        .fetch_all()
        .await?;
    rows.iter().map(of_file).collect()
}
