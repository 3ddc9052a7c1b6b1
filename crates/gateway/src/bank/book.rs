//! What is stored and not booked yet is booked, by the import itself or after it.

use std::sync::Arc;
use std::time::Duration;

use bursar_proto::gateway::v1::BankEntryOutcome;
use bursar_proto::ledger::v1::{BookBankCreditRequest, TopUpState};
use bursar_service::db::Db;
use bursar_service::parse::money_message;
use bursar_types::id::TopUpId;
use bursar_types::{Failure as _, Reason};

use crate::derived;
use crate::error::GatewayError;
use crate::issuer::Issuer;
use crate::store::{self, PendingEntry};

/// Movements that are looked for at a time.
const BATCH: usize = 100;
/// Wait before it is looked again when there was nothing.
const IDLE: Duration = Duration::from_secs(2);

/// Books movements. It may be killed anywhere: the request id follows from the movement's place in its file, so what was
/// booked is found booked.
#[derive(Clone, Debug)]
pub(crate) struct Booker {
    pub(crate) db: Db,
    pub(crate) issuer: Arc<dyn Issuer>,
}

impl Booker {
    /// Books what waits, or waits a moment for more.
    pub(crate) async fn round(self) -> Result<(), GatewayError> {
        let waiting = self
            .db
            .read(|tx| Box::pin(async move { store::pending(tx, BATCH).await.map_err(GatewayError::from) }));
        let waiting = waiting.await?;
        if waiting.is_empty() {
            tokio::time::sleep(IDLE).await;
        }
        for pending in &waiting {
            self.settle(pending).await?;
        }
        Ok(())
    }

    /// Books one, and writes down what became of it.
    ///
    /// # Errors
    /// If the ledger gave no answer: it is still to be booked then.
    pub(crate) async fn settle(&self, pending: &PendingEntry) -> Result<(), GatewayError> {
        let (outcome, top_up) = match self.book(pending).await {
            Ok(found) => found,
            // The bank calls something else so: a person must look at it.
            Err(error) if error.reason() == Reason::AlreadyExists => {
                tracing::error!(file = %pending.file, index = pending.index, "a bank credit was booked before with other particulars");
                (BankEntryOutcome::Differs, None)
            }
            Err(error) if error.reason() == Reason::InvalidField => {
                tracing::error!(file = %pending.file, index = pending.index, %error, "a bank credit is refused by the ledger");
                (BankEntryOutcome::Refused, None)
            }
            Err(error) => return Err(error),
        };
        self.db
            .write(|tx| {
                Box::pin(async move {
                    store::settle(tx, pending, outcome, top_up).await.map_err(GatewayError::from)
                })
            })
            .await
    }

    async fn book(
        &self,
        pending: &PendingEntry,
    ) -> Result<(BankEntryOutcome, Option<TopUpId>), GatewayError> {
        let entry = &pending.entry;
        let request_id = derived::request_id(&[
            b"bank-credit",
            pending.file.to_string().as_bytes(),
            &pending.index.to_be_bytes(),
        ]);
        let answer = self
            .issuer
            .book_bank_credit(BookBankCreditRequest {
                request_id: request_id.to_string(),
                funding_reference: entry.funding_reference.clone(),
                amount: Some(money_message(entry.amount)),
                bank_transaction_id: entry.bank_transaction_id.clone(),
                value_date: entry.value_date.clone(),
                debtor_name: entry.debtor_name.clone(),
                bank_book_time: None,
            })
            .await?;
        let top_up = answer.top_up.ok_or(GatewayError::BadAnswer { peer: "ledger", what: "the top-up" })?;
        let outcome = match top_up.state() {
            _ if answer.duplicate => BankEntryOutcome::Duplicate,
            TopUpState::Settled => BankEntryOutcome::Booked,
            _ => BankEntryOutcome::Suspense,
        };
        Ok((outcome, top_up.top_up_id.parse().ok()))
    }
}
