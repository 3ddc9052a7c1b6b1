//! A provider behind a plain HTTP JSON interface, as SMS gateways have it.
//!
//! `POST url` with `{"id", "to", "text", "locale"}`, the message's id also as `Idempotency-Key`, and the token as
//! `Authorization: Bearer`. 2xx: taken. 408, 425, 429 and 5xx, and no answer: tried again. Anything else: refused.

use std::fmt;

use bursar_service::config::Secret;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde::Serialize;

use super::{Carrier, Outgoing, SendError};
use crate::webhooks::client::{CallError, HttpClient};
use crate::webhooks::target::Target;

/// The provider.
pub struct HttpProvider {
    client: HttpClient,
    url: Target,
    token: Option<Secret>,
}

impl fmt::Debug for HttpProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HttpProvider")
    }
}

#[derive(Serialize)]
struct Posted<'a> {
    id: String,
    to: &'a str,
    text: &'a str,
    locale: &'a str,
}

impl HttpProvider {
    /// The provider at `url`, with this token.
    pub const fn new(client: HttpClient, url: Target, token: Option<Secret>) -> Self {
        Self { client, url, token }
    }

    async fn post(&self, sms: &Outgoing) -> Result<(), SendError> {
        let id = sms.message_id.to_string();
        let headers = self.headers(&id).map_err(|()| SendError::Refused("sms.token is no header".into()))?;
        let outgoing = Posted { id, to: sms.address.expose(), text: &sms.text, locale: sms.locale.tag() };
        let body = serde_json::to_vec(&outgoing).map_err(|error| SendError::Refused(error.to_string()))?;
        let answer =
            self.client.post(&self.url, headers, Bytes::from(body)).await.map_err(|error| match error {
                CallError::Refused(refusal) => SendError::TryAgain(refusal.to_string()),
                // It may have arrived.
                CallError::Broken(_) | CallError::TooLong(_) => SendError::Uncertain(error.to_string()),
            })?;
        // The text of the answer is not kept: gateways repeat the number or the message in it.
        judge(answer.status)
    }

    fn headers(&self, id: &str) -> Result<HeaderMap, ()> {
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("idempotency-key", HeaderValue::from_str(id).map_err(drop)?);
        if let Some(token) = &self.token {
            let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose())).map_err(drop)?;
            value.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, value);
        }
        Ok(headers)
    }
}

impl Carrier for HttpProvider {
    fn send<'a>(&'a self, sms: &'a Outgoing) -> BoxFuture<'a, Result<(), SendError>> {
        Box::pin(self.post(sms))
    }
}

fn judge(status: StatusCode) -> Result<(), SendError> {
    match status.as_u16() {
        200..=299 => Ok(()),
        408 | 425 | 429 | 500..=599 => Err(SendError::TryAgain(format!("it answered {}", status.as_u16()))),
        _ => Err(SendError::Refused(format!("it answered {}", status.as_u16()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_pass_is_tried_again_and_what_may_not_is_not() {
        for (status, fine, again) in [
            (200, true, false),
            (202, true, false),
            (301, false, false),
            (400, false, false),
            (429, false, true),
            (503, false, true),
        ] {
            let judged = judge(StatusCode::from_u16(status).unwrap());
            assert_eq!(judged.is_ok(), fine, "{status}");
            assert_eq!(matches!(judged, Err(SendError::TryAgain(_))), again, "{status}");
        }
    }
}
