//! The log holds what was committed, all of it, nothing else, in an order that agrees with every order there was.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};
use std::time::Duration;

use bursar_proto::event::v1::Event;
use bursar_service::db::{Db, DbError, Isolation};
use bursar_service::events::{EventLog, EventSource as _, NewEvent};
use bursar_testkit::on_both_databases;
use futures::future::join_all;
use prost::Message as _;
use tokio_util::sync::CancellationToken;

use super::support::{Dice, SCHEMA, TestError, event_log, happened, note, notes, publish_all, seed};

/// Writers at once, each on connections of its own.
const WRITERS: u64 = 12;
/// Transactions of each.
const ROUNDS: u64 = 25;
/// Things that the writers contend for.
const SUBJECTS: u64 = 5;

/// What a writer knew and did: in the payload of its event.
#[derive(Clone, PartialEq, prost::Message)]
struct Deed {
    /// An event that was acknowledged before this one's transaction began.
    #[prost(string, tag = "1")]
    cause: String,
    /// The how-manieth change of its subject, counted under the subject's row lock.
    #[prost(int64, tag = "2")]
    n: i64,
}

impl prost::Name for Deed {
    const NAME: &'static str = "Deed";
    const PACKAGE: &'static str = "test";
}

fn deed(event: &Event) -> Deed {
    Deed::decode(event.data.as_ref().unwrap().value.as_slice()).unwrap()
}

/// Reads on from `events` to the end of the log; positions must be dense.
async fn tail(log: &EventLog, events: &mut Vec<Event>) {
    loop {
        let after = events.last().map_or(0, |event| event.position);
        let page = log.page(after, 37).await.unwrap();
        if page.is_empty() {
            return;
        }
        for event in page {
            let expected = events.last().map_or(1, |event| event.position + 1);
            assert_eq!(event.position, expected, "positions are dense");
            events.push(event);
        }
    }
}

fn check_subject_versions(events: &[Event]) {
    let mut versions: HashMap<&str, i64> = HashMap::new();
    for event in events {
        let version = versions.entry(&event.subject).or_default();
        *version += 1;
        assert_eq!(event.subject_version, *version, "versions of {} are dense", event.subject);
    }
}

/// Writers with slow commits and rollbacks, in transactions of which the later half sees what the others commit.
async fn write(db: &Db, log: &EventLog, name: usize, dice: &Dice, acknowledged: &Mutex<Vec<String>>) {
    for round in 0..ROUNDS {
        let naive = &format!("{name}-{round}");
        let cause = acknowledged.lock().unwrap().last().cloned().unwrap_or_default();
        let subject = &format!("thing-{}", dice.below(SUBJECTS));
        let (before, between, after) = (dice.micros(3000), dice.micros(3000), dice.micros(12_000));
        let (roll_back, cause) = (dice.percent(10), &cause);
        let written = db
            .write_at(Isolation::ReadCommitted, |tx| {
                Box::pin(async move {
                    // A row with a number, before the row lock is had: what an event log must not be made of.
                    tx.query("INSERT INTO notes (id, subject, n) VALUES ($1, $2, 0)")
                        .bind(naive)
                        .bind(subject)
                        .execute()
                        .await?;
                    let early = log.publish(
                        tx,
                        NewEvent::new("test.early", "everything", &Deed { cause: cause.clone(), n: 0 }),
                    )?;
                    tokio::time::sleep(before).await;
                    let row = tx
                        .query(
                            "INSERT INTO counters (id, n) VALUES ($1, 1)
                             ON CONFLICT (id) DO UPDATE SET n = counters.n + 1 RETURNING n",
                        )
                        .bind(subject)
                        .fetch_one()
                        .await?;
                    let n = row.get("n")?;
                    tokio::time::sleep(between).await;
                    let late = log.publish(
                        tx,
                        NewEvent::new("test.late", subject, &Deed { cause: cause.clone(), n }),
                    )?;
                    tokio::time::sleep(after).await;
                    tx.query("UPDATE notes SET n = $2 WHERE id = $1").bind(naive).bind(n).execute().await?;
                    if roll_back {
                        Err(TestError::Refused)
                    } else {
                        Ok([early.to_string(), late.to_string()])
                    }
                })
            })
            .await;
        match written {
            Ok(ids) => acknowledged.lock().unwrap().extend(ids),
            Err(TestError::Refused) => {}
            Err(error) => panic!("{error}"),
        }
    }
}

