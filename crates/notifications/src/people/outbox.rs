//! The way of text messages to the provider: claimed, written out in the recipient's language, handed over, noted.
//!
//! A claimed message is leased: if this process dies, it is due again when the lease ends and handed over with the
//! same id, by which the provider knows it.

use std::sync::Arc;
use std::time::Duration;

use bursar_proto::notifications::v1::MessageDelivered;
use bursar_service::db::{Db, DbError, Isolation};
use bursar_service::events::{EventLog, NewEvent};
use bursar_types::Clock;
use futures::{StreamExt as _, stream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::catalog::Catalog;
use crate::keys::{Keys, Kind};
use crate::sms::{OutgoingSms, SendError, SmsProvider};
use crate::store::texts::{self, ClaimedText, TextOutcome};

/// Messages claimed at once: two rounds of those handed over at once, so that a lease outlasts a slow provider.
const CLAIM_MAX: i64 = 16;

/// Messages handed over at once.
const HANDED_OVER_AT_ONCE: usize = 8;

/// How long a claimed message is nobody else's: longer than a whole claim of messages takes at the provider's worst.
const LEASE: Duration = Duration::from_secs(180);

/// Longest wait before the table is looked at again: wake-ups are hints, and a moved clock is not seen.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Wait after a database error.
const DATABASE_PAUSE: Duration = Duration::from_millis(500);

/// Waits after the first, second, … failed attempt, in seconds. After some three hours a notice is of no more use.
const WAITS: [u64; 7] = [5, 30, 120, 600, 1_800, 3_600, 3_600];

/// Hands text messages to the provider.
#[derive(Clone, Debug)]
pub struct Outbox {
    /// The database.
    pub db: Db,
    /// The event log.
    pub events: EventLog,
    /// The keys that open phone numbers.
    pub keys: Arc<Keys>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The texts.
    pub catalog: Arc<Catalog>,
    /// Who takes the messages.
    pub provider: Arc<dyn SmsProvider>,
    /// Told when something new is due.
    pub wake: Arc<Notify>,
}

impl Outbox {
    /// Hands messages over until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        loop {
            let round = tokio::select! {
                round = self.round() => round,
                () = shutdown.cancelled() => return,
            };
            let pause = round.unwrap_or_else(|error| {
                tracing::warn!(%error, "text messages wait for the database");
                DATABASE_PAUSE
            });
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
                () = shutdown.cancelled() => return,
            }
        }
    }

    /// Hands over all that is due. How long nothing more is.
    async fn round(&self) -> Result<Duration, DbError> {
        loop {
            let now = self.clock.now();
            let claimed = self
                .db
                .write_at(Isolation::ReadCommitted, |tx| {
                    Box::pin(texts::claim(tx, now, now.plus(LEASE), CLAIM_MAX))
                })
                .await?;
            if claimed.is_empty() {
                let due = self.db.read(|tx| Box::pin(texts::next_due(tx))).await?;
                return Ok(due.map_or(LOOK_EVERY, |due| due.since(now).min(LOOK_EVERY)));
            }
            // Collected first: a stream over the closure itself is not `Send` to the compiler's eye.
            let attempts: Vec<_> = claimed.iter().map(|text| self.attempt(text)).collect();
            let mut attempts = stream::iter(attempts).buffer_unordered(HANDED_OVER_AT_ONCE);
            while let Some(settled) = attempts.next().await {
                settled?;
            }
        }
    }

    async fn attempt(&self, text: &ClaimedText) -> Result<(), DbError> {
        let sent = match self.write_out(text) {
            Ok(sms) => self.provider.send(&sms).await,
            Err(problem) => Err(SendError::Refused(problem)),
        };
        let now = self.clock.now();
        let (outcome, problem) = match sent {
            Ok(()) => (TextOutcome::Sent, None),
            Err(error) => (after_failure(&error, text.attempts, now), Some(error.to_string())),
        };
        if matches!(outcome, TextOutcome::Dead) {
            tracing::warn!(message = %text.message_id, problem, "a text message is given up");
        }
        let (outcome, problem) = (&outcome, problem.as_ref());
        self.db
            .write_at(Isolation::ReadCommitted, |tx| {
                Box::pin(async move {
                    let settled =
                        texts::settle(tx, text.customer_id, text.message_id, outcome, problem, now).await?;
                    if settled && matches!(outcome, TextOutcome::Sent) {
                        let delivered = MessageDelivered {
                            message_id: text.message_id.to_string(),
                            customer_id: text.customer_id.to_string(),
                            channel: "sms".to_owned(),
                            event_type: text.event_type.clone(),
                        };
                        let event =
                            NewEvent::new("notifications.message.delivered", text.message_id, &delivered);
                        self.events.publish(tx, event)?;
                    }
                    Ok(())
                })
            })
            .await
    }

    fn write_out(&self, text: &ClaimedText) -> Result<OutgoingSms, String> {
        let phone = self
            .keys
            .open(Kind::Phone, &text.customer_id.to_string(), &text.phone)
            .map_err(|error| error.to_string())?;
        let phone = std::str::from_utf8(&phone)
            .ok()
            .and_then(|phone| phone.parse().ok())
            .ok_or("the stored phone number is damaged")?;
        let words = self
            .catalog
            .render_sms(&text.template, text.locale, &text.facts)
            .map_err(|error| error.to_string())?;
        Ok(OutgoingSms {
            message_id: text.message_id,
            phone,
            locale: text.locale,
            event_type: text.event_type.clone(),
            text: words,
            code: None,
        })
    }
}

fn after_failure(error: &SendError, attempts: i64, now: bursar_types::Timestamp) -> TextOutcome {
    let wait = usize::try_from(attempts - 1).ok().and_then(|index| WAITS.get(index));
    match (error, wait) {
        (SendError::TryAgain(_), Some(wait)) => TextOutcome::Again(now.plus(Duration::from_secs(*wait))),
        _ => TextOutcome::Dead,
    }
}
