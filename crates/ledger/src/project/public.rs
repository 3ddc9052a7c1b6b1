//! Rows of the projections as the contract's messages.

use bursar_ledger_engine::{
    Account, AccountCode, BalanceLimit, Card, CardStatus, Cause, Channel, CloseReason, ElementKind, Exchange,
    ExchangeRate, FreezeHolder, FreezeScope, Hold, HoldSums, NormalSide, Payment, PaymentStatus, Role,
    TransferCode, Verdict,
};
use bursar_proto::common::v1::Money;
use bursar_proto::ledger::v1 as proto;
use bursar_service::parse::timestamp_message;
use bursar_types::id::TransferId;
use bursar_types::{Asset, TypedId as _};

use super::controls;
use super::events::top_up_id;
use super::records::{CardRecord, CardStep, HoldRecord, PaymentRecord, ProductRecord, TopUpRecord};
use super::terms;
use crate::history::TransferRecord;
use crate::index::{EntryRecord, Place};
use crate::{day, disclosure};

/// Who reads a payment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// The customer: only what may be told.
    Customer,
    /// The platform and its operators: everything.
    Staff,
}

/// Bounds an available balance to what the contract's number holds.
pub(crate) fn clamped(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

pub(crate) fn money(minor_units: i64, asset: Asset) -> Money {
    Money { minor_units, asset: asset.code().to_owned() }
}

fn text(id: Option<impl std::fmt::Display>) -> String {
    id.map(|id| id.to_string()).unwrap_or_default()
}

/// The contract's text of a freeze's holder.
pub(crate) fn holder_text(holder: FreezeHolder) -> &'static str {
    match holder {
        FreezeHolder::Customer => "customer",
        FreezeHolder::Issuer => "issuer",
        FreezeHolder::Fraud => "fraud",
        FreezeHolder::Loss => "loss",
        FreezeHolder::Legal => "legal",
    }
}

fn limit(limit: BalanceLimit) -> proto::BalanceLimit {
    use proto::balance_limit::Bound;

    let bound = match limit {
        BalanceLimit::NoOverdraft => Bound::Overdraft(0),
        BalanceLimit::Overdraft(bound) => Bound::Overdraft(bound),
        BalanceLimit::Unlimited => Bound::Unlimited(true),
    };
    proto::BalanceLimit { bound: Some(bound) }
}

/// An account, as far as `reader` may know it: a customer learns that it is frozen, and of nobody's freeze but their
/// own why. Whoever is looked at by the fraud or the legal desk must not be told by us.
pub(crate) fn account(account: &Account, reader: Reader) -> proto::Account {
    let kind = match account.code {
        AccountCode::CUSTOMER_WALLET => proto::AccountKind::Customer,
        AccountCode::BANK_NOSTRO => proto::AccountKind::Bank,
        AccountCode::NETWORK_SETTLEMENT => proto::AccountKind::Settlement,
        AccountCode::SUSPENSE => proto::AccountKind::Suspense,
        AccountCode::FEE_INCOME => proto::AccountKind::FeeIncome,
        AccountCode::RECEIVABLE => proto::AccountKind::Receivable,
        AccountCode::IN_TRANSIT => proto::AccountKind::InTransit,
        _ => proto::AccountKind::Other,
    };
    let normal_side = match account.normal {
        NormalSide::Debit => proto::NormalSide::Debit,
        NormalSide::Credit => proto::NormalSide::Credit,
    };
    let told = |holder| reader == Reader::Staff || holder == FreezeHolder::Customer;
    let freezes = account.freezes.iter().filter(|freeze| told(freeze.holder)).map(|freeze| {
        let scope = match freeze.scope {
            FreezeScope::Debits => proto::FreezeScope::Debits,
            FreezeScope::All => proto::FreezeScope::All,
        };
        proto::AccountFreeze {
            holder: holder_text(freeze.holder).to_owned(),
            scope: scope.into(),
            reason: freeze.reason.to_string(),
            freeze_time: Some(timestamp_message(freeze.at)),
        }
    });
    let metadata = account.metadata.pairs().iter();
    proto::Account {
        account_id: account.id.text(),
        kind: kind.into(),
        customer_id: text(account.owner),
        asset: account.asset.code().to_owned(),
        posted: account.posted(),
        held: account.balances.holds(account.normal),
        available: clamped(account.available()),
        funding_reference: text(account.funding_reference.as_ref()),
        frozen: account.frozen().is_some(),
        create_time: Some(timestamp_message(account.opened_at)),
        normal_side: normal_side.into(),
        limit: Some(limit(account.limit)),
        code: account.code.0.into(),
        reference: account.reference.to_string(),
        metadata: metadata.map(|(key, value)| (key.to_string(), value.to_string())).collect(),
        freezes: freezes.collect(),
        close_time: account.closed_at.map(timestamp_message),
    }
}

