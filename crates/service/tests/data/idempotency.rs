//! Asking twice does it once.

use std::sync::atomic::{AtomicU32, Ordering};

use bursar_service::db::{Db, DbError};
use bursar_service::idempotency::{self, Scope};
use bursar_testkit::on_both_databases;
use bursar_types::{Failure as _, Reason, RequestId};
use futures::future::join_all;

use super::support::{SCHEMA, TestError, count_up, counter};

const ALICE: Scope<'_> = Scope { method: "CountUp", principal: "customer/alice" };

fn request_id(n: u128) -> RequestId {
    RequestId::from_uuid(bursar_types::id::Uuid::from_u128(n))
}

/// Counts up under a request id; the response is the count.
async fn ask(db: &Db, scope: Scope<'_>, id: u128, body: &str, refuse: bool) -> Result<i64, TestError> {
    let body = &body.to_owned();
    db.write(|tx| {
        Box::pin(async move {
            idempotency::once_message(tx, scope, request_id(id), body, |tx| {
                Box::pin(async move {
                    let n = count_up(tx, "a").await?;
                    if refuse { Err(TestError::Refused) } else { Ok(n) }
                })
            })
            .await
        })
    })
    .await
}

on_both_databases! {
    async fn the_same_request_gets_the_same_answer(database: TestDatabase) {
        let db = database.open(SCHEMA).await;
        assert_eq!(ask(&db, ALICE, 1, "body", false).await.unwrap(), 1);
        assert_eq!(ask(&db, ALICE, 2, "body", false).await.unwrap(), 2);
        assert_eq!(ask(&db, ALICE, 1, "body", false).await.unwrap(), 1);
        assert_eq!(counter(&db, "a").await, 2);
    }

    async fn another_body_or_method_is_refused_with_the_first_method(database: TestDatabase) {
        let db = database.open(SCHEMA).await;
        ask(&db, ALICE, 1, "body", false).await.unwrap();
        let other_method = Scope { method: "Other", ..ALICE };
        for (scope, body) in [(ALICE, "another"), (other_method, "body")] {
            let error = ask(&db, scope, 1, body, false).await.unwrap_err();
            assert_eq!(error.reason(), Reason::RequestIdReused);
            let TestError::Db(error) = error else { panic!("{error}") };
            assert_eq!(error.metadata(), [("method", "CountUp".to_owned())]);
        }
        assert_eq!(counter(&db, "a").await, 1);
    }

    async fn principals_do_not_meet(database: TestDatabase) {
        let db = database.open(SCHEMA).await;
        let bob = Scope { principal: "customer/bob", ..ALICE };
        assert_eq!(ask(&db, ALICE, 1, "body", false).await.unwrap(), 1);
        assert_eq!(ask(&db, bob, 1, "body", false).await.unwrap(), 2);
    }

    async fn a_refusal_burns_nothing(database: TestDatabase) {
        let db = database.open(SCHEMA).await;
        assert!(matches!(ask(&db, ALICE, 1, "body", true).await, Err(TestError::Refused)));
        assert_eq!(counter(&db, "a").await, 0);
        assert_eq!(ask(&db, ALICE, 1, "another body", false).await.unwrap(), 1);
    }

    async fn many_of_the_same_at_once_are_one(database: TestDatabase) {
        let db = database.open(SCHEMA).await;
        let answers = join_all((0..12).map(|_| ask(&db, ALICE, 1, "body", false))).await;
        for answer in answers {
            assert_eq!(answer.unwrap(), 1);
        }
        assert_eq!(counter(&db, "a").await, 1);
    }

    async fn the_effect_does_not_run_for_a_repetition(database: TestDatabase) {
        let db = database.open(SCHEMA).await;
        let runs = AtomicU32::new(0);
        for _ in 0..3 {
            let runs = &runs;
            let answer: Vec<u8> = db.write(|tx| Box::pin(async move {
                idempotency::once(tx, ALICE, request_id(1), [9; 32], |_| Box::pin(async move {
                    runs.fetch_add(1, Ordering::Relaxed);
                    Ok::<_, DbError>(Vec::new())
                })).await
            })).await.unwrap();
            assert_eq!(answer, b"");
        }
        assert_eq!(runs.load(Ordering::Relaxed), 1);
    }
}
