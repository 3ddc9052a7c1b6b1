//! What a webhook says: `{"type", "timestamp", "data"}`, the data being the event's payload as proto3 JSON.
//!
//! Fields marked `(bursar.type.v1.sensitive)` never appear. A merchant sees a payment of its own, and of it what it
//! knows from its terminal or must know to book it: no customer, no balance, no reason of a decline (which would tell
//! of both), and the card by its last four digits.

use std::sync::LazyLock;

use bursar_proto::FILE_DESCRIPTOR_SET;
use bursar_proto::event::v1::Event;
use bursar_proto::ledger::v1::{Payment, PaymentChanged, PaymentElement};
use bursar_service::parse;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, ExtensionDescriptor, SerializeOptions, Value};
use serde::Serialize;
use serde_json::json;

use super::filter::Audience;
use crate::people::facts::{BadEvent, last_four, payload};

static DESCRIPTORS: LazyLock<Descriptors> = LazyLock::new(Descriptors::load);

struct Descriptors {
    pool: DescriptorPool,
    sensitive: ExtensionDescriptor,
}

impl Descriptors {
    fn load() -> Self {
        let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET)
            .expect("the build of bursar-proto compiled this descriptor set");
        let sensitive = pool
            .get_extension_by_name("bursar.type.v1.sensitive")
            .expect("the build of bursar-proto refuses a tree without this option");
        Self { pool, sensitive }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'a str,
    timestamp: String,
    data: serde_json::Value,
}

