//! A reviewer looks at an image. Who and why is in the trail before the first byte leaves.

use std::sync::Arc;

use bursar_types::id::DocumentId;
use zeroize::Zeroizing;

use super::apply::Note;
use super::document::{MediaType, PART_MAX};
use crate::keys::CustomerKey;
use crate::store::documents;
use crate::{Core, Error};

/// What the trail calls it.
const ACTION: &str = "VIEW_DOCUMENT";

/// An image on its way out, one sealed chunk in memory at a time.
pub struct Download {
    core: Arc<Core>,
    key: CustomerKey,
    document: DocumentId,
    /// What the content is.
    pub media_type: MediaType,
    bytes_left: usize,
    next_chunk: usize,
    chunk: Zeroizing<Vec<u8>>,
    offset: usize,
}

impl Core {
    /// Begins a download, and notes who looks at what and why.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub async fn download_document(
        self: &Arc<Self>,
        principal: &str,
        document: DocumentId,
        reason: &str,
    ) -> Result<Download, Error> {
        let core = Arc::clone(self);
        let (row, key) = self
            .db
            .write(|tx| {
                Box::pin(async move {
                    let row = documents::get(tx, document).await?.ok_or(Error::NotFound("document"))?;
                    // A draft's documents are their customer's alone.
                    self.any_case(tx, row.case_id).await.map_err(|_| Error::NotFound("document"))?;
                    let key = self.customer_key(tx, row.customer_id).await?;
                    let detail = format!("{document}: {reason}");
                    let note = Note { actor: principal, action: ACTION, detail: &detail };
                    self.note(tx, &key, row.case_id, &note).await?;
                    Ok::<_, Error>((row, key))
                })
            })
            .await?;
        Ok(Download {
            core,
            key,
            document,
            media_type: row.media_type,
            bytes_left: usize::try_from(row.size_bytes)
                .map_err(|_| Error::Corrupt("the size of a document"))?,
            next_chunk: 0,
            chunk: Zeroizing::new(Vec::new()),
            offset: 0,
        })
    }
}

impl Download {
    /// The next part, at most 64 KiB; `None` after the last.
    ///
    /// # Errors
    /// [`Error::Damaged`] if a chunk was changed, moved or taken away.
    pub async fn next_part(&mut self) -> Result<Option<Vec<u8>>, Error> {
        if self.bytes_left == 0 {
            return Ok(None);
        }
        if self.offset == self.chunk.len() {
            self.open_next_chunk().await?;
        }
        let end = (self.offset + PART_MAX).min(self.chunk.len());
        let part = self.chunk[self.offset..end].to_vec();
        self.offset = end;
        self.bytes_left = self
            .bytes_left
            .checked_sub(part.len())
            .ok_or(Error::Corrupt("a document is longer than it was"))?;
        Ok(Some(part))
    }

    async fn open_next_chunk(&mut self) -> Result<(), Error> {
        let (document, index) = (self.document, self.next_chunk);
        let number = i64::try_from(index).map_err(|_| Error::Corrupt("the chunks of a document"))?;
        let sealed = self
            .core
            .db
            .read(|tx| Box::pin(async move { Ok::<_, Error>(documents::chunk(tx, document, number).await?) }))
            .await?;
        let sealed = sealed.ok_or(Error::Corrupt("a chunk of a document is gone"))?;
        let row = documents::chunk_row(document, index);
        self.chunk = self.key.open(&documents::chunk_place(&row), &sealed)?;
        if self.chunk.is_empty() {
            return Err(Error::Corrupt("a chunk of a document is empty"));
        }
        self.next_chunk += 1;
        self.offset = 0;
        Ok(())
    }
}
