//! The shop: a real HTTP listener that takes webhooks and believes only those with a good signature.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use data_encoding::BASE64;
use ring::hmac;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;

/// Prefix of a Standard Webhooks secret.
const SECRET_PREFIX: &str = "whsec_";

/// A shop that listens.
pub(super) struct Shop {
    /// Where it listens.
    pub(super) url: String,
    received: watch::Receiver<Vec<Value>>,
    key: Arc<Mutex<Option<hmac::Key>>>,
    _serving: JoinSet<()>,
}

struct Till {
    key: Arc<Mutex<Option<hmac::Key>>>,
    received: watch::Sender<Vec<Value>>,
}

impl Shop {
    /// Opens the shop on a free loopback port.
    pub(super) async fn open() -> Result<Self, String> {
        let failed = |error: std::io::Error| format!("the shop's listener cannot open: {error}");
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let key = Arc::new(Mutex::new(None));
        let (sender, received) = watch::channel(Vec::new());
        let till = Arc::new(Till { key: Arc::clone(&key), received: sender });
        let router = Router::new().route("/payments", post(take)).with_state(till);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            // Ends with the shop; what a broken connection says interests nobody.
            let _ = axum::serve(listener, router).await;
        });
        Ok(Self { url: format!("http://{address}/payments"), received, key, _serving: serving })
    }

    /// The secret that the platform told when the endpoint was declared.
    pub(super) async fn trust(&self, secret: &str) -> Result<(), String> {
        let encoded = secret.strip_prefix(SECRET_PREFIX).ok_or("the secret does not start with whsec_")?;
        let bytes = BASE64.decode(encoded.as_bytes()).map_err(|_| "the secret is not base 64".to_owned())?;
        *self.key.lock().await = Some(hmac::Key::new(hmac::HMAC_SHA256, &bytes));
        Ok(())
    }

    /// Waits for a confirmation that tells of `payment_id`.
    pub(super) async fn confirmation(&self, payment_id: &str, wait: Duration) -> Result<Value, String> {
        let mut received = self.received.clone();
        let found = async {
            loop {
                let hit =
                    received.borrow_and_update().iter().find(|body| mentions(body, payment_id)).cloned();
                if let Some(body) = hit {
                    return Some(body);
                }
                received.changed().await.ok()?;
            }
        };
        tokio::time::timeout(wait, found).await.ok().flatten().ok_or_else(|| {
            format!("no signed webhook told the shop of {payment_id} within {} s", wait.as_secs())
        })
    }
}

/// Whether the text stands anywhere in the values of the document.
fn mentions(document: &Value, text: &str) -> bool {
    match document {
        Value::String(value) => value == text,
        Value::Array(items) => items.iter().any(|item| mentions(item, text)),
        Value::Object(fields) => fields.values().any(|field| mentions(field, text)),
        _ => false,
    }
}

async fn take(State(till): State<Arc<Till>>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let key = till.key.lock().await;
    let Some(key) = key.as_ref() else { return StatusCode::SERVICE_UNAVAILABLE };
    if !signed(key, &headers, &body) {
        return StatusCode::UNAUTHORIZED;
    }
    let Ok(document) = serde_json::from_slice(&body) else { return StatusCode::BAD_REQUEST };
    till.received.send_modify(|received| received.push(document));
    StatusCode::NO_CONTENT
}

/// Checks `webhook-signature` as Standard Webhooks 1.0 has it: HMAC-SHA256 over `id.timestamp.body`.
fn signed(key: &hmac::Key, headers: &HeaderMap, body: &[u8]) -> bool {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let (Some(id), Some(time), Some(signatures)) =
        (header("webhook-id"), header("webhook-timestamp"), header("webhook-signature"))
    else {
        return false;
    };
    let mut content = format!("{id}.{time}.").into_bytes();
    content.extend_from_slice(body);
    signatures
        .split(' ')
        .filter_map(|signature| signature.strip_prefix("v1,"))
        .filter_map(|encoded| BASE64.decode(encoded.as_bytes()).ok())
        .any(|signature| hmac::verify(key, &content, &signature).is_ok())
}
