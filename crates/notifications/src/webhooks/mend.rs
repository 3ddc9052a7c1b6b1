//! What an endpoint's owner does about what did not arrive: try again, recover, replay what was missed, test.

use bursar_proto::event::v1::Event;
use bursar_proto::notifications::v1::WebhookTest;
use bursar_service::db::{DbError, Tx};
use bursar_service::parse;
use bursar_types::Timestamp;
use bursar_types::id::{DeliveryId, EventId, WebhookEndpointId};
use prost::{Message as _, Name as _};

use super::body;
use super::fan_out::delivery_id;
use super::filter::Audience;
use crate::core::{Core, Mutation};
use crate::error::NotificationsError;
use crate::store::deliveries::{self, DeliveryState, Kept, NewBody, NewDelivery};
use crate::store::endpoints::{self, Endpoint};

/// Most deliveries that one call makes.
pub const REPLAYED_MAX: i64 = 10_000;

/// Bodies that are looked at at once.
const PAGE: i64 = 1_000;

/// Type of the event that tests an endpoint.
pub const TEST_TYPE: &str = "notifications.webhook.test";

impl Core {
    /// Lets a disabled endpoint get webhooks again.
    ///
    /// # Errors
    /// [`NotificationsError::WrongState`] if it is not disabled.
    pub(crate) async fn enable_endpoint(
        &self,
        call: &Mutation,
        id: WebhookEndpointId,
    ) -> Result<(), NotificationsError> {
        let wake = self.wake_webhooks.clone();
        self.change(call, "EnableWebhookEndpoint", move |tx, _| {
            let wake = wake.clone();
            Box::pin(async move {
                endpoint(tx, id).await?;
                if !endpoints::enable(tx, id).await? {
                    let what = "the endpoint is not disabled";
                    return Err(NotificationsError::WrongState { what, state: "active" });
                }
                tx.after_commit(move || wake.look());
                Ok(Vec::new())
            })
        })
        .await
        .map(drop)
    }

    /// Makes a delivery due at once, at the beginning of its schedule.
    ///
    /// # Errors
    /// [`NotificationsError::WrongState`] if it was delivered, or its endpoint is disabled.
    pub(crate) async fn retry_delivery(
        &self,
        call: &Mutation,
        endpoint_id: WebhookEndpointId,
        id: DeliveryId,
    ) -> Result<(), NotificationsError> {
        let wake = self.wake_webhooks.clone();
        self.change(call, "RetryWebhookDelivery", move |tx, now| {
            let wake = wake.clone();
            Box::pin(async move {
                active(tx, endpoint_id).await?;
                let delivery = deliveries::get(tx, endpoint_id, id).await?;
                let delivery = delivery.ok_or(NotificationsError::DeliveryNotFound)?;
                if delivery.state == DeliveryState::Delivered
                    || !deliveries::retry(tx, endpoint_id, id, now).await?
                {
                    let what = "the delivery was taken by its endpoint";
                    return Err(NotificationsError::WrongState { what, state: "delivered" });
                }
                tx.after_commit(move || wake.touch([endpoint_id]));
                Ok(Vec::new())
            })
        })
        .await
        .map(drop)
    }

    /// Makes all due that is held or dead and was made at or after `since`. How many.
    ///
    /// # Errors
    /// [`NotificationsError::WrongState`] if the endpoint is disabled.
    pub(crate) async fn recover_endpoint(
        &self,
        call: &Mutation,
        id: WebhookEndpointId,
        since: Timestamp,
    ) -> Result<i64, NotificationsError> {
        let wake = self.wake_webhooks.clone();
        let stored = self
            .change(call, "RecoverWebhookEndpoint", move |tx, now| {
                let wake = wake.clone();
                Box::pin(async move {
                    active(tx, id).await?;
                    let count = deliveries::recover(tx, id, since, now).await?;
                    tx.after_commit(move || wake.touch([id]));
                    Ok(count.to_string().into_bytes())
                })
            })
            .await?;
        count(&stored)
    }

    /// Makes deliveries of what came in from `since` until `until`, is asked for by the endpoint, and has none. How
    /// many, and whether there is more.
    ///
    /// # Errors
    /// [`NotificationsError::WrongState`] if the endpoint is disabled.
    pub(crate) async fn replay_missing(
        &self,
        call: &Mutation,
        id: WebhookEndpointId,
        since: Timestamp,
        until: Option<Timestamp>,
    ) -> Result<(i64, bool), NotificationsError> {
        let wake = self.wake_webhooks.clone();
        let stored = self
            .change(call, "ReplayMissingWebhooks", move |tx, now| {
                let wake = wake.clone();
                Box::pin(async move {
                    let endpoint = active(tx, id).await?;
                    let until = until.unwrap_or_else(|| now.plus(std::time::Duration::from_micros(1)));
                    let made = replay(tx, &endpoint, since, until, now).await?;
                    tx.after_commit(move || wake.touch([id]));
                    Ok(made.to_string().into_bytes())
                })
            })
            .await?;
        count(&stored).map(|made| (made, made >= REPLAYED_MAX))
    }

