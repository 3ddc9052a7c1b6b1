//! PaymentService: authorizations and reads here, what follows an authorization and what explains it beside.

mod after;
mod ask;
mod why;

use std::pin::Pin;

use bursar_ledger_engine::{Action, Authorize, Command, Outcome, Sums, Text};
use bursar_proto::ledger::v1 as proto;
use bursar_proto::ledger::v1::payment_service_server::PaymentService;
use bursar_service::paging::Page;
use bursar_service::{CallContext, OrStatus as _, parse};
use bursar_types::id::{CardId, CustomerId, PaymentId};
use futures::Stream;
use tonic::{Request, Response, Status, Streaming};

use super::{Api, actor, listed_customer, own, reader};
use crate::error::LedgerError;
use crate::project::PaymentRecord;
use crate::project::public::{self, Reader};
use crate::proof::Proven;
use crate::store::read::{self, PaymentFilter};
use crate::writer::{Answer, Order};
use ask::{Asked, body, entry_mode, given_code, search};

/// Longest proof that is looked at.
const PROOF_BYTES_MAX: usize = bursar_service::token::TOKEN_BYTES_MAX;

#[tonic::async_trait]
impl PaymentService for Api {
    async fn authorize(
        &self,
        request: Request<proto::AuthorizeRequest>,
    ) -> Result<Response<proto::AuthorizeResponse>, Status> {
        let context = CallContext::of(&request).clone();
        let payment = self.decide(&context, request.into_inner()).await?;
        Ok(Response::new(proto::AuthorizeResponse { payment: Some(payment) }))
    }

    type AuthorizeStreamStream =
        Pin<Box<dyn Stream<Item = Result<proto::AuthorizeStreamResponse, Status>> + Send>>;

    async fn authorize_stream(
        &self,
        request: Request<Streaming<proto::AuthorizeStreamRequest>>,
    ) -> Result<Response<Self::AuthorizeStreamStream>, Status> {
        let context = CallContext::of(&request).clone();
        Ok(Response::new(super::stream::answer(self.clone(), context, request.into_inner())))
    }

    async fn increment_payment(
        &self,
        request: Request<proto::IncrementPaymentRequest>,
    ) -> Result<Response<proto::IncrementPaymentResponse>, Status> {
        let context = CallContext::of(&request).clone();
        let (payment, reason) = self.increment(&context, &request.into_inner()).await.or_status()?;
        let decline_reason = reason.unwrap_or_default().into();
        Ok(Response::new(proto::IncrementPaymentResponse { payment: Some(payment), decline_reason }))
    }

    async fn reverse_payment(
        &self,
        request: Request<proto::ReversePaymentRequest>,
    ) -> Result<Response<proto::ReversePaymentResponse>, Status> {
        let context = CallContext::of(&request).clone();
        let payment = self.take_back(&context, &request.into_inner()).await.or_status()?;
        let remembered = payment.is_none();
        Ok(Response::new(proto::ReversePaymentResponse { payment, remembered }))
    }

    async fn clear_payment(
        &self,
        request: Request<proto::ClearPaymentRequest>,
    ) -> Result<Response<proto::ClearPaymentResponse>, Status> {
        let context = CallContext::of(&request).clone();
        let payment = Some(self.clear(&context, &request.into_inner()).await.or_status()?);
        Ok(Response::new(proto::ClearPaymentResponse { payment }))
    }

