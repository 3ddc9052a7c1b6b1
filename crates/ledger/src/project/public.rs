//! Rows of the projections as the contract's messages.

use bursar_ledger_engine::{
    Account, AccountCode, Card, CardStatus, Cause, Channel, CloseReason, ElementKind, PaymentStatus, Role,
    Verdict,
};
use bursar_proto::common::v1::Money;
use bursar_proto::ledger::v1 as proto;
use bursar_service::parse::timestamp_message;
use bursar_types::Asset;

use super::controls;
use super::events::top_up_id;
use super::records::{
    AccountRecord, CardRecord, CardStep, EntryRecord, HoldRecord, PaymentRecord, ProductRecord, TopUpRecord,
    TransferRecord,
};
use crate::disclosure;

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

fn money(minor_units: i64, asset: Asset) -> Money {
    Money { minor_units, asset: asset.code().to_owned() }
}

fn text(id: Option<impl std::fmt::Display>) -> String {
    id.map(|id| id.to_string()).unwrap_or_default()
}

/// An account.
pub(crate) fn account(account: &Account) -> proto::Account {
    let kind = match account.code {
        AccountCode::CUSTOMER_WALLET => proto::AccountKind::Customer,
        AccountCode::BANK_NOSTRO => proto::AccountKind::Bank,
        AccountCode::NETWORK_SETTLEMENT => proto::AccountKind::Settlement,
        AccountCode::SUSPENSE => proto::AccountKind::Suspense,
        AccountCode::FEE_INCOME => proto::AccountKind::FeeIncome,
        AccountCode::RECEIVABLE => proto::AccountKind::Receivable,
        _ => proto::AccountKind::Unspecified,
    };
    proto::Account {
        account_id: account.id.to_string(),
        kind: kind.into(),
        customer_id: text(account.owner),
        asset: account.asset.code().to_owned(),
        posted: account.posted(),
        held: account.balances.holds(account.normal),
        available: clamped(account.available()),
        funding_reference: text(account.funding_reference.as_ref()),
        frozen: account.frozen().is_some(),
        create_time: Some(timestamp_message(account.opened_at)),
        ..proto::Account::default()
    }
}

/// An account's row.
pub(crate) fn account_row(record: &AccountRecord) -> proto::Account {
    account(&record.account)
}

/// One side of a transfer.
pub(crate) fn entry(account_id: String, position: i64, entry: &EntryRecord) -> proto::Entry {
    use bursar_ledger_engine::TransferCode as Code;

    let kind = match entry.code {
        Code::TOP_UP => "top_up",
        Code::CARD_PAYMENT | Code::SHORTFALL => "payment",
        Code::CARD_REFUND => "refund",
        Code::FEE => "fee",
        Code::REVERSAL => "reversal",
        _ => "transfer",
    };
    let cause_id = match entry.cause {
        Cause::Payment(payment) | Cause::PaymentCapture { payment, .. } => payment.to_string(),
        Cause::BankCredit => top_up_id(entry.transfer).to_string(),
        Cause::Order | Cause::Capture(_) | Cause::Reversal(_) => String::new(),
    };
    proto::Entry {
        transfer_id: entry.transfer.to_string(),
        account_id,
        amount: Some(money(entry.amount, entry.asset)),
        posted_after: entry.posted_after,
        r#type: kind.to_owned(),
        cause_id,
        description: entry.description.to_string(),
        position,
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
        transitions: steps.into_iter().map(transition).collect(),
    }
}

fn channel(channel: Channel) -> proto::Channel {
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
    }
}

/// A payment as events tell it: without inner reasons.
pub(crate) fn told_payment(record: &PaymentRecord) -> proto::Payment {
    payment(record, Reader::Customer)
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

/// A posted transfer.
pub(crate) fn transfer(record: &TransferRecord) -> proto::Transfer {
    let transfer = &record.transfer;
    proto::Transfer {
        transfer_id: transfer.id.to_string(),
        debit_account_id: transfer.debit.to_string(),
        credit_account_id: transfer.credit.to_string(),
        amount: Some(money(transfer.amount.minor_units, transfer.amount.asset)),
        state: proto::TransferState::Posted.into(),
        captured: transfer.amount.minor_units,
        held: 0,
        reference: transfer.reference.to_string(),
        expire_time: None,
        position: record.position,
        ..proto::Transfer::default()
    }
}

/// A hold.
pub(crate) fn hold(record: &HoldRecord) -> proto::Transfer {
    let hold = &record.hold;
    let captured = hold.captured.saturating_add(hold.over_captured);
    let state = match (record.outstanding, record.last) {
        (1.., _) => proto::TransferState::Held,
        (_, "expired") => proto::TransferState::Expired,
        // What a last capture gives back is no void of the whole.
        _ if captured > 0 => proto::TransferState::Posted,
        _ => proto::TransferState::Voided,
    };
    proto::Transfer {
        transfer_id: hold.id.to_string(),
        debit_account_id: hold.debit.to_string(),
        credit_account_id: hold.credit.to_string(),
        amount: Some(money(hold.held.minor_units, hold.held.asset)),
        state: state.into(),
        captured,
        held: record.outstanding,
        reference: hold.reference.to_string(),
        expire_time: hold.expires_at.filter(|_| record.outstanding > 0).map(timestamp_message),
        position: record.placed,
        ..proto::Transfer::default()
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
    }
}
