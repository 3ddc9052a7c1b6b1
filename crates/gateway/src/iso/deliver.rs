//! What was acknowledged is told to the ledger, however often that takes. It may be killed anywhere: a delivery is done
//! when that is written down, and telling twice is telling once, for the request id follows from the message.

use std::sync::Arc;
use std::time::Duration;

use bursar_proto::common::v1::Money;
use bursar_proto::ledger::v1::{
    AuthorizeRequest, GetPaymentRequest, NetworkReference, PaymentState, PostPresentmentRequest,
    RefundPaymentRequest, ReversePaymentRequest,
};
use bursar_proto::vault::v1::{PaymentContext, VerifyCardRequest};
use bursar_service::Deadline;
use bursar_service::db::Db;
use bursar_types::{Clock, Failure as _, Reason};
use tokio::sync::Notify;

use super::seal::Sealer;
use super::work::{Task, Work};
use crate::derived;
use crate::error::GatewayError;
use crate::issuer::Issuer;
use crate::store::{self, DeliveryState, DueDelivery};

/// Deliveries that are looked for at a time.
const BATCH: i64 = 64;
/// Longest wait for something new.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Time the ledger has for one.
const EACH_MAX: Duration = Duration::from_secs(10);
/// Wait after the first failure; doubled with each, up to [`WAIT_MAX`].
const WAIT_FIRST: Duration = Duration::from_millis(500);
const WAIT_MAX: Duration = Duration::from_secs(300);
/// Answers are forgotten this long after they were given: no network repeats a message later.
const ANSWERS_KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);
/// Answers that are forgotten at a time.
const FORGOTTEN: i64 = 500;

/// Tells the ledger.
#[derive(Clone, Debug)]
pub(crate) struct Deliverer {
    pub(crate) db: Db,
    pub(crate) issuer: Arc<dyn Issuer>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) sealer: Option<Sealer>,
    pub(crate) wake: Arc<Notify>,
}

/// How telling went.
enum Told {
    Done,
    /// The ledger will never take it: for a person.
    Never(String),
    Later(String),
}

impl Deliverer {
    /// Tells what is due, or waits for it.
    pub(crate) async fn round(self) -> Result<(), GatewayError> {
        let now = self.clock.now();
        let due = self.db.read(|tx| {
            Box::pin(async move { store::due_deliveries(tx, now, BATCH).await.map_err(GatewayError::from) })
        });
        let due = due.await?;
        if due.is_empty() {
            let _ = tokio::time::timeout(LOOK_AGAIN, self.wake.notified()).await;
        }
        for delivery in &due {
            self.deliver(delivery).await?;
        }
        Ok(())
    }

    /// Forgets answers that nobody asks for any more.
    pub(crate) async fn housekeeping(self) -> Result<(), GatewayError> {
        let before = self.clock.now().minus(ANSWERS_KEPT);
        let forgotten = self.db.write(|tx| {
            Box::pin(
                async move { store::forget_answers(tx, before, FORGOTTEN).await.map_err(GatewayError::from) },
            )
        });
        if forgotten.await? < u64::try_from(FORGOTTEN).unwrap_or(0) {
            tokio::time::sleep(Duration::from_secs(3_600)).await;
        }
        Ok(())
    }

    async fn deliver(&self, due: &DueDelivery) -> Result<(), GatewayError> {
        let told = match Work::from_bytes(&due.work) {
            Err(problem) => Told::Never(format!("it cannot be read: {problem}")),
            Ok(work) => match Deadline::after(EACH_MAX).bound(self.tell(due, work)).await {
                Ok(Ok(())) => Told::Done,
                Ok(Err(error)) => judged(&error),
                Err(expired) => Told::Later(expired.to_string()),
            },
        };
        let (state, wait, problem) = match told {
            Told::Done => (DeliveryState::Done, Duration::ZERO, String::new()),
            Told::Never(problem) => {
                tracing::error!(
                    problem,
                    "what a network told us is refused by the ledger: a person must look at it"
                );
                metrics::counter!("bursar_iso8583_deliveries_refused_total").increment(1);
                (DeliveryState::Refused, Duration::ZERO, problem)
            }
            Told::Later(problem) => {
                let doublings = u32::try_from(due.attempts.clamp(0, 16)).unwrap_or(16);
                let wait = WAIT_FIRST.saturating_mul(1 << doublings).min(WAIT_MAX);
                tracing::warn!(problem, attempts = due.attempts + 1, "the ledger could not be told yet");
                (DeliveryState::Waiting, wait, problem)
            }
        };
        let next = self.clock.now().plus(wait);
        self.db
            .write(|tx| {
                let problem = problem.clone();
                Box::pin(async move {
                    store::move_delivery(tx, due, state, next, &problem).await.map_err(GatewayError::from)
                })
            })
            .await
    }

