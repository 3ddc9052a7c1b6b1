//! What the tests here share.

use std::sync::Arc;
use std::time::Duration;

use bursar_proto::event::v1::event_service_client::EventServiceClient;
use bursar_service::db::{Db, DbError, Tx};
use bursar_service::events::{EventLog, NewEvent};
use bursar_service::migrate::Migration;
use bursar_types::{
    Clock, Entropy, Failure, IdSource, ManualClock, OsEntropy, Reason, SeededEntropy, Timestamp,
};
use tonic::transport::Channel;

/// A table to count in and one to note in.
pub(super) const SCHEMA: &[Migration] = &[Migration {
    version: 1,
    name: "counters and notes",
    sql: "
        CREATE TABLE counters (id TEXT PRIMARY KEY, n BIGINT NOT NULL);
        CREATE TABLE notes (seq {{identity}}, id TEXT NOT NULL UNIQUE, subject TEXT NOT NULL, n BIGINT NOT NULL);
    ",
}];

/// The error of a service: the database's, or a refusal of its own.
#[derive(Debug, thiserror::Error)]
pub(super) enum TestError {
    #[error(transparent)]
    Db(#[from] DbError),
    #[error("refused")]
    Refused,
    #[error("a peer is away")]
    Away,
}

impl Failure for TestError {
    fn reason(&self) -> Reason {
        match self {
            Self::Db(error) => error.reason(),
            Self::Refused => Reason::WrongState,
            Self::Away => Reason::PeerUnavailable,
        }
    }
}

pub(super) fn clock() -> Arc<dyn Clock> {
    Arc::new(ManualClock::at(Timestamp::from_micros(1_767_225_600_123_456)))
}

pub(super) fn ids() -> IdSource {
    IdSource::new(clock(), Arc::new(OsEntropy))
}

pub(super) async fn event_log(db: &Db) -> EventLog {
    EventLog::open(db.clone(), "test", clock(), ids()).await.unwrap()
}

/// Counts `id` up by reading and writing it: two at once must not both see the same number.
pub(super) async fn count_up(tx: &mut Tx<'_>, id: &str) -> Result<i64, DbError> {
    let found = tx.query("SELECT n FROM counters WHERE id = $1").bind(id).fetch_optional().await?;
    let n = match found {
        Some(row) => row.get::<i64>("n")? + 1,
        None => 1,
    };
    tx.query("INSERT INTO counters (id, n) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET n = excluded.n")
        .bind(id)
        .bind(n)
        .execute()
        .await?;
    Ok(n)
}

pub(super) async fn counter(db: &Db, id: &str) -> i64 {
    db.read(|tx| {
        Box::pin(async move {
            let row = tx.query("SELECT n FROM counters WHERE id = $1").bind(id).fetch_optional().await?;
            row.map_or(Ok(0), |row| row.get("n"))
        })
    })
    .await
    .map_err(|error: DbError| error)
    .unwrap()
}

pub(super) async fn note(tx: &mut Tx<'_>, id: &str, subject: &str, n: i64) -> Result<(), DbError> {
    tx.query("INSERT INTO notes (id, subject, n) VALUES ($1, $2, $3)")
        .bind(id)
        .bind(subject)
        .bind(n)
        .execute()
        .await
        .map(drop)
}

/// The notes in the order they were made.
pub(super) async fn notes(db: &Db) -> Vec<(String, String, i64)> {
    db.read(|tx| {
        Box::pin(async move {
            let rows = tx.query("SELECT id, subject, n FROM notes ORDER BY seq").fetch_all().await?;
            rows.iter().map(|row| Ok((row.get("id")?, row.get("subject")?, row.get("n")?))).collect()
        })
    })
    .await
    .map_err(|error: DbError| error)
    .unwrap()
}

/// The `n`th thing that happened to `subject`.
pub(super) fn happened(subject: &str, n: i64) -> NewEvent {
    NewEvent::new("test.thing.happened", subject, &n)
}

/// Publishes events 1 to `count` of each subject, one by one.
pub(super) async fn publish_all(db: &Db, log: &EventLog, subjects: &[&str], count: i64) {
    for n in 1..=count {
        for subject in subjects {
            db.write(|tx| Box::pin(async move { log.publish(tx, happened(subject, n)).map(drop) }))
                .await
                .unwrap();
        }
    }
    log.turn().await.unwrap();
}

/// Chance that can be repeated.
pub(super) struct Dice {
    entropy: SeededEntropy,
}

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self { entropy: SeededEntropy::new(seed) }
    }

    /// Less than `bound`.
    pub(super) fn below(&self, bound: u64) -> u64 {
        let mut bytes = [0_u8; 8];
        self.entropy.fill(&mut bytes);
        u64::from_le_bytes(bytes) % bound
    }

    pub(super) fn percent(&self, chance: u64) -> bool {
        self.below(100) < chance
    }

    pub(super) fn micros(&self, most: u64) -> Duration {
        Duration::from_micros(self.below(most))
    }
}

