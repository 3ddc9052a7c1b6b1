use std::time::Duration;

use bursar_proto::vault::v1::Verification;
use bursar_types::id::CardId;
use bursar_types::{ProofResult, Reason};
use futures::future::join_all;

use super::support::*;

const PASSWORD: &str = "493817";
const WRONG: &str = "204968";

bursar_testkit::on_both_databases! {
    async fn a_password_is_set_by_its_holder_and_verified_for_a_payment(database: TestDatabase) {
        let place = Place::new(&database);
        let vault = place.start().await;
        let card = vault.issue().await;
        let answer = vault.try_password(&card, PASSWORD).await;
        assert_eq!(answer.card_password(), Verification::NotSet);
        assert_eq!(place.check_proof(&answer.proof).claims.card_password, ProofResult::NotSet);

        vault.set_password(&card, PASSWORD).await.unwrap();
        let answer = vault.try_password(&card, WRONG).await;
        assert_eq!((answer.card_password(), answer.tries_left), (Verification::Mismatch, 4));
        let claims = place.check_proof(&answer.proof).claims;
        assert_eq!((claims.card_id, claims.card_password), (card.id.clone(), ProofResult::Mismatch));
        let answer = vault.try_password(&card, PASSWORD).await;
        assert_eq!((answer.card_password(), answer.tries_left), (Verification::Match, 5));
        let claims = place.check_proof(&answer.proof).claims;
        assert_eq!((claims.amount_minor, claims.asset.as_str(), claims.merchant_id.as_str()), (31_240, "CNY", MERCHANT));
        assert_eq!((claims.card_password, claims.cvv2), (ProofResult::Match, ProofResult::Absent));
        // Being right gave the tries back.
        assert_eq!(vault.try_password(&card, WRONG).await.tries_left, 4);

        // Changed: the old one is wrong, and the tries start anew.
        vault.set_password(&card, "771403").await.unwrap();
        let answer = vault.try_password(&card, PASSWORD).await;
        assert_eq!((answer.card_password(), answer.tries_left), (Verification::Mismatch, 4));
        assert_eq!(vault.try_password(&card, "771403").await.card_password(), Verification::Match);
        vault.stop().await;
    }

    async fn a_repeated_request_is_not_another_try(database: TestDatabase) {
        let place = Place::new(&database);
        let vault = place.start().await;
        let card = vault.issue().await;
        vault.set_password(&card, PASSWORD).await.unwrap();
        let request = password_request(&card, WRONG);
        let mut jtis = Vec::new();
        // More often than there are tries, some at once.
        for _ in 0..3 {
            let answers = join_all((0..4).map(|_| {
                let (mut gateway, request) = (vault.gateway(), request.clone());
                async move { gateway.verify_card_password(request).await.unwrap().into_inner() }
            }));
            for answer in answers.await {
                assert_eq!((answer.card_password(), answer.tries_left), (Verification::Mismatch, 4));
                jtis.push(place.check_proof(&answer.proof).claims.jti);
            }
        }
        jtis.dedup();
        assert_eq!(jtis.len(), 1, "all are the same proof");
        let mut other = request.clone();
        other.card_password = PASSWORD.into();
        let status = vault.gateway().verify_card_password(other).await.unwrap_err();
        assert_eq!(reason(&status), Reason::RequestIdReused, "the id of a wrong guess must not serve for another");
        let mut dearer = request;
        dearer.payment.as_mut().unwrap().amount.as_mut().unwrap().minor_units += 1;
        let status = vault.gateway().verify_card_password(dearer).await.unwrap_err();
        assert_eq!(reason(&status), Reason::RequestIdReused);
        let tries = place.ask("SELECT CAST(tries_used AS TEXT) AS answer FROM card_password").await;
        assert_eq!(tries, ["1"]);
        vault.stop().await;
    }

    async fn a_try_that_was_counted_when_the_process_died_is_finished_by_its_repetition(database: TestDatabase) {
        let place = Place::new(&database);
        let vault = place.start().await;
        let card = vault.issue().await;
        vault.set_password(&card, PASSWORD).await.unwrap();
        let request = password_request(&card, PASSWORD);
        vault.gateway().verify_card_password(request.clone()).await.unwrap();
        // As if the process had died after counting, before comparing.
        assert_eq!(place.tamper("UPDATE card_password_try SET outcome = NULL, tries_left = 0").await, 1);
        assert_eq!(place.tamper("UPDATE card_password SET tries_used = 1").await, 1);
        let vault = vault.restart().await;
        let answer = vault.gateway().verify_card_password(request).await.unwrap().into_inner();
        assert_eq!((answer.card_password(), answer.tries_left), (Verification::Match, 5));
        let tries = place.ask("SELECT CAST(tries_used AS TEXT) AS answer FROM card_password").await;
        assert_eq!(tries, ["0"]);
        vault.stop().await;
    }

    async fn a_hundred_guesses_at_once_are_judged_five_times_at_most(database: TestDatabase) {
        let place = Place::new(&database);
        let vault = place.start().await;
        let card = vault.issue().await;
        vault.set_password(&card, PASSWORD).await.unwrap();
        let (gateway, card_ref) = (vault.gateway(), &card);
        let guesses = (0..100).map(|n| {
            let mut gateway = gateway.clone();
            async move {
                let request = password_request(card_ref, &format!("{:06}", 300_000 + n));
                loop {
                    let status = match gateway.verify_card_password(request.clone()).await {
                        Ok(answer) => return answer.into_inner().card_password(),
                        Err(status) => status,
                    };
                    // Turned away, or kept waiting too long for the one writer: an attacker would come again.
                    let reason = reason(&status);
                    assert!(matches!(reason, Reason::Overloaded | Reason::DatabaseUnavailable), "{status:?}");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
        });
        let answers = join_all(guesses).await;
        let judged = answers.iter().filter(|answer| **answer == Verification::Mismatch).count();
        let locked = answers.iter().filter(|answer| **answer == Verification::Locked).count();
        assert_eq!((judged, locked), (5, 95));
        vault.stop().await;
    }

    async fn five_wrong_ones_lock_for_a_day_also_over_a_restart(database: TestDatabase) {
        let place = Place::new(&database);
        let vault = place.start().await;
        let card = vault.issue().await;
        vault.set_password(&card, PASSWORD).await.unwrap();
        for left in (0..5).rev() {
            let answer = vault.try_password(&card, WRONG).await;
            assert_eq!((answer.card_password(), answer.tries_left), (Verification::Mismatch, left));
        }
        let vault = vault.restart().await;
        let answer = vault.try_password(&card, PASSWORD).await;
        assert_eq!((answer.card_password(), answer.tries_left), (Verification::Locked, 0));
        assert_eq!(place.check_proof(&answer.proof).claims.card_password, ProofResult::Locked);
        place.clock.advance(DAY - Duration::from_secs(1));
        assert_eq!(vault.try_password(&card, PASSWORD).await.card_password(), Verification::Locked);
        place.clock.advance(Duration::from_secs(1));
        let answer = vault.try_password(&card, WRONG).await;
        assert_eq!((answer.card_password(), answer.tries_left), (Verification::Mismatch, 4));
        assert_eq!(vault.try_password(&card, PASSWORD).await.card_password(), Verification::Match);

        let events = place
            .ask("SELECT event_type AS answer FROM bursar_event_log UNION ALL
                  SELECT event_type AS answer FROM bursar_event_outbox").await;
        let locked = events.iter().filter(|event| *event == "vault.card_password.locked").count();
        assert_eq!(locked, 1, "{events:?}");
        let audit = place
            .ask("SELECT outcome || ' ' || reason AS answer FROM audit_record
                  WHERE operation = 'card_password.verify' ORDER BY leaf_index").await;
        let expected: Vec<&str> = [
            vec!["refused MISMATCH"; 5],
            vec!["refused LOCKED"; 2],
            vec!["refused MISMATCH", "allowed MATCH"],
        ]
        .concat();
        assert_eq!(audit, expected);
        vault.stop().await;
    }

    async fn nobody_uses_up_the_tries_of_anothers_card(database: TestDatabase) {
        let place = Place::new(&database);
        let vault = place.start().await;
        let (card, other) = (vault.issue().await, vault.issue().await);
        vault.set_password(&card, PASSWORD).await.unwrap();
        let theirs = Card { customer: other.customer, ..card.clone() };
        for _ in 0..6 {
            let request = password_request(&theirs, WRONG);
            let status = vault.gateway().verify_card_password(request).await.unwrap_err();
            assert_eq!(reason(&status), Reason::NotYours);
        }
        let answer = vault.try_password(&card, WRONG).await;
        assert_eq!((answer.card_password(), answer.tries_left), (Verification::Mismatch, 4));
        vault.stop().await;
    }

    async fn weak_foreign_and_unproven_changes_are_refused_and_recorded(database: TestDatabase) {
        let place = Place::new(&database);
        let vault = place.start().await;
        let (card, other) = (vault.issue().await, vault.issue().await);
        for (weak, weakness) in [
            ("111111", "REPEATED_DIGIT"),
            ("123456", "RUN"),
            ("121212", "PATTERN"),
            ("147258", "COMMON"),
        ] {
            let status = vault.set_password(&card, weak).await.unwrap_err();
            assert_eq!((reason(&status), words(&status)["weakness"].as_str()), (Reason::CardPasswordWeak, weakness));
            assert!(!format!("{status:?}").contains(weak));
        }
        let status = vault.set_password(&card, "12345").await.unwrap_err();
        assert_eq!(reason(&status), Reason::InvalidField);

        // Somebody else's card, with their own good token.
        let theirs = Card { customer: other.customer, ..card.clone() };
        assert_eq!(reason(&vault.set_password(&theirs, PASSWORD).await.unwrap_err()), Reason::NotYours);
        // No second factor, or one of yesterday.
        for age in [None, Some(DAY)] {
            let request = vault.signed(card.customer, age, set_request(&card, PASSWORD));
            let status = vault.holder().set_card_password(request).await.unwrap_err();
            assert_eq!(reason(&status), Reason::StepUpRequired);
        }
        let nobody = Card { id: ids().next::<CardId>().to_string(), ..card.clone() };
        assert_eq!(reason(&vault.set_password(&nobody, PASSWORD).await.unwrap_err()), Reason::NotFound);
        assert_eq!(vault.try_password(&card, PASSWORD).await.card_password(), Verification::NotSet);
        let audit = place
            .ask("SELECT outcome || ' ' || reason AS answer FROM audit_record
                  WHERE operation = 'card_password.set' ORDER BY leaf_index").await;
        let mut expected = vec!["refused CARD_PASSWORD_WEAK"; 4];
        expected.extend(["refused NOT_YOURS", "refused NOT_FOUND"]);
        assert_eq!(audit, expected);

        // A repeated change is one change; the same id for another password is none.
        let request = set_request(&card, PASSWORD);
        for _ in 0..2 {
            let request = vault.signed(card.customer, Some(Duration::ZERO), request.clone());
            vault.holder().set_card_password(request).await.unwrap();
        }
        let mut reused = request;
        reused.card_password = WRONG.into();
        let reused = vault.signed(card.customer, Some(Duration::ZERO), reused);
        let status = vault.holder().set_card_password(reused).await.unwrap_err();
        assert_eq!(reason(&status), Reason::RequestIdReused);
        assert_eq!(vault.try_password(&card, PASSWORD).await.card_password(), Verification::Match);
        vault.stop().await;
    }
}