    /// Sends a test event to an endpoint. Its delivery.
    ///
    /// # Errors
    /// [`NotificationsError::WrongState`] if the endpoint is disabled.
    pub(crate) async fn send_test(
        &self,
        call: &Mutation,
        id: WebhookEndpointId,
    ) -> Result<DeliveryId, NotificationsError> {
        let (wake, event_id) = (self.wake_webhooks.clone(), self.ids.next::<EventId>().to_string());
        let stored = self
            .change(call, "SendTestWebhook", move |tx, now| {
                let (wake, event_id) = (wake.clone(), event_id.clone());
                Box::pin(async move {
                    let audience = active(tx, id).await?.filter()?.audience();
                    let body = body::make(&test_event(&event_id, id, now), Audience::Issuer)?;
                    let new = NewBody {
                        event_id: &event_id,
                        event_type: TEST_TYPE,
                        audience,
                        merchant_id: "",
                        subject: "",
                        subject_version: 0,
                        body,
                    };
                    deliveries::insert_bodies(tx, vec![new], now).await?;
                    let delivery = NewDelivery {
                        id: delivery_id(id, &event_id)?,
                        endpoint_id: id,
                        event_id: &event_id,
                        event_type: TEST_TYPE,
                        audience,
                        held: false,
                        subject: None,
                    };
                    deliveries::insert(tx, &[delivery], now).await?;
                    tx.after_commit(move || wake.touch([id]));
                    Ok(delivery_id(id, &event_id)?.to_string().into_bytes())
                })
            })
            .await?;
        let delivery_id = std::str::from_utf8(&stored).ok().and_then(|text| text.parse().ok());
        delivery_id.ok_or_else(|| corrupt("SendTestWebhook"))
    }
}

fn test_event(event_id: &str, id: WebhookEndpointId, now: Timestamp) -> Event {
    let test = WebhookTest { webhook_endpoint_id: id.to_string() };
    Event {
        id: event_id.to_owned(),
        source: "bursar/notifications".to_owned(),
        r#type: TEST_TYPE.to_owned(),
        subject: id.to_string(),
        time: Some(parse::timestamp_message(now)),
        data: Some(prost_types::Any {
            type_url: format!("type.googleapis.com/{}", WebhookTest::full_name()),
            value: test.encode_to_vec(),
        }),
        ..Event::default()
    }
}

async fn replay(
    tx: &mut Tx<'_>,
    endpoint: &Endpoint,
    since: Timestamp,
    until: Timestamp,
    now: Timestamp,
) -> Result<i64, NotificationsError> {
    let filter = endpoint.filter()?;
    let (mut made, mut after) = (0, (since, String::new()));
    while made < REPLAYED_MAX {
        let limit = PAGE.min(REPLAYED_MAX - made);
        let page = deliveries::kept(tx, filter.audience(), (after.0, &after.1), until, limit).await?;
        let Some(last) = page.last() else { break };
        after = (last.create_time, last.event_id.clone());
        let wanted = page.iter().filter(|kept| {
            filter.takes(&kept.event_type, Some(kept.merchant_id.as_str()).filter(|id| !id.is_empty()))
        });
        let mut new = Vec::new();
        for kept in wanted {
            new.push(missing(endpoint, kept, filter.audience())?);
        }
        if !new.is_empty() {
            let inserted = deliveries::insert(tx, &new, now).await?;
            made += i64::try_from(inserted).unwrap_or(i64::MAX);
        }
    }
    Ok(made)
}

fn missing<'a>(
    endpoint: &Endpoint,
    kept: &'a Kept,
    audience: Audience,
) -> Result<NewDelivery<'a>, NotificationsError> {
    Ok(NewDelivery {
        id: delivery_id(endpoint.id, &kept.event_id)?,
        endpoint_id: endpoint.id,
        event_id: &kept.event_id,
        event_type: &kept.event_type,
        audience,
        held: false,
        subject: endpoint.ordered.then_some((kept.subject.as_str(), kept.subject_version)),
    })
}

async fn endpoint(tx: &mut Tx<'_>, id: WebhookEndpointId) -> Result<Endpoint, NotificationsError> {
    endpoints::get(tx, id).await?.ok_or(NotificationsError::EndpointNotFound)
}

async fn active(tx: &mut Tx<'_>, id: WebhookEndpointId) -> Result<Endpoint, NotificationsError> {
    let endpoint = endpoint(tx, id).await?;
    if endpoint.disabled() {
        let what = "the endpoint is disabled: enable it first";
        return Err(NotificationsError::WrongState { what, state: "disabled" });
    }
    Ok(endpoint)
}

fn count(stored: &[u8]) -> Result<i64, NotificationsError> {
    let number = std::str::from_utf8(stored).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| corrupt("an endpoint's call"))
}

fn corrupt(method: &str) -> NotificationsError {
    DbError::Corrupt { what: format!("a stored response of {method}") }.into()
}
