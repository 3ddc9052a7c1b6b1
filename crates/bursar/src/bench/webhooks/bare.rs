//! The reference: signed POSTs by the same HTTP client to the same listener, with nothing kept.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bursar_loadgen::closed_loop;
use bursar_notifications::webhooks::address::Policy;
use bursar_notifications::webhooks::client::{HttpClient, SystemResolver};
use bursar_notifications::webhooks::signature::{Scheme, WebhookKey};
use bursar_types::{Clock as _, OsEntropy, SystemClock};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Uri, header};

use crate::bench::tell;
use crate::exit::Exit;

/// Numbers in flight that are tried.
const IN_FLIGHT: [usize; 4] = [16, 64, 128, 256];

/// Bytes of a body, as many as those of the events.
const BODY_BYTES: usize = 700;

/// What bare POSTs need.
pub(super) struct Bare {
    client: HttpClient,
    targets: Arc<[(Uri, WebhookKey)]>,
    body: Bytes,
    next: Arc<AtomicUsize>,
}

impl Bare {
    /// To these addresses, each with a secret of its own.
    pub(super) fn new(urls: &[String]) -> Result<Self, Exit> {
        let client =
            HttpClient::new(Policy::Trusted, Arc::new(SystemResolver), None, Duration::from_secs(15))
                .map_err(Exit::software)?;
        let target = |url: &String| {
            let uri: Uri = url.parse().map_err(|_| Exit::software("the listener's address is no URI"))?;
            Ok((uri, WebhookKey::generate(Scheme::V1, &OsEntropy)))
        };
        let targets: Result<Vec<_>, Exit> = urls.iter().map(target).collect();
        let next = Arc::new(AtomicUsize::new(0));
        Ok(Self { client, targets: targets?.into(), body: Bytes::from(vec![b'x'; BODY_BYTES]), next })
    }

    /// The number in flight that does best.
    pub(super) async fn best(&self, length: Duration) -> Result<usize, Exit> {
        let mut best = (IN_FLIGHT[0], 0.0);
        for in_flight in IN_FLIGHT {
            let rate = self.rate(in_flight, length).await?;
            if rate > best.1 {
                best = (in_flight, rate);
            }
        }
        tell::line(&format!("webhooks: {} bare POSTs in flight do best, {:.0}/s", best.0, best.1));
        Ok(best.0)
    }

    /// POSTs a second.
    pub(super) async fn rate(&self, in_flight: usize, length: Duration) -> Result<f64, Exit> {
        let (client, targets) = (self.client.clone(), Arc::clone(&self.targets));
        let (body, next) = (self.body.clone(), Arc::clone(&self.next));
        let tally = closed_loop(in_flight, length, move |run| {
            let (client, targets) = (client.clone(), Arc::clone(&targets));
            let (body, next) = (body.clone(), Arc::clone(&next));
            async move {
                while run.goes_on() {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    let (uri, key) = &targets[number % targets.len()];
                    let headers = headers(key, number, &body).map_err(|error| error.to_string())?;
                    let answer = client.post_to(uri.clone(), headers, body.clone()).await;
                    let answer = answer.map_err(|error| error.to_string())?;
                    if !answer.status.is_success() {
                        return Err(format!("the listener answered {}", answer.status));
                    }
                    run.count(1);
                }
                Ok(())
            }
        });
        tally.await.map(|tally| tally.per_second()).map_err(Exit::software)
    }
}

fn headers(key: &WebhookKey, number: usize, body: &[u8]) -> Result<HeaderMap, header::InvalidHeaderValue> {
    let (id, seconds) = (format!("evt_{number:026}"), SystemClock.now().as_seconds());
    let mut headers = HeaderMap::with_capacity(5);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::USER_AGENT, HeaderValue::from_static("Bursar-Webhooks/1"));
    headers.insert("webhook-signature", HeaderValue::try_from(key.sign(&id, seconds, body))?);
    headers.insert("webhook-id", HeaderValue::try_from(id)?);
    headers.insert("webhook-timestamp", HeaderValue::from(seconds));
    Ok(headers)
}
