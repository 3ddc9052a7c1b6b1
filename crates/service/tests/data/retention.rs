//! What a log forgets, and whom it waits for.

use std::sync::Arc;
use std::time::Duration;

use bursar_proto::event::v1::{Cursor, FetchRequest};
use bursar_service::db::{Db, DbError};
use bursar_service::error::reason_of;
use bursar_service::events::{EventLog, EventSource as _, Retention};
use bursar_testkit::on_both_databases;
use bursar_types::{Clock as _, ManualClock, Reason, Timestamp};

use super::support::{SCHEMA, Served, happened, ids};

const HOUR: Duration = Duration::from_secs(3600);
const RETENTION: Retention = Retention { keep: HOUR.saturating_mul(10), hold: HOUR.saturating_mul(100) };

async fn log_with_clock(db: &Db) -> (EventLog, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::at(Timestamp::from_micros(1_767_225_600_000_000)));
    (EventLog::open(db.clone(), "test", clock.clone(), ids()).await.unwrap(), clock)
}

async fn publish(db: &Db, log: &EventLog, events: i64) {
    db.write(|tx| {
        Box::pin(async move {
            for n in 0..events {
                log.publish(tx, happened("a", n))?;
            }
            Ok::<_, DbError>(())
        })
    })
    .await
    .unwrap();
    log.turn().await.unwrap();
}

/// A registered reader that has everything up to `position`.
async fn register(db: &Db, name: &str, position: i64, now: Timestamp) {
    db.write(|tx| {
        Box::pin(async move {
            tx.query(
                "INSERT INTO bursar_event_consumers (name, position, updated_at) VALUES ($1, $2, $3)
                 ON CONFLICT (name) DO UPDATE SET position = excluded.position",
            )
            .bind(name)
            .bind(position)
            .bind(now)
            .execute()
            .await
        })
    })
    .await
    .map_err(|error: DbError| error)
    .unwrap();
}

on_both_databases! {
    async fn events_past_their_time_go_and_a_cursor_among_them_is_refused(database: TestDatabase) {
        let db = database.open(SCHEMA).await;
        let (log, clock) = log_with_clock(&db).await;
        publish(&db, &log, 2_500).await;
        clock.advance(HOUR * 6);
        publish(&db, &log, 10).await;
        assert_eq!(log.prune(RETENTION).await.unwrap(), 0, "nothing is old");
        clock.advance(HOUR * 5);
        assert_eq!(log.prune(RETENTION).await.unwrap(), 2_500);
        let bounds = log.bounds().await.unwrap();
        assert_eq!((bounds.pruned, bounds.head), (2_500, 2_510));
        publish(&db, &log, 1).await;
        let rest = log.page(2_500, 100).await.unwrap();
        let seen: Vec<_> = rest.iter().map(|event| (event.position, event.subject_version)).collect();
        assert_eq!(seen, (2_501..=2_511).map(|n| (n, n)).collect::<Vec<_>>(), "counting goes on");

        let served = Served::start(db.clone()).await;
        let fetch = |position| FetchRequest {
            cursor: Some(Cursor { epoch: bounds.epoch.clone(), position }),
            ..FetchRequest::default()
        };
        let refused = served.client().fetch(fetch(2_499)).await.unwrap_err();
        let (reason, told) = reason_of(&refused).unwrap();
        assert_eq!(reason, Reason::CursorTooOld);
        assert_eq!(told.get("earliest_position").map(String::as_str), Some("2501"));
        assert_eq!(served.client().fetch(fetch(2_500)).await.unwrap().into_inner().events.len(), 11);
        assert_eq!(log.prune(RETENTION).await.unwrap(), 2_500, "again does nothing");
    }

    async fn a_registered_reader_is_waited_for_and_passed_in_the_end(database: TestDatabase) {
        let db = database.open(SCHEMA).await;
        let (log, clock) = log_with_clock(&db).await;
        publish(&db, &log, 50).await;
        register(&db, "quick", 50, clock.now()).await;
        register(&db, "slow", 20, clock.now()).await;
        clock.advance(HOUR * 11);
        assert_eq!(log.prune(RETENTION).await.unwrap(), 20, "it has yet to take the 21st");
        clock.advance(HOUR * 80);
        assert_eq!(log.prune(RETENTION).await.unwrap(), 20);
        register(&db, "slow", 30, clock.now()).await;
        assert_eq!(log.prune(RETENTION).await.unwrap(), 30);
        clock.advance(HOUR * 20);
        assert_eq!(log.prune(RETENTION).await.unwrap(), 50, "too long");
        assert_eq!(log.page(0, 10).await.unwrap(), []);
    }
}
