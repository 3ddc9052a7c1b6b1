//! A file is stored with all it says before anything is booked: what happens then can stop anywhere, and goes on.

use std::sync::Arc;

use bursar_proto::gateway::v1::{BankEntryOutcome, BankFileImported};
use bursar_service::db::{Db, Tx};
use bursar_service::events::{EventLog, NewEvent};
use bursar_service::idempotency::{self, Scope};
use bursar_types::id::BankFileId;
use bursar_types::{Clock, IdSource, RequestId};
use futures::future::BoxFuture;
use ring::digest::{SHA256, digest};

use super::book::Booker;
use super::read::{Name, ReadFile, ReadMovement, funding_reference, read};
use crate::error::GatewayError;
use crate::store::{self, StoredEntry, StoredFile};

/// Movements that are booked before the import is answered; the others are booked after it.
const BOOKED_AT_ONCE: usize = 1_000;

/// Imports files.
#[derive(Clone, Debug)]
pub(crate) struct Import {
    pub(crate) db: Db,
    pub(crate) events: EventLog,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: IdSource,
    pub(crate) booker: Booker,
}

/// A file as it stands after its import.
#[derive(Debug)]
pub(crate) struct Imported {
    pub(crate) file: StoredFile,
    pub(crate) entries: Vec<StoredEntry>,
    /// The same bytes had been imported before.
    pub(crate) duplicate: bool,
}

impl Import {
    /// Imports a file for `principal`, who asks under `request_id`.
    pub(crate) async fn import(
        &self,
        principal: &str,
        request_id: RequestId,
        content: &[u8],
    ) -> Result<Imported, GatewayError> {
        let mut fingerprint = [0_u8; 32];
        fingerprint.copy_from_slice(digest(&SHA256, content).as_ref());
        let read = read(content)?;
        // Before anything is stored: an id that was used for another file must change nothing.
        let own_id = self.claim(principal, request_id, fingerprint).await?;
        let file = self.keep(own_id, &fingerprint, &read).await?;
        let waiting = self.db.read(|tx| {
            Box::pin(
                async move { store::pending_of(tx, file, BOOKED_AT_ONCE).await.map_err(GatewayError::from) },
            )
        });
        for pending in waiting.await? {
            self.booker.settle(&pending).await?;
        }
        let (file, entries) = self.stored(file).await?;
        Ok(Imported { duplicate: file.id != own_id, file, entries })
    }

    /// Binds the request id to the file's bytes, and gives the id the file has if this request is its first.
    async fn claim(
        &self,
        principal: &str,
        request_id: RequestId,
        fingerprint: [u8; 32],
    ) -> Result<BankFileId, GatewayError> {
        let fresh = self.ids.next::<BankFileId>();
        let stored = self
            .db
            .write(|tx| {
                Box::pin(async move {
                    let scope = Scope { method: "ImportBankFile", principal };
                    idempotency::once(tx, scope, request_id, fingerprint, |_| {
                        Box::pin(async move { Ok::<_, GatewayError>(fresh.to_string().into_bytes()) })
                    })
                    .await
                })
            })
            .await?;
        let id = std::str::from_utf8(&stored).ok().and_then(|text| text.parse().ok());
        id.ok_or(GatewayError::BadAnswer { peer: "gateway", what: "the id of a file" })
    }

    /// Stores the file and its event once: of two requests with the same file at once, the first one's stays.
    async fn keep(
        &self,
        id: BankFileId,
        fingerprint: &[u8; 32],
        read: &ReadFile,
    ) -> Result<BankFileId, GatewayError> {
        let new = StoredFile {
            id,
            digest: *fingerprint,
            message_id: read.header.message_id.clone(),
            document_type: read.header.document_type.clone(),
            entries: i64::try_from(read.movements.len()).unwrap_or(i64::MAX),
            imported_at: self.clock.now(),
        };
        let kind = read.kind();
        self.db
            .write(|tx| {
                let (new, events) = (new.clone(), self.events.clone());
                Box::pin(async move {
                    if let Some(file) = store::by_digest(tx, &new.digest).await? {
                        return Ok(file.id);
                    }
                    let entries = named(tx, kind, &read.movements).await?;
                    store::insert(tx, &new, &entries).await?;
                    let told = BankFileImported { bank_file: Some(new.message()) };
                    events.publish(tx, NewEvent::new("gateway.bank_file.imported", new.id, &told))?;
                    Ok(new.id)
                })
            })
            .await
    }

    async fn stored(&self, id: BankFileId) -> Result<(StoredFile, Vec<StoredEntry>), GatewayError> {
        let found = self.db.read(|tx| {
            Box::pin(async move {
                let Some(file) = store::file(tx, id).await? else { return Ok(None) };
                Ok::<_, GatewayError>(Some((file, store::entries_of(tx, id).await?)))
            })
        });
        found.await?.ok_or(GatewayError::BadAnswer { peer: "gateway", what: "a file that was stored" })
    }
}

/// The movements as they are stored, each with its name.
fn named<'t>(
    tx: &'t mut Tx<'_>,
    kind: i64,
    movements: &'t [ReadMovement],
) -> BoxFuture<'t, Result<Vec<StoredEntry>, GatewayError>> {
    Box::pin(async move {
        let mut seen = std::collections::HashMap::new();
        let mut entries = Vec::with_capacity(movements.len());
        for ReadMovement { movement, name } in movements {
            let (bank_transaction_id, content_key) = match name {
                Name::Given(reference) => (reference.clone(), None),
                Name::Content(key) => {
                    let number = match seen.get(key) {
                        Some(number) => *number,
                        None => store::times_seen(tx, key, kind).await?,
                    };
                    seen.insert(*key, number + 1);
                    let hex = data_encoding::HEXLOWER.encode(&key[..20]);
                    (format!("{hex}#{}", number + 1), Some(*key))
                }
            };
            let outcome = match movement.is_booked_credit() {
                true => BankEntryOutcome::Pending,
                false => BankEntryOutcome::Ignored,
            };
            entries.push(StoredEntry {
                bank_transaction_id,
                amount: movement.amount,
                funding_reference: funding_reference(movement).to_owned(),
                value_date: movement.value_date.clone(),
                debtor_name: movement.debtor_name.clone(),
                content_key,
                kind,
                outcome: outcome.into(),
                top_up_id: None,
            });
        }
        Ok(entries)
    })
}
