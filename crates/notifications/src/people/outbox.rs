//! The way of messages to the providers: claimed, written out in the recipient's language, handed over, noted.
//!
//! A claimed message is leased: if this process dies, it is due again when the lease ends and handed over with the
//! same id, by which the provider knows it.

use std::sync::Arc;
use std::time::Duration;

use bursar_proto::notifications::v1::MessageDelivered;
use bursar_service::db::{Db, DbError, Isolation};
use bursar_service::events::{EventLog, NewEvent};
use bursar_types::Clock;
use bursar_types::id::{MessageId, TypedId as _, Uuid};
use futures::{StreamExt as _, stream};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::catalog::{Catalog, DIGEST, RenderError};
use super::decision::Channel;
use super::facts::Facts;
use crate::keys::{Keys, Kind};
use crate::providers::{Address, Carrier, Outgoing, SendError};
use crate::store::sendings::{self, Claimed, Outcome};

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

/// Hands messages to the providers.
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
    /// Who takes text messages.
    pub provider: Arc<dyn Carrier>,
    /// Who takes e-mail, if anybody does.
    pub mail: Option<Arc<dyn Carrier>>,
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
                tracing::warn!(%error, "messages wait for the database");
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
                    Box::pin(async move {
                        sendings::fold_digests(tx, now, CLAIM_MAX).await?;
                        sendings::claim(tx, now, now.plus(LEASE), CLAIM_MAX).await
                    })
                })
                .await?;
            if claimed.is_empty() {
                let due = self.db.read(|tx| Box::pin(sendings::next_due(tx))).await?;
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

    async fn attempt(&self, claimed: &Claimed) -> Result<(), DbError> {
        let sent = match self.write_out(claimed) {
            Ok((carrier, message)) => carrier.send(&message).await,
            Err(problem) => Err(SendError::Refused(problem)),
        };
        let now = self.clock.now();
        let uncertain = matches!(sent, Err(SendError::Uncertain(_)));
        let (outcome, problem) = match sent {
            Ok(()) => (Outcome::Sent, None),
            Err(error) => (after_failure(&error, claimed.attempts, now), Some(error.to_string())),
        };
        if outcome == Outcome::Dead {
            let channel = claimed.channel.as_str();
            tracing::warn!(message = %claimed.message_id, channel, problem, "a message is given up");
        }
        let result = match outcome {
            Outcome::Sent => "sent",
            Outcome::Again(_) => "again",
            Outcome::Dead => "dead",
        };
        metrics::counter!(
            "bursar_message_attempts_total", "channel" => claimed.channel.as_str(), "result" => result
        )
        .increment(1);
        let problem = problem.as_deref();
        self.db
            .write_at(Isolation::ReadCommitted, |tx| {
                Box::pin(async move {
                    let settled = sendings::settle(tx, claimed, outcome, problem, uncertain, now).await?;
                    if settled && outcome == Outcome::Sent {
                        let delivered = MessageDelivered {
                            message_id: claimed.message_id.to_string(),
                            customer_id: claimed.customer_id.to_string(),
                            channel: claimed.channel.as_str().to_owned(),
                            event_type: claimed.event_type.clone(),
                        };
                        let event =
                            NewEvent::new("notifications.message.delivered", claimed.message_id, &delivered);
                        self.events.publish(tx, event)?;
                    }
                    Ok(())
                })
            })
            .await
    }

    fn write_out(&self, claimed: &Claimed) -> Result<(&Arc<dyn Carrier>, Outgoing), String> {
        let (carrier, kind) = match claimed.channel {
            Channel::Sms => (Some(&self.provider), Kind::Phone),
            Channel::Email => (self.mail.as_ref(), Kind::Email),
            Channel::Inbox => (None, Kind::Phone),
        };
        let carrier = carrier.ok_or("nobody takes messages by this way")?;
        let sealed = claimed.address.as_ref().ok_or("the recipient has no such address")?;
        let address = self
            .keys
            .open(kind, &claimed.customer_id.to_string(), sealed)
            .map_err(|error| error.to_string())?;
        let address: Address = std::str::from_utf8(&address)
            .ok()
            .and_then(|address| address.parse().ok())
            .ok_or("the stored address is damaged")?;
        let (title, text) = self.words(claimed).map_err(|error| error.to_string())?;
        let message = Outgoing {
            message_id: sending_id(claimed.message_id, claimed.number),
            address,
            locale: claimed.locale,
            event_type: claimed.event_type.clone(),
            title,
            text,
            code: None,
        };
        Ok((carrier, message))
    }

    /// Title and text: those of the message, or of a digest that tells the titles of several.
    fn words(&self, claimed: &Claimed) -> Result<(Zeroizing<String>, Zeroizing<String>), RenderError> {
        let sms = claimed.channel == Channel::Sms;
        let (template, facts) = match claimed.digest.len() {
            0 | 1 => (claimed.template.as_str(), claimed.facts.clone()),
            count => (DIGEST, Facts::default().with("count", count.to_string())),
        };
        let title = match sms {
            true => Zeroizing::default(),
            false => self.catalog.render(template, claimed.locale, &facts)?.title,
        };
        let mut text = match sms {
            true => self.catalog.render_sms(template, claimed.locale, &facts)?,
            false => self.catalog.render(template, claimed.locale, &facts)?.body,
        };
        if claimed.digest.len() > 1 {
            for (template, facts) in &claimed.digest {
                text.push_str("\n- ");
                text.push_str(&self.catalog.render(template, claimed.locale, facts)?.title);
            }
        }
        Ok((title, text))
    }
}

/// The id of a sending, by which its provider knows it: the message's for the first, and one that follows from it for
/// each further one, or a provider would take what goes to a second address for a repetition.
fn sending_id(message_id: MessageId, number: i64) -> MessageId {
    let place = u128::from(number.unsigned_abs().saturating_sub(1));
    MessageId::from_uuid(Uuid::from_u128(message_id.as_uuid().as_u128() ^ place))
}

fn after_failure(error: &SendError, attempts: i64, now: bursar_types::Timestamp) -> Outcome {
    let wait = usize::try_from(attempts - 1).ok().and_then(|index| WAITS.get(index));
    match (error, wait) {
        (SendError::TryAgain(_) | SendError::Uncertain(_), Some(wait)) => {
            Outcome::Again(now.plus(Duration::from_secs(*wait)))
        }
        _ => Outcome::Dead,
    }
}