/// A seed of this run, printed so that a failure can be repeated by writing it here.
pub(super) fn seed() -> u64 {
    let mut bytes = [0_u8; 8];
    OsEntropy.fill(&mut bytes);
    let seed = u64::from_le_bytes(bytes);
    println!("seed {seed}");
    seed
}

/// Waits until `check` holds, polling; fails after a minute.
pub(super) async fn eventually<F: AsyncFnMut() -> bool>(what: &str, mut check: F) {
    let until = tokio::time::Instant::now() + Duration::from_secs(60);
    while !check().await {
        assert!(tokio::time::Instant::now() < until, "did not come true: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A log served on a port of loopback, without TLS.
pub(super) struct Served {
    pub(super) log: EventLog,
    pub(super) db: Db,
    pub(super) address: std::net::SocketAddr,
    pub(super) draining: tokio_util::sync::CancellationToken,
    supervisor: bursar_service::supervisor::Supervisor,
}

impl Served {
    /// Serves the log in `db`, with its sequencer running.
    pub(super) async fn start(db: Db) -> Self {
        Self::start_with(db, bursar_service::events::ParkedDesk::default()).await
    }

    /// As [`start`](Self::start), with what consumers left at `parked`.
    pub(super) async fn start_with(db: Db, parked: bursar_service::events::ParkedDesk) -> Self {
        let log = event_log(&db).await;
        let supervisor = bursar_service::supervisor::Supervisor::new();
        let draining = tokio_util::sync::CancellationToken::new();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = bursar_service::events::EventServer::new(
            Arc::new(log.clone()),
            db.clone(),
            clock(),
            supervisor.clone(),
            draining.clone(),
            parked,
        );
        supervisor.spawn("sequencer", log.clone().run_sequencer(supervisor.shutdown()));
        let shutdown = supervisor.shutdown();
        supervisor.spawn_once("server", async move {
            tonic::transport::Server::builder()
                .add_service(server.into_service())
                .serve_with_incoming_shutdown(
                    tokio_stream::wrappers::TcpListenerStream::new(listener),
                    shutdown.cancelled_owned(),
                )
                .await
                .unwrap();
        });
        Self { log, db, address, draining, supervisor }
    }

    pub(super) fn client(&self) -> EventServiceClient<Channel> {
        client_of(self.address)
    }

    pub(super) async fn publish(&self, subject: &str, n: i64) {
        let log = &self.log;
        self.db
            .write(|tx| Box::pin(async move { log.publish(tx, happened(subject, n)).map(drop) }))
            .await
            .unwrap();
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.supervisor.shutdown().cancel();
    }
}

pub(super) fn client_of(address: std::net::SocketAddr) -> EventServiceClient<Channel> {
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap();
    EventServiceClient::new(endpoint.connect_lazy())
}
