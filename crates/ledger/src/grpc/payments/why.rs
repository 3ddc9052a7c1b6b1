//! What a payment would cost, why it was decided as it was, and the same decision taken again.

use bursar_ledger_engine::{Authorize, CvvResult, PasswordResult, PinResult, Verdict, Verification};
use bursar_proto::ledger::v1 as proto;
use bursar_service::{CallContext, Invalid, parse};
use bursar_types::id::{CardId, PaymentId};

use super::ask::{Asked, channel, entry_mode, merchant};
use crate::disclosure;
use crate::error::LedgerError;
use crate::explained::{self, Told};
use crate::grpc::{Api, own, reader};
use crate::project::public::{Reader, money, rate};
use crate::wire::Message as _;

/// A day in seconds.
const DAY_SECONDS: i64 = 86_400;

impl Api {
    pub(super) async fn quote(
        &self,
        context: &CallContext,
        message: &proto::QuotePaymentRequest,
    ) -> Result<proto::QuotePaymentResponse, LedgerError> {
        let card: CardId = parse::id("card_id", &message.card_id)?;
        let asked = Asked {
            amount: parse::positive_money("amount", message.amount.as_ref())?,
            merchant: merchant(message.merchant.as_ref(), &self.0.program)?,
            channel: channel(message.channel)?,
            network: None,
        };
        let shared = &self.0.handle.shared;
        let ask = Authorize {
            payment: shared.ids.next(),
            transfers: shared.ids.next(),
            card,
            kind: asked.kind(),
            amount: asked.amount,
            channel: asked.channel,
            entry_mode: entry_mode(asked.channel),
            merchant: asked.merchant,
            // That the payer can prove who they are is not what is asked.
            verification: Verification {
                cvv: CvvResult::Matched,
                pin: PinResult::Verified,
                password: PasswordResult::Verified {
                    proof: bursar_ledger_engine::Reference::default(),
                    valid_until: bursar_types::Timestamp::from_micros(i64::MAX),
                },
                expiry: None,
            },
            partial_allowed: false,
            capture_now: false,
            network_reference: None,
            approval_code: None,
            stand_in: false,
            outside: None,
        };
        let now = shared.clock.now();
        let look = self.0.handle.read(move |engine, _| {
            let owner = engine.card(ask.card)?.customer;
            Some((owner, engine.quote(now, &ask)))
        });
        let (owner, quote) = look.await?.ok_or(LedgerError::NotFound("card"))?;
        own(context, Some(owner))?;
        let decision = &quote.decision;
        let asset = quote.billed.asset;
        let reason = |failing: &bursar_ledger_engine::Failing| match reader(context) {
            Reader::Customer => disclosure::disclosed(failing.reason),
            Reader::Staff => disclosure::reason(failing.reason),
        };
        let mut decline_reasons: Vec<i32> =
            decision.failing.iter().map(|failing| reason(failing).into()).collect();
        decline_reasons.dedup();
        let fees: Vec<_> = quote
            .fees
            .iter()
            .map(|fee| proto::QuotedFee {
                fee_id: fee.item.into(),
                event: explained::fee_event(fee.event).to_owned(),
                amount: Some(money(fee.amount, asset)),
            })
            .collect();
        let fee = quote.fees.iter().fold(0_i64, |sum, fee| sum.saturating_add(fee.amount));
        let seconds =
            decision.hold_until.map_or(0, |until| until.as_seconds().saturating_sub(quote.at.as_seconds()));
        Ok(proto::QuotePaymentResponse {
            approved: decision.verdict != Verdict::Declined,
            decline_reasons,
            fee: Some(money(fee, asset)),
            fees,
            product_version: i32::try_from(decision.product_version).unwrap_or(i32::MAX),
            hold_days: i32::try_from(seconds / DAY_SECONDS).unwrap_or(i32::MAX),
            billed: Some(money(quote.billed.minor_units, quote.billed.asset)),
            rate: quote.rate.as_ref().map(rate),
        })
    }

    pub(super) async fn explain(
        &self,
        context: &CallContext,
        message: &proto::ExplainDecisionRequest,
    ) -> Result<proto::ExplainDecisionResponse, LedgerError> {
        let payment = self.decided_payment(&message.payment_id).await?;
        own(context, payment.payment.customer)?;
        let decision = payment.payment.decision.as_ref().ok_or_else(undecided)?;
        let record = explained::record(&self.0.handle, &payment).await?.record;
        let told = Told::of(decision, &record, reader(context));
        let staff = reader(context) == Reader::Staff;
        Ok(proto::ExplainDecisionResponse {
            approved: decision.verdict != Verdict::Declined,
            customer_en: told.customer.map(|text| text.en.to_owned()).unwrap_or_default(),
            customer_zh: told.customer.map(|text| text.zh.to_owned()).unwrap_or_default(),
            reasons: told.reasons,
            changes: told.changes,
            retry: decision.reason.map(explained::retry).unwrap_or_default().to_owned(),
            spendable_before: decision.spendable_before.filter(|_| staff),
            product_version: match i32::try_from(decision.product_version) {
                Ok(version) if staff => version,
                _ => 0,
            },
        })
    }

    pub(super) async fn replay(
        &self,
        message: &proto::ReplayDecisionRequest,
    ) -> Result<proto::ReplayDecisionResponse, LedgerError> {
        let payment = self.decided_payment(&message.payment_id).await?;
        let kept = explained::record(&self.0.handle, &payment).await?;
        let (recorded, replayed) = (kept.decision.to_bytes(), kept.record.replay().to_bytes());
        Ok(proto::ReplayDecisionResponse {
            same: recorded == replayed,
            recorded,
            replayed,
            record: kept.record.to_bytes(),
            position: kept.position,
        })
    }

    async fn decided_payment(&self, id: &str) -> Result<crate::project::PaymentRecord, LedgerError> {
        let id: PaymentId = parse::id("payment_id", id)?;
        self.0.handle.settled(0).await?;
        let record = self.stored_payment(id).await?;
        if record.payment.decision.is_none() { Err(undecided()) } else { Ok(record) }
    }
}

/// A force post or a refund without a payment: nobody decided anything.
fn undecided() -> LedgerError {
    Invalid::new().field("payment_id", "is of a payment that was booked without a decision").into()
}
