//! What follows an authorization: increments, reversals, clearings, presentments, refunds.

use bursar_ledger_engine::{
    Action, ClearPayment, Command, ForcePost, IncrementPayment, Outcome, Payment, PaymentRef, PaymentStatus,
    RefundPayment, RefundTarget, Refusal, RefusalReason, ReversePayment,
};
use bursar_proto::ledger::v1 as proto;
use bursar_service::{CallContext, Invalid, parse};
use bursar_types::Money;
use bursar_types::id::{CardId, PaymentId};

use super::ask::{channel, given_code, merchant, network, payment_ref};
use crate::disclosure;
use crate::error::LedgerError;
use crate::grpc::transfers::optional_amount;
use crate::grpc::{Api, actor};
use crate::journal::Body;
use crate::project::public::{self, Reader};
use crate::store::read::{self, PaymentFilter};
use crate::writer::{Answer, Order};

/// Payments of a card that are looked through for the one a presentment belongs to, the newest first.
const LOOKED_THROUGH: i64 = 500;

/// What a presentment says of its payment.
struct Presented {
    card: CardId,
    amount: Money,
    merchant: bursar_ledger_engine::Merchant,
    network: Option<bursar_ledger_engine::Reference>,
    code: Option<bursar_ledger_engine::Text<6>>,
}

impl Presented {
    /// How a payment fits, if it does.
    fn fits(&self, payment: &Payment) -> Option<proto::PresentmentMatch> {
        let approved = payment.decision.is_some() && payment.status() != PaymentStatus::Declined;
        if payment.card != self.card || payment.asset != self.amount.asset {
            return None;
        }
        if self.network.is_some() && payment.network_reference == self.network {
            return Some(proto::PresentmentMatch::Network);
        }
        if approved && self.code.is_some() && payment.approval_code == self.code {
            return Some(proto::PresentmentMatch::AuthorizationCode);
        }
        // A payment that other data name belongs to them.
        let named = self.network.is_some() || self.code.is_some();
        let whole = [payment.sums.outstanding(), payment.requested].contains(&self.amount.minor_units);
        let open = payment.sums.cleared == 0 && payment.status() != PaymentStatus::Checked;
        let alike = approved && !named && payment.merchant.id == self.merchant.id && whole && open;
        alike.then_some(proto::PresentmentMatch::MerchantAndAmount)
    }
}

impl Api {
    /// The payment that a call names.
    pub(super) async fn named(
        &self,
        payment_id: &str,
        message: Option<&proto::NetworkReference>,
    ) -> Result<PaymentId, LedgerError> {
        match payment_ref(payment_id, message)? {
            PaymentRef::Id(id) => Ok(id),
            PaymentRef::Network(reference) => {
                let look = move |engine: &bursar_ledger_engine::Engine, _| {
                    engine.payment_by_network(&reference).map(|payment| payment.id)
                };
                self.0.handle.read(look).await?.ok_or(LedgerError::NotFound("payment"))
            }
        }
    }

    pub(super) async fn increment(
        &self,
        context: &CallContext,
        message: &proto::IncrementPaymentRequest,
    ) -> Result<(proto::Payment, Option<proto::DeclineReason>), LedgerError> {
        let amount = parse::positive_money("amount", message.amount.as_ref())?;
        let payment = payment_ref(&message.payment_id, message.network.as_ref())?;
        let body = named_body("IncrementPayment", context, &payment).money("amount", Some(amount));
        let action = Action::IncrementPayment(Box::new(IncrementPayment { payment, amount }));
        let answer = self.give_step(context, &message.request_id, body, action).await?;
        let Outcome::Decided(decided) = &answer.known.outcome else { return Err(mixed_up()) };
        let record = self.payment_as_of(decided.payment, answer.known.position, decided.sums).await?;
        let reason = decided.decision.reason.map(disclosure::reason);
        Ok((public::payment(&record, Reader::Staff), reason))
    }

    /// `None` if the original has not come yet.
    pub(super) async fn take_back(
        &self,
        context: &CallContext,
        message: &proto::ReversePaymentRequest,
    ) -> Result<Option<proto::Payment>, LedgerError> {
        let amount = optional_amount(message.amount.as_ref())?;
        let payment = payment_ref(&message.payment_id, message.network.as_ref())?;
        let body = named_body("ReversePayment", context, &payment).money("amount", amount);
        let action = Action::ReversePayment(Box::new(ReversePayment { payment, amount }));
        let answer = self.give_step(context, &message.request_id, body, action).await?;
        match answer.known.outcome {
            Outcome::ReversedEarly => Ok(None),
            _ => self.stepped(&answer).await.map(Some),
        }
    }

