//! What is known of all endpoints, in memory: read again only when the count of their changes has moved.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use bursar_service::db::{DbError, Tx};
use bursar_types::Timestamp;
use bursar_types::id::WebhookEndpointId;
use http::Uri;

use super::filter::Filter;
use super::signature::WebhookKey;
use crate::keys::{Keys, Kind};
use crate::store::endpoints::{self, Endpoint};
use crate::store::{dispatch, secrets};

/// An endpoint with what is needed to send to it.
#[derive(Debug)]
pub struct Open {
    /// Its id.
    pub id: WebhookEndpointId,
    /// Its address; none if it cannot be put into a request.
    pub uri: Option<Uri>,
    /// What its messages are signed with, each until its end.
    pub keys: Vec<(WebhookKey, Option<Timestamp>)>,
    /// What it asked for.
    pub filter: Filter,
    /// Whether the order per subject is kept.
    pub ordered: bool,
    /// Attempts a second; 0: no bound.
    pub rate_per_second: u32,
    /// Attempts at once; 0: as configured.
    pub concurrency: usize,
    /// Whether it gets nothing: what it would get is held.
    pub disabled: bool,
    /// Since when nothing but failures came, when this was read.
    pub failing_since: Option<Timestamp>,
}

/// All endpoints as of one change.
#[derive(Debug)]
pub struct Snapshot {
    generation: i64,
    /// The endpoints by id.
    pub endpoints: BTreeMap<WebhookEndpointId, Arc<Open>>,
}

impl Snapshot {
    #[cfg(test)]
    pub(super) const fn of(endpoints: BTreeMap<WebhookEndpointId, Arc<Open>>) -> Self {
        Self { generation: 0, endpoints }
    }
}

/// The newest snapshot, and how to get a newer one.
pub struct Book {
    keys: Arc<Keys>,
    cached: Mutex<Option<Arc<Snapshot>>>,
}

impl fmt::Debug for Book {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Book")
    }
}

impl Book {
    /// An empty book.
    pub const fn new(keys: Arc<Keys>) -> Self {
        Self { keys, cached: Mutex::new(None) }
    }

    /// All endpoints as `tx` sees them. `tx` must not have changed any.
    ///
    /// # Errors
    /// What the database refused.
    pub(crate) async fn current(&self, tx: &mut Tx<'_>) -> Result<Arc<Snapshot>, DbError> {
        let generation = dispatch::generation(tx).await?;
        let cached = self.cached.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(snapshot) = cached.filter(|snapshot| snapshot.generation == generation) {
            return Ok(snapshot);
        }
        let mut keys = self.open_keys(tx).await?;
        let mut open = BTreeMap::new();
        for endpoint in endpoints::all(tx).await? {
            let own = keys.remove(&endpoint.id).unwrap_or_default();
            open.insert(endpoint.id, Arc::new(opened(&endpoint, own)?));
        }
        let snapshot = Arc::new(Snapshot { generation, endpoints: open });
        *self.cached.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&snapshot));
        Ok(snapshot)
    }

    /// Forgets what is known: the next look reads it again.
    pub fn forget(&self) {
        *self.cached.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    async fn open_keys(
        &self,
        tx: &mut Tx<'_>,
    ) -> Result<BTreeMap<WebhookEndpointId, Vec<(WebhookKey, Option<Timestamp>)>>, DbError> {
        let mut keys: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for stored in secrets::all(tx).await? {
            match open_key(&self.keys, &stored) {
                Ok(key) => keys.entry(stored.endpoint_id).or_default().push((key, stored.end_time)),
                // One damaged row must not stop all others.
                Err(error) => {
                    tracing::error!(error, endpoint = %stored.endpoint_id, "no webhooks can be signed with a key of this endpoint");
                }
            }
        }
        Ok(keys)
    }
}

/// Opens a stored key.
pub(crate) fn open_key(keys: &Keys, stored: &secrets::StoredSecret) -> Result<WebhookKey, String> {
    let bytes = keys
        .open(Kind::WebhookSecret, &stored.endpoint_id.to_string(), &stored.secret)
        .map_err(|error| error.to_string())?;
    WebhookKey::from_bytes(stored.scheme, bytes).map_err(|error| error.to_string())
}

fn opened(endpoint: &Endpoint, keys: Vec<(WebhookKey, Option<Timestamp>)>) -> Result<Open, DbError> {
    Ok(Open {
        id: endpoint.id,
        uri: endpoint.target.as_str().parse().ok(),
        keys,
        filter: endpoint.filter()?,
        ordered: endpoint.ordered,
        rate_per_second: u32::try_from(endpoint.rate_per_second).unwrap_or(0),
        concurrency: usize::try_from(endpoint.concurrency).unwrap_or(0),
        disabled: endpoint.disabled(),
        failing_since: endpoint.failing_since,
    })
}
