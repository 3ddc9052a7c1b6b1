//! The sandbox's mailbox: a provider that keeps what a phone would have received, for a test or a person to read.
//!
//! Ordinary messages are kept in the database. One-time codes are kept in memory only, at most [`CODES_MAX`] of them,
//! and are gone at their end. Arrivals have strictly increasing times, so that a reader who asks for what came after
//! one message misses none.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bursar_service::db::{Db, DbError};
use bursar_types::id::MessageId;
use bursar_types::{Clock, Timestamp, TypedId as _};
use futures::future::BoxFuture;
use tokio::sync::{Mutex, watch};
use zeroize::Zeroizing;

use super::code::OneTimeCode;
use super::{Address, Carrier, Outgoing, SendError};
use crate::keys::Keys;
use crate::people::locale::Locale;
use crate::store;

/// One-time codes kept at once; the oldest makes room. A sandbox that sends more in their five minutes is a load test.
const CODES_MAX: usize = 10_000;

/// Messages of one answer.
pub const READ_MAX: usize = 100;

/// A message as the mailbox shows it.
pub struct Letter {
    /// Its id.
    pub message_id: MessageId,
    /// When it arrived.
    pub arrived: Timestamp,
    /// Language it is in.
    pub locale: Locale,
    /// Whether it came by e-mail.
    pub mail: bool,
    /// Its title; empty for a text message.
    pub title: String,
    /// The text.
    pub body: Zeroizing<String>,
    /// The one-time code in it, if any.
    pub code: Option<OneTimeCode>,
    /// Type of the event that caused it.
    pub event_type: String,
}

/// What a reader asks for.
pub struct Query {
    /// To whom the messages went.
    pub address: Address,
    /// Only what came after this one.
    pub after: Option<MessageId>,
    /// Only messages of this event type; empty: all.
    pub event_type: String,
}

struct HeldCode {
    address: [u8; 32],
    end: Timestamp,
    letter: Arc<Letter>,
}

struct State {
    last_arrival: Timestamp,
    codes: VecDeque<HeldCode>,
}

/// The mailbox.
pub struct Mailbox {
    db: Db,
    keys: Arc<Keys>,
    clock: Arc<dyn Clock>,
    /// Held over the insertion into the database, so that arrivals become visible in the order of their times.
    state: Mutex<State>,
    arrivals: watch::Sender<u64>,
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mailbox")
    }
}

impl Mailbox {
    /// Opens the mailbox in `db`.
    ///
    /// # Errors
    /// [`DbError`] if the database does not answer.
    pub async fn open(db: Db, keys: Arc<Keys>, clock: Arc<dyn Clock>) -> Result<Self, DbError> {
        let last_arrival = db.read(|tx| Box::pin(store::mailbox::last_arrival(tx))).await?;
        let state = Mutex::new(State { last_arrival, codes: VecDeque::new() });
        Ok(Self { db, keys, clock, state, arrivals: watch::Sender::new(0) })
    }

    /// The messages `query` asks for, oldest first, at most [`READ_MAX`]; waits up to `wait` if there are none yet.
    ///
    /// # Errors
    /// [`DbError`] if the database does not answer.
    pub async fn read(&self, query: &Query, wait: Duration) -> Result<Vec<Arc<Letter>>, DbError> {
        let until = tokio::time::Instant::now() + wait;
        let mut arrivals = self.arrivals.subscribe();
        loop {
            // Marked as seen before the look, so that what arrives during it ends the wait below.
            arrivals.borrow_and_update();
            let letters = self.look(query).await?;
            if !letters.is_empty() {
                return Ok(letters);
            }
            // The sender lives as long as this mailbox, so only a time-out ends the wait without an arrival.
            if tokio::time::timeout_at(until, arrivals.changed()).await.is_err() {
                return Ok(letters);
            }
        }
    }