    pub(super) async fn clear(
        &self,
        context: &CallContext,
        message: &proto::ClearPaymentRequest,
    ) -> Result<proto::Payment, LedgerError> {
        let id: PaymentId = parse::id("payment_id", &message.payment_id)?;
        let amount = parse::positive_money("amount", message.amount.as_ref())?;
        let body = named_body("ClearPayment", context, &PaymentRef::Id(id))
            .money("amount", Some(amount))
            .number("last", i64::from(message.last));
        let action = self.clearing(id, amount, message.last, false);
        let answer = self.give_step(context, &message.request_id, body, action).await?;
        self.stepped(&answer).await
    }

    fn clearing(&self, id: PaymentId, amount: Money, last: bool, force: bool) -> Action {
        Action::ClearPayment(Box::new(ClearPayment {
            payment: PaymentRef::Id(id),
            transfers: self.0.handle.shared.ids.next(),
            amount,
            last,
            force,
            value_date: None,
        }))
    }

    pub(super) async fn present(
        &self,
        context: &CallContext,
        message: &proto::PostPresentmentRequest,
    ) -> Result<(proto::Payment, proto::PresentmentMatch), LedgerError> {
        let presented = Presented {
            card: parse::id("card_id", &message.card_id)?,
            amount: parse::positive_money("amount", message.amount.as_ref())?,
            merchant: merchant(message.merchant.as_ref(), &self.0.program)?,
            network: network(message.network.as_ref())?,
            code: given_code(&message.authorization_code)?,
        };
        let channel = channel(message.channel)?;
        let reference = presented.network.as_ref().map(ToString::to_string).unwrap_or_default();
        let body = || {
            Body::new("PostPresentment", &context.principal())
                .field("card_id", &message.card_id)
                .money("amount", Some(presented.amount))
                .field("merchant.merchant_id", presented.merchant.id.as_str())
                .field("merchant.name", presented.merchant.name.as_str())
                .number("merchant.mcc", presented.merchant.mcc.number().into())
                .field("merchant.country", presented.merchant.country.as_str())
                .number("channel", message.channel.into())
                .field("network", &reference)
                .field("authorization_code", &message.authorization_code)
                .number("more_to_come", i64::from(message.more_to_come))
        };
        let id = &message.request_id;
        let found = self.find(&presented).await?;
        let cleared = match found {
            Some(payment) => {
                let action = self.clearing(payment, presented.amount, !message.more_to_come, true);
                match self.give_step(context, id, body(), action).await {
                    // A payment that cannot be posted does not stop money that is gone.
                    Err(LedgerError::Refused(Refusal { reason: RefusalReason::PaymentState, .. })) => None,
                    other => Some(other?),
                }
            }
            None => None,
        };
        let answer = match cleared {
            Some(answer) => answer,
            None => {
                let taken = found.is_some();
                let post = ForcePost {
                    payment: self.0.handle.shared.ids.next(),
                    transfers: self.0.handle.shared.ids.next(),
                    card: presented.card,
                    amount: presented.amount,
                    channel,
                    merchant: presented.merchant.clone(),
                    network_reference: presented.network.clone().filter(|_| !taken),
                    value_date: None,
                };
                self.give_step(context, id, body(), Action::ForcePost(Box::new(post))).await?
            }
        };
        let payment = self.stepped(&answer).await?;
        let found = match &answer.known.command.action {
            Action::ClearPayment(clear) => match &clear.payment {
                PaymentRef::Id(id) => self.how(*id, &presented).await?,
                PaymentRef::Network(_) => proto::PresentmentMatch::Network,
            },
            _ => proto::PresentmentMatch::None,
        };
        Ok((payment, found))
    }

    /// How a payment that was found fits; what only its state told is the weakest way.
    async fn how(
        &self,
        id: PaymentId,
        presented: &Presented,
    ) -> Result<proto::PresentmentMatch, LedgerError> {
        let record = self.stored_payment(id).await?;
        Ok(presented.fits(&record.payment).unwrap_or(proto::PresentmentMatch::MerchantAndAmount))
    }

