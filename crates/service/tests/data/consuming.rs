//! One consumer and its log: order, failures that pass, failures that do not.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use bursar_proto::event::v1::{Event, ListParkedEventsRequest, ReplayParkedEventsRequest};
use bursar_service::db::{Db, Tx};
use bursar_service::error::reason_of;
use bursar_service::events::{Consumer, EventSource as _, ParkedDesk, Replayed};
use bursar_service::supervisor::Backoff;
use bursar_testkit::on_both_databases;
use bursar_types::Reason;
use prost::Message as _;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::support::{SCHEMA, Served, TestError, clock, counter, eventually, note, notes, publish_all};

const QUICK: Backoff = Backoff { first: Duration::from_millis(1), most: Duration::from_millis(5) };

/// What fails, for tests to switch.
#[derive(Debug, Default)]
struct Faults {
    /// Subject whose second event fails for itself.
    poison: AtomicBool,
    /// It panics instead.
    panic: AtomicBool,
    /// Everything fails for a reason that passes.
    away: AtomicBool,
    calls: AtomicU32,
}

pub(super) fn number(event: &Event) -> i64 {
    i64::decode(event.data.as_ref().unwrap().value.as_slice()).unwrap()
}

async fn apply(tx: &mut Tx<'_>, event: &Event, faults: &Faults) -> Result<(), TestError> {
    faults.calls.fetch_add(1, Ordering::SeqCst);
    note(tx, &event.id, &event.subject, number(event)).await?;
    if faults.away.load(Ordering::SeqCst) {
        return Err(TestError::Away);
    }
    if event.subject == "b" && number(event) == 2 {
        assert!(!faults.panic.load(Ordering::SeqCst), "as the test wants");
        if faults.poison.load(Ordering::SeqCst) {
            return Err(TestError::Refused);
        }
    }
    Ok(())
}

fn consumer() -> Consumer {
    Consumer::new("notifications", "test").tries(3, QUICK)
}

fn consume(db: &Db, served: &Served, faults: &Arc<Faults>) -> JoinHandle<()> {
    let faults = Arc::clone(faults);
    let run =
        consumer().run(db.clone(), served.client(), clock(), CancellationToken::new(), move |tx, event| {
            let faults = Arc::clone(&faults);
            Box::pin(async move { apply(tx, event, &faults).await })
        });
    tokio::spawn(run)
}

/// What was noted, as `a1 a2 b1`.
async fn noted(db: &Db) -> String {
    let words: Vec<String> =
        notes(db).await.into_iter().map(|(_, subject, n)| format!("{subject}{n}")).collect();
    words.join(" ")
}

async fn position(served: &Served) -> i64 {
    let request = bursar_proto::event::v1::ListConsumersRequest::default();
    let listed = served.client().list_consumers(request).await.unwrap().into_inner();
    listed
        .consumers
        .iter()
        .find(|consumer| consumer.name == "notifications")
        .map_or(-1, |consumer| consumer.position)
}

