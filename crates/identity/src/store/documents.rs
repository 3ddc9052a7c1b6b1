//! Document images: their descriptions, and their content in sealed chunks.

use bursar_service::db::{Cell, DbError, Row, Tx};
use bursar_types::Timestamp;
use bursar_types::id::{CustomerId, DocumentId, KycCaseId};

use crate::keys::{MAC_LENGTH, Place};
use crate::kyc::document::{DocumentKind, MediaType};

/// A document as stored, without its content.
#[derive(Clone, Debug)]
pub struct DocumentRow {
    /// Id.
    pub document_id: DocumentId,
    /// Of which application.
    pub case_id: KycCaseId,
    /// Whose.
    pub customer_id: CustomerId,
    /// Kind.
    pub kind: DocumentKind,
    /// What the content is.
    pub media_type: MediaType,
    /// Bytes.
    pub size_bytes: i64,
    /// What the very image is found by.
    pub image_index: [u8; MAC_LENGTH],
    /// Moment of the upload.
    pub created_at: Timestamp,
}

impl DocumentRow {
    fn of(row: &Row) -> Result<Self, DbError> {
        Ok(Self {
            document_id: row.id("document_id")?,
            case_id: row.id("case_id")?,
            customer_id: row.id("customer_id")?,
            kind: row.parse("kind")?,
            media_type: row.parse("media_type")?,
            size_bytes: row.get("size_bytes")?,
            image_index: row.get("image_index")?,
            created_at: row.get("created_at")?,
        })
    }
}

/// Row of a chunk, as it is sealed for: a chunk opens at its own place in its own document only.
pub fn chunk_row(document: DocumentId, chunk: usize) -> String {
    format!("{document}/{chunk}")
}

/// Where a chunk is sealed for.
pub fn chunk_place(row: &str) -> Place<'_> {
    Place { table: "document_chunks", column: "sealed", row }
}

/// Keeps a document with its sealed chunks, in order.
///
/// # Errors
/// What the database refused.
pub async fn insert(tx: &mut Tx<'_>, document: &DocumentRow, chunks: &[Vec<u8>]) -> Result<(), DbError> {
    tx.query(
        "INSERT INTO documents (document_id, case_id, customer_id, kind, media_type, size_bytes, image_index, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
    )
    .bind_id(document.document_id)
    .bind_id(document.case_id)
    .bind_id(document.customer_id)
    .bind(document.kind.as_str())
    .bind(document.media_type.as_str())
    .bind(document.size_bytes)
    .bind(document.image_index)
    .bind(document.created_at)
    .execute()
    .await?;
    let id = document.document_id.to_string();
    let rows: Vec<[Cell; 3]> = (0_i64..)
        .zip(chunks)
        .map(|(chunk, sealed)| [id.clone().into(), chunk.into(), sealed.clone().into()])
        .collect();
    tx.bulk_insert("document_chunks", ["document_id", "chunk", "sealed"], rows).await.map(drop)
}

/// The document.
///
/// # Errors
/// What the database refused.
pub async fn get(tx: &mut Tx<'_>, document: DocumentId) -> Result<Option<DocumentRow>, DbError> {
    let row =
        tx.query("SELECT * FROM documents WHERE document_id = $1").bind_id(document).fetch_optional().await?;
    row.as_ref().map(DocumentRow::of).transpose()
}

/// The documents of an application, oldest first.
///
/// # Errors
/// What the database refused.
pub async fn of_case(tx: &mut Tx<'_>, case: KycCaseId) -> Result<Vec<DocumentRow>, DbError> {
    let rows = tx
        .query("SELECT * FROM documents WHERE case_id = $1 ORDER BY document_id LIMIT 1000")
        .bind_id(case)
        .fetch_all()
        .await?;
    rows.iter().map(DocumentRow::of).collect()
}

/// Other customers who uploaded one of the very images of this application.
///
/// # Errors
/// What the database refused.
pub async fn others_with_images(
    tx: &mut Tx<'_>,
    case: KycCaseId,
    customer: CustomerId,
) -> Result<i64, DbError> {
    let row = tx
        .query(
            "SELECT count(DISTINCT customer_id) AS others FROM documents
             WHERE customer_id <> $2
               AND image_index IN (SELECT image_index FROM documents WHERE case_id = $1)",
        )
        .bind_id(case)
        .bind_id(customer)
        .fetch_one()
        .await?;
    row.get("others")
}

/// One sealed chunk.
///
/// # Errors
/// What the database refused.
pub async fn chunk(tx: &mut Tx<'_>, document: DocumentId, chunk: i64) -> Result<Option<Vec<u8>>, DbError> {
    let row = tx
        .query("SELECT sealed FROM document_chunks WHERE document_id = $1 AND chunk = $2")
        .bind_id(document)
        .bind(chunk)
        .fetch_optional()
        .await?;
    row.map(|row| row.get("sealed")).transpose()
}
