//! PaymentService.

use std::pin::Pin;

use bursar_ledger_engine::{
    Action, Authorize, Channel, ClearPayment, Command, Country, EntryMode, Merchant, Name, Outcome,
    PaymentKind, PaymentRef, Reference, ReversePayment, Sums, Text,
};
use bursar_proto::ledger::v1 as proto;
use bursar_proto::ledger::v1::payment_service_server::PaymentService;
use bursar_service::paging::Page;
use bursar_service::{CallContext, Invalid, OrStatus as _, parse};
use bursar_types::id::{CardId, CustomerId, PaymentId};
use bursar_types::{Money, ProofResult, Reason};
use futures::Stream;
use tonic::{Request, Response, Status, Streaming};

use super::transfers::optional_amount;
use super::{Api, actor, listed_customer, own, reader};
use crate::error::LedgerError;
use crate::journal::Body;
use crate::project::controls::mcc;
use crate::project::public::{self, Reader};
use crate::project::{PaymentRecord, public as shown};
use crate::proof::Proven;
use crate::store::read::{self, PaymentFilter};
use crate::writer::{Answer, Order};

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

    async fn reverse_payment(
        &self,
        request: Request<proto::ReversePaymentRequest>,
    ) -> Result<Response<proto::ReversePaymentResponse>, Status> {
        let context = CallContext::of(&request).clone();
        let message = request.into_inner();
        let request_id = parse::request_id(&message.request_id).or_status()?;
        let id: PaymentId = parse::id("payment_id", &message.payment_id).or_status()?;
        let amount = optional_amount(message.amount.as_ref()).or_status()?;
        let body = Body::new("ReversePayment", &context.principal())
            .field("payment_id", &message.payment_id)
            .money("amount", amount)
            .finish();
        let action = Action::ReversePayment(Box::new(ReversePayment { payment: PaymentRef::Id(id), amount }));
        let command = Command { request_id, actor: actor(&context), action };
        let order = Order { command, body: Some(body), proof: None };
        let payment = Some(self.payment_after(order).await.or_status()?);
        Ok(Response::new(proto::ReversePaymentResponse { payment }))
    }

    async fn clear_payment(
        &self,
        request: Request<proto::ClearPaymentRequest>,
    ) -> Result<Response<proto::ClearPaymentResponse>, Status> {
        let context = CallContext::of(&request).clone();
        let message = request.into_inner();
        let request_id = parse::request_id(&message.request_id).or_status()?;
        let id: PaymentId = parse::id("payment_id", &message.payment_id).or_status()?;
        let amount = parse::positive_money("amount", message.amount.as_ref()).or_status()?;
        let body = Body::new("ClearPayment", &context.principal())
            .field("payment_id", &message.payment_id)
            .money("amount", Some(amount))
            .number("last", i64::from(message.last))
            .finish();
        let action = Action::ClearPayment(Box::new(ClearPayment {
            payment: PaymentRef::Id(id),
            transfers: self.0.handle.shared.ids.next(),
            amount,
            last: message.last,
            force: false,
            value_date: None,
        }));
        let command = Command { request_id, actor: actor(&context), action };
        let order = Order { command, body: Some(body), proof: None };
        let payment = Some(self.payment_after(order).await.or_status()?);
        Ok(Response::new(proto::ClearPaymentResponse { payment }))
    }

    async fn get_payment(
        &self,
        request: Request<proto::GetPaymentRequest>,
    ) -> Result<Response<proto::GetPaymentResponse>, Status> {
        let context = CallContext::of(&request).clone();
        let id: PaymentId = parse::id("payment_id", &request.into_inner().payment_id).or_status()?;
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
        let query = format!("ListPayments {customer:?} {card:?}");
        let page = Page::<i64>::parse(message.page_size, &message.page_token, &query).or_status()?;
        self.0.handle.settled(wanted).await.or_status()?;
        let shared = &self.0.handle.shared;
        let filter = PaymentFilter { customer, card };
        let before = page.after().copied().unwrap_or(i64::MAX);
        let rows =
            read::payments(&shared.db, shared.shard, &filter, before, page.limit()).await.or_status()?;
        let (rows, next_page_token) = page.finish(rows, |record| record.opened);
        let reader = reader(&context);
        let payments = rows.iter().map(|record| shown::payment(record, reader)).collect();
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
        let asked = self.asked(message)?;
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
            kind: match (asked.amount.minor_units, asked.channel) {
                (0, _) => PaymentKind::AccountCheck,
                (_, Channel::Atm) => PaymentKind::Cash,
                _ => PaymentKind::Purchase,
            },
            amount: asked.amount,
            channel: asked.channel,
            entry_mode: match asked.channel {
                Channel::InApp => EntryMode::InApp,
                Channel::Online => EntryMode::Keyed,
                _ => EntryMode::Unknown,
            },
            merchant: asked.merchant,
            verification,
            partial_allowed: message.partial_allowed,
            // A check of the account has nothing to post.
            capture_now: message.capture_now && asked.amount.minor_units > 0,
            network_reference: asked.network,
            approval_code: Some(self.approval_code()),
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

    fn asked(&self, message: &proto::AuthorizeRequest) -> Result<Asked, Invalid> {
        let amount = parse::money("amount", message.amount.as_ref())?;
        if amount.minor_units < 0 {
            let wrong = Invalid::because(Reason::InvalidAmount);
            return Err(wrong.field("amount.minor_units", "must not be negative"));
        }
        let merchant = parse::required("merchant", message.merchant.as_ref())?;
        let country = match merchant.country.as_str() {
            "" => self.0.program.country,
            code => Country::new(code).ok_or_else(|| {
                Invalid::new().field("merchant.country", "must be an ISO 3166-1 alpha-2 code")
            })?,
        };
        let merchant_id = parse::text("merchant.merchant_id", &merchant.merchant_id, 1..=15)?;
        let name = parse::text("merchant.name", &merchant.name, 0..=40)?;
        let long = |field| move |_| Invalid::new().field(field, "is too long in bytes");
        let merchant = Merchant {
            id: Reference::new(merchant_id).map_err(long("merchant.merchant_id"))?,
            name: name_of(name),
            country,
            mcc: mcc(&merchant.mcc)
                .ok_or_else(|| Invalid::new().field("merchant.mcc", "must be four digits"))?,
        };
        let channel = match parse::enumeration::<proto::Channel>("channel", message.channel)? {
            proto::Channel::Pos => Channel::Pos,
            proto::Channel::InApp => Channel::InApp,
            proto::Channel::Atm => Channel::Atm,
            proto::Channel::Ecommerce | proto::Channel::Unspecified => Channel::Online,
        };
        Ok(Asked { amount, merchant, channel, network: network(message.network.as_ref())? })
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

    /// The payment right after a step of it.
    async fn payment_after(&self, order: Order) -> Result<proto::Payment, LedgerError> {
        let answer = self.0.handle.submit(order).await?;
        let Outcome::Payment(step) = answer.known.outcome else {
            return Err(LedgerError::Internal("a step of a payment has another outcome".into()));
        };
        let record = self.payment_as_of(step.payment, answer.known.position, step.sums).await?;
        Ok(public::payment(&record, Reader::Staff))
    }
}

/// What an authorization asks for, parsed.
struct Asked {
    amount: Money,
    merchant: Merchant,
    channel: Channel,
    network: Option<Reference>,
}

/// As much of a merchant's name as is kept.
fn name_of(text: &str) -> Name {
    let mut end = text.len().min(120);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Name::new(&text[..end]).unwrap_or_default()
}

/// One text for the message on its network. Without a trace number there is nothing to tell messages apart by.
fn network(message: Option<&proto::NetworkReference>) -> Result<Option<Reference>, Invalid> {
    let Some(message) = message else { return Ok(None) };
    let acquirer = parse::text("network.acquirer_id", &message.acquirer_id, 0..=11)?;
    let stan = parse::text("network.stan", &message.stan, 0..=12)?;
    let rrn = parse::text("network.rrn", &message.rrn, 0..=12)?;
    let time = parse::text("network.transmission_time", &message.transmission_time, 0..=14)?;
    if stan.is_empty() && rrn.is_empty() {
        return Ok(None);
    }
    let text = format!("{acquirer}/{stan}/{rrn}/{time}");
    Reference::new(&text).map(Some).map_err(|_| Invalid::new().field("network", "is too long in bytes"))
}

/// What makes two authorizations the same request. The proof's own id and time are no part of it: who asks again
/// fetches a fresh one.
fn body(context: &CallContext, message: &proto::AuthorizeRequest, asked: &Asked, proven: &Proven) -> Body {
    let result = |result: ProofResult| [result as u8];
    let [expiry, cvv2, password] = proven.results;
    Body::new("Authorize", &context.principal())
        .field("card_id", proven.card.to_string())
        .money("amount", Some(asked.amount))
        .field("merchant.merchant_id", asked.merchant.id.as_str())
        .field("merchant.name", asked.merchant.name.as_str())
        .number("merchant.mcc", asked.merchant.mcc.number().into())
        .field("merchant.country", asked.merchant.country.as_str())
        .number("channel", message.channel.into())
        .field("proof.expiry", result(expiry))
        .field("proof.cvv2", result(cvv2))
        .field("proof.card_password", result(password))
        .number("partial_allowed", i64::from(message.partial_allowed))
        .number("capture_now", i64::from(message.capture_now))
        .field("network", asked.network.as_ref().map(Reference::as_str).unwrap_or_default())
}
