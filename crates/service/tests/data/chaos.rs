//! Exactly once in effect, with everything between producer and consumer failing at random.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use bursar_service::db::{Db, DbError, DbOptions};
use bursar_service::events::Consumer;
use bursar_service::migrate;
use bursar_service::supervisor::Backoff;
use bursar_testkit::{Postgres, on_both_databases};
use bursar_types::{Failure as _, Reason};
use futures::future::join_all;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::consuming::number;
use super::support::{
    Dice, SCHEMA, Served, TestError, client_of, clock, count_up, counter, eventually, happened, note, notes,
    seed,
};

const SUBJECTS: [&str; 4] = ["a", "b", "c", "d"];
const EVENTS_EACH: i64 = 120;
const QUICK: Backoff = Backoff { first: Duration::from_millis(1), most: Duration::from_millis(5) };

/// A proxy whose connections break after a moment.
async fn flaky_proxy(server: SocketAddr, dice: Arc<Dice>, broken: Arc<AtomicU32>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let life = Duration::from_millis(5) + dice.micros(120_000);
            let broken = Arc::clone(&broken);
            tokio::spawn(async move {
                let Ok(mut server) = TcpStream::connect(server).await else { return };
                let relay = tokio::io::copy_bidirectional(&mut client, &mut server);
                if tokio::time::timeout(life, relay).await.is_err() {
                    broken.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
    });
    address
}

/// Runs the consumer and kills it, again and again, until told to let it be.
async fn run_and_kill(
    db: Db,
    address: SocketAddr,
    dice: Arc<Dice>,
    calm: Arc<AtomicBool>,
    kills: Arc<AtomicU32>,
) {
    loop {
        let dice_of_handler = Arc::clone(&dice);
        let calm_of_handler = Arc::clone(&calm);
        let consumer = Consumer::new("notifications", "test").tries(1000, QUICK);
        let task = tokio::spawn(consumer.run(
            db.clone(),
            client_of(address),
            clock(),
            CancellationToken::new(),
            move |tx, event| {
                let trouble = !calm_of_handler.load(Ordering::SeqCst);
                let wait = dice_of_handler.micros(800);
                let fails = trouble && dice_of_handler.percent(3);
                let refuses = trouble && dice_of_handler.percent(3);
                Box::pin(async move {
                    note(tx, &event.id, &event.subject, number(event)).await?;
                    tokio::time::sleep(wait).await;
                    count_up(tx, &event.subject).await?;
                    match (fails, refuses) {
                        (true, _) => Err(TestError::Away),
                        (_, true) => Err(TestError::Refused),
                        _ => Ok(()),
                    }
                })
            },
        ));
        if calm.load(Ordering::SeqCst) {
            // The rest in peace; the caller ends it.
            task.await.unwrap();
            return;
        }
        tokio::time::sleep(Duration::from_millis(5) + dice.micros(150_000)).await;
        task.abort();
        let _ = task.await;
        kills.fetch_add(1, Ordering::SeqCst);
    }
}

on_both_databases! {
    async fn every_event_takes_effect_exactly_once(database: TestDatabase) {
        let seed = seed();
        let dice = Arc::new(Dice::new(seed));
        let served = Arc::new(Served::start(database.open(SCHEMA).await).await);
        let own = database.another().await;
        let db = own.open(SCHEMA).await;
        let (broken, calm) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
        let address = flaky_proxy(served.address, Arc::clone(&dice), Arc::clone(&broken)).await;
        let kills = Arc::new(AtomicU32::new(0));
        let (dice_of_killer, calm_of_killer) = (Arc::clone(&dice), Arc::clone(&calm));
        let killer =
            tokio::spawn(run_and_kill(db.clone(), address, dice_of_killer, calm_of_killer, Arc::clone(&kills)));
        join_all(SUBJECTS.iter().map(|subject| {
            let (served, dice) = (Arc::clone(&served), Arc::clone(&dice));
            async move {
                for n in 1..=EVENTS_EACH {
                    served.publish(subject, n).await;
                    tokio::time::sleep(dice.micros(15_000)).await;
                }
            }
        })).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        calm.store(true, Ordering::SeqCst);

        let all = SUBJECTS.len() * usize::try_from(EVENTS_EACH).unwrap();
        eventually("every event applied", async || notes(&db).await.len() >= all).await;
        killer.abort();
        let noted = notes(&db).await;
        assert_eq!(noted.len(), all);
        for subject in SUBJECTS {
            let numbers: Vec<i64> = noted.iter().filter(|(_, s, _)| s == subject).map(|(.., n)| *n).collect();
            assert_eq!(numbers, (1..=EVENTS_EACH).collect::<Vec<_>>(), "{subject} in order");
            assert_eq!(counter(&db, subject).await, EVENTS_EACH);
        }
        let (broken, kills) = (broken.load(Ordering::SeqCst), kills.load(Ordering::SeqCst));
        println!("{broken} connections broken, {kills} consumers killed");
        assert!(broken >= 5 && kills >= 10, "{broken} breaks and {kills} kills prove little");
    }
}

/// Publishes event `n` with its effect, until it is certain that both took place.
async fn publish_surely(served: &Served, n: i64) {
    let (log, id) = (&served.log, &format!("published-{n}"));
    loop {
        let published = served
            .db
            .write(|tx| {
                Box::pin(async move {
                    // The effect tells whether a commit of unknown outcome took place.
                    let known =
                        tx.query("SELECT 1 FROM notes WHERE id = $1").bind(id).fetch_optional().await?;
                    if known.is_none() {
                        note(tx, id, "s", n).await?;
                        log.publish(tx, happened("s", n))?;
                    }
                    Ok::<_, DbError>(())
                })
            })
            .await;
        match published {
            Ok(()) => return,
            Err(error) => {
                assert_eq!(error.reason(), Reason::DatabaseUnavailable, "{error}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn crashes_of_the_database_server_lose_and_double_nothing() {
    const EVENTS: i64 = 200;
    let postgres = Arc::new(Postgres::exclusive());
    let open = async || {
        let url = postgres.create_database().await;
        let db = Db::connect(&DbOptions { acquire_max: Duration::from_secs(1), ..DbOptions::new(url) })
            .await
            .unwrap();
        migrate::run(&db, SCHEMA, clock().now()).await.unwrap();
        db
    };
    let (producer, db) = (open().await, open().await);
    let served = Served::start(producer).await;
    let consumer = Consumer::new("notifications", "test").tries(1_000_000, QUICK);
    let consuming = tokio::spawn(consumer.run(
        db.clone(),
        served.client(),
        clock(),
        CancellationToken::new(),
        |tx, event| {
            Box::pin(async move {
                note(tx, &event.id, &event.subject, number(event)).await?;
                count_up(tx, "s").await.map(drop).map_err(TestError::from)
            })
        },
    ));
    let done = Arc::new(AtomicBool::new(false));
    let crashing = {
        let (postgres, done) = (Arc::clone(&postgres), Arc::clone(&done));
        tokio::task::spawn_blocking(move || {
            let mut crashes = 0;
            while !done.load(Ordering::SeqCst) && crashes < 4 {
                std::thread::sleep(Duration::from_millis(300));
                postgres.stop();
                std::thread::sleep(Duration::from_millis(200));
                postgres.start();
                crashes += 1;
            }
            crashes
        })
    };
    for n in 1..=EVENTS {
        publish_surely(&served, n).await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    done.store(true, Ordering::SeqCst);
    let crashes = crashing.await.unwrap();
    println!("{crashes} crashes");
    assert!(crashes >= 2, "{crashes} crashes prove little");
    let all = usize::try_from(EVENTS).unwrap();
    eventually("every event applied", async || notes(&db).await.len() >= all).await;
    consuming.abort();
    let numbers: Vec<i64> = notes(&db).await.into_iter().map(|(.., n)| n).collect();
    assert_eq!(numbers, (1..=EVENTS).collect::<Vec<_>>());
    assert_eq!(counter(&db, "s").await, EVENTS);
}