/// What kind of movement it was, as entries and transfers tell it.
pub(crate) fn transfer_type(code: TransferCode) -> &'static str {
    match code {
        TransferCode::TOP_UP => "top_up",
        TransferCode::CARD_PAYMENT | TransferCode::SHORTFALL => "payment",
        TransferCode::CARD_REFUND => "refund",
        TransferCode::FEE => "fee",
        TransferCode::REVERSAL => "reversal",
        _ => "transfer",
    }
}

/// First code of the issuer's own; those below are the platform's, which the contract tells as types.
pub(crate) const OWN_CODES: u16 = 1_000;

/// The code as it was ordered; 0: a plain one.
pub(crate) fn own_code(code: TransferCode) -> i32 {
    if code.0 >= OWN_CODES { code.0.into() } else { 0 }
}

/// One side of a transfer.
pub(crate) fn entry(account: &Account, place: Place, entry: &EntryRecord) -> proto::Entry {
    let cause_id = match entry.cause {
        Cause::Payment(payment) | Cause::PaymentCapture { payment, .. } => payment.to_string(),
        Cause::BankCredit => top_up_id(entry.transfer).to_string(),
        Cause::Order | Cause::Capture(_) | Cause::Reversal(_) => String::new(),
    };
    proto::Entry {
        transfer_id: entry.transfer.to_string(),
        account_id: account.id.to_string(),
        amount: Some(money(entry.signed(account.normal), account.asset)),
        posted_after: entry.posted_after,
        r#type: transfer_type(entry.code).to_owned(),
        cause_id,
        description: entry.description.to_string(),
        position: place.position,
        book_time: Some(timestamp_message(entry.booked_at)),
    }
}

fn card_state(status: CardStatus) -> proto::CardState {
    match status {
        CardStatus::Issuing => proto::CardState::Issuing,
        CardStatus::PendingActivation => proto::CardState::PendingActivation,
        CardStatus::Active => proto::CardState::Active,
        CardStatus::Frozen => proto::CardState::Frozen,
        CardStatus::Closed(CloseReason::IssueFailed) => proto::CardState::Failed,
        CardStatus::Closed(_) => proto::CardState::Closed,
    }
}

/// First six and last four digits; empty until issued.
pub(crate) fn masked_pan(card: &Card) -> String {
    text(card.masked_pan.as_ref())
}

/// A step of a card.
pub(crate) fn transition(step: &CardStep) -> proto::CardTransition {
    let transition = &step.transition;
    let actor = match transition.actor.role {
        Role::Customer => "customer",
        Role::Operator | Role::FraudDesk | Role::LegalDesk => "operator",
        Role::Service | Role::Network => "system",
    };
    proto::CardTransition {
        from: transition.from.map_or(proto::CardState::Unspecified, card_state).into(),
        to: card_state(transition.to).into(),
        reason: transition.reason.to_string(),
        actor: actor.to_owned(),
        time: Some(timestamp_message(transition.at)),
        position: step.position,
    }
}

