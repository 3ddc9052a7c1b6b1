//! `bursar.gateway.v1.BankFileService`: the bank's credit notifications.

use std::sync::Arc;

use bursar_proto::gateway::v1::bank_file_service_server::BankFileService;
use bursar_proto::gateway::v1::{
    BankEntry, BankEntryOutcome, BankFile, BankFileImported, ImportBankFileRequest, ImportBankFileResponse,
    ListBankFilesRequest, ListBankFilesResponse,
};
use bursar_proto::ledger::v1::{BookBankCreditRequest, TopUpState};
use bursar_service::db::Db;
use bursar_service::error::{Invalid, OrStatus as _};
use bursar_service::events::{EventLog, NewEvent};
use bursar_service::idempotency::{self, Scope};
use bursar_service::paging::Page;
use bursar_service::{CallContext, Chassis, parse};
use bursar_types::id::BankFileId;
use bursar_types::{Clock, IdSource, RequestId};
use ring::digest::{SHA256, digest};
use tonic::{Request, Response, Status};

use super::Peers;
use crate::bank::{self, Credit, Entry, Notification};
use crate::derived;
use crate::error::GatewayError;
use crate::store::{self, StoredEntry, StoredFile};

/// Largest document, in bytes.
const CONTENT_MAX: usize = 4 * 1024 * 1024;

/// Serves `BankFileService`.
pub(crate) struct BankFiles {
    db: Db,
    events: EventLog,
    clock: Arc<dyn Clock>,
    ids: IdSource,
    peers: Peers,
}

impl BankFiles {
    pub(crate) fn new(chassis: &Chassis, peers: Peers) -> Self {
        Self {
            db: chassis.db.clone(),
            events: chassis.events.clone(),
            clock: Arc::clone(&chassis.clock),
            ids: chassis.ids.clone(),
            peers,
        }
    }

