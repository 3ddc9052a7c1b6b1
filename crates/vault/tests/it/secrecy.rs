//! What somebody who holds the database, but not the root key, can read or change.

use bursar_proto::vault::v1::{RevealedCard, Verification};
use bursar_types::Reason;
use data_encoding::{BASE64, HEXLOWER};
use prost::Message as _;
use ring::digest::{SHA256, digest};

use super::support::*;

const PASSWORD: &str = "493817";

/// Where `secret` (digits) stands in a dump: in plain, as ASCII in bytes, as packed decimals, or in base 64.
fn found<'a>(dump: &'a [(String, String)], secret: &str) -> Vec<&'a str> {
    let ascii = HEXLOWER.encode(secret.as_bytes());
    let base64 = BASE64.encode(secret.as_bytes());
    let base64 = &base64[..base64.len() / 4 * 4 - 4];
    let hit = |cell: &str| {
        // Packed decimals look like the digits themselves in hexadecimal. Short secrets stand in random bytes and
        // moments by chance, so for those only whole words of text count.
        let plain = if secret.len() >= 12 {
            cell.contains(secret)
        } else {
            !cell.starts_with("\\x")
                && cell.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == secret)
                || cell == format!("\\x{secret}")
        };
        let bytes = secret.len() >= 6 && (cell.contains(&ascii) || cell.contains(base64));
        plain || bytes || cell == format!("\\x{ascii}")
    };
    dump.iter().filter(|(_, cell)| hit(cell)).map(|(place, _)| place.as_str()).collect()
}

#[test]
fn the_search_finds_what_it_is_meant_to_find() {
    let cell = |text: &str| vec![("t.c".to_owned(), text.to_owned())];
    let pan = "9900001234567899";
    for planted in [
        format!("card {pan} was used"),
        format!("\\x00{}ff", HEXLOWER.encode(pan.as_bytes())),
        format!("\\x0{pan}f"),
        format!("{{\"pan\":\"{}\"}}", BASE64.encode(pan.as_bytes())),
    ] {
        assert_eq!(found(&cell(&planted), pan), ["t.c"], "{planted}");
    }
    for planted in ["password=493817", "493817", "\\x34393338313700"] {
        assert_eq!(found(&cell(planted), PASSWORD), ["t.c"], "{planted}");
    }
    for planted in ["cvv2 561", "\\x353631", "561"] {
        assert_eq!(found(&cell(planted), "561"), ["t.c"], "{planted}");
    }
    assert!(found(&cell("1767225600561000"), "561").is_empty());
}

bursar_testkit::on_both_databases! {
    async fn no_card_number_cvv2_or_password_lies_in_the_database(database: TestDatabase) {
        let place = Place::new(&database);
        let vault = place.start().await;
        let card = vault.issue().await;
        let RevealedCard { pan, cvv2, .. } = vault.reveal(&card).await.unwrap();
        let request = set_request(&card, PASSWORD);
        let set = vault.signed(card.customer, Some(std::time::Duration::ZERO), request.clone());
        vault.holder().set_card_password(set).await.unwrap();
        let guess = password_request(&card, PASSWORD);
        vault.gateway().verify_card_password(guess.clone()).await.unwrap();
        vault.try_password(&card, "204968").await;
        vault.verify(&pan, "2912", &cvv2).await;
        vault.verify(&pan, "2912", &other_cvv2(&cvv2, 0)).await;
        let ticket = vault.ticket(&card, &Phone::new()).await.unwrap();

        let dump = place.dump().await;
        assert!(dump.len() > 200, "the dump holds the whole database: {}", dump.len());
        assert!(dump.iter().any(|(place, cell)| place == "card.masked_pan" && *cell == card.masked));
        for secret in [pan.as_str(), &cvv2, PASSWORD, "204968"] {
            let mut places = found(&dump, secret);
            // Three digits stand alone in base64 by chance, and a checkpoint is full of it.
            places.retain(|place| secret.len() > 3 || *place != "audit_checkpoint.text");
            assert_eq!(places, Vec::<&str>::new());
        }
        // Nor a digest that could be found by trying all numbers or passwords.
        let guessable: Vec<Vec<u8>> = vec![
            pan.clone().into_bytes(),
            PASSWORD.as_bytes().to_vec(),
            request.encode_to_vec(),
            guess.encode_to_vec(),
            ticket.ticket_secret.clone(),
        ];
        for (index, bytes) in guessable.iter().enumerate() {
            let plain = HEXLOWER.encode(bytes);
            assert!(dump.iter().all(|(_, cell)| !cell.contains(&plain)), "in plain: {index}");
            // The secret of a ticket is 32 random bytes: its digest is no help.
            if index < 4 {
                let digest = HEXLOWER.encode(digest(&SHA256, bytes).as_ref());
                assert!(dump.iter().all(|(_, cell)| !cell.contains(&digest)), "as a plain digest: {index}");
            }
        }
        vault.stop().await;
        if let Some(file) = place.url.strip_prefix("sqlite://") {
            for suffix in ["", "-wal"] {
                let bytes = std::fs::read(format!("{file}{suffix}")).unwrap_or_default();
                assert!(!bytes.windows(pan.len()).any(|window| window == pan.as_bytes()), "{suffix}");
            }
        }
    }

    async fn ciphertext_moved_between_cards_does_not_open(database: TestDatabase) {
        let place = Place::new(&database);
        let vault = place.start().await;
        let (one, two) = (vault.issue().await, vault.issue().await);
        vault.reveal(&one).await.unwrap();
        for (table, column) in [("card", "sealed_pan"), ("card_dek", "wrapped")] {
            place.exchange(table, column).await;
            for card in [&one, &two] {
                let status = vault.reveal(card).await.unwrap_err();
                assert_eq!(reason(&status), Reason::DataCorrupt, "{table}.{column}");
                assert!(!status.message().contains("sealed"), "nothing of ours is told: {}", status.message());
            }
            // Exchanged twice is as before.
            place.exchange(table, column).await;
            place.clock.advance(std::time::Duration::from_secs(601));
            vault.reveal(&one).await.unwrap();
        }
        // Both together, and an older version of the same record.
        place.exchange("card", "sealed_pan").await;
        place.exchange("card_dek", "wrapped").await;
        assert_eq!(reason(&vault.reveal(&one).await.unwrap_err()), Reason::DataCorrupt);
        place.exchange("card", "sealed_pan").await;
        place.exchange("card_dek", "wrapped").await;
        place.tamper("UPDATE card SET record_version = record_version + 1").await;
        assert_eq!(reason(&vault.reveal(&one).await.unwrap_err()), Reason::DataCorrupt);
        vault.stop().await;
    }

    async fn a_password_copied_to_another_card_is_worth_nothing_there(database: TestDatabase) {
        let place = Place::new(&database);
        let vault = place.start().await;
        let (mine, theirs) = (vault.issue().await, vault.issue().await);
        vault.set_password(&mine, PASSWORD).await.unwrap();
        vault.set_password(&theirs, "771403").await.unwrap();
        // The administrator of the database gives the other card the verifier of a password he knows.
        place.exchange("card_password", "salt").await;
        place.exchange("card_password", "verifier").await;
        assert_eq!(vault.try_password(&theirs, PASSWORD).await.card_password(), Verification::Mismatch);
        vault.stop().await;
    }
}