/// The body of the webhook that tells `event` to `audience`. The same event makes the same bytes.
///
/// # Errors
/// [`BadEvent`] if its payload cannot be read.
pub fn make(event: &Event, audience: Audience) -> Result<Vec<u8>, BadEvent> {
    let data = match audience {
        Audience::Issuer => whole(event)?,
        Audience::Merchant => merchants_view(&payload(event)?)?,
    };
    let timestamp = parse::timestamp("time", event.time.as_ref())
        .map_err(|error| BadEvent::Field { field: "time", problem: error.to_string() })?
        .to_rfc3339();
    serde_json::to_vec(&Body { r#type: &event.r#type, timestamp, data }).map_err(|error| unwritable(&error))
}

fn whole(event: &Event) -> Result<serde_json::Value, BadEvent> {
    let any = event.data.as_ref();
    let url = any.map_or("", |any| any.type_url.as_str());
    let bytes = any.map_or(&[][..], |any| any.value.as_slice());
    to_json(url.rsplit('/').next().unwrap_or_default(), bytes)
}

/// An allow-list: what is not named here is not told, also if the contract gains fields.
fn merchants_view(changed: &PaymentChanged) -> Result<serde_json::Value, BadEvent> {
    let payment = changed.payment.clone().unwrap_or_default();
    let elements = payment.elements.into_iter();
    let seen = Payment {
        payment_id: payment.payment_id,
        state: payment.state,
        amount: payment.amount,
        approved: payment.approved,
        cleared: payment.cleared,
        merchant: payment.merchant,
        channel: payment.channel,
        authorization_code: payment.authorization_code,
        create_time: payment.create_time,
        elements: elements.map(|element| PaymentElement { position: 0, ..element }).collect(),
        ..Payment::default()
    };
    let payment = to_json("bursar.ledger.v1.Payment", &seen.encode_to_vec())?;
    Ok(json!({ "payment": payment, "cardLastFour": last_four(&changed.masked_pan) }))
}

fn to_json(message: &str, bytes: &[u8]) -> Result<serde_json::Value, BadEvent> {
    let descriptor = DESCRIPTORS.pool.get_message_by_name(message).ok_or_else(|| BadEvent::Payload {
        expected: "a message of this release's contract".to_owned(),
        found: message.to_owned(),
    })?;
    let mut dynamic =
        DynamicMessage::decode(descriptor, bytes).map_err(|error| BadEvent::Decode(error.to_string()))?;
    remove_sensitive(&mut dynamic);
    dynamic
        .serialize_with_options(serde_json::value::Serializer, &SerializeOptions::new())
        .map_err(|error| unwritable(&error))
}

fn remove_sensitive(message: &mut DynamicMessage) {
    let marked: Vec<_> = message
        .fields()
        .map(|(field, _)| field)
        .filter(|field| field.options().get_extension(&DESCRIPTORS.sensitive).as_bool() == Some(true))
        .collect();
    for field in marked {
        message.clear_field(&field);
    }
    for (_, value) in message.fields_mut() {
        match value {
            Value::Message(inner) => remove_sensitive(inner),
            Value::List(items) => {
                items.iter_mut().filter_map(Value::as_message_mut).for_each(remove_sensitive);
            }
            Value::Map(entries) => {
                entries.values_mut().filter_map(Value::as_message_mut).for_each(remove_sensitive);
            }
            _ => {}
        }
    }
}

fn unwritable(error: &serde_json::Error) -> BadEvent {
    BadEvent::Decode(format!("not expressible as JSON: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::people::decision::RULES;
    use crate::samples;

    fn json_of(event: &Event, audience: Audience) -> serde_json::Value {
        serde_json::from_slice(&make(event, audience).unwrap()).unwrap()
    }

    #[test]
    fn every_event_can_be_told_to_the_issuer() {
        for event_type in RULES.iter().map(|rule| rule.event_type).chain(samples::OTHER_TYPES.iter().copied())
        {
            let json = json_of(&samples::event(event_type), Audience::Issuer);
            assert_eq!(json["type"], event_type);
            assert_eq!(json["timestamp"], "2026-11-22T08:30:00Z");
            assert!(json["data"].is_object(), "{json}");
        }
    }

    #[test]
    fn the_issuer_sees_the_payload_in_proto3_json() {
        let json = json_of(&samples::event("ledger.payment.approved"), Audience::Issuer);
        assert_eq!(json["data"]["payment"]["approved"]["minorUnits"], "31240");
        assert_eq!(json["data"]["availableAfter"]["asset"], "CNY");
        assert_eq!(json["data"]["payment"]["state"], "PAYMENT_STATE_APPROVED");
    }

    #[test]
    fn a_merchant_sees_its_payment_and_nothing_of_the_customer() {
        for event_type in ["ledger.payment.approved", "ledger.payment.declined", "ledger.payment.refunded"] {
            let event = samples::event(event_type);
            let json = json_of(&event, Audience::Merchant);
            let data = &json["data"];
            assert_eq!(data["cardLastFour"], "1234");
            assert_eq!(data["payment"]["merchant"]["merchantId"], "SHOP-1");
            assert!(data["payment"]["paymentId"].is_string());
            let keys: Vec<_> = data.as_object().unwrap().keys().collect();
            assert_eq!(keys, ["cardLastFour", "payment"]);
            let text = json.to_string();
            let payment = payload::<PaymentChanged>(&event).unwrap().payment.unwrap();
            let hidden = [
                payment.customer_id.as_str(),
                payment.account_id.as_str(),
                payment.card_id.as_str(),
                "622848",
                "68760",
                "availableAfter",
                "held",
                "eclineReason",
                "customerMessage",
                "position",
            ];
            for secret in hidden {
                assert!(!text.contains(secret), "{secret} in {text}");
            }
        }
    }

    #[test]
    fn fields_marked_sensitive_never_appear() {
        let descriptor =
            DESCRIPTORS.pool.get_message_by_name("bursar.notifications.v1.ReadMailboxResponse").unwrap();
        let response = bursar_proto::notifications::v1::ReadMailboxResponse {
            messages: vec![bursar_proto::notifications::v1::MailboxMessage {
                message_id: "msg_1".into(),
                body: "your code is 493817".into(),
                one_time_code: "493817".into(),
                ..Default::default()
            }],
        };
        let json = to_json(descriptor.full_name(), &response.encode_to_vec()).unwrap().to_string();
        assert!(json.contains("msg_1") && !json.contains("493817"), "{json}");
    }

    #[test]
    fn a_payload_this_release_does_not_know_is_an_error() {
        let mut event = samples::event("ledger.payment.approved");
        event.data.as_mut().unwrap().type_url = "type.googleapis.com/bursar.ledger.v9.Unknown".into();
        assert!(matches!(make(&event, Audience::Issuer), Err(BadEvent::Payload { .. })));
    }
}
