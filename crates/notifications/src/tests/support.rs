//! A service without its ports: use cases over a test's database, with a clock that stands still.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bursar_proto::access::Identity;
use bursar_proto::event::v1::Event;
use bursar_service::db::Db;
use bursar_service::events::{EventLog, EventSource as _};
use bursar_service::{CallContext, CustomerClaims, Supervisor};
use bursar_testkit::TestDatabase;
use bursar_types::id::{CustomerId, EventId, SessionId};
use bursar_types::{Clock as _, IdSource, ManualClock, RequestId, SeededEntropy, SystemClock, Timestamp};
use futures::future::BoxFuture;
use tokio::sync::Notify;
use tonic::Request;

use crate::core::Core;
use crate::error::NotificationsError;
use crate::keys::Keys;
use crate::people::catalog::Catalog;
use crate::people::outbox::Outbox;
use crate::providers::Carrier;
use crate::providers::mailbox::Mailbox;
use crate::store::MIGRATIONS;
use crate::webhooks::address::Policy;
use crate::webhooks::book::Book;
use crate::webhooks::client::{HttpClient, Resolve, SystemResolver};
use crate::webhooks::dispatcher::{Caps, Dispatcher};
use crate::webhooks::wake::Wake;

/// Longest wait of a test for something that is about to happen.
pub(super) const PATIENCE: Duration = Duration::from_secs(20);

/// Caps of most tests.
pub(super) const CAPS: Caps = Caps {
    total: 16,
    per_endpoint: 4,
    attempt: Duration::from_secs(15),
    disable_after: Duration::from_secs(120 * 3600),
};

/// The service under test.
pub(super) struct World {
    pub(super) core: Core,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) clock: Arc<ManualClock>,
    pub(super) events: EventLog,
    pub(super) database: TestDatabase,
    pub(super) supervisor: Supervisor,
}

/// Local listeners allowed, as in the sandbox.
pub(super) fn local() -> Policy {
    Policy::Vetted { allowed: vec!["127.0.0.0/8".parse().unwrap()], plain_http: true }
}

/// A resolver that answers from a function.
pub(super) struct FakeResolver<F>(pub(super) F);

impl<F: Fn(&str) -> Vec<IpAddr> + Send + Sync + 'static> Resolve for FakeResolver<F> {
    fn resolve<'a>(&'a self, host: &'a str) -> BoxFuture<'a, std::io::Result<Vec<IpAddr>>> {
        Box::pin(async move { Ok((self.0)(host)) })
    }
}

impl World {
    pub(super) async fn new(database: TestDatabase) -> Self {
        Self::with(database, local(), Arc::new(SystemResolver)).await
    }

    pub(super) async fn with(database: TestDatabase, policy: Policy, resolver: Arc<dyn Resolve>) -> Self {
        let db = database.open(MIGRATIONS).await;
        let clock = Arc::new(ManualClock::at(Timestamp::from_micros(1_795_336_200_000_000)));
        let entropy = Arc::new(SeededEntropy::new(11));
        let ids = IdSource::new(clock.clone(), entropy.clone());
        let keys = Arc::new(Keys::derive(&[7; 32]));
        let events = EventLog::open(db.clone(), "notifications", clock.clone(), ids.clone()).await.unwrap();
        let mailbox = Arc::new(Mailbox::open(db.clone(), keys.clone(), clock.clone()).await.unwrap());
        let core = Core {
            db,
            keys: keys.clone(),
            clock: clock.clone(),
            entropy,
            ids,
            catalog: Arc::new(Catalog::builtin().unwrap()),
            provider: mailbox.clone(),
            mail: Some(mailbox.clone()),
            hub: Arc::default(),
            client: HttpClient::new(policy, resolver, None, Duration::from_secs(15)).unwrap(),
            wake_texts: Arc::new(Notify::new()),
            wake_webhooks: Arc::new(Wake::default()),
            book: Arc::new(Book::new(keys.clone())),
        };
        Self { core, mailbox, clock, events, database, supervisor: Supervisor::new() }
    }

    pub(super) fn db(&self) -> &Db {
        &self.core.db
    }

    /// Applies events as the consumer does: in one transaction.
    pub(super) async fn apply(&self, events: &[Event]) -> Result<(), NotificationsError> {
        let core = &self.core;
        self.db()
            .write(|tx| {
                Box::pin(async move {
                    for event in events {
                        core.apply(tx, event).await?;
                    }
                    Ok(())
                })
            })
            .await
    }

    /// Hands text messages over in the background, to this provider.
    pub(super) fn run_outbox(&self, provider: Arc<dyn Carrier>) {
        let outbox = Outbox {
            db: self.core.db.clone(),
            events: self.events.clone(),
            keys: self.core.keys.clone(),
            clock: self.clock.clone(),
            catalog: self.core.catalog.clone(),
            mail: self.core.mail.clone(),
            provider,
            wake: self.core.wake_texts.clone(),
        };
        self.supervisor.spawn("outbox", outbox.run(self.supervisor.shutdown()));
    }

    pub(super) fn dispatcher(&self, caps: Caps) -> Dispatcher {
        Dispatcher {
            db: self.core.db.clone(),
            events: self.events.clone(),
            book: self.core.book.clone(),
            clock: self.clock.clone(),
            machine_clock: Arc::new(SystemClock),
            entropy: self.core.entropy.clone(),
            ids: self.core.ids.clone(),
            client: self.core.client.clone(),
            caps,
            wake: self.core.wake_webhooks.clone(),
        }
    }

    /// Delivers webhooks in the background.
    pub(super) fn run_dispatcher(&self, caps: Caps) {
        self.supervisor.spawn("dispatcher", self.dispatcher(caps).run(self.supervisor.shutdown()));
    }

    /// Moves the clock, and lets the engines look.
    pub(super) fn advance(&self, by: Duration) {
        self.clock.advance(by);
        self.core.wake_texts.notify_one();
        self.core.wake_webhooks.look();
    }

    /// The service's own events of this type.
    pub(super) async fn published(&self, event_type: &str) -> Vec<Event> {
        self.events.turn().await.unwrap();
        let all = self.events.page(0, 1_000).await.unwrap();
        all.into_iter().filter(|event| event.r#type == event_type).collect()
    }
}

/// An event with an id of its own.
pub(super) fn fresh(world: &World, mut event: Event) -> Event {
    event.id = world.core.ids.next::<EventId>().to_string();
    event
}

/// A request with the context of a call by `caller`.
pub(super) fn call<T>(caller: Identity, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(CallContext::of_caller(caller));
    request
}

/// A request with the context of a call for a customer.
pub(super) fn customer_call<T>(customer: &str, message: T) -> Request<T> {
    let mut request = call(Identity::Backend, message);
    let customer_id: CustomerId = customer.parse().unwrap();
    let context = request.extensions_mut().get_mut::<CallContext>().unwrap();
    context.customer = Some(CustomerClaims {
        customer_id,
        session_id: "sess_01j9zq8m7x4v6k2w3h5t8n0p1r".parse::<SessionId>().unwrap(),
        issued_at: SystemClock.now(),
        second_factor_at: None,
        device: None,
    });
    request
}

/// A request id.
pub(super) fn request_id(number: u8) -> String {
    RequestId::from_uuid(bursar_types::id::Uuid::from_bytes([number; 16])).to_string()
}

/// Asks again and again until the answer is there. For what has no signal of its own; yields instead of sleeping long.
pub(super) async fn eventually<T>(mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(answer) = ask().await {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.expect("what was waited for did not happen")
}