    async fn import(
        &self,
        principal: &str,
        request: ImportBankFileRequest,
    ) -> Result<ImportBankFileResponse, GatewayError> {
        let request_id = parse::request_id(&request.request_id)?;
        if request.content.is_empty() || request.content.len() > CONTENT_MAX {
            let wanted = format!("must be an XML document of 1 to {CONTENT_MAX} bytes");
            return Err(Invalid::new().field("content", wanted).into());
        }
        let mut fingerprint = [0_u8; 32];
        fingerprint.copy_from_slice(digest(&SHA256, &request.content).as_ref());
        let notification = bank::parse(&request.content)?;
        // Before anything is booked: an id that was used for another file must change nothing.
        let own_id = self.claim(principal, request_id, fingerprint).await?;
        let (file, entries) = match self.known(&fingerprint).await? {
            Some(stored) => stored,
            None => {
                let entries = self.book(&notification).await?;
                self.keep(own_id, &fingerprint, &notification, entries).await?
            }
        };
        Ok(response(&file, &entries, file.id != own_id))
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

    async fn known(
        &self,
        fingerprint: &[u8; 32],
    ) -> Result<Option<(StoredFile, Vec<StoredEntry>)>, GatewayError> {
        self.db
            .read(|tx| {
                let fingerprint = *fingerprint;
                Box::pin(async move {
                    match store::by_digest(tx, &fingerprint).await? {
                        None => Ok(None),
                        Some(file) => {
                            let entries = store::entries_of(tx, file.id).await?;
                            Ok(Some((file, entries)))
                        }
                    }
                })
            })
            .await
    }

    /// Books every credit. What was booked before the process died is found booked when the file comes again.
    async fn book(&self, notification: &Notification) -> Result<Vec<StoredEntry>, GatewayError> {
        let mut booked = Vec::with_capacity(notification.entries.len());
        for entry in &notification.entries {
            booked.push(match entry {
                Entry::Credit(credit) => self.book_credit(credit).await?,
                Entry::Other { bank_transaction_id, amount } => StoredEntry {
                    bank_transaction_id: bank_transaction_id.clone(),
                    amount: *amount,
                    funding_reference: String::new(),
                    outcome: BankEntryOutcome::Ignored.into(),
                    top_up_id: None,
                },
            });
        }
        Ok(booked)
    }

    async fn book_credit(&self, credit: &Credit) -> Result<StoredEntry, GatewayError> {
        let minor = credit.amount.minor_units.to_be_bytes();
        let request_id = derived::request_id(&[
            b"bank-credit",
            credit.bank_transaction_id.as_bytes(),
            credit.amount.asset.code().as_bytes(),
            &minor,
            credit.funding_reference.as_bytes(),
            credit.value_date.as_bytes(),
            credit.debtor_name.as_bytes(),
        ]);
        let answer = self
            .peers
            .book_bank_credit(BookBankCreditRequest {
                request_id: request_id.to_string(),
                funding_reference: credit.funding_reference.clone(),
                amount: Some(parse::money_message(credit.amount)),
                bank_transaction_id: credit.bank_transaction_id.clone(),
                value_date: credit.value_date.clone(),
                debtor_name: credit.debtor_name.clone(),
                bank_book_time: None,
            })
            .await?;
        let top_up = answer.top_up.ok_or(GatewayError::BadAnswer { peer: "ledger", what: "the top-up" })?;
        let outcome = match top_up.state() {
            _ if answer.duplicate => BankEntryOutcome::Duplicate,
            TopUpState::Settled => BankEntryOutcome::Booked,
            _ => BankEntryOutcome::Suspense,
        };
        Ok(StoredEntry {
            bank_transaction_id: credit.bank_transaction_id.clone(),
            amount: credit.amount,
            funding_reference: credit.funding_reference.clone(),
            outcome: outcome.into(),
            top_up_id: top_up.top_up_id.parse().ok(),
        })
    }

    /// Stores the file and its event once: of two requests with the same file at once, the first one's stays.
    async fn keep(
        &self,
        id: BankFileId,
        fingerprint: &[u8; 32],
        notification: &Notification,
        entries: Vec<StoredEntry>,
    ) -> Result<(StoredFile, Vec<StoredEntry>), GatewayError> {
        let new = StoredFile {
            id,
            digest: *fingerprint,
            message_id: notification.message_id.clone(),
            document_type: notification.document_type.clone(),
            entries: i64::try_from(entries.len()).unwrap_or(i64::MAX),
            imported_at: self.clock.now(),
        };
        self.db
            .write(|tx| {
                let (new, entries, events) = (new.clone(), entries.clone(), self.events.clone());
                Box::pin(async move {
                    if let Some(file) = store::by_digest(tx, &new.digest).await? {
                        let entries = store::entries_of(tx, file.id).await?;
                        return Ok((file, entries));
                    }
                    store::insert(tx, &new, &entries).await?;
                    let told = BankFileImported { bank_file: Some(file_message(&new)) };
                    events.publish(tx, NewEvent::new("gateway.bank_file.imported", new.id, &told))?;
                    Ok((new, entries))
                })
            })
            .await
    }
}

fn file_message(file: &StoredFile) -> BankFile {
    BankFile {
        bank_file_id: file.id.to_string(),
        message_id: file.message_id.clone(),
        document_type: file.document_type.clone(),
        entries: i32::try_from(file.entries).unwrap_or(i32::MAX),
        import_time: Some(parse::timestamp_message(file.imported_at)),
    }
}

fn response(file: &StoredFile, entries: &[StoredEntry], duplicate: bool) -> ImportBankFileResponse {
    let entries = entries
        .iter()
        .map(|entry| BankEntry {
            bank_transaction_id: entry.bank_transaction_id.clone(),
            amount: Some(parse::money_message(entry.amount)),
            funding_reference: entry.funding_reference.clone(),
            outcome: entry.outcome,
            top_up_id: entry.top_up_id.map(|id| id.to_string()).unwrap_or_default(),
        })
        .collect();
    ImportBankFileResponse { bank_file: Some(file_message(file)), entries, duplicate }
}

#[tonic::async_trait]
impl BankFileService for BankFiles {
    async fn import_bank_file(
        &self,
        request: Request<ImportBankFileRequest>,
    ) -> Result<Response<ImportBankFileResponse>, Status> {
        let principal = CallContext::of(&request).principal();
        self.import(&principal, request.into_inner()).await.or_status().map(Response::new)
    }

    async fn list_bank_files(
        &self,
        request: Request<ListBankFilesRequest>,
    ) -> Result<Response<ListBankFilesResponse>, Status> {
        let request = request.into_inner();
        let page =
            Page::<String>::parse(request.page_size, &request.page_token, "ListBankFiles").or_status()?;
        let after = page.after().cloned();
        let limit = page.limit();
        let rows = self
            .db
            .read(|tx| {
                let after = after.clone();
                Box::pin(
                    async move { store::list(tx, after.as_deref(), limit).await.map_err(GatewayError::from) },
                )
            })
            .await
            .or_status()?;
        let (rows, next_page_token) = page.finish(rows, |file| file.id.to_string());
        let bank_files = rows.iter().map(file_message).collect();
        Ok(Response::new(ListBankFilesResponse { bank_files, next_page_token }))
    }
}