    /// The payment a presentment belongs to: by its network's reference, else by code, else by merchant and amount.
    async fn find(&self, presented: &Presented) -> Result<Option<PaymentId>, LedgerError> {
        if let Some(reference) = presented.network.clone() {
            let look = move |engine: &bursar_ledger_engine::Engine, _| {
                engine.payment_by_network(&reference).map(|payment| (payment.id, payment.card))
            };
            let found = self.0.handle.read(look).await?;
            // A reference of another card's payment names nothing here.
            if let Some((id, _)) = found.filter(|(_, card)| *card == presented.card) {
                return Ok(Some(id));
            }
        }
        self.0.handle.settled(0).await?;
        let shared = &self.0.handle.shared;
        let filter = PaymentFilter { card: Some(presented.card), ..PaymentFilter::default() };
        let rows = read::payments(&shared.db, shared.shard, &filter, i64::MAX, LOOKED_THROUGH).await?;
        let best = rows.iter().filter_map(|row| Some((presented.fits(&row.payment)?, row.payment.id)));
        // The first of the strongest: rows come newest first.
        Ok(best
            .reduce(|best, next| if (next.0 as i32) < (best.0 as i32) { next } else { best })
            .map(|(_, id)| id))
    }

    pub(super) async fn refund(
        &self,
        context: &CallContext,
        message: &proto::RefundPaymentRequest,
    ) -> Result<proto::Payment, LedgerError> {
        let amount = parse::positive_money("amount", message.amount.as_ref())?;
        let shared = &self.0.handle.shared;
        let target = match (message.payment_id.as_str(), message.card_id.as_str()) {
            ("", "") => return Err(Invalid::new().field("payment_id", "is required, or `card_id`").into()),
            ("", card) => RefundTarget::Unlinked {
                payment: shared.ids.next(),
                card: parse::id("card_id", card)?,
                merchant: merchant(message.merchant.as_ref(), &self.0.program)?,
                channel: bursar_ledger_engine::Channel::Pos,
            },
            (_, card) if !card.is_empty() => {
                return Err(Invalid::new().field("card_id", "must not be given beside `payment_id`").into());
            }
            (id, _) => RefundTarget::Payment(PaymentRef::Id(parse::id("payment_id", id)?)),
        };
        let merchant = message.merchant.as_ref().map(prost::Message::encode_to_vec).unwrap_or_default();
        let body = Body::new("RefundPayment", &context.principal())
            .field("payment_id", &message.payment_id)
            .field("card_id", &message.card_id)
            .money("amount", Some(amount))
            .field("merchant", merchant);
        let transfers = shared.ids.next();
        let refund = RefundPayment { target, transfers, amount, value_date: None };
        let action = Action::RefundPayment(Box::new(refund));
        let answer = self.give_step(context, &message.request_id, body, action).await?;
        self.stepped(&answer).await
    }

    async fn give_step(
        &self,
        context: &CallContext,
        request_id: &str,
        body: Body,
        action: Action,
    ) -> Result<Answer, LedgerError> {
        let request_id = parse::request_id(request_id)?;
        let command = Command { request_id, actor: actor(context), action };
        self.0.handle.submit(Order { command, body: Some(body.finish()), proof: None }).await
    }

    /// The payment right after a step of it.
    async fn stepped(&self, answer: &Answer) -> Result<proto::Payment, LedgerError> {
        let Outcome::Payment(step) = &answer.known.outcome else { return Err(mixed_up()) };
        let record = self.payment_as_of(step.payment, answer.known.position, step.sums).await?;
        Ok(public::payment(&record, Reader::Staff))
    }
}

fn mixed_up() -> LedgerError {
    LedgerError::Internal("a step of a payment has another outcome".into())
}

/// The body of a call that names a payment.
fn named_body(method: &'static str, context: &CallContext, payment: &PaymentRef) -> Body {
    let (id, network) = match payment {
        PaymentRef::Id(id) => (id.to_string(), String::new()),
        PaymentRef::Network(reference) => (String::new(), reference.to_string()),
    };
    let body = Body::new(method, &context.principal()).field("payment_id", id);
    // Left out where it is not given, as before it could be.
    if network.is_empty() { body } else { body.field("network", network) }
}
