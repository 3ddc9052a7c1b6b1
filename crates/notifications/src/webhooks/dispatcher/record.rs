//! Writing down what came of attempts, and what it means for their endpoints.

use std::collections::BTreeMap;
use std::time::Duration;

use bursar_proto::notifications::v1::{WebhookDelivered, WebhookEndpointTroubled};
use bursar_service::db::{DbError, Isolation, Tx};
use bursar_service::events::NewEvent;
use bursar_service::parse;
use bursar_types::Timestamp;
use bursar_types::id::WebhookEndpointId;

use super::Dispatcher;
use super::attempt::Finished;
use crate::store::attempts::{self, Attempted, Fate};
use crate::store::deliveries::{self, DeliveryState};
use crate::store::endpoints::{self, Disabled};

/// How long nothing but failures comes from an endpoint before its owner is warned for the first time, and how long
/// before it is disabled for the second.
const WARNING: Duration = Duration::from_secs(24 * 3600);

/// What a batch means for one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) endpoint_id: WebhookEndpointId,
    /// Whether the next is new.
    pub(super) changed: bool,
    /// Since when nothing but failures comes.
    pub(super) failing_since: Option<Timestamp>,
    pub(super) gone: bool,
    /// Which warning is due, if the endpoint fails.
    pub(super) warning: i64,
    /// Whether it failed for too long.
    pub(super) exhausted: bool,
}

/// What `finished` means for the endpoints, given since when each was failing before.
pub(super) fn turns(
    finished: &[Finished],
    before: impl Fn(WebhookEndpointId) -> Option<Timestamp>,
    now: Timestamp,
    disable_after: Duration,
) -> Vec<Turn> {
    let mut seen: BTreeMap<WebhookEndpointId, (bool, Option<Timestamp>, bool)> = BTreeMap::new();
    for it in finished {
        let entry = seen.entry(it.attempted.endpoint_id).or_default();
        if it.well() {
            entry.0 = true;
        } else {
            let start = it.attempted.start;
            entry.1 = Some(entry.1.map_or(start, |first| first.min(start)));
            entry.2 |= it.gone;
        }
    }
    let turn = |(endpoint_id, (succeeded, first_failure, gone)): (_, (bool, Option<Timestamp>, bool))| {
        let before = before(endpoint_id);
        let failing_since = if succeeded { None } else { before.or(first_failure) };
        let failing_for = failing_since.map_or(Duration::ZERO, |since| now.since(since));
        Turn {
            endpoint_id,
            changed: failing_since != before,
            failing_since,
            gone,
            warning: if failing_for >= disable_after.saturating_sub(WARNING).max(WARNING) {
                2
            } else {
                i64::from(failing_for >= WARNING)
            },
            exhausted: failing_since.is_some() && failing_for >= disable_after,
        }
    };
    seen.into_iter().map(turn).collect()
}

impl Dispatcher {
    /// Writes a batch down, in one transaction. May be done twice.
    pub(super) async fn record(&self, batch: &[Attempted], turns: &[Turn]) -> Result<(), DbError> {
        self.db
            .write_at(Isolation::ReadCommitted, |tx| {
                Box::pin(async move {
                    for it in batch.iter().filter(|it| it.fate == Fate::Dead) {
                        self.tell_dead(tx, it).await?;
                    }
                    attempts::record(tx, batch).await?;
                    for turn in turns {
                        self.settle(tx, turn).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    async fn tell_dead(&self, tx: &mut Tx<'_>, it: &Attempted) -> Result<(), DbError> {
        let before = deliveries::get(tx, it.endpoint_id, it.due.id).await?;
        if before.is_none_or(|before| before.state != DeliveryState::Pending) {
            return Ok(());
        }
        let event = WebhookDelivered {
            delivery_id: it.due.id.to_string(),
            webhook_endpoint_id: it.endpoint_id.to_string(),
            event_id: it.due.event_id.clone(),
            attempts: i32::try_from(it.number()).unwrap_or(i32::MAX),
        };
        self.events.publish(tx, NewEvent::new("notifications.webhook.dead", it.due.id, &event)).map(drop)
    }

    async fn settle(&self, tx: &mut Tx<'_>, turn: &Turn) -> Result<(), DbError> {
        let id = turn.endpoint_id;
        if turn.changed {
            endpoints::set_failing(tx, id, turn.failing_since).await?;
        }
        let reason = if turn.gone { Disabled::Gone } else { Disabled::Failing };
        if turn.gone || turn.exhausted {
            if endpoints::disable(tx, id, reason).await? {
                tracing::warn!(endpoint = %id, reason = reason.as_str(), "a webhook endpoint is disabled; what it would get is held");
                self.tell_trouble(tx, turn, reason, None)?;
            }
        } else if turn.warning > 0 && endpoints::warned(tx, id, turn.warning).await? {
            let disable_time = turn.failing_since.map(|since| since.plus(self.caps.disable_after));
            tracing::warn!(endpoint = %id, "nothing but failures comes from a webhook endpoint; it will be disabled");
            self.tell_trouble(tx, turn, reason, disable_time)?;
        }
        Ok(())
    }

    fn tell_trouble(
        &self,
        tx: &mut Tx<'_>,
        turn: &Turn,
        reason: Disabled,
        disable_time: Option<Timestamp>,
    ) -> Result<(), DbError> {
        let event = WebhookEndpointTroubled {
            webhook_endpoint_id: turn.endpoint_id.to_string(),
            reason: reason.as_str().to_owned(),
            failing_since_time: turn.failing_since.map(parse::timestamp_message),
            disable_time: disable_time.map(parse::timestamp_message),
        };
        let event_type = match disable_time {
            Some(_) => "notifications.webhook_endpoint.failing",
            None => "notifications.webhook_endpoint.disabled",
        };
        self.events.publish(tx, NewEvent::new(event_type, turn.endpoint_id, &event)).map(drop)
    }
}
