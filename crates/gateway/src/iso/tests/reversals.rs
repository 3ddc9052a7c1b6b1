//! What is told to us: reversals and advices are kept before they are acknowledged, and reach the ledger.

use bursar_testkit::{TestDatabase, on_both_databases};

use super::world::{Traits, World, purchase, reversal};
use crate::store::DeliveryState;
use crate::tests::fake::{CARD, Mood, PAN};

on_both_databases! {
    async fn a_reversal_finds_its_original_and_gives_back_once(database: TestDatabase) {
        let world = World::new(&database).await;
        let mut line = world.connect().await;
        let first = purchase(&line, "0100", 1, 8_850);
        line.ask(&first).await;
        // A part: 50.00 remain.
        let mut partly = reversal(&line, "0400", 2, &first);
        partly.set(95, format!("000000005000{}", "0".repeat(30))).unwrap();
        assert_eq!(line.code(&partly).await, "00");
        world.told().await;
        assert_eq!(world.issuer.held(), 5_000);
        // The rest; the network says it three times.
        let all = reversal(&line, "0420", 3, &first);
        let answer = line.ask_raw(&all).await;
        for _ in 0..2 {
            assert_eq!(line.ask_raw(&reversal(&line, "0421", 3, &first)).await, answer);
        }
        world.told().await;
        assert_eq!((world.issuer.held(), world.issuer.known().reversals.len()), (0, 2));
        assert!(world.issuer.known().reversals.iter().all(|it| !it.payment_id.is_empty()));
    }

    async fn an_acknowledged_reversal_survives_a_kill_and_a_ledger_that_is_away(database: TestDatabase) {
        let world = World::new(&database).await;
        let mut line = world.connect().await;
        let first = purchase(&line, "0100", 1, 8_850);
        line.ask(&first).await;
        world.issuer.known().ledger = Mood::Away;
        assert_eq!(line.code(&reversal(&line, "0400", 2, &first)).await, "00");
        let world = world.killed(&database).await;
        assert_eq!(world.deliveries(DeliveryState::Waiting).await, 1);
        assert_eq!(world.issuer.held(), 8_850);
        world.issuer.known().ledger = Mood::Answers;
        world.told().await;
        assert_eq!(world.issuer.held(), 0);
    }

    async fn what_was_paid_at_once_is_paid_back(database: TestDatabase) {
        let world = World::new(&database).await;
        let mut line = world.connect().await;
        let first = purchase(&line, "0200", 1, 8_850);
        line.ask(&first).await;
        assert_eq!(line.code(&reversal(&line, "0420", 2, &first)).await, "00");
        world.told().await;
        let refunds = world.issuer.known().refunds.clone();
        let [refund] = refunds.as_slice() else { panic!("{refunds:?}") };
        assert_eq!(refund.amount.as_ref().unwrap().minor_units, 8_850);
        // Taken back a second time under another number, there is nothing left to pay back.
        assert_eq!(line.code(&reversal(&line, "0420", 3, &first)).await, "00");
        world.told().await;
        assert_eq!(world.issuer.known().refunds.len(), 1);
        // A shop gives back what it was paid before, without naming it.
        let mut given = purchase(&line, "0200", 4, 300);
        given.set(3, "200000").unwrap();
        assert_eq!(line.code(&given).await, "00");
        world.told().await;
        let refunds = world.issuer.known().refunds.clone();
        assert_eq!((refunds.len(), refunds[1].card_id.as_str()), (2, CARD));
        assert_eq!(world.deliveries(DeliveryState::Refused).await, 0);
    }

    async fn a_reversal_may_come_before_its_original(database: TestDatabase) {
        let world = World::new(&database).await;
        let mut line = world.connect().await;
        let first = purchase(&line, "0100", 1, 8_850);
        assert_eq!(line.code(&reversal(&line, "0400", 2, &first)).await, "00");
        world.told().await;
        assert_eq!(line.code(&first).await, "12");
        assert_eq!(world.issuer.held(), 0);
    }

    async fn advices_are_kept_sealed_and_told(database: TestDatabase) {
        let world = World::new(&database).await;
        let mut line = world.connect().await;
        world.issuer.known().ledger = Mood::Away;
        let mut held = purchase(&line, "0120", 1, 700);
        held.set(38, "A1B2C3").unwrap();
        held.set(39, "00").unwrap();
        let answer = line.ask_raw(&held).await;
        assert_eq!(line.profile.decode(&answer).message.unwrap().response_code(), Some("00"));
        let mut paid = purchase(&line, "0220", 2, 800);
        paid.set(38, "A1B2C3").unwrap();
        assert_eq!(line.code(&paid).await, "00");
        // Of a refusal there is nothing to tell.
        let mut refused = purchase(&line, "0120", 3, 900);
        refused.set(39, "05").unwrap();
        assert_eq!(line.code(&refused).await, "00");
        let rows = world.rows().await;
        assert_eq!(rows.len(), 2);
        for row in &rows {
            assert!(!row.windows(6).any(|it| it == &PAN.as_bytes()[..6]), "a card number in plain");
        }
        assert!(!world.opens(b"another row", &rows[0]));
        let world = world.killed(&database).await;
        world.issuer.known().ledger = Mood::Answers;
        world.told().await;
        let (stand_ins, presentments) = {
            let known = world.issuer.known();
            (known.stand_ins.clone(), known.presentments.clone())
        };
        let [request] = stand_ins.as_slice() else { panic!("{stand_ins:?}") };
        assert_eq!(request.amount.as_ref().unwrap().minor_units, 700);
        assert_eq!((request.authorization_code.as_str(), request.proof.as_str()), ("A1B2C3", "proof"));
        let [presentment] = presentments.as_slice() else { panic!("{presentments:?}") };
        let amount = presentment.amount.as_ref().unwrap().minor_units;
        assert_eq!((presentment.card_id.as_str(), amount), (CARD, 800));
        assert_eq!(presentment.network, None, "it names no other message");
        assert_eq!(presentment.authorization_code, "A1B2C3");
        // Said again, it is acknowledged again, and told no second time.
        let mut line = world.connect().await;
        held.set_mti("0121".parse().unwrap());
        assert_eq!(line.ask_raw(&held).await, answer);
        world.told().await;
        assert_eq!(world.issuer.known().stand_ins.len(), 1);
    }

    async fn a_reversal_of_1993_finds_its_original_by_trace_number(database: TestDatabase) {
        let world = World::with(&database, std::sync::Arc::default(), Traits { profile: "iso93", ..Traits::default() }).await;
        let mut line = world.connect().await;
        let first = purchase(&line, "1100", 1, 8_850);
        line.ask(&first).await;
        assert_eq!(line.code(&reversal(&line, "1420", 2, &first)).await, "400");
        world.told().await;
        assert_eq!(world.issuer.held(), 0);
    }
}

#[tokio::test]
async fn what_the_ledger_will_never_take_waits_for_a_person() {
    let world = World::new(&TestDatabase::sqlite()).await;
    let mut line = world.connect().await;
    let first = purchase(&line, "0100", 1, 100);
    let mut wrong = reversal(&line, "0400", 2, &first);
    // More remains than there was.
    wrong.set(95, format!("000000000200{}", "0".repeat(30))).unwrap();
    assert_eq!(line.code(&wrong).await, "13");
    assert_eq!(world.deliveries(DeliveryState::Waiting).await, 0);
}
