//! All or nothing, one after the other, and in time.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bursar_service::db::{DbError, Isolation};
use bursar_service::deadline::Deadline;
use bursar_testkit::on_both_databases;
use bursar_types::{Failure as _, Reason};
use futures::FutureExt as _;
use futures::future::join_all;

use super::support::{SCHEMA, TestError, count_up, counter, note, notes};

on_both_databases! {
    async fn an_error_leaves_nothing(database: TestDatabase) {
        let db = database.open(SCHEMA).await;
        let outcome: Result<(), TestError> = db.write(|tx| Box::pin(async move {
            count_up(tx, "a").await?;
            Err(TestError::Refused)
        })).await;
        assert!(matches!(outcome, Err(TestError::Refused)));
        assert_eq!(counter(&db, "a").await, 0);
    }

    async fn a_failed_statement_dooms_its_transaction(database: TestDatabase) {
        let db = database.open(SCHEMA).await;
        let outcome: Result<(), DbError> = db.write(|tx| Box::pin(async move {
            note(tx, "first", "s", 1).await?;
            let second = note(tx, "first", "s", 2).await;
            assert!(second.is_err_and(|error| error.is_unique_violation()));
            let third = note(tx, "third", "s", 3).await;
            assert!(matches!(third, Err(DbError::Doomed { .. })), "{third:?}");
            Ok(())
        })).await;
        assert!(matches!(outcome, Err(DbError::Doomed { .. })), "{outcome:?}");
        assert_eq!(notes(&db).await, []);
    }

    async fn a_unique_violation_is_told_apart_and_internal(database: TestDatabase) {
        let db = database.open(SCHEMA).await;
        let insert = || db.write(|tx| Box::pin(note(tx, "secret-value", "s", 1)));
        insert().await.unwrap();
        let error = insert().await.unwrap_err();
        assert!(error.is_unique_violation());
        assert_eq!(error.reason(), Reason::Internal);
        assert!(!format!("{error} {error:?}").contains("secret-value"), "{error:?}");
    }

    async fn readers_cannot_write(database: TestDatabase) {
        let db = database.open(SCHEMA).await;
        let outcome = db.read(|tx| Box::pin(count_up(tx, "a"))).await;
        assert!(outcome.is_err());
        assert_eq!(counter(&db, "a").await, 0);
    }

    async fn concurrent_counts_lose_nothing(database: TestDatabase) {
        let db = database.open(SCHEMA).await;
        let tries = AtomicU32::new(0);
        let count = || async {
            for _ in 0..10 {
                let tries = &tries;
                // A caller repeats what lost against the others for too long.
                while let Err(error) = db.write(|tx| Box::pin(async move {
                    tries.fetch_add(1, Ordering::Relaxed);
                    count_up(tx, "a").await
                })).await {
                    assert_eq!(error.reason(), Reason::Conflict, "{error}");
                }
            }
        };
        join_all((0..8).map(|_| count())).await;
        assert_eq!(counter(&db, "a").await, 80);
        println!("80 counts in {} tries", tries.load(Ordering::Relaxed));
    }

    async fn what_is_doubled_by_nobody_is_read_consistently(database: TestDatabase) {
        // Writers keep a + b = 0; a reader that saw one of the two without the other would tell.
        let db = database.open(SCHEMA).await;
        let move_one = || db.write_at(Isolation::ReadCommitted, |tx| Box::pin(async move {
            for (id, by) in [("a", 1_i64), ("b", -1)] {
                tx.query("INSERT INTO counters (id, n) VALUES ($1, $2)
                          ON CONFLICT (id) DO UPDATE SET n = counters.n + excluded.n")
                    .bind(id).bind(by).execute().await?;
            }
            Ok::<_, DbError>(())
        }));
        let watch = || async {
            for _ in 0..50 {
                let sum = db.read(|tx| Box::pin(async move {
                    let mut sum = 0;
                    for id in ["a", "b"] {
                        let row = tx.query("SELECT n FROM counters WHERE id = $1").bind(id).fetch_optional().await?;
                        sum += row.map_or(Ok(0), |row| row.get::<i64>("n"))?;
                        tokio::task::yield_now().await;
                    }
                    Ok::<_, DbError>(sum)
                })).await.unwrap();
                assert_eq!(sum, 0);
            }
        };
        let work = async { for _ in 0..50 { move_one().await.unwrap(); } };
        tokio::join!(work, watch(), watch());
        assert_eq!(counter(&db, "a").await, 50);
    }

    async fn a_dropped_transaction_leaves_nothing_and_frees_its_connection(database: TestDatabase) {
        let db = database.open(SCHEMA).await;
        // More often than there are connections.
        for _ in 0..40 {
            let began = tokio::sync::Notify::new();
            let work = db.write(|tx| { let began = &began; Box::pin(async move {
                count_up(tx, "a").await?;
                began.notify_one();
                std::future::pending::<Result<(), DbError>>().await
            })});
            tokio::select! {
                _ = work => unreachable!("it waits for ever"),
                () = began.notified() => {}
            }
        }
        assert_eq!(counter(&db, "a").await, 0);
        assert_eq!(db.write(|tx| Box::pin(count_up(tx, "a"))).await.unwrap(), 1);
    }

    async fn a_deadline_that_passes_leaves_nothing(database: TestDatabase) {
        let db = database.open(SCHEMA).await;
        let late: Result<(), DbError> = Deadline::after(Duration::from_millis(50)).scope(db.write(|tx| Box::pin(async move {
            count_up(tx, "a").await?;
            tokio::time::sleep(Duration::from_millis(80)).await;
            Ok(())
        }))).await;
        assert!(matches!(late, Err(DbError::DeadlineExceeded)), "{late:?}");
        assert_eq!(counter(&db, "a").await, 0);
        assert_eq!(late.unwrap_err().reason(), Reason::DeadlineExceeded);
    }

    async fn waiting_for_a_lock_ends_at_the_deadline(database: TestDatabase) {
        let db = database.open(SCHEMA).await;
        db.write(|tx| Box::pin(count_up(tx, "a"))).await.unwrap();
        let (locked, release) = (tokio::sync::Notify::new(), tokio::sync::Notify::new());
        let holder = db.write(|tx| { let (locked, release) = (&locked, &release); Box::pin(async move {
            tx.query("UPDATE counters SET n = n + 1 WHERE id = 'a'").execute().await?;
            locked.notify_one();
            release.notified().await;
            Ok::<_, DbError>(())
        })});
        let waiter = async {
            locked.notified().await;
            let began = tokio::time::Instant::now();
            let late = Deadline::after(Duration::from_millis(100))
                .scope(db.write(|tx| Box::pin(count_up(tx, "a")))).await;
            assert!(matches!(late, Err(DbError::DeadlineExceeded)), "{late:?}");
            assert!(began.elapsed() < Duration::from_secs(3));
            release.notify_one();
        };
        let (held, ()) = tokio::join!(holder, waiter);
        held.unwrap();
        assert_eq!(counter(&db, "a").await, 2);
    }

    async fn hooks_run_after_the_commit_and_only_then(database: TestDatabase) {
        let db = database.open(SCHEMA).await;
        let (sent, received) = tokio::sync::mpsc::unbounded_channel::<&'static str>();
        let mut received = received;
        let attempt = |word: &'static str, fail: bool| { let (db, sent) = (&db, &sent); async move {
            db.write(|tx| { let sent = sent.clone(); Box::pin(async move {
                tx.after_commit(move || { let _ = sent.send(word); });
                if fail { Err(TestError::Refused) } else { Ok(()) }
            })}).await
        }};
        assert!(attempt("never", true).await.is_err());
        attempt("now", false).await.unwrap();
        assert_eq!(received.recv().now_or_never().flatten(), Some("now"));
        assert!(received.recv().now_or_never().is_none());
    }
}