    async fn tell(&self, due: &DueDelivery, work: Work) -> Result<(), GatewayError> {
        if let Task::Reverse { amount, paid } = work.task {
            return self.take_back(&work, amount.map(Into::into), paid).await;
        }
        let Work { request_id, card_id, network, task, .. } = work;
        let network = Some(NetworkReference::from(network));
        match task {
            Task::Reverse { .. } => Ok(()),
            Task::Refund { amount, merchant } => {
                let (amount, merchant) = (Some(amount.into()), Some(merchant.into()));
                let refund =
                    RefundPaymentRequest { request_id, payment_id: String::new(), card_id, amount, merchant };
                self.issuer.refund(refund).await
            }
            Task::Present { amount, merchant, channel, authorization_code, more_to_come } => {
                let presentment = PostPresentmentRequest {
                    request_id,
                    card_id,
                    amount: Some(amount.into()),
                    merchant: Some(merchant.into()),
                    channel,
                    // Without a reference the authorization code leads to the payment.
                    network: network.filter(|it| !it.stan.is_empty()),
                    authorization_code,
                    more_to_come,
                };
                self.issuer.present(presentment).await
            }
            Task::StandIn { amount, merchant, channel, authorization_code, sealed_card } => {
                let card = self.sealer.as_ref().and_then(|sealer| sealer.open_sealed(&due.key, &sealed_card));
                let card = card.ok_or(GatewayError::Sealed)?;
                let text = std::str::from_utf8(&card).map_err(|_| GatewayError::Sealed)?;
                let (pan, expiry) = text.split_once('/').ok_or(GatewayError::Sealed)?;
                let verified = self.issuer.verify_card(VerifyCardRequest {
                    pan: pan.to_owned(),
                    expiry: expiry.to_owned(),
                    cvv2: String::new(),
                    payment: Some(PaymentContext {
                        amount: Some(amount.into()),
                        merchant_id: merchant.merchant_id.clone(),
                    }),
                });
                let request = AuthorizeRequest {
                    request_id,
                    proof: verified.await?.proof,
                    amount: Some(amount.into()),
                    merchant: Some(merchant.into()),
                    channel,
                    network,
                    stand_in: true,
                    authorization_code,
                    ..AuthorizeRequest::default()
                };
                self.issuer.authorize(request).await.map(drop)
            }
        }
    }

    /// Takes back what is held. Where nothing is, what was paid by the original itself is paid back; else it was taken back
    /// before, or was never approved.
    async fn take_back(&self, work: &Work, amount: Option<Money>, paid: bool) -> Result<(), GatewayError> {
        let payment_id = self.payment(work).await?;
        // One of the two says which; the id is surer.
        let network = Some(NetworkReference::from(work.network.clone())).filter(|_| payment_id.is_empty());
        let request_id = work.request_id.clone();
        let reversal = ReversePaymentRequest {
            request_id,
            payment_id: payment_id.clone(),
            amount: amount.clone(),
            network: network.clone(),
        };
        let refused = match self.issuer.reverse(reversal).await {
            Err(error) if error.reason() == Reason::WrongState => error,
            told => return told,
        };
        let payment = self.issuer.payment(GetPaymentRequest { payment_id, network }).await?;
        match payment.state() {
            PaymentState::Declined
            | PaymentState::Reversed
            | PaymentState::Expired
            | PaymentState::Refunded => {
                return Ok(());
            }
            _ if !paid => return Err(refused),
            _ => {}
        }
        let back = amount.or(payment.cleared);
        let request_id = derived::request_id(&[b"iso8583/pay back", work.request_id.as_bytes()]).to_string();
        let refund = RefundPaymentRequest {
            request_id,
            payment_id: payment.payment_id,
            amount: back,
            ..RefundPaymentRequest::default()
        };
        self.issuer.refund(refund).await
    }

    /// The payment that is taken back, where its message was answered here; empty: the ledger finds it itself.
    async fn payment(&self, work: &Work) -> Result<String, GatewayError> {
        let key: Option<[u8; 32]> = data_encoding::HEXLOWER
            .decode(work.original_key.as_bytes())
            .ok()
            .and_then(|bytes| bytes.try_into().ok());
        let Some(key) = key else { return Ok(String::new()) };
        let (card, stan, acquirer) = (&work.card_id, &work.network.stan, &work.network.acquirer_id);
        let found = self.db.read(|tx| {
            Box::pin(async move {
                if let Some(answer) = store::answer(tx, &key).await?
                    && answer.payment_id.is_some()
                {
                    return Ok::<_, GatewayError>(answer.payment_id);
                }
                Ok(store::payment_of(tx, card, stan, acquirer).await?)
            })
        });
        Ok(found.await?.unwrap_or_default())
    }
}

fn judged(error: &GatewayError) -> Told {
    match error.reason() {
        Reason::InvalidField
        | Reason::InvalidAmount
        | Reason::RequestIdReused
        | Reason::NotFound
        // Nothing is held any more, or less than is taken back.
        | Reason::WrongState => Told::Never(error.to_string()),
        _ if matches!(error, GatewayError::Sealed) => Told::Never(error.to_string()),
        _ => Told::Later(error.to_string()),
    }
}