    /// Forgets the one-time codes whose end has come.
    pub async fn forget_ended_codes(&self) {
        let now = self.clock.now();
        self.state.lock().await.codes.retain(|held| held.end > now);
    }

    async fn look(&self, query: &Query) -> Result<Vec<Arc<Letter>>, DbError> {
        let now = self.clock.now();
        let address = self.keys.index(query.address.expose());
        let state = self.state.lock().await;
        let after = match query.after {
            None => Timestamp::from_micros(i64::MIN),
            Some(id) => self.arrival_of(&state, id).await?,
        };
        let codes = state.codes.iter().filter(|held| {
            held.address == address
                && held.end > now
                && held.letter.arrived > after
                && (query.event_type.is_empty() || query.event_type == held.letter.event_type)
        });
        let mut letters: Vec<_> = codes.map(|held| Arc::clone(&held.letter)).collect();
        let event_type = &query.event_type;
        let limit = i64::try_from(READ_MAX).unwrap_or(i64::MAX);
        let stored =
            self.db.read(|tx| Box::pin(store::mailbox::read(tx, address, after, event_type, limit))).await?;
        // Until here nothing could arrive: else a code that came just before a stored message would be missed by who
        // goes on after that message.
        drop(state);
        letters.extend(stored.into_iter().map(Arc::new));
        letters.sort_unstable_by_key(|letter| letter.arrived);
        letters.truncate(READ_MAX);
        Ok(letters)
    }

    /// When the message `id` arrived. One that is gone, or never was, stands for the moment its id was made.
    async fn arrival_of(&self, state: &State, id: MessageId) -> Result<Timestamp, DbError> {
        if let Some(held) = state.codes.iter().find(|held| held.letter.message_id == id) {
            return Ok(held.letter.arrived);
        }
        let stored = self.db.read(|tx| Box::pin(store::mailbox::arrival_of(tx, id))).await?;
        Ok(stored.unwrap_or_else(|| made_at(id)))
    }

    async fn take(&self, sms: &Outgoing) -> Result<(), SendError> {
        let now = self.clock.now();
        let address = self.keys.index(sms.address.expose());
        let mut state = self.state.lock().await;
        let arrived = now.max(state.last_arrival.plus(Duration::from_micros(1)));
        let letter = Letter {
            message_id: sms.message_id,
            arrived,
            locale: sms.locale,
            mail: matches!(sms.address, Address::Email(_)),
            title: sms.title.to_string(),
            body: sms.text.clone(),
            code: sms.code.as_ref().map(|(code, _)| code.clone()),
            event_type: sms.event_type.clone(),
        };
        match &sms.code {
            Some((_, end)) if *end <= now => return Err(SendError::Refused("the code has ended".into())),
            Some((_, end)) => {
                if state.codes.iter().any(|held| held.letter.message_id == sms.message_id) {
                    return Ok(());
                }
                state.codes.retain(|held| held.end > now);
                if state.codes.len() >= CODES_MAX {
                    state.codes.pop_front();
                }
                state.codes.push_back(HeldCode { address, end: *end, letter: Arc::new(letter) });
            }
            None => {
                let letter = &letter;
                self.db
                    .write(|tx| Box::pin(store::mailbox::insert(tx, address, letter)))
                    .await
                    .map_err(|error: DbError| SendError::TryAgain(error.to_string()))?;
            }
        }
        state.last_arrival = arrived;
        drop(state);
        self.arrivals.send_modify(|count| *count = count.wrapping_add(1));
        Ok(())
    }
}

impl Carrier for Mailbox {
    fn send<'a>(&'a self, sms: &'a Outgoing) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(self.take(sms))
    }
}

/// The moment in a UUIDv7 (RFC 9562 §5.7): milliseconds in its first 48 bits.
fn made_at(id: MessageId) -> Timestamp {
    let millis = id.as_uuid().as_u128() >> 80;
    Timestamp::from_micros(i64::try_from(millis).unwrap_or(0).saturating_mul(1_000))
}
