//! One attempt: signed, sent, and judged.

use std::sync::Arc;
use std::time::Duration;

use bursar_types::Timestamp;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use tokio::time::Instant;

use super::Dispatcher;
use crate::store::attempts::{Attempted, Fate};
use crate::store::deliveries::Due;
use crate::webhooks::book::Open;
use crate::webhooks::client::{Answer, CallError};
use crate::webhooks::schedule;
use crate::webhooks::signature::WebhookKey;

/// An attempt that came to its end.
pub(super) struct Finished {
    pub(super) attempted: Attempted,
    /// Whether the endpoint is there no more.
    pub(super) gone: bool,
    pub(super) duration: Duration,
}

impl Finished {
    pub(super) fn well(&self) -> bool {
        self.attempted.fate == Fate::Delivered
    }
}

/// Makes one attempt.
pub(super) async fn make(dispatcher: Arc<Dispatcher>, open: Arc<Open>, due: Due) -> Finished {
    let (start, began) = (dispatcher.clock.now(), Instant::now());
    let outcome = send(&dispatcher, &open, &due).await;
    let duration = began.elapsed();
    let (status, gone) = outcome
        .as_ref()
        .map_or((0, false), |answer| (i64::from(answer.status.as_u16()), answer.status == StatusCode::GONE));
    let fate = match &outcome {
        Ok(answer) if answer.status.is_success() => Fate::Delivered,
        _ if gone => Fate::Dead,
        outcome => {
            let asked = outcome.as_ref().ok().and_then(|answer| answer.retry_after.as_deref());
            let asked = asked.and_then(|text| schedule::retry_after(text, dispatcher.machine_clock.now()));
            let number = due.attempts - due.schedule_start + 1;
            match schedule::wait_after(number, asked, &*dispatcher.entropy) {
                Some(wait) => Fate::Again(dispatcher.clock.now().plus(wait)),
                None => Fate::Dead,
            }
        }
    };
    let (response, problem) = match outcome {
        Ok(answer) => (answer.body, String::new()),
        Err(error) => (Vec::new(), error.to_string()),
    };
    let attempted = Attempted {
        endpoint_id: open.id,
        due,
        start,
        duration_micros: i64::try_from(duration.as_micros()).unwrap_or(i64::MAX),
        status,
        problem,
        response,
        fate,
    };
    Finished { attempted, gone, duration }
}

async fn send(dispatcher: &Dispatcher, open: &Open, due: &Due) -> Result<Answer, CallError> {
    let broken = |what: &str| CallError::Broken(what.to_owned());
    let uri = open.uri.clone().ok_or_else(|| broken("the address cannot be called"))?;
    let now = dispatcher.clock.now();
    let live = open.keys.iter().filter(|(_, end)| end.is_none_or(|end| end > now));
    let live: Vec<&WebhookKey> = live.map(|(key, _)| key).collect();
    if live.is_empty() {
        return Err(broken("there is no key to sign with"));
    }
    let headers = headers(&live, &due.event_id, dispatcher.machine_clock.now(), &due.body)
        .map_err(|error| broken(&error.to_string()))?;
    dispatcher.client.post_to(uri, headers, due.body.clone()).await
}

/// The headers of the specification; a signature of each key, separated by spaces.
fn headers(
    keys: &[&WebhookKey],
    event_id: &str,
    now: Timestamp,
    body: &[u8],
) -> Result<HeaderMap, header::InvalidHeaderValue> {
    let seconds = now.as_seconds();
    let mut signatures = String::new();
    for key in keys {
        if !signatures.is_empty() {
            signatures.push(' ');
        }
        signatures.push_str(&key.sign(event_id, seconds, body));
    }
    let mut headers = HeaderMap::with_capacity(5);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static("Bursar-Webhooks/1"));
    headers.insert("webhook-id", HeaderValue::from_str(event_id)?);
    headers.insert("webhook-timestamp", HeaderValue::from(seconds));
    headers.insert("webhook-signature", HeaderValue::try_from(signatures)?);
    Ok(headers)
}
