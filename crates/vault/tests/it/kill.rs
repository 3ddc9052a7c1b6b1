//! A vault that is killed in the middle of whatever it does: nothing that was answered is lost, nothing is half done.

use std::collections::HashSet;
use std::time::Duration;

use bursar_proto::vault::v1::card_vault_service_client::CardVaultServiceClient;
use bursar_proto::vault::v1::key_service_client::KeyServiceClient;
use bursar_proto::vault::v1::*;
use bursar_service::{Identity, PeerChannel};
use bursar_types::{Entropy as _, OsEntropy, SeededEntropy};
use bursar_vault::audit::check::{Replay, check_checkpoint};

use super::process::spawn;
use super::support::*;

/// Cards that were answered, until the process is gone.
async fn keep_issuing(channel: PeerChannel) -> Vec<Card> {
    let mut ledger = CardVaultServiceClient::new(channel);
    let mut cards = Vec::new();
    loop {
        let customer = ids().next();
        let Ok(answer) = ledger.issue_card(issue_request(RANGE, ids().next(), customer)).await else {
            return cards;
        };
        let summary = answer.into_inner().card.unwrap();
        cards.push(Card { id: summary.card_id, customer, masked: summary.masked_pan });
    }
}

/// Rotates and rewraps, until the process is gone.
async fn keep_rotating(channel: PeerChannel) {
    let mut keeper = KeyServiceClient::new(channel);
    loop {
        let request = RotateKeyRequest { request_id: request_id(), purpose: "kek".into() };
        if keeper.rotate_key(request).await.is_err() {
            return;
        }
        if keeper.start_rewrap(StartRewrapRequest {}).await.is_err() {
            return;
        }
    }
}

async fn number(place: &Place, sql: &'static str) -> String {
    place.ask(sql).await.pop().unwrap()
}

/// What must be true of a vault whatever became of it.
async fn whole(vault: &Vault<'_>, known: &[Card]) {
    let place = vault.place;
    let half = "SELECT CAST(COUNT(*) AS TEXT) AS answer FROM card c LEFT JOIN card_dek d ON d.card_id = c.card_id
                WHERE (c.purged_at IS NULL AND d.card_id IS NULL) OR (c.purged_at IS NOT NULL AND d.card_id IS NOT NULL)";
    assert_eq!(number(place, half).await, "0", "a card without its data key, or a purged one with it");
    let cards = number(place, "SELECT CAST(COUNT(*) AS TEXT) AS answer FROM card").await;
    assert_eq!(number(place, "SELECT CAST(COUNT(*) AS TEXT) AS answer FROM pan_index").await, cards);
    assert_eq!(number(place, "SELECT CAST(SUM(issued) AS TEXT) AS answer FROM bin_range_fill").await, cards);
    let stored: HashSet<String> = place.ask("SELECT card_id AS answer FROM card").await.into_iter().collect();
    assert!(known.iter().all(|card| stored.contains(&card.id)), "a card that was answered is there");

    let records = vault.records().await;
    let of = |operation: &str| -> Vec<&str> {
        let of = records.iter().filter(|record| record.operation == operation && record.outcome == "allowed");
        of.map(|record| record.subject.as_str()).collect()
    };
    let issued = of("card.issue");
    assert_eq!(issued.len().to_string(), cards, "one record for each card");
    assert!(issued.iter().all(|card| stored.contains(*card)));
    let purged =
        number(place, "SELECT CAST(COUNT(*) AS TEXT) AS answer FROM card WHERE purged_at IS NOT NULL").await;
    assert_eq!(of("card.purge").len().to_string(), purged);
    let keys =
        number(place, "SELECT CAST(COUNT(*) AS TEXT) AS answer FROM vault_key WHERE purpose = 'kek'").await;
    assert_eq!((of("keys.rotate").len() + 1).to_string(), keys, "one record for each key after the first");

    let request = GetAuditCheckpointRequest { at_least_size: i64::try_from(records.len()).unwrap() };
    let checkpoint =
        vault.auditor().get_audit_checkpoint(request).await.unwrap().into_inner().checkpoint.unwrap();
    let trust =
        bursar_service::token::Trust::load(&place.authority.leaf(Identity::Operator).unwrap().ca).unwrap();
    let head = check_checkpoint(&checkpoint.text, &trust).unwrap();
    let mut replay = Replay::default();
    for record in vault.records().await.iter().take(usize::try_from(head.size).unwrap()) {
        replay.take(record).unwrap();
    }
    replay.finish(&head).unwrap();
}

bursar_testkit::on_both_databases! {
    async fn killed_while_issuing_rotating_rewrapping_and_purging_it_is_whole(database: TestDatabase) {
        let place = Place::new(&database);
        let here = place.start().await;
        let mut known = here.issue_many(100, RANGE).await;
        here.stop().await;
        let mut seed = [0; 8];
        OsEntropy.fill(&mut seed);
        let seed = u64::from_le_bytes(seed);
        eprintln!("seed {seed}");
        let dice = SeededEntropy::new(seed);
        for round in 0..4_u64 {
            // A third of the cards is due: the process purges them as soon as it starts.
            place.tamper("UPDATE card SET closed_at = 1 WHERE purged_at IS NULL AND card_id LIKE '%3'").await;
            let mut process = spawn(&place, &place.folder.path().join("vault.log"));
            process.serves(&place).await;
            let issuing = keep_issuing(process.channel(&place, Identity::Ledger));
            let more = keep_issuing(process.channel(&place, Identity::Ledger));
            let rotating = keep_rotating(process.channel(&place, Identity::Operator));
            let mut random = [0; 2];
            dice.fill(&mut random);
            let wait = Duration::from_millis(u64::from(u16::from_le_bytes(random)) % 400 + 20 * round);
            let killing = async {
                tokio::time::sleep(wait).await;
                process.child.kill().unwrap();
                process.child.wait().unwrap();
            };
            let (one, two, (), ()) = tokio::join!(issuing, more, rotating, killing);
            known.extend(one);
            known.extend(two);

            let vault = place.resume().await;
            whole(&vault, &known).await;
            let open: HashSet<String> =
                place.ask("SELECT card_id AS answer FROM card WHERE closed_at IS NULL").await.into_iter().collect();
            let shown: Vec<&Card> = known.iter().filter(|card| open.contains(&card.id)).rev().take(3).collect();
            for card in shown {
                let pan = vault.reveal(card).await.unwrap().pan;
                assert_eq!(pan[12..], card.masked[12..], "seed {seed}");
            }
            vault.stop().await;
        }
    }
}
