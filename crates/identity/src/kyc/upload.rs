//! A customer adds a document image: taken whole or not at all, and stored sealed in chunks.

use bursar_service::db::Tx;
use bursar_service::idempotency::{self, Scope};
use bursar_types::id::{CustomerId, DocumentId, KycCaseId};
use tokio::sync::SemaphorePermit;

use super::apply::Note;
use super::case::CaseStep;
use super::document::{self, DocumentKind, Image};
use crate::auth::{Asked, text_id};
use crate::keys::CustomerKey;
use crate::store::documents::{self, DocumentRow};
use crate::{Core, Error};

/// An upload as announced.
#[derive(Clone, Copy, Debug)]
pub struct NewDocument {
    /// Application.
    pub case_id: KycCaseId,
    /// Kind.
    pub kind: DocumentKind,
}

impl Core {
    /// Whether an upload to this application would be taken, before its megabytes come; and a place among those that
    /// are worked on at once, to be held until it is stored.
    ///
    /// # Errors
    /// [`Error::NotYours`], [`Error::CaseState`], [`Error::Overloaded`].
    pub async fn admit_upload(
        &self,
        customer: CustomerId,
        case: KycCaseId,
    ) -> Result<SemaphorePermit<'_>, Error> {
        let place = self.uploads.try_acquire().map_err(|_| Error::Overloaded)?;
        self.db
            .read(|tx| {
                Box::pin(async move {
                    self.own_case(tx, customer, case).await?.state.after(CaseStep::Upload)?;
                    Ok::<_, Error>(())
                })
            })
            .await?;
        Ok(place)
    }

    /// Stores an image that is whole.
    ///
    /// # Errors
    /// [`Error::NotYours`], [`Error::CaseState`], [`Error::TooManyDocuments`].
    pub async fn store_document(
        &self,
        asked: Asked<'_>,
        customer: CustomerId,
        new: NewDocument,
        image: Image,
    ) -> Result<DocumentRow, Error> {
        let key = self.db.read(|tx| Box::pin(async move { self.customer_key(tx, customer).await })).await?;
        let row = DocumentRow {
            document_id: self.ids.next(),
            case_id: new.case_id,
            customer_id: customer,
            kind: new.kind,
            media_type: image.media_type,
            size_bytes: i64::try_from(image.bytes.len()).unwrap_or(i64::MAX),
            image_index: self.keys.image_index(&image.sha256),
            created_at: self.now(),
        };
        let chunks = seal_chunks(&key, row.document_id, &image.bytes);
        let digest = self.keys.request_digest(&[
            b"UploadDocument",
            new.case_id.to_string().as_bytes(),
            new.kind.as_str().as_bytes(),
            &image.sha256,
        ]);
        drop(image);
        let scope = Scope { method: "UploadDocument", principal: asked.principal };
        let (row, chunks, key) = (&row, chunks.as_slice(), &key);
        self.db
            .write(|tx| {
                Box::pin(async move {
                    let kept = idempotency::once(tx, scope, asked.request_id, digest, |tx| {
                        Box::pin(async move {
                            self.keep_document(tx, key, row, chunks).await?;
                            Ok::<_, Error>(row.document_id.to_string().into_bytes())
                        })
                    });
                    let id: DocumentId = text_id(&kept.await?)?;
                    documents::get(tx, id).await?.ok_or(Error::Corrupt("a kept document is gone"))
                })
            })
            .await
    }

    async fn keep_document(
        &self,
        tx: &mut Tx<'_>,
        key: &CustomerKey,
        row: &DocumentRow,
        chunks: &[Vec<u8>],
    ) -> Result<(), Error> {
        let case = self.own_case(tx, row.customer_id, row.case_id).await?;
        case.state.after(CaseStep::Upload)?;
        let present = documents::of_case(tx, row.case_id).await?.len();
        if i64::try_from(present).unwrap_or(i64::MAX) >= document::PER_CASE_MAX {
            return Err(Error::TooManyDocuments);
        }
        documents::insert(tx, row, chunks).await?;
        let (actor, detail) = (row.customer_id.to_string(), format!("{} {}", row.kind, row.document_id));
        let note = Note { actor: &actor, action: CaseStep::Upload.as_str(), detail: &detail };
        self.note(tx, key, row.case_id, &note).await
    }
}

fn seal_chunks(key: &CustomerKey, document: DocumentId, bytes: &[u8]) -> Vec<Vec<u8>> {
    bytes
        .chunks(document::SEALED_CHUNK)
        .enumerate()
        .map(|(index, chunk)| {
            let row = documents::chunk_row(document, index);
            key.seal(&documents::chunk_place(&row), chunk)
        })
        .collect()
}
