//! Requests: what is answered, when, and to whom again.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bursar_testkit::{TestDatabase, on_both_databases};

use super::world::{Traits, World, purchase};
use crate::store::DeliveryState;
use crate::tests::fake::{FakeIssuer, Mood};

fn hasty() -> Traits {
    Traits { answer_max: Duration::from_millis(600), ..Traits::default() }
}

on_both_databases! {
    async fn a_purchase_is_decided_and_the_reply_says_whose_it_is(database: TestDatabase) {
        let world = World::new(&database).await;
        let mut line = world.connect().await;
        let request = purchase(&line, "0100", 1, 8_850);
        let reply = line.ask(&request).await;
        assert_eq!(reply.mti().to_string(), "0110");
        assert_eq!((reply.response_code(), reply.approval_code()), (Some("00"), Some("000001")));
        for field in [2, 3, 4, 7, 11, 12, 13, 32, 37, 42, 49] {
            assert_eq!(reply.get(field), request.get(field), "field {field} comes back");
        }
        assert!(!reply.has(14) && !reply.has(43));
        assert_eq!(line.code(&purchase(&line, "0100", 2, 200_000)).await, "51");
        let mut partly = purchase(&line, "0100", 3, 200_000);
        partly.set(60, "1").unwrap();
        let reply = line.ask(&partly).await;
        assert_eq!((reply.response_code(), reply.amount(4)), (Some("10"), Ok(Some(100_000))));
        let mut stranger = purchase(&line, "0100", 4, 1);
        stranger.set(2, "4000000000000002").unwrap();
        assert_eq!(line.code(&stranger).await, "14");
        // 0200: paid at once.
        let held = world.issuer.held();
        assert_eq!(line.code(&purchase(&line, "0200", 5, 500)).await, "00");
        assert_eq!(world.issuer.held(), held);
    }

    async fn who_asks_again_gets_the_same_bytes_even_after_a_kill(database: TestDatabase) {
        let world = World::new(&database).await;
        let mut line = world.connect().await;
        let first = purchase(&line, "0100", 1, 8_850);
        let answer = line.ask_raw(&first).await;
        let again = purchase(&line, "0101", 1, 8_850);
        assert_eq!(line.ask_raw(&again).await, answer);
        // The ledger has forgotten; what was answered is answered.
        world.issuer.known().payments.clear();
        assert_eq!(line.ask_raw(&first).await, answer);
        let world = world.killed(&database).await;
        let mut line = world.connect().await;
        world.issuer.known().ledger = Mood::Away;
        assert_eq!(line.ask_raw(&again).await, answer);
        world.issuer.known().ledger = Mood::Answers;
        // The same key with another amount is no repetition.
        assert_eq!(line.code(&purchase(&line, "0100", 1, 8_851)).await, "94");
        // Many at once: one decision.
        world.issuer.known().payments.clear();
        let mut lines = Vec::new();
        for _ in 0..8 {
            lines.push(world.connect().await);
        }
        let other = purchase(&line, "0100", 2, 100);
        let answers = futures::future::join_all(lines.iter_mut().map(|line| line.ask_raw(&other))).await;
        assert!(answers.iter().all(|it| *it == answers[0]), "all the same");
        assert_eq!(world.issuer.known().payments.len(), 1, "one decision");
    }

    async fn a_decision_that_comes_too_late_is_taken_back(database: TestDatabase) {
        let issuer = Arc::new(FakeIssuer::default());
        let world = World::with(&database, Arc::clone(&issuer), hasty()).await;
        let mut line = world.connect().await;
        issuer.known().ledger = Mood::Slow(Duration::from_secs(30));
        let began = Instant::now();
        let request = purchase(&line, "0100", 1, 8_850);
        let answer = line.ask_raw(&request).await;
        assert!(began.elapsed() < Duration::from_millis(900), "answered in time: {:?}", began.elapsed());
        assert_eq!(line.profile.decode(&answer).message.unwrap().response_code(), Some("91"));
        issuer.known().ledger = Mood::Answers;
        world.told().await;
        assert_eq!((issuer.held(), issuer.known().reversals.len()), (0, 1));
        // Asked again, it is the same: what was refused stays refused.
        assert_eq!(line.ask_raw(&purchase(&line, "0101", 1, 8_850)).await, answer);
        assert_eq!(issuer.held(), 0);
    }

    async fn while_the_ledger_is_away_every_request_is_answered_and_none_is_held_after(database: TestDatabase) {
        let issuer = Arc::new(FakeIssuer::default());
        let world = World::with(&database, Arc::clone(&issuer), hasty()).await;
        issuer.known().ledger = Mood::Away;
        let mut line = world.connect().await;
        for stan in 1..=20 {
            line.send(&purchase(&line, "0100", stan, 100)).await;
        }
        for _ in 1..=20 {
            let answer = line.hear().await.unwrap();
            assert_eq!(line.profile.decode(&answer).message.unwrap().response_code(), Some("91"));
        }
        assert_eq!(world.deliveries(DeliveryState::Waiting).await, 20);
        // A kill loses none of it.
        let world = world.killed(&database).await;
        issuer.known().ledger = Mood::Answers;
        world.told().await;
        assert_eq!((issuer.held(), issuer.known().reversals.len()), (0, 20));
        // A late original is refused by the ledger, and its answer stays the first.
        let mut line = world.connect().await;
        assert_eq!(line.code(&purchase(&line, "0101", 7, 100)).await, "91");
        assert_eq!(issuer.held(), 0);
    }

    async fn a_request_of_1993_has_the_codes_of_1993(database: TestDatabase) {
        let traits = Traits { profile: "iso93", ..Traits::default() };
        let world = World::with(&database, Arc::default(), traits).await;
        let mut line = world.connect().await;
        let reply = line.ask(&purchase(&line, "1100", 1, 8_850)).await;
        assert_eq!((reply.mti().to_string().as_str(), reply.response_code()), ("1110", Some("000")));
        assert_eq!(line.code(&purchase(&line, "1100", 2, 200_000)).await, "116");
        assert_eq!(line.code(&purchase(&line, "1200", 3, 100)).await, "000");
    }
}

#[tokio::test]
async fn a_vault_that_is_away_or_slow_is_told_in_time() {
    let issuer = Arc::new(FakeIssuer::default());
    let world = World::with(&TestDatabase::sqlite(), Arc::clone(&issuer), hasty()).await;
    let mut line = world.connect().await;
    for mood in [Mood::Away, Mood::Slow(Duration::from_secs(30))] {
        issuer.known().vault = mood;
        let began = Instant::now();
        assert_eq!(line.code(&purchase(&line, "0100", 1, 100)).await, "91");
        assert!(began.elapsed() < Duration::from_millis(900), "{:?}", began.elapsed());
    }
    // Nothing was decided, so nothing is kept: the repetition is decided.
    issuer.known().vault = Mood::Answers;
    assert_eq!(line.code(&purchase(&line, "0101", 1, 100)).await, "00");
}
