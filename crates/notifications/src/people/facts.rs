//! What a message can say about an event: its payload, read into named texts.

use std::collections::BTreeMap;

use bursar_proto::common::v1 as common;
use bursar_proto::{event, identity, ledger, vault};
use bursar_types::id::CustomerId;
use bursar_types::{Asset, Money};
use prost::{Message, Name};
use serde::{Deserialize, Serialize};

/// The named texts of one event. Wiped when dropped, for a one-time code is a fact too.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Facts(BTreeMap<String, String>);

impl Facts {
    /// These facts and one more.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.insert(name.to_owned(), value.into());
        self
    }

    /// The fact called `name`.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// The names of all facts.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl std::fmt::Debug for Facts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Drop for Facts {
    fn drop(&mut self) {
        self.0.values_mut().for_each(zeroize::Zeroize::zeroize);
    }
}

/// An event whose payload is not what its type says. It is parked, never skipped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadEvent {
    /// There is no payload, or one of another type.
    #[error("the payload is `{found}` where `{expected}` belongs")]
    Payload {
        /// The message that belongs there.
        expected: String,
        /// What is there.
        found: String,
    },
    /// The payload cannot be decoded.
    #[error("the payload cannot be decoded: {0}")]
    Decode(String),
    /// A field of the payload makes no sense.
    #[error("{field}: {problem}")]
    Field {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        problem: String,
    },
}

/// Whom an event is about, and what can be said about it.
pub type Told = Option<(CustomerId, Facts)>;

/// The payload of `event` as the message `M`.
///
/// # Errors
/// [`BadEvent`] if it is another message or none.
pub fn payload<M: Message + Name + Default>(event: &event::v1::Event) -> Result<M, BadEvent> {
    let found = event.data.as_ref().map_or("", |any| any.type_url.as_str());
    let name = found.rsplit('/').next().unwrap_or_default();
    if name != M::full_name() {
        return Err(BadEvent::Payload { expected: M::full_name(), found: found.to_owned() });
    }
    let bytes = event.data.as_ref().map_or(&[][..], |any| any.value.as_slice());
    M::decode(bytes).map_err(|error| BadEvent::Decode(error.to_string()))
}

type Read = Result<Told, BadEvent>;

/// The fact that names the language a customer signed up in.
pub const LOCALE: &str = "locale";

pub(super) fn registered(event: &event::v1::Event) -> Read {
    let registered: identity::v1::CustomerRegistered = payload(event)?;
    about(&registered.customer_id, Facts::default().with(LOCALE, registered.locale))
}

pub(super) fn session(event: &event::v1::Event) -> Read {
    about(&payload::<identity::v1::SessionOpened>(event)?.customer_id, Facts::default())
}

pub(super) fn kyc_submitted(event: &event::v1::Event) -> Read {
    about(&payload::<identity::v1::KycSubmitted>(event)?.customer_id, Facts::default())
}

pub(super) fn kyc_decided(event: &event::v1::Event) -> Read {
    let decided: identity::v1::KycDecided = payload(event)?;
    let facts = Facts::default()
        .with("level", decided.kyc_level.to_string())
        .with("reason", decided.customer_reason.as_str());
    about(&decided.customer_id, facts)
}

pub(super) fn password_set(event: &event::v1::Event) -> Read {
    about(&payload::<vault::v1::CardPasswordSet>(event)?.customer_id, Facts::default())
}

pub(super) fn password_locked(event: &event::v1::Event) -> Read {
    about(&payload::<vault::v1::CardPasswordLocked>(event)?.customer_id, Facts::default())
}

pub(super) fn revealed(event: &event::v1::Event) -> Read {
    about(&payload::<vault::v1::CardRevealed>(event)?.customer_id, Facts::default())
}

pub(super) fn card(event: &event::v1::Event) -> Read {
    let changed: ledger::v1::CardChanged = payload(event)?;
    about(&changed.customer_id, Facts::default().with("last_four", last_four(&changed.masked_pan)))
}

pub(super) fn payment(event: &event::v1::Event) -> Read {
    let changed: ledger::v1::PaymentChanged = payload(event)?;
    let payment = changed.payment.unwrap_or_default();
    let amount = amount_of_step(&event.r#type, &payment)?;
    if amount.minor_units == 0 {
        // A check of the account (an authorization over zero) is nothing the customer did.
        return Ok(None);
    }
    let merchant = payment.merchant.unwrap_or_default();
    let name = if merchant.name.is_empty() { merchant.merchant_id } else { merchant.name };
    let available = changed.available_after.map(|m| money("available_after", &m)).transpose()?;
    let facts = Facts::default()
        .with("amount", amount.to_string())
        .with("merchant", name)
        .with("last_four", last_four(&changed.masked_pan))
        .with("available", available.map(|m| m.to_string()).unwrap_or_default())
        .with("reason_en", payment.customer_message_en)
        .with("reason_zh", payment.customer_message_zh);
    about(&payment.customer_id, facts)
}

pub(super) fn top_up(event: &event::v1::Event) -> Read {
    let booked: ledger::v1::TopUpBooked = payload(event)?;
    if booked.customer_id.is_empty() {
        return Ok(None);
    }
    let amount = booked.top_up.and_then(|top_up| top_up.amount).unwrap_or_default();
    let available = booked.available_after.map(|m| money("available_after", &m)).transpose()?;
    let facts = Facts::default()
        .with("amount", money("top_up.amount", &amount)?.to_string())
        .with("available", available.map(|m| m.to_string()).unwrap_or_default());
    about(&booked.customer_id, facts)
}

/// The amount this step of the payment is about: that of its newest element of the matching kind, for a payment can
/// be cleared and refunded in parts.
fn amount_of_step(event_type: &str, payment: &ledger::v1::Payment) -> Result<Money, BadEvent> {
    let newest = |kind: &str| {
        let of_kind = payment.elements.iter().rev().find(|element| element.r#type == kind);
        of_kind.and_then(|element| element.amount.clone())
    };
    let amount = match event_type.rsplit('.').next().unwrap_or_default() {
        "approved" => payment.approved.clone(),
        "cleared" => newest("clearing").or_else(|| payment.cleared.clone()),
        "reversed" => newest("reversal"),
        "refunded" => newest("refund"),
        _ => None,
    };
    money("payment.amount", &amount.or_else(|| payment.amount.clone()).unwrap_or_default())
}

fn about(customer_id: &str, facts: Facts) -> Read {
    let customer = customer_id
        .parse()
        .map_err(|error| BadEvent::Field { field: "customer_id", problem: format!("{error}") })?;
    Ok(Some((customer, facts)))
}

fn money(field: &'static str, message: &common::Money) -> Result<Money, BadEvent> {
    let asset = Asset::from_code(&message.asset)
        .map_err(|error| BadEvent::Field { field, problem: error.to_string() })?;
    Ok(Money::new(message.minor_units, asset))
}

/// The last four digits of a masked number; empty if it does not end in four digits.
pub fn last_four(masked_pan: &str) -> &str {
    let start = masked_pan.len().saturating_sub(4);
    masked_pan
        .get(start..)
        .filter(|end| end.len() == 4 && end.bytes().all(|b| b.is_ascii_digit()))
        .unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_four_digits_leave_a_masked_number() {
        assert_eq!(last_four("622848******1234"), "1234");
        for odd in ["", "123", "622848********", "六二二八四八"] {
            assert_eq!(last_four(odd), "", "{odd}");
        }
    }

    #[test]
    fn facts_do_not_show_their_values() {
        let facts = Facts::default().with("code", "493817");
        assert!(!format!("{facts:?}").contains("493817"));
    }
}
