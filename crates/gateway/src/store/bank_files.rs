//! Bank files and their entries.

use bursar_service::db::{DbError, Row, Tx};
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

/// An entry as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct StoredEntry {
    pub(crate) bank_transaction_id: String,
    pub(crate) amount: Money,
    pub(crate) funding_reference: String,
    /// Number of `bursar.gateway.v1.BankEntryOutcome`.
    pub(crate) outcome: i32,
    pub(crate) top_up_id: Option<TopUpId>,
}

fn file(row: &Row) -> Result<StoredFile, DbError> {
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
    found.as_ref().map(file).transpose()
}

/// The entries of a file, in order.
pub(crate) async fn entries_of(tx: &mut Tx<'_>, id: BankFileId) -> Result<Vec<StoredEntry>, DbError> {
    let rows = tx
        .query(
            "SELECT bank_transaction_id, amount_minor, asset, funding_reference, outcome, top_up_id
             FROM bank_file_entries WHERE bank_file_id = $1 ORDER BY entry_index",
        )
        .bind_id(id)
        .fetch_all()
        .await?;
    rows.iter()
        .map(|row| {
            let asset: Asset = row.parse("asset")?;
            let outcome: i64 = row.get("outcome")?;
            Ok(StoredEntry {
                bank_transaction_id: row.get("bank_transaction_id")?,
                amount: Money::new(row.get("amount_minor")?, asset),
                funding_reference: row.get("funding_reference")?,
                outcome: i32::try_from(outcome)
                    .map_err(|_| DbError::Corrupt { what: "the outcome of a bank entry".into() })?,
                top_up_id: row.id_opt("top_up_id")?,
            })
        })
        .collect()
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
    rows.iter().map(file).collect()
}