on_both_databases! {
    async fn events_are_applied_once_in_order_across_restarts(database: TestDatabase) {
        let served = Served::start(database.open(SCHEMA).await).await;
        let own = database.another().await;
        let db = own.open(SCHEMA).await;
        let faults = Arc::new(Faults::default());
        publish_all(&served.db, &served.log, &["a", "b"], 3).await;
        let first = consume(&db, &served, &faults);
        eventually("the first six", async || noted(&db).await == "a1 b1 a2 b2 a3 b3").await;
        first.abort();
        served.publish("c", 1).await;
        let second = consume(&db, &served, &faults);
        eventually("the seventh", async || noted(&db).await == "a1 b1 a2 b2 a3 b3 c1").await;
        eventually("the source knows", async || position(&served).await == 7).await;
        second.abort();
        assert_eq!(faults.calls.load(Ordering::SeqCst), 7);
    }

    async fn a_poison_event_is_parked_with_what_follows_it_and_nothing_else(database: TestDatabase) {
        let served = Served::start(database.open(SCHEMA).await).await;
        let own = database.another().await;
        let db = own.open(SCHEMA).await;
        let faults = Arc::new(Faults::default());
        faults.poison.store(true, Ordering::SeqCst);
        publish_all(&served.db, &served.log, &["a", "b"], 4).await;
        let task = consume(&db, &served, &faults);
        eventually("all but those", async || noted(&db).await == "a1 b1 a2 a3 a4").await;
        let parked = || async {
            let parked = consumer().parked(&db, 0, 100).await.unwrap();
            parked.into_iter().map(|p| (p.event.subject.clone(), number(&p.event), p.tries)).collect::<Vec<_>>()
        };
        let b = |n, tries| ("b".to_owned(), n, tries);
        eventually("the others parked", async || parked().await == [b(2, 3), b(3, 0), b(4, 0)]).await;

        // Replayed before it is mended, all stays.
        let replay = || { let faults = Arc::clone(&faults); consumer().replay_with(&db, faults) };
        assert_eq!(replay().await, Replayed { applied: 0, left: 3 });
        served.publish("b", 5).await;
        served.publish("a", 5).await;
        eventually("a goes on", async || noted(&db).await == "a1 b1 a2 a3 a4 a5").await;
        eventually("b does not", async || parked().await.len() == 4).await;

        faults.poison.store(false, Ordering::SeqCst);
        assert_eq!(replay().await, Replayed { applied: 4, left: 0 });
        served.publish("b", 6).await;
        eventually("b goes on", async || noted(&db).await == "a1 b1 a2 a3 a4 a5 b2 b3 b4 b5 b6").await;
        task.abort();
    }

    async fn a_handler_that_panics_parks_the_event(database: TestDatabase) {
        let served = Served::start(database.open(SCHEMA).await).await;
        let own = database.another().await;
        let db = own.open(SCHEMA).await;
        let faults = Arc::new(Faults::default());
        faults.panic.store(true, Ordering::SeqCst);
        publish_all(&served.db, &served.log, &["a", "b"], 2).await;
        let task = consume(&db, &served, &faults);
        eventually("the rest", async || noted(&db).await == "a1 b1 a2").await;
        eventually("it is parked", async || consumer().parked(&db, 0, 9).await.unwrap().len() == 1).await;
        task.abort();
    }

    async fn what_may_pass_is_waited_for_and_never_parked(database: TestDatabase) {
        let served = Served::start(database.open(SCHEMA).await).await;
        let own = database.another().await;
        let db = own.open(SCHEMA).await;
        let faults = Arc::new(Faults::default());
        faults.away.store(true, Ordering::SeqCst);
        publish_all(&served.db, &served.log, &["a"], 3).await;
        let task = consume(&db, &served, &faults);
        eventually("more tries than park", async || faults.calls.load(Ordering::SeqCst) > 20).await;
        assert_eq!(noted(&db).await, "");
        faults.away.store(false, Ordering::SeqCst);
        eventually("all", async || noted(&db).await == "a1 a2 a3").await;
        assert_eq!(consumer().parked(&db, 0, 9).await.unwrap(), []);
        task.abort();
    }

    async fn an_operator_sees_what_is_parked_and_has_it_applied_again(database: TestDatabase) {
        let served = Served::start(database.open(SCHEMA).await).await;
        let own = database.another().await;
        let db = own.open(SCHEMA).await;
        let faults = Arc::new(Faults::default());
        faults.poison.store(true, Ordering::SeqCst);
        publish_all(&served.db, &served.log, &["a", "b"], 3).await;
        let task = consume(&db, &served, &faults);
        eventually("parked", async || consumer().parked(&db, 0, 9).await.unwrap().len() == 2).await;
        let (desk, again) = (ParkedDesk::default(), Arc::clone(&faults));
        desk.leave(&consumer(), db.clone(), move |tx, event| {
            let faults = Arc::clone(&again);
            Box::pin(async move { apply(tx, event, &faults).await })
        });
        let desk = Served::start_with(db.clone(), desk).await;
        let mut listed = Vec::new();
        let mut page_token = String::new();
        loop {
            let request = ListParkedEventsRequest { page_size: 1, page_token };
            let page = desk.client().list_parked_events(request).await.unwrap().into_inner();
            listed.extend(page.events);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        let told: Vec<_> = listed.iter().map(|e| (e.consumer.as_str(), e.source.as_str(), e.subject.as_str(), e.tries)).collect();
        assert_eq!(told, [("notifications", "test", "b", 3), ("notifications", "test", "b", 0)]);
        assert_eq!(listed[0].error, "refused");

        let replay = |source: &str| ReplayParkedEventsRequest {
            request_id: "00000000-0000-4000-8000-000000000001".into(),
            consumer: "notifications".into(),
            source: source.into(),
        };
        let done = desk.client().replay_parked_events(replay("test")).await.unwrap().into_inner();
        assert_eq!((done.applied, done.left), (0, 2), "it is not mended yet");
        faults.poison.store(false, Ordering::SeqCst);
        let done = desk.client().replay_parked_events(replay("test")).await.unwrap().into_inner();
        assert_eq!((done.applied, done.left), (2, 0));
        assert_eq!(noted(&db).await, "a1 b1 a2 a3 b2 b3");
        let unknown = desk.client().replay_parked_events(replay("ledger")).await.unwrap_err();
        assert_eq!(reason_of(&unknown).unwrap().0, Reason::NotFound);
        task.abort();
    }

    async fn two_of_one_name_apply_nothing_twice(database: TestDatabase) {
        let served = Served::start(database.open(SCHEMA).await).await;
        let other = database.another().await;
        let (one, two) = (other.open(SCHEMA).await, other.open(SCHEMA).await);
        let faults = Arc::new(Faults::default());
        let tasks = [consume(&one, &served, &faults), consume(&two, &served, &faults)];
        publish_all(&served.db, &served.log, &["a", "b", "c"], 30).await;
        eventually("all ninety", async || notes(&one).await.len() == 90).await;
        for task in tasks {
            task.abort();
        }
        let noted = notes(&one).await;
        for subject in ["a", "b", "c"] {
            let numbers: Vec<i64> = noted.iter().filter(|(_, s, _)| s == subject).map(|(.., n)| *n).collect();
            assert_eq!(numbers, (1..=30).collect::<Vec<_>>());
        }
        assert_eq!(consumer().parked(&one, 0, 9).await.unwrap(), []);
    }

    async fn a_log_that_was_rolled_back_is_not_followed(database: TestDatabase) {
        let served = Served::start(database.open(SCHEMA).await).await;
        let own = database.another().await;
        let db = own.open(SCHEMA).await;
        let faults = Arc::new(Faults::default());
        publish_all(&served.db, &served.log, &["a"], 3).await;
        let task = consume(&db, &served, &faults);
        eventually("three", async || noted(&db).await == "a1 a2 a3").await;
        task.abort();
        // As after a restore: another log, younger than the consumer, that goes on differently.
        let other = database.another().await;
        let restored = Served::start(other.open(SCHEMA).await).await;
        publish_all(&restored.db, &restored.log, &["x"], 5).await;
        let task = consume(&db, &restored, &faults);
        tokio::time::sleep(Duration::from_millis(700)).await;
        assert_eq!(noted(&db).await, "a1 a2 a3");
        task.abort();
        // With the right log it goes on.
        served.publish("a", 4).await;
        let task = consume(&db, &served, &faults);
        eventually("the fourth", async || noted(&db).await == "a1 a2 a3 a4").await;
        task.abort();
        assert_eq!(served.log.bounds().await.unwrap().head, 4);
        assert_eq!(counter(&db, "a").await, 0);
    }
}

/// Replaying with this test's handler.
trait ReplayWith {
    fn replay_with(self, db: &Db, faults: Arc<Faults>) -> impl Future<Output = Replayed>;
}

impl ReplayWith for Consumer {
    async fn replay_with(self, db: &Db, faults: Arc<Faults>) -> Replayed {
        self.replay(db, move |tx, event| {
            let faults = Arc::clone(&faults);
            Box::pin(async move { apply(tx, event, &faults).await })
        })
        .await
        .unwrap()
    }
}
