//! Events of every type, for tests.

use bursar_proto::common::v1::Money;
use bursar_proto::event::v1::Event;
use bursar_proto::{gateway, identity, ledger, vault};
use prost::{Message, Name};

pub(crate) const CUSTOMER: &str = "cust_01j9zq8m7x4v6k2w3h5t8n0p1r";
const CARD: &str = "card_01j9zq8m7x4v6k2w3h5t8n0p1r";
const ACCOUNT: &str = "acct_01j9zq8m7x4v6k2w3h5t8n0p1r";

/// Types that become no message to a person.
pub(crate) const OTHER_TYPES: &[&str] = &[
    "ledger.account.opened",
    "ledger.payment.expired",
    "identity.session.closed",
    "vault.card.issued",
    "gateway.bank_file.imported",
];

#[allow(clippy::unnecessary_wraps)] // as the contract's fields are
pub(crate) fn cny(minor_units: i64) -> Option<Money> {
    Some(Money { minor_units, asset: "CNY".into() })
}

/// An event of this type with everything in it that there can be. Types without a payload of their own get one of
/// `AccountOpened`.
pub(crate) fn event(event_type: &str) -> Event {
    make(event_type, false)
}

/// An event of this type with only what must be in it.
pub(crate) fn bare_event(event_type: &str) -> Event {
    make(event_type, true)
}

/// A payment event, changed.
pub(crate) fn payment(event_type: &str, change: impl FnOnce(&mut ledger::v1::PaymentChanged)) -> Event {
    let mut changed = payment_changed(event_type, false);
    change(&mut changed);
    wrap(event_type, &changed)
}

/// `event` with another id and customer.
pub(crate) fn registered(customer_id: &str) -> Event {
    let payload = identity::v1::CustomerRegistered { customer_id: customer_id.into(), locale: "en".into() };
    wrap("identity.customer.registered", &payload)
}

fn make(event_type: &str, bare: bool) -> Event {
    let full = |text: &str| if bare { String::new() } else { text.to_owned() };
    let (customer_id, card_id) = (CUSTOMER.to_owned(), CARD.to_owned());
    match event_type {
        "identity.customer.registered" => {
            wrap(event_type, &identity::v1::CustomerRegistered { customer_id, locale: full("en") })
        }
        "identity.session.opened" => {
            wrap(event_type, &identity::v1::SessionOpened { customer_id, session_id: full("sess_1") })
        }
        "identity.session.closed" => {
            wrap(event_type, &identity::v1::SessionClosed { customer_id, ..Default::default() })
        }
        "identity.kyc.submitted" => {
            wrap(event_type, &identity::v1::KycSubmitted { customer_id, ..Default::default() })
        }
        "identity.kyc.approved" | "identity.kyc.rejected" | "identity.kyc.more_info" => {
            let decided = identity::v1::KycDecided {
                customer_id,
                kyc_level: i32::from(!bare),
                customer_reason: full("The image is blurred."),
                ..Default::default()
            };
            wrap(event_type, &decided)
        }
        "vault.card.issued" => {
            wrap(event_type, &vault::v1::CardNumberIssued { card_id, customer_id, ..Default::default() })
        }
        "vault.card_password.set" => wrap(event_type, &vault::v1::CardPasswordSet { card_id, customer_id }),
        "vault.card_password.locked" => {
            wrap(event_type, &vault::v1::CardPasswordLocked { card_id, customer_id })
        }
        "vault.card.revealed" => {
            wrap(event_type, &vault::v1::CardRevealed { card_id, customer_id, purpose: full("online") })
        }
        "ledger.top_up.settled" => {
            let top_up = ledger::v1::TopUp { amount: cny(100_000), ..Default::default() };
            let booked = ledger::v1::TopUpBooked {
                top_up: Some(top_up),
                customer_id,
                available_after: cny(100_000).filter(|_| !bare),
            };
            wrap(event_type, &booked)
        }
        "gateway.bank_file.imported" => wrap(event_type, &gateway::v1::BankFileImported::default()),
        card if card.starts_with("ledger.card.") => {
            let masked_pan = full("622848******1234");
            wrap(event_type, &ledger::v1::CardChanged { card_id, customer_id, masked_pan, transition: None })
        }
        payment if payment.starts_with("ledger.payment.") => {
            wrap(event_type, &payment_changed(event_type, bare))
        }
        _ => wrap(event_type, &ledger::v1::AccountOpened { customer_id, ..Default::default() }),
    }
}

fn payment_changed(event_type: &str, bare: bool) -> ledger::v1::PaymentChanged {
    let declined = event_type.ends_with("declined");
    let told = declined && !bare;
    let payment = ledger::v1::Payment {
        payment_id: "pay_01j9zq8m7x4v6k2w3h5t8n0p1r".into(),
        card_id: CARD.into(),
        account_id: ACCOUNT.into(),
        customer_id: CUSTOMER.into(),
        state: i32::from(if declined {
            ledger::v1::PaymentState::Declined
        } else {
            ledger::v1::PaymentState::Approved
        }),
        amount: cny(31_240),
        approved: cny(if declined { 0 } else { 31_240 }),
        held: cny(31_240),
        merchant: Some(ledger::v1::Merchant {
            merchant_id: "SHOP-1".into(),
            name: if bare { String::new() } else { "Blue Bottle".into() },
            mcc: "5814".into(),
            country: "CN".into(),
        }),
        decline_reason: if told { ledger::v1::DeclineReason::InsufficientFunds.into() } else { 0 },
        customer_message_en: if told { "The balance does not cover it.".into() } else { String::new() },
        customer_message_zh: if told { "余额不足。".into() } else { String::new() },
        position: 17,
        elements: vec![ledger::v1::PaymentElement {
            r#type: "authorization".into(),
            amount: cny(31_240),
            position: 17,
            ..Default::default()
        }],
        ..Default::default()
    };
    ledger::v1::PaymentChanged {
        payment: Some(payment),
        masked_pan: if bare { String::new() } else { "622848******1234".into() },
        available_after: cny(68_760).filter(|_| !bare),
    }
}

fn wrap<M: Message + Name>(event_type: &str, payload: &M) -> Event {
    Event {
        id: "evt_01j9zq8m7x4v6k2w3h5t8n0p1r".into(),
        source: format!("bursar/{}", event_type.split('.').next().unwrap_or_default()),
        r#type: event_type.into(),
        subject: CUSTOMER.into(),
        subject_version: 1,
        time: Some(prost_types::Timestamp { seconds: 1_795_336_200, nanos: 0 }),
        position: 1,
        data: Some(prost_types::Any {
            type_url: format!("type.googleapis.com/{}", M::full_name()),
            value: payload.encode_to_vec(),
        }),
        traceparent: String::new(),
    }
}