/// A card as it was at `position`; `i64::MAX`: as it is.
pub(crate) fn card(record: &CardRecord, position: i64) -> proto::Card {
    let card = &record.card;
    let steps: Vec<_> = record.steps.iter().take_while(|step| step.position <= position).collect();
    let state = steps.last().map_or(CardStatus::Issuing, |step| step.transition.to);
    proto::Card {
        card_id: card.id.to_string(),
        customer_id: card.customer.to_string(),
        account_id: card.account.to_string(),
        card_product_id: card.product.to_string(),
        state: card_state(state).into(),
        masked_pan: masked_pan(card),
        expiry_month: card.expiry.map_or(0, |expiry| i32::from(expiry.month())),
        expiry_year: card.expiry.map_or(0, |expiry| i32::from(expiry.year())),
        controls: Some(controls::message(&record.controls)),
        close_reason: match state {
            CardStatus::Closed(reason) => close_reason(reason).into(),
            _ => proto::CardCloseReason::Unspecified.into(),
        },
        single_use: card.single_use,
        merchant_lock: card.merchant_lock.as_ref().map(ToString::to_string).unwrap_or_default(),
        replaces_card_id: text(card.replaces),
        replaced_by_card_id: text(card.replaced_by),
        transitions: steps.into_iter().map(transition).collect(),
    }
}

fn close_reason(reason: CloseReason) -> proto::CardCloseReason {
    match reason {
        CloseReason::Lost => proto::CardCloseReason::Lost,
        CloseReason::Stolen => proto::CardCloseReason::Stolen,
        CloseReason::Compromised => proto::CardCloseReason::Compromised,
        CloseReason::Replaced => proto::CardCloseReason::Replaced,
        CloseReason::Expired => proto::CardCloseReason::Expired,
        CloseReason::CustomerRequest => proto::CardCloseReason::CustomerRequest,
        CloseReason::IssuerRequest => proto::CardCloseReason::IssuerRequest,
        CloseReason::IssueFailed => proto::CardCloseReason::IssueFailed,
        CloseReason::SingleUse => proto::CardCloseReason::SingleUse,
    }
}

pub(crate) fn channel(channel: Channel) -> proto::Channel {
    match channel {
        Channel::Pos => proto::Channel::Pos,
        Channel::Atm => proto::Channel::Atm,
        Channel::Online | Channel::Moto | Channel::Recurring => proto::Channel::Ecommerce,
        Channel::InApp => proto::Channel::InApp,
    }
}

fn payment_state(record: &PaymentRecord) -> proto::PaymentState {
    let partial = record
        .payment
        .decision
        .as_ref()
        .is_some_and(|decision| decision.verdict == Verdict::PartiallyApproved);
    match record.payment.status() {
        PaymentStatus::Declined => proto::PaymentState::Declined,
        PaymentStatus::Authorized if partial => proto::PaymentState::PartiallyApproved,
        PaymentStatus::Checked | PaymentStatus::Authorized => proto::PaymentState::Approved,
        PaymentStatus::PartiallyCleared => proto::PaymentState::PartiallyCleared,
        PaymentStatus::Cleared => proto::PaymentState::Cleared,
        PaymentStatus::Reversed => proto::PaymentState::Reversed,
        PaymentStatus::Expired => proto::PaymentState::Expired,
        PaymentStatus::Refunded => proto::PaymentState::Refunded,
    }
}

/// A payment, as far as `reader` may know it.
pub(crate) fn payment(record: &PaymentRecord, reader: Reader) -> proto::Payment {
    let payment = &record.payment;
    let asset = payment.asset;
    let decision = payment.decision.as_ref();
    let reason = decision.and_then(|decision| decision.reason);
    let told = reason.and_then(disclosure::text);
    let (decline_reason, all) = match reader {
        Reader::Customer => (reason.map(disclosure::disclosed), Vec::new()),
        Reader::Staff => {
            let mut found: Vec<_> = decision
                .iter()
                .flat_map(|decision| &decision.failing)
                .map(|failing| failing.reason)
                .collect();
            found.sort_unstable();
            found.dedup();
            (
                reason.map(disclosure::reason),
                found.into_iter().map(|r| disclosure::reason(r).into()).collect(),
            )
        }
    };
    let elements = payment.elements.iter().zip(&record.positions);
    proto::Payment {
        payment_id: payment.id.to_string(),
        card_id: payment.card.to_string(),
        account_id: text(payment.account),
        customer_id: text(payment.customer),
        state: payment_state(record).into(),
        amount: Some(money(payment.requested, asset)),
        approved: Some(money(decision.map_or(0, |decision| decision.approved), asset)),
        held: Some(money(payment.sums.outstanding(), asset)),
        cleared: Some(money(payment.sums.cleared, asset)),
        merchant: Some(proto::Merchant {
            merchant_id: payment.merchant.id.to_string(),
            name: payment.merchant.name.to_string(),
            mcc: format!("{:04}", payment.merchant.mcc.number()),
            country: payment.merchant.country.as_str().to_owned(),
        }),
        channel: channel(payment.channel).into(),
        decline_reason: decline_reason.unwrap_or_default().into(),
        all_decline_reasons: all,
        customer_message_en: told.map(|told| told.en.to_owned()).unwrap_or_default(),
        customer_message_zh: told.map(|told| told.zh.to_owned()).unwrap_or_default(),
        authorization_code: match reason {
            None => text(payment.approval_code.as_ref()),
            Some(_) => String::new(),
        },
        create_time: Some(timestamp_message(payment.created_at)),
        position: record.opened,
        elements: elements.map(|(element, position)| self::element(element, *position, asset)).collect(),
        sums: Some(sums(&payment.sums)),
        exchange: payment.exchange.as_deref().map(|it| exchange(payment, it)),
    }
}