/// Reads rows by the number they took before their commit, and counts those it sees.
async fn read_naively(db: Db, stop: CancellationToken) -> usize {
    let (mut last, mut seen) = (0_i64, 0);
    loop {
        let ended = stop.is_cancelled();
        let rows: Vec<i64> = db
            .read(|tx| {
                Box::pin(async move {
                    let rows = tx.query("SELECT seq FROM notes WHERE seq > $1 ORDER BY seq").bind(last);
                    rows.fetch_all().await?.iter().map(|row| row.get("seq")).collect()
                })
            })
            .await
            .map_err(|error: DbError| error)
            .unwrap();
        seen += rows.len();
        last = rows.last().copied().unwrap_or(last);
        if ended {
            return seen;
        }
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

on_both_databases! {
    async fn slow_writers_lose_nothing_and_overtake_nobody(database: TestDatabase) {
        let seed = seed();
        let dbs = [database.open(SCHEMA).await, database.open(SCHEMA).await];
        let logs = [event_log(&dbs[0]).await, event_log(&dbs[1]).await];
        let acknowledged = Mutex::new(Vec::new());
        let stop = CancellationToken::new();

        // Sequencers of two processes, each killed again and again at any point.
        let sequencers = logs.clone().map(|log| {
            let stop = stop.clone();
            tokio::spawn(async move {
                let dice = Dice::new(seed ^ 1);
                let mut kills = 0;
                while !stop.is_cancelled() {
                    let task = tokio::spawn(log.clone().run_sequencer(stop.clone()));
                    tokio::time::sleep(dice.micros(40_000)).await;
                    task.abort();
                    kills += 1;
                }
                kills
            })
        });
        let reader = {
            let (log, stop) = (logs[1].clone(), stop.clone());
            tokio::spawn(async move {
                let mut events = Vec::new();
                while !stop.is_cancelled() {
                    tail(&log, &mut events).await;
                    tokio::time::sleep(Duration::from_millis(3)).await;
                }
                events
            })
        };
        let dices: Vec<Dice> = (0..WRITERS).map(|writer| Dice::new(seed.wrapping_add(writer))).collect();
        let control = tokio::spawn(read_naively(dbs[0].clone(), stop.clone()));
        let writers =
            dices.iter().enumerate().map(|(n, dice)| write(&dbs[n % 2], &logs[n % 2], n, dice, &acknowledged));
        join_all(writers).await;
        stop.cancel();
        let seen = control.await.unwrap();
        let mut kills = 0;
        for sequencer in sequencers {
            kills += sequencer.await.unwrap();
        }
        logs[0].turn().await.unwrap();
        // What the reader saw while it happened is what stands there now.
        let mut events = reader.await.unwrap();
        println!("{} read while writing, {kills} sequencers killed", events.len());
        tail(&logs[0], &mut events).await;
        let mut again = Vec::new();
        tail(&logs[0], &mut again).await;
        assert!(events == again, "what was read once is there for ever");

        let acknowledged = acknowledged.into_inner().unwrap();
        let positions: HashMap<&str, i64> = events.iter().map(|e| (e.id.as_str(), e.position)).collect();
        assert_eq!(positions.len(), events.len(), "no event twice");
        assert_eq!(events.len(), acknowledged.len(), "what was committed, and nothing else");
        for id in &acknowledged {
            assert!(positions.contains_key(id.as_str()), "{id} is lost");
        }
        if database.name() == "postgres" {
            // The control: the same load, read by a number taken before the commit. If it lost nothing and overtook
            // nobody, this test would prove nothing.
            let rows = notes(&dbs[0]).await;
            let lost = rows.len() - seen;
            let mut last: HashMap<&str, i64> = HashMap::new();
            let overtaken =
                rows.iter().filter(|(_, subject, n)| last.insert(subject, *n).is_some_and(|l| l > *n)).count();
            println!("of {} a naive reader loses {lost} and sees {overtaken} out of order", rows.len());
            assert!(lost > 0 && overtaken > 0, "the load is too tame: {lost} lost, {overtaken} overtaken");
        }
        check_subject_versions(&events);
        for event in &events {
            let deed = deed(event);
            if !deed.cause.is_empty() {
                assert!(positions[deed.cause.as_str()] < event.position, "{} before its cause", event.id);
            }
            if event.r#type == "test.late" {
                assert_eq!(deed.n, event.subject_version, "{} stands in the order of the row lock", event.id);
            }
        }
    }

    async fn a_sequencer_killed_after_any_step_loses_and_doubles_nothing(database: TestDatabase) {
        let db = database.open(SCHEMA).await;
        let log = event_log(&db).await;
        let mut finished = 0;
        let mut count = 0;
        // More steps than a turn takes: the last ones come through.
        for steps in 0..60 {
            count += 1;
            for subject in ["a", "b"] {
                let log = &log;
                db.write(|tx| Box::pin(async move { log.publish(tx, happened(subject, count)).map(drop) })).await.unwrap();
            }
            finished += u32::from(cut(steps, log.turn()).await.is_some());
        }
        assert!(finished > 0 && finished < 60, "{finished} turns of 60 were not killed");
        log.turn().await.unwrap();
        let mut events = Vec::new();
        tail(&log, &mut events).await;
        check_subject_versions(&events);
        let told: Vec<(String, i64)> = events.iter().map(|event| {
            (event.subject.clone(), i64::decode(event.data.as_ref().unwrap().value.as_slice()).unwrap())
        }).collect();
        let expected: Vec<(String, i64)> =
            (1..=count).flat_map(|n| [("a".to_owned(), n), ("b".to_owned(), n)]).collect();
        assert_eq!(told, expected);
    }

    async fn a_publisher_killed_after_any_step_tells_of_its_effect_or_has_none(database: TestDatabase) {
        let db = database.open(SCHEMA).await;
        let log = event_log(&db).await;
        for steps in 0..40 {
            let (id, log) = (&format!("note-{steps}"), &log);
            let work = db.write(|tx| Box::pin(async move {
                note(tx, id, "s", i64::from(steps)).await?;
                log.publish(tx, happened(id, i64::from(steps))).map(drop)
            }));
            let _ = cut(steps, work).await;
        }
        // Another transaction comes only after what the last one left is settled.
        db.write(|tx| Box::pin(note(tx, "last", "s", 0))).await.unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        log.turn().await.unwrap();
        let mut events = Vec::new();
        tail(&log, &mut events).await;
        let told: Vec<String> = events.iter().map(|event| event.subject.clone()).collect();
        let mut done: Vec<String> = notes(&db).await.into_iter().map(|(id, ..)| id).collect();
        done.retain(|id| id != "last");
        assert_eq!(told, done);
        assert!(!told.is_empty() && told.len() < 40, "{} of 40 came through", told.len());
    }

    async fn a_backlog_larger_than_a_turn_is_sequenced_in_order(database: TestDatabase) {
        let db = database.open(SCHEMA).await;
        let log = event_log(&db).await;
        // One transaction with more events than one turn moves.
        let published = &log;
        db.write(|tx| Box::pin(async move {
            for n in 1..=4500 {
                published.publish(tx, happened(["a", "b", "c"][usize::try_from(n % 3).unwrap()], n))?;
            }
            Ok::<_, DbError>(())
        })).await.unwrap();
        publish_all(&db, &log, &["a"], 1).await;
        let mut events = Vec::new();
        tail(&log, &mut events).await;
        assert_eq!(events.len(), 4501);
        check_subject_versions(&events);
        for (n, event) in (1_i64..=4500).zip(&events) {
            assert_eq!(i64::decode(event.data.as_ref().unwrap().value.as_slice()).unwrap(), n);
        }
        assert_eq!(log.bounds().await.unwrap().head, 4501);
        assert_eq!(*log.head().borrow(), 4501);
    }

    async fn the_epoch_is_the_databases_and_stays(database: TestDatabase) {
        let db = database.open(SCHEMA).await;
        let first = event_log(&db).await.bounds().await.unwrap();
        let second = event_log(&database.open(SCHEMA).await).await.bounds().await.unwrap();
        assert_eq!(first, second);
        assert_eq!(first.epoch.len(), 36);
        let other = event_log(&database.another().await.open(SCHEMA).await).await.bounds().await.unwrap();
        assert_ne!(first.epoch, other.epoch);
    }
}

/// Runs `work` for so many steps (wake-ups) and drops it then; `None` if it did not come to its end.
async fn cut<F: Future>(steps: u32, work: F) -> Option<F::Output> {
    struct Cut<F> {
        work: Pin<Box<F>>,
        left: u32,
    }
    impl<F: Future> Future for Cut<F> {
        type Output = Option<F::Output>;
        fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
            if self.left == 0 {
                return Poll::Ready(None);
            }
            self.left -= 1;
            self.work.as_mut().poll(context).map(Some)
        }
    }
    Cut { work: Box::pin(work), left: steps }.await
}