    async fn post_presentment(
        &self,
        request: Request<proto::PostPresentmentRequest>,
    ) -> Result<Response<proto::PostPresentmentResponse>, Status> {
        let context = CallContext::of(&request).clone();
        let (payment, found) = self.present(&context, &request.into_inner()).await.or_status()?;
        Ok(Response::new(proto::PostPresentmentResponse { payment: Some(payment), r#match: found.into() }))
    }

    async fn refund_payment(
        &self,
        request: Request<proto::RefundPaymentRequest>,
    ) -> Result<Response<proto::RefundPaymentResponse>, Status> {
        let context = CallContext::of(&request).clone();
        let payment = Some(self.refund(&context, &request.into_inner()).await.or_status()?);
        Ok(Response::new(proto::RefundPaymentResponse { payment }))
    }

    async fn quote_payment(
        &self,
        request: Request<proto::QuotePaymentRequest>,
    ) -> Result<Response<proto::QuotePaymentResponse>, Status> {
        let context = CallContext::of(&request).clone();
        self.quote(&context, &request.into_inner()).await.or_status().map(Response::new)
    }

    async fn explain_decision(
        &self,
        request: Request<proto::ExplainDecisionRequest>,
    ) -> Result<Response<proto::ExplainDecisionResponse>, Status> {
        let context = CallContext::of(&request).clone();
        self.explain(&context, &request.into_inner()).await.or_status().map(Response::new)
    }

    async fn replay_decision(
        &self,
        request: Request<proto::ReplayDecisionRequest>,
    ) -> Result<Response<proto::ReplayDecisionResponse>, Status> {
        self.replay(&request.into_inner()).await.or_status().map(Response::new)
    }

    async fn get_payment(
        &self,
        request: Request<proto::GetPaymentRequest>,
    ) -> Result<Response<proto::GetPaymentResponse>, Status> {
        let context = CallContext::of(&request).clone();
        let message = request.into_inner();
        let id = self.named(&message.payment_id, message.network.as_ref()).await.or_status()?;
        self.0.handle.settled(0).await.or_status()?;
        let record = self.stored_payment(id).await.or_status()?;
        own(&context, record.payment.customer).or_status()?;
        let payment = Some(public::payment(&record, reader(&context)));
        Ok(Response::new(proto::GetPaymentResponse { payment }))
    }

    async fn list_payments(
        &self,
        request: Request<proto::ListPaymentsRequest>,
    ) -> Result<Response<proto::ListPaymentsResponse>, Status> {
        let context = CallContext::of(&request).clone();
        let message = request.into_inner();
        let asked: Option<CustomerId> =
            parse::optional_id("customer_id", &message.customer_id).or_status()?;
        let card: Option<CardId> = parse::optional_id("card_id", &message.card_id).or_status()?;
        let wanted =
            parse::number("at_least_position", message.at_least_position, 0..=i64::MAX).or_status()?;
        let customer = listed_customer(&context, asked).or_status()?;
        let wanted_of = search(&message).or_status()?;
        let query = format!("ListPayments {customer:?} {card:?} {wanted_of:?}");
        let page = Page::<i64>::parse(message.page_size, &message.page_token, &query).or_status()?;
        self.0.handle.settled(wanted).await.or_status()?;
        let shared = &self.0.handle.shared;
        let filter = PaymentFilter { customer, card, search: wanted_of };
        let before = page.after().copied().unwrap_or(i64::MAX);
        let rows =
            read::payments(&shared.db, shared.shard, &filter, before, page.limit()).await.or_status()?;
        let (rows, next_page_token) = page.finish(rows, |record| record.opened);
        let reader = reader(&context);
        let payments = rows.iter().map(|record| public::payment(record, reader)).collect();
        Ok(Response::new(proto::ListPaymentsResponse { payments, next_page_token }))
    }
}

impl Api {
    /// Decides a payment.
    async fn decide(
        &self,
        context: &CallContext,
        message: proto::AuthorizeRequest,
    ) -> Result<proto::Payment, Status> {
        let order = self.authorization(context, &message).or_status()?;
        let answer = self.0.handle.submit(order).await.or_status()?;
        let record = self.decided(answer).await.or_status()?;
        Ok(public::payment(&record, Reader::Staff))
    }

    pub(super) fn authorization(
        &self,
        context: &CallContext,
        message: &proto::AuthorizeRequest,
    ) -> Result<Order, LedgerError> {
        let request_id = parse::request_id(&message.request_id)?;
        let asked = Asked::of(message, &self.0.program)?;
        if message.proof.len() > PROOF_BYTES_MAX {
            return Err(LedgerError::Proof("it is too large"));
        }
        let merchant_id = asked.merchant.id.as_str();
        let proven = self.0.proofs.check(&message.proof, asked.amount, merchant_id)?;
        let body = body(context, message, &asked, &proven).finish();
        let Proven { card, verification, outside, used, .. } = proven;
        let ids = &self.0.handle.shared.ids;
        let authorize = Authorize {
            payment: ids.next(),
            transfers: ids.next(),
            card,
            kind: asked.kind(),
            amount: asked.amount,
            channel: asked.channel,
            entry_mode: entry_mode(asked.channel),
            merchant: asked.merchant,
            verification,
            stand_in: message.stand_in,
            partial_allowed: message.partial_allowed,
            // A check of the account has nothing to post.
            capture_now: message.capture_now && asked.amount.minor_units > 0,
            network_reference: asked.network,
            approval_code: Some(
                given_code(&message.authorization_code)?.unwrap_or_else(|| self.approval_code()),
            ),
            outside,
        };
        let action = Action::Authorize(Box::new(authorize));
        let command = Command { request_id, actor: actor(context), action };
        Ok(Order { command, body: Some(body), proof: Some(used) })
    }

    /// Six digits (DE38), made outside of the engine.
    fn approval_code(&self) -> Text<6> {
        let mut random = [0; 4];
        self.0.handle.shared.entropy.fill(&mut random);
        Text::new(&format!("{:06}", u32::from_le_bytes(random) % 1_000_000)).unwrap_or_default()
    }

    /// The payment right after it was decided, now or when it was first asked for.
    pub(super) async fn decided(&self, answer: Answer) -> Result<PaymentRecord, LedgerError> {
        if let Some(payment) = answer.now.payment {
            return Ok(*payment);
        }
        let (payment, sums) = match &answer.known.outcome {
            Outcome::Decided(decided) | Outcome::DecidedBefore(decided) => (decided.payment, decided.sums),
            _ => return Err(LedgerError::Internal("an authorization has another outcome".into())),
        };
        self.payment_as_of(payment, answer.known.position, sums).await
    }

    async fn payment_as_of(
        &self,
        id: PaymentId,
        position: i64,
        sums: Sums,
    ) -> Result<PaymentRecord, LedgerError> {
        self.0.handle.projected(position).await?;
        Ok(self.stored_payment(id).await?.at(position, sums))
    }

    async fn stored_payment(&self, id: PaymentId) -> Result<PaymentRecord, LedgerError> {
        let shared = &self.0.handle.shared;
        read::payment(&shared.db, shared.shard, id).await?.ok_or(LedgerError::NotFound("payment"))
    }
}