/// A payment as events tell it: without inner reasons.
pub(crate) fn told_payment(record: &PaymentRecord) -> proto::Payment {
    payment(record, Reader::Customer)
}

/// A rate of exchange.
pub(crate) fn rate(rate: &ExchangeRate) -> proto::ExchangeRate {
    proto::ExchangeRate {
        from: rate.from.code().to_owned(),
        to: rate.to.code().to_owned(),
        mantissa: rate.mantissa,
        scale: rate.scale.into(),
        source: rate.source.to_string(),
        time: Some(timestamp_message(rate.at)),
    }
}

fn exchange(payment: &Payment, exchange: &Exchange) -> proto::PaymentExchange {
    let fee = payment.decision.as_ref().map_or(0, |decision| decision.fee);
    let billed = payment.decision.as_ref().map_or(payment.requested, |decision| decision.approved);
    proto::PaymentExchange {
        merchant: Some(money(exchange.merchant.minor_units, exchange.merchant.asset)),
        settlement: Some(money(billed, payment.asset)),
        cardholder: Some(money(billed.saturating_add(fee), payment.asset)),
        hold: Some(money(payment.sums.outstanding(), payment.asset)),
        rate: Some(rate(&exchange.rate)),
        merchant_cleared_minor: exchange.cleared,
        merchant_refunded_minor: exchange.refunded,
    }
}

fn sums(sums: &bursar_ledger_engine::Sums) -> proto::PaymentSums {
    proto::PaymentSums {
        authorized: sums.authorized,
        incremented: sums.incremented,
        reversed: sums.reversed,
        cleared: sums.cleared,
        shortfall: sums.shortfall,
        released: sums.released,
        expired: sums.expired,
        refunded: sums.refunded,
        fees: sums.fees,
        outstanding: sums.outstanding(),
    }
}

fn element(element: &bursar_ledger_engine::Element, position: i64, asset: Asset) -> proto::PaymentElement {
    let kind = match element.kind {
        ElementKind::Authorized
        | ElementKind::Declined
        | ElementKind::Checked
        | ElementKind::Incremented
        | ElementKind::IncrementDeclined => "authorization",
        ElementKind::Reversed => "reversal",
        ElementKind::Cleared => "clearing",
        ElementKind::Released => "release",
        ElementKind::Expired => "expiry",
        ElementKind::Refunded => "refund",
        ElementKind::Fee => "fee",
    };
    proto::PaymentElement {
        r#type: kind.to_owned(),
        amount: Some(money(element.amount, asset)),
        time: Some(timestamp_message(element.at)),
        position,
    }
}

/// A top-up.
pub(crate) fn top_up(record: &TopUpRecord) -> proto::TopUp {
    let booking = &record.booking;
    let state = if booking.matched { proto::TopUpState::Settled } else { proto::TopUpState::Unmatched };
    proto::TopUp {
        top_up_id: top_up_id(booking.transfer).to_string(),
        state: state.into(),
        account_id: booking.account.to_string(),
        amount: Some(money(booking.amount.minor_units, booking.amount.asset)),
        funding_reference: booking.funding_reference.to_string(),
        bank_transaction_id: record.bank_transaction_id.to_string(),
        position: record.position,
    }
}

