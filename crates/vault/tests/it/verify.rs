use std::time::Duration;

use bursar_proto::vault::v1::{PaymentContext, Verification, VerifyCardRequest};
use bursar_service::error::violations_of;
use bursar_types::{ProofResult, Reason};
use futures::future::join_all;

use super::support::*;

bursar_testkit::on_both_databases! {
    async fn a_number_becomes_a_card_and_what_came_with_it_is_checked(database: TestDatabase) {
        let place = Place::new(&database);
        let vault = place.start().await;
        let card = vault.issue().await;
        let shown = vault.reveal(&card).await.unwrap();
        assert_eq!(shown.expiry, "2912");
        assert_eq!((shown.pan.len(), shown.cvv2.len()), (16, 3));
        assert_eq!(card.masked, format!("{}******{}", &shown.pan[..6], &shown.pan[12..]));

        let wrong = other_cvv2(&shown.cvv2, 0);
        let (m, mm, absent) = (Verification::Match, Verification::Mismatch, Verification::Absent);
        for (expiry, cvv2, expected_expiry, expected_cvv2) in [
            ("2912", shown.cvv2.as_str(), m, m),
            ("2911", &shown.cvv2, mm, m),
            ("2913", &shown.cvv2, mm, m),
            ("2912", &wrong, m, mm),
            ("", &shown.cvv2, absent, m),
            ("2912", "", m, absent),
            ("", "", absent, absent),
        ] {
            let answer = vault.verify(&shown.pan, expiry, cvv2).await;
            assert!(answer.found);
            assert_eq!(answer.card_id, card.id);
            assert_eq!((answer.expiry(), answer.cvv2()), (expected_expiry, expected_cvv2), "{expiry}");
        }

        let answer = vault.verify(&shown.pan, "2912", &wrong).await;
        let proof = place.check_proof(&answer.proof);
        let claims = proof.claims;
        assert_eq!((claims.card_id, claims.merchant_id), (card.id.clone(), MERCHANT.to_owned()));
        assert_eq!((claims.amount_minor, claims.asset.as_str()), (31_240, "CNY"));
        assert_eq!((claims.expiry, claims.cvv2), (ProofResult::Match, ProofResult::Mismatch));
        assert_eq!(claims.card_password, ProofResult::Absent);
        assert_eq!(proof.expires_at.since(proof.issued_at), Duration::from_secs(60));
        assert_eq!(answer.proof_expire_time.unwrap().seconds, proof.expires_at.as_seconds());
        // A merchant may ask whether the card is good, for nothing.
        let check = |minor_units| VerifyCardRequest {
            pan: shown.pan.clone(),
            payment: Some(PaymentContext {
                amount: Some(bursar_proto::common::v1::Money { minor_units, asset: "CNY".into() }),
                ..payment()
            }),
            ..VerifyCardRequest::default()
        };
        let answer = vault.gateway().verify_card(check(0)).await.unwrap().into_inner();
        assert_eq!(place.check_proof(&answer.proof).claims.amount_minor, 0);
        let below = vault.gateway().verify_card(check(-1)).await.unwrap_err();
        assert_eq!(reason(&below), Reason::InvalidAmount);
        let other = place.check_proof(&vault.verify(&shown.pan, "2912", "").await.proof);
        assert_ne!(other.claims.jti, claims.jti);
        vault.stop().await;
    }

    async fn numbers_of_no_card_are_not_found_and_leave_no_trace_of_themselves(database: TestDatabase) {
        let place = Place::new(&database);
        let vault = place.start().await;
        let card = vault.issue().await;
        // Of another issuer, and with a wrong check digit.
        for pan in ["4111111111111111", "4111111111111112"] {
            let answer = vault.verify(pan, "2912", "123").await;
            assert_eq!(answer, bursar_proto::vault::v1::VerifyCardResponse::default(), "{pan}");
        }
        let audit = place
            .ask("SELECT subject || '|' || outcome || '|' || reason AS answer FROM audit_record
                  WHERE operation = 'card.verify' ORDER BY leaf_index").await;
        assert_eq!(audit, ["|refused|no card", "|refused|check digit"]);
        assert!(place.dump().await.iter().all(|(_, cell)| !cell.contains("411111111111111")));
        // Nothing was counted against the card.
        let shown = vault.reveal(&card).await.unwrap();
        assert_eq!(vault.verify(&shown.pan, "", &shown.cvv2).await.cvv2(), Verification::Match);
        vault.stop().await;
    }

    async fn five_wrong_cvv2s_in_a_day_end_the_guessing(database: TestDatabase) {
        let place = Place::new(&database);
        let vault = place.start().await;
        let card = vault.issue().await;
        let shown = vault.reveal(&card).await.unwrap();
        for n in 0..5 {
            place.clock.advance(Duration::from_secs(60));
            let answer = vault.verify(&shown.pan, "2912", &other_cvv2(&shown.cvv2, n)).await;
            assert_eq!(answer.cvv2(), Verification::Mismatch, "guess {n}");
        }
        let locked = vault.verify(&shown.pan, "2912", &shown.cvv2).await;
        assert_eq!((locked.found, locked.cvv2()), (true, Verification::Locked));
        assert_eq!(place.check_proof(&locked.proof).claims.cvv2, ProofResult::Locked);

        // The lock outlives the process, and ends when the first of the five is a day old: then one guess is free.
        let vault = vault.restart().await;
        assert_eq!(vault.verify(&shown.pan, "2912", &shown.cvv2).await.cvv2(), Verification::Locked);
        place.clock.advance(DAY - Duration::from_secs(241));
        assert_eq!(vault.verify(&shown.pan, "2912", &shown.cvv2).await.cvv2(), Verification::Locked);
        place.clock.advance(Duration::from_secs(2));
        let wrong = other_cvv2(&shown.cvv2, 7);
        assert_eq!(vault.verify(&shown.pan, "2912", &wrong).await.cvv2(), Verification::Mismatch);
        assert_eq!(vault.verify(&shown.pan, "2912", &shown.cvv2).await.cvv2(), Verification::Locked);
        vault.stop().await;
    }

    async fn a_hundred_cvv2s_at_once_are_judged_five_times_at_most(database: TestDatabase) {
        let place = Place::new(&database);
        let vault = place.start().await;
        let card = vault.issue().await;
        let shown = vault.reveal(&card).await.unwrap();
        let (vault_ref, shown_ref) = (&vault, &shown);
        let guesses = (0..100).map(|n| async move {
            vault_ref.verify(&shown_ref.pan, "2912", &other_cvv2(&shown_ref.cvv2, n)).await.cvv2()
        });
        let answers = join_all(guesses).await;
        let judged = answers.iter().filter(|answer| **answer == Verification::Mismatch).count();
        let locked = answers.iter().filter(|answer| **answer == Verification::Locked).count();
        assert_eq!((judged, locked), (5, 95));
        vault.stop().await;
    }
}

#[tokio::test]
async fn malformed_card_data_is_refused_by_field_and_never_repeated() {
    let database = bursar_testkit::TestDatabase::sqlite();
    let place = Place::new(&database);
    let vault = place.start().await;
    let bad = VerifyCardRequest {
        pan: "9900-0012-3456-7899".into(),
        expiry: "12/29".into(),
        cvv2: "98765".into(),
        payment: Some(PaymentContext { amount: None, merchant_id: "M".repeat(16) }),
    };
    let status = vault.gateway().verify_card(bad).await.unwrap_err();
    let fields: Vec<_> = violations_of(&status).into_iter().map(|violation| violation.field).collect();
    assert_eq!(fields, ["pan", "expiry", "cvv2", "payment.amount", "payment.merchant_id"]);
    assert_eq!(reason(&status), Reason::InvalidField);
    let text = format!("{status:?}");
    assert!(!text.contains("3456") && !text.contains("98765"), "{text}");
    vault.stop().await;
}
