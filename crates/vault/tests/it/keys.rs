//! Keys change while the vault works; nothing is lost, and what is retired is gone.

use std::time::Duration;

use bursar_proto::vault::v1::*;
use bursar_types::Reason;

use super::support::*;

async fn keys(vault: &Vault<'_>, purpose: &str) -> Vec<(i32, KeyState, i64)> {
    let keys = vault.key_keeper().list_keys(ListKeysRequest {}).await.unwrap().into_inner().keys;
    keys.iter()
        .filter(|key| key.purpose == purpose)
        .map(|key| (key.version, key.state(), key.records))
        .collect()
}

async fn pans(vault: &Vault<'_>, cards: &[Card]) -> Vec<String> {
    vault.place.clock.advance(Duration::from_secs(601));
    let mut pans = Vec::new();
    for card in cards {
        pans.push(vault.reveal(card).await.unwrap().pan);
    }
    pans
}

bursar_testkit::on_both_databases! {
    async fn a_rotated_key_is_used_at_once_and_the_old_one_opens_until_it_is_retired(database: TestDatabase) {
        let place = Place::new(&database);
        let vault = place.start().await;
        let mut cards = vault.issue_many(300, RANGE).await;
        assert_eq!(keys(&vault, "kek").await, [(1, KeyState::Primary, 300)]);
        assert_eq!(vault.rotate("kek").await.unwrap(), 2);
        cards.extend(vault.issue_many(20, RANGE).await);
        assert_eq!(keys(&vault, "kek").await, [(1, KeyState::Active, 300), (2, KeyState::Primary, 20)]);
        let some: Vec<Card> = cards.iter().step_by(64).cloned().collect();
        let before = pans(&vault, &some).await;
        for (version, wanted) in [(1, Reason::WrongState), (2, Reason::WrongState), (3, Reason::NotFound)] {
            assert_eq!(reason(&vault.retire("kek", version).await.unwrap_err()), wanted, "{version}");
        }

        let begun = vault.key_keeper().start_rewrap(StartRewrapRequest {}).await.unwrap().into_inner().rewrap.unwrap();
        assert_eq!((begun.version, begun.running), (2, true));
        let done = vault.rewrapped().await;
        assert_eq!((done.done, done.left), (300, 0));
        assert_eq!(keys(&vault, "kek").await, [(1, KeyState::Active, 0), (2, KeyState::Primary, 320)]);
        assert_eq!(pans(&vault, &some).await, before);
        vault.retire("kek", 1).await.unwrap();
        assert_eq!(keys(&vault, "kek").await[0], (1, KeyState::Retired, 0));
        assert_eq!(reason(&vault.retire("kek", 1).await.unwrap_err()), Reason::WrongState);
        let bytes = place.ask("SELECT CAST(LENGTH(wrapped) AS TEXT) AS answer FROM vault_key WHERE purpose = 'kek' ORDER BY version").await;
        assert_eq!(bytes, ["0", "40"], "destroyed");
        let vault = vault.restart().await;
        assert_eq!(pans(&vault, &some).await, before);
        let operations: Vec<String> = vault.records().await.into_iter().map(|record| record.operation + " " + &record.outcome).collect();
        for expected in ["keys.rotate allowed", "keys.retire refused", "keys.rewrap allowed", "keys.retire allowed"] {
            assert!(operations.iter().any(|operation| operation == expected), "{expected}");
        }
        vault.stop().await;
    }

    async fn another_process_takes_a_new_key_up_before_it_seals_anything_more(database: TestDatabase) {
        let place = Place::new(&database);
        let one = place.start().await;
        let two = place.resume().await;
        two.issue().await;
        one.rotate("kek").await.unwrap();
        let card = two.issue().await;
        assert_eq!(keys(&one, "kek").await, [(1, KeyState::Active, 1), (2, KeyState::Primary, 1)]);
        assert_eq!(one.reveal(&card).await.unwrap().pan.len(), 16);
        // Also a password is keyed with the new pepper, and one under the old is still right.
        let (old, new) = (two.issue().await, two.issue().await);
        two.set_password(&old, "493817").await.unwrap();
        one.rotate("password-pepper").await.unwrap();
        two.set_password(&new, "771403").await.unwrap();
        assert_eq!(keys(&one, "password-pepper").await, [(1, KeyState::Active, 1), (2, KeyState::Primary, 1)]);
        for vault in [&one, &two] {
            assert_eq!(vault.try_password(&old, "493817").await.card_password(), Verification::Match);
            assert_eq!(vault.try_password(&new, "771403").await.card_password(), Verification::Match);
        }
        assert_eq!(reason(&one.retire("password-pepper", 1).await.unwrap_err()), Reason::WrongState);
        one.stop().await;
        two.stop().await;
    }

    async fn cards_are_issued_and_shown_while_keys_rotate_and_records_move(database: TestDatabase) {
        let place = Place::new(&database);
        let vault = place.start().await;
        let first = vault.issue_many(64, RANGE).await;
        let keep_issuing = async {
            let mut cards = Vec::new();
            for _ in 0..8 {
                cards.extend(vault.issue_many(16, RANGE).await);
            }
            cards
        };
        let keep_rotating = async {
            for _ in 0..4 {
                vault.rotate("kek").await.unwrap();
                vault.key_keeper().start_rewrap(StartRewrapRequest {}).await.unwrap();
            }
        };
        let (second, ()) = tokio::join!(keep_issuing, keep_rotating);
        vault.rewrapped().await;
        let cards: Vec<Card> = first.into_iter().chain(second).collect();
        let some: Vec<Card> = cards.into_iter().step_by(24).collect();
        let shown = pans(&vault, &some).await;
        assert!(shown.iter().zip(&some).all(|(pan, card)| pan[12..] == card.masked[12..]));
        let counted = keys(&vault, "kek").await;
        assert_eq!(counted.iter().map(|(_, _, records)| records).sum::<i64>(), 192);
        assert_eq!(counted.len(), 5);
        vault.stop().await;
    }

    async fn a_rewrap_goes_on_where_it_was_stopped(database: TestDatabase) {
        let place = Place::new(&database);
        let vault = place.start().await;
        let cards = vault.issue_many(600, RANGE).await;
        vault.stop().await;
        let slowly = place.resume_with(&["rewrap.records_per_second=1"]).await;
        slowly.rotate("kek").await.unwrap();
        slowly.key_keeper().start_rewrap(StartRewrapRequest {}).await.unwrap();
        // The first batch, and then it waits for minutes.
        while slowly.rewrap().await.done == 0 {
            tokio::task::yield_now().await;
        }
        let stopped = slowly.rewrap().await;
        assert!(stopped.running && stopped.left > 0, "{stopped:?}");
        assert_eq!(stopped.done + stopped.left, 600);
        slowly.stop().await;
        let vault = place.resume().await;
        let done = vault.rewrapped().await;
        assert_eq!((done.done, done.left), (600, 0));
        assert_eq!(pans(&vault, &cards[..4]).await.len(), 4);
        vault.stop().await;
    }

    async fn a_repeated_rotation_is_one_and_nonsense_is_named(database: TestDatabase) {
        let place = Place::new(&database);
        let vault = place.start().await;
        let request = RotateKeyRequest { request_id: request_id(), purpose: "kek".into() };
        for _ in 0..3 {
            let version = vault.key_keeper().rotate_key(request.clone()).await.unwrap().into_inner().version;
            assert_eq!(version, 2);
        }
        for purpose in ["", "pan-index", "cvk", "KEK"] {
            assert_eq!(reason(&vault.rotate(purpose).await.unwrap_err()), Reason::InvalidField, "{purpose}");
        }
        assert_eq!(reason(&vault.retire("reveal-ticket", 1).await.unwrap_err()), Reason::InvalidField);
        let none = vault.key_keeper().get_rewrap(GetRewrapRequest {}).await.unwrap_err();
        assert_eq!(reason(&none), Reason::NotFound);
        vault.stop().await;
    }
}