/// A posted transfer, and which one reversed it.
pub(crate) fn transfer(
    record: &TransferRecord,
    asset: Asset,
    reversed_by: Option<TransferId>,
) -> proto::Transfer {
    let entry = &record.entry;
    let (hold, reverses) = match entry.cause {
        Cause::Capture(hold) | Cause::PaymentCapture { hold, .. } => (Some(hold), None),
        Cause::Reversal(original) => (None, Some(original)),
        Cause::Order | Cause::Payment(_) | Cause::BankCredit => (None, None),
    };
    proto::Transfer {
        transfer_id: entry.transfer.text(),
        debit_account_id: record.debit.text(),
        credit_account_id: record.credit.text(),
        amount: Some(money(entry.amount, asset)),
        state: proto::TransferState::Posted.into(),
        captured: entry.amount,
        held: 0,
        reference: entry.reference.to_string(),
        expire_time: None,
        position: record.position(),
        description: entry.description.to_string(),
        value_date: day::text(entry.value_date),
        book_time: Some(timestamp_message(entry.booked_at)),
        r#type: transfer_type(entry.code).to_owned(),
        code: own_code(entry.code),
        hold_id: text(hold),
        reverses_transfer_id: text(reverses),
        reversed_by_transfer_id: text(reversed_by),
        over_capture: 0,
    }
}

/// A hold.
pub(crate) fn hold(record: &HoldRecord) -> proto::Transfer {
    let expired = record.last == "expired";
    hold_message(&record.hold, record.hold.sums(), expired, record.position)
}

/// A hold as it stood right after a command at `position`; time does not come as one.
pub(crate) fn hold_as_it_stood(hold: &Hold, sums: HoldSums, position: i64) -> proto::Transfer {
    hold_message(hold, sums, false, position)
}

fn hold_message(hold: &Hold, sums: HoldSums, expired: bool, position: i64) -> proto::Transfer {
    let (captured, held) = (sums.captured.saturating_add(sums.over_captured), sums.outstanding());
    let state = match held {
        1.. => proto::TransferState::Held,
        _ if expired => proto::TransferState::Expired,
        // What a last capture gives back is no void of the whole.
        _ if captured > 0 => proto::TransferState::Posted,
        _ => proto::TransferState::Voided,
    };
    proto::Transfer {
        transfer_id: hold.id.text(),
        debit_account_id: hold.debit.text(),
        credit_account_id: hold.credit.text(),
        amount: Some(money(sums.held, hold.held.asset)),
        state: state.into(),
        captured,
        held,
        reference: hold.reference.to_string(),
        expire_time: hold.expires_at.filter(|_| held > 0).map(timestamp_message),
        position,
        description: hold.description.to_string(),
        value_date: String::new(),
        book_time: Some(timestamp_message(hold.placed_at)),
        r#type: transfer_type(hold.code).to_owned(),
        code: own_code(hold.code),
        hold_id: String::new(),
        reverses_transfer_id: String::new(),
        reversed_by_transfer_id: String::new(),
        over_capture: hold.over_capture,
    }
}

/// A card product.
pub(crate) fn product(record: &ProductRecord) -> proto::CardProduct {
    use bursar_ledger_engine::ProductState;

    let version = &record.version;
    let state = match version.state {
        ProductState::Draft => proto::CardProductState::Draft,
        ProductState::Active => proto::CardProductState::Active,
        ProductState::Retired => proto::CardProductState::Retired,
    };
    proto::CardProduct {
        card_product_id: version.product.to_string(),
        name: version.spec.name.to_string(),
        bin_range_id: version.spec.bin_range.to_string(),
        asset: version.spec.asset.code().to_owned(),
        validity_months: version.spec.validity_months.into(),
        controls: Some(controls::message(&version.spec.controls)),
        state: state.into(),
        version: i32::try_from(version.version).unwrap_or(i32::MAX),
        terms: Some(terms::message(&version.spec)),
        effective: version.effective,
    }
}
