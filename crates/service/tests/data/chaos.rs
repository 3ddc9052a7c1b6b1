//! Exactly once in effect, with everything between producer and consumer failing at random.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use bursar_service::db::Db;
use bursar_service::events::Consumer;
use bursar_service::supervisor::Backoff;
use bursar_testkit::on_both_databases;
use futures::future::join_all;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use super::consuming::number;
use super::support::{
    Dice, SCHEMA, Served, TestError, client_of, clock, count_up, counter, eventually, note, notes, seed,
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
