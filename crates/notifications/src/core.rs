//! What the use cases of this service share: the database, keys, texts, and the engines to wake.

use std::sync::Arc;

use bursar_service::db::Db;
use bursar_types::{Clock, Entropy, IdSource};
use tokio::sync::Notify;

use crate::keys::Keys;
use crate::people::catalog::Catalog;
use crate::people::stream::Hub;
use crate::providers::Carrier;
use crate::webhooks::book::Book;
use crate::webhooks::client::HttpClient;
use crate::webhooks::wake::Wake;

/// What the use cases share. Clones are cheap and share everything.
#[derive(Clone, Debug)]
pub struct Core {
    /// The database.
    pub db: Db,
    /// The keys.
    pub keys: Arc<Keys>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
    /// Fresh ids.
    pub ids: IdSource,
    /// The texts.
    pub catalog: Arc<Catalog>,
    /// Who takes text messages.
    pub provider: Arc<dyn Carrier>,
    /// Who takes e-mail, if anybody does.
    pub mail: Option<Arc<dyn Carrier>>,
    /// Tells streams that inboxes grew.
    pub hub: Arc<Hub>,
    /// The client of webhooks.
    pub client: HttpClient,
    /// Wakes who hands text messages over.
    pub wake_texts: Arc<Notify>,
    /// Wakes who delivers webhooks.
    pub wake_webhooks: Arc<Wake>,
    /// The endpoints.
    pub book: Arc<Book>,
}

/// A call that changes something: who makes it, and how a repetition is known.
#[derive(Clone, Debug)]
pub struct Mutation {
    /// Who is answerable for it.
    pub principal: String,
    /// Its request id.
    pub request_id: bursar_types::RequestId,
    /// Keyed digest of its body.
    pub digest: [u8; 32],
}
