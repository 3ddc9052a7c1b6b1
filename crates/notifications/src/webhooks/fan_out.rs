//! An event becomes deliveries: one for each endpoint that asks for it.

use bursar_proto::event::v1::Event;
use bursar_service::db::Tx;
use bursar_types::Timestamp;
use bursar_types::id::{DeliveryId, EventId, TypedId as _, Uuid, WebhookEndpointId};
use ring::digest;

use super::body;
use super::filter::{Audience, merchant_of};
use crate::core::Core;
use crate::error::NotificationsError;
use crate::people::facts::BadEvent;
use crate::store::deliveries::{self, NewBody, NewDelivery};

/// The id of the delivery of an event to an endpoint, always the same: the event's time, so that deliveries are ordered
/// by it, and a digest of both. So there is one at most, however often the event is applied or replayed.
pub(super) fn delivery_id(endpoint_id: WebhookEndpointId, event_id: &str) -> Result<DeliveryId, BadEvent> {
    let event: EventId =
        event_id.parse().map_err(|error| BadEvent::Field { field: "id", problem: format!("{error}") })?;
    let mut both = [0_u8; 32];
    both[..16].copy_from_slice(endpoint_id.as_uuid().as_bytes());
    both[16..].copy_from_slice(event.as_uuid().as_bytes());
    let digest = digest::digest(&digest::SHA256, &both);
    let mut bytes = *event.as_uuid().as_bytes();
    bytes[6..].copy_from_slice(&digest.as_ref()[..10]);
    // Version 8 (RFC 9562 §5.8): made in a way of our own.
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    Ok(DeliveryId::from_uuid(Uuid::from_bytes(bytes)))
}

impl Core {
    /// Makes the deliveries of an event. Three statements, however many endpoints there are.
    pub(crate) async fn fan_out(
        &self,
        tx: &mut Tx<'_>,
        event: &Event,
        now: Timestamp,
    ) -> Result<(), NotificationsError> {
        let book = self.book.current(tx).await?;
        let merchant_id = merchant_of(event);
        let takers = book.endpoints.values();
        let takers: Vec<_> =
            takers.filter(|open| open.filter.takes(&event.r#type, merchant_id.as_deref())).collect();
        if takers.is_empty() {
            return Ok(());
        }
        let subject = format!("{}/{}", event.source, event.subject);
        let mut bodies = Vec::with_capacity(2);
        for audience in [Audience::Issuer, Audience::Merchant] {
            if takers.iter().any(|open| open.filter.audience() == audience) {
                bodies.push(NewBody {
                    event_id: &event.id,
                    event_type: &event.r#type,
                    audience,
                    merchant_id: merchant_id.as_deref().unwrap_or_default(),
                    subject: &subject,
                    subject_version: event.subject_version,
                    body: body::make(event, audience)?,
                });
            }
        }
        deliveries::insert_bodies(tx, bodies, now).await?;
        let mut new = Vec::with_capacity(takers.len());
        for open in &takers {
            new.push(NewDelivery {
                id: delivery_id(open.id, &event.id)?,
                endpoint_id: open.id,
                event_id: &event.id,
                event_type: &event.r#type,
                audience: open.filter.audience(),
                held: open.disabled,
                subject: open.ordered.then_some((subject.as_str(), event.subject_version)),
            });
        }
        deliveries::insert(tx, &new, now).await?;
        let wake = self.wake_webhooks.clone();
        let touched: Vec<_> = takers.iter().map(|open| open.id).collect();
        tx.after_commit(move || {
            metrics::counter!("bursar_webhook_events_total").increment(1);
            wake.touch(touched);
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_of_a_delivery_follows_from_its_endpoint_and_event() {
        let endpoint: [WebhookEndpointId; 2] =
            [1, 2].map(|n| WebhookEndpointId::from_uuid(Uuid::from_u128(n)));
        let event = "evt_01j9zq8m7x4v6k2w3h5t8n0p1r";
        let id = delivery_id(endpoint[0], event).unwrap();
        assert_eq!(id, delivery_id(endpoint[0], event).unwrap());
        assert_ne!(id, delivery_id(endpoint[1], event).unwrap());
        assert_ne!(id, delivery_id(endpoint[0], "evt_01j9zq8m7x4v6k2w3h5t8n0p1s").unwrap());
        let event: EventId = event.parse().unwrap();
        assert_eq!(
            id.as_uuid().as_bytes()[..6],
            event.as_uuid().as_bytes()[..6],
            "ordered by the event's time"
        );
        assert_eq!(id.as_uuid().get_version_num(), 8);
        assert!(matches!(delivery_id(endpoint[0], "msg_1"), Err(BadEvent::Field { .. })));
    }
}
