//! A vault whose root key nobody has alone.

use std::time::Duration;

use bursar_proto::vault::v1::*;
use bursar_service::Identity;
use bursar_types::Reason;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tonic::Status;

use super::support::*;

const BY_SHARES: &[&str] = &["seal.root=shares"];

async fn ready(vault: &Vault<'_>) -> bool {
    let mut stream = tokio::net::TcpStream::connect(vault.running.admin_address()).await.unwrap();
    stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: vault\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.starts_with("HTTP/1.1 200")
}

/// Waits until readiness is as it should be: it follows the seal a moment later.
async fn ready_is(vault: &Vault<'_>, wanted: bool) {
    while ready(vault).await != wanted {
        tokio::task::yield_now().await;
    }
}

async fn status(vault: &Vault<'_>) -> SealStatus {
    let answer = vault.custodian().get_seal_status(GetSealStatusRequest {}).await.unwrap();
    answer.into_inner().status.unwrap()
}

async fn give(vault: &Vault<'_>, share: &str) -> Result<SealStatus, Status> {
    let answer = vault.custodian().unseal(UnsealRequest { share: share.into() }).await?;
    Ok(answer.into_inner().status.unwrap())
}

async fn unseal(vault: &Vault<'_>, shares: &[String]) {
    for share in shares {
        give(vault, share).await.unwrap();
    }
    assert_eq!(status(vault).await.state(), SealState::Unsealed);
}

/// Every kind of call but those of the seal.
async fn refused(vault: &Vault<'_>, card: &Card) -> Vec<Reason> {
    let pan = "4111111111111111";
    let verify = VerifyCardRequest { pan: pan.into(), payment: Some(payment()), ..Default::default() };
    let outcomes = [
        vault.issue_in(RANGE).await.map(drop),
        vault.range("another", "99000014", 16).await.map(drop),
        vault.cards(Identity::Operator).list_bin_ranges(ListBinRangesRequest::default()).await.map(drop),
        vault.cards(Identity::Ledger).get_card(GetCardRequest { card_id: card.id.clone() }).await.map(drop),
        vault.gateway().verify_card(verify).await.map(drop),
        vault.gateway().verify_card_password(password_request(card, "493817")).await.map(drop),
        vault.set_password(card, "493817").await,
        vault.ticket(card, &Phone::new()).await.map(drop),
        vault.reveal(card).await.map(drop),
        vault.auditor().list_audit_records(ListAuditRecordsRequest::default()).await.map(drop),
        vault.auditor().get_audit_checkpoint(GetAuditCheckpointRequest::default()).await.map(drop),
        vault.key_keeper().list_keys(ListKeysRequest {}).await.map(drop),
        vault.rotate("kek").await.map(drop),
        vault.key_keeper().start_rewrap(StartRewrapRequest {}).await.map(drop),
        vault.retire("kek", 1).await,
        vault.custodian().rekey_vault(RekeyVaultRequest { shares: 2 }).await.map(drop),
    ];
    outcomes.into_iter().map(|outcome| reason(&outcome.unwrap_err())).collect()
}

bursar_testkit::on_both_databases! {
    async fn all_custodians_open_the_vault_and_none_less(database: TestDatabase) {
        let place = Place::new(&database);
        let vault = place.resume_with(BY_SHARES).await;
        assert!(!place.root_file().exists(), "there is no root key anywhere");
        assert_eq!(status(&vault).await.state(), SealState::Uninitialized);
        assert!(!ready(&vault).await);
        let made = vault.custodian().initialize_vault(InitializeVaultRequest { shares: 3 }).await.unwrap();
        let shares = made.into_inner().shares;
        assert_eq!(shares.len(), 3);
        ready_is(&vault, true).await;
        let again = vault.custodian().initialize_vault(InitializeVaultRequest { shares: 2 }).await;
        assert_eq!(reason(&again.unwrap_err()), Reason::WrongState);
        vault.range(RANGE, "99000012", 16).await.unwrap();
        let card = vault.issue().await;
        let pan = vault.reveal(&card).await.unwrap().pan;

        // Started again it is sealed, says so, and answers nothing else.
        vault.stop().await;
        let vault = place.resume_with(BY_SHARES).await;
        assert!(!ready(&vault).await);
        let sealed = status(&vault).await;
        assert_eq!((sealed.state(), sealed.root.as_str()), (SealState::Sealed, "shares"));
        assert_eq!((sealed.shares_total, sealed.shares_given), (3, 0));
        let reasons = refused(&vault, &card).await;
        assert!(reasons.iter().all(|reason| *reason == Reason::VaultSealed), "{reasons:?}");

        give(&vault, &shares[2]).await.unwrap();
        assert_eq!(give(&vault, &shares[2]).await.unwrap().shares_given, 1, "one custodian twice is one");
        assert_eq!(give(&vault, &shares[0]).await.unwrap().state(), SealState::Sealed);
        assert_eq!(refused(&vault, &card).await.len(), reasons.len());
        assert_eq!(give(&vault, &shares[1]).await.unwrap().state(), SealState::Unsealed);
        ready_is(&vault, true).await;
        place.clock.advance(Duration::from_secs(601));
        assert_eq!(vault.reveal(&card).await.unwrap().pan, pan);

        // Sealed by hand: at once, and opened the same way.
        let seal = SealVaultRequest { reason: "a drill".into() };
        vault.custodian().seal_vault(seal).await.unwrap();
        ready_is(&vault, false).await;
        let reasons = refused(&vault, &card).await;
        assert!(reasons.iter().all(|reason| *reason == Reason::VaultSealed), "{reasons:?}");
        unseal(&vault, &shares).await;
        place.clock.advance(Duration::from_secs(601));
        assert_eq!(vault.reveal(&card).await.unwrap().pan, pan);
        let recorded: Vec<_> = vault.records().await.into_iter().map(|record| (record.operation, record.reason)).collect();
        assert!(recorded.contains(&("vault.seal".into(), "a drill".into())));
        assert!(recorded.contains(&("vault.unseal".into(), "share 2, open".into())));

        // No share, nor any half of one, lies in the database.
        let dump = place.dump().await;
        for share in &shares {
            let bytes = share.split('-').nth(5).unwrap();
            assert_eq!(bytes.len(), 64);
            assert!(dump.iter().all(|(_, cell)| !cell.contains(&bytes[..32]) && !cell.contains(&bytes[32..])));
        }
        vault.stop().await;
    }

    async fn wrong_shares_and_slow_custodians_begin_anew(database: TestDatabase) {
        let place = Place::new(&database);
        let vault = place.resume_with(BY_SHARES).await;
        let made = vault.custodian().initialize_vault(InitializeVaultRequest { shares: 2 }).await.unwrap();
        let shares = made.into_inner().shares;
        vault.stop().await;
        let vault = place.resume_with(BY_SHARES).await;
        let slip = format!("{}0", &shares[0][..shares[0].len() - 1]);
        if slip != shares[0] {
            assert_eq!(reason(&give(&vault, &slip).await.unwrap_err()), Reason::InvalidField);
        }
        // A share of another vault, well-formed.
        let stranger_database = bursar_testkit::TestDatabase::sqlite();
        let stranger_place = Place::new(&stranger_database);
        let stranger = stranger_place.resume_with(BY_SHARES).await;
        let made = stranger.custodian().initialize_vault(InitializeVaultRequest { shares: 2 }).await.unwrap();
        let foreign = made.into_inner().shares;
        stranger.stop().await;
        give(&vault, &shares[0]).await.unwrap();
        assert_eq!(reason(&give(&vault, &foreign[1]).await.unwrap_err()), Reason::WrongState);
        assert_eq!(status(&vault).await.shares_given, 0);
        // Ten minutes between the first and the last are too long.
        give(&vault, &shares[0]).await.unwrap();
        place.clock.advance(Duration::from_secs(601));
        assert_eq!(give(&vault, &shares[1]).await.unwrap().state(), SealState::Sealed);
        assert_eq!(give(&vault, &shares[0]).await.unwrap().state(), SealState::Unsealed);
        assert_eq!(reason(&give(&vault, &shares[0]).await.unwrap_err()), Reason::WrongState);
        vault.stop().await;
    }

    async fn after_a_rekey_only_the_new_shares_open(database: TestDatabase) {
        let place = Place::new(&database);
        let vault = place.resume_with(BY_SHARES).await;
        let made = vault.custodian().initialize_vault(InitializeVaultRequest { shares: 2 }).await.unwrap();
        let old = made.into_inner().shares;
        vault.range(RANGE, "99000012", 16).await.unwrap();
        let card = vault.issue().await;
        let pan = vault.reveal(&card).await.unwrap().pan;
        let none = vault.custodian().rekey_vault(RekeyVaultRequest { shares: 0 }).await.unwrap_err();
        assert_eq!(reason(&none), Reason::WrongState);
        let made = vault.custodian().rekey_vault(RekeyVaultRequest { shares: 3 }).await.unwrap();
        let new = made.into_inner().shares;
        vault.issue().await;
        vault.stop().await;
        let vault = place.resume_with(BY_SHARES).await;
        give(&vault, &old[0]).await.unwrap();
        assert_eq!(reason(&give(&vault, &old[1]).await.unwrap_err()), Reason::WrongState);
        unseal(&vault, &new).await;
        place.clock.advance(Duration::from_secs(601));
        assert_eq!(vault.reveal(&card).await.unwrap().pan, pan);
        vault.stop().await;
    }

    async fn a_rekeyed_file_takes_its_place_also_if_the_process_dies_in_between(database: TestDatabase) {
        let place = Place::new(&database);
        let vault = place.start().await;
        let card = vault.issue().await;
        let pan = vault.reveal(&card).await.unwrap().pan;
        let old = std::fs::read(place.root_file()).unwrap();
        let shares = vault.custodian().rekey_vault(RekeyVaultRequest { shares: 2 }).await.unwrap_err();
        assert_eq!(reason(&shares), Reason::WrongState);
        vault.custodian().rekey_vault(RekeyVaultRequest { shares: 0 }).await.unwrap();
        let new = std::fs::read(place.root_file()).unwrap();
        assert_ne!(old, new);
        vault.stop().await;
        let next = place.folder.path().join("root.key.next");
        assert!(!next.exists());
        // Died after the commit, before the file took its place.
        std::fs::rename(place.root_file(), &next).unwrap();
        let mut file = std::fs::OpenOptions::new();
        std::os::unix::fs::OpenOptionsExt::mode(file.write(true).create_new(true), 0o600);
        std::io::Write::write_all(&mut file.open(place.root_file()).unwrap(), &old).unwrap();
        let vault = place.resume().await;
        assert_eq!(std::fs::read(place.root_file()).unwrap(), new);
        assert!(!next.exists());
        place.clock.advance(Duration::from_secs(601));
        assert_eq!(vault.reveal(&card).await.unwrap().pan, pan);
        vault.stop().await;
        // Died before the commit: the next one is of no use, and goes.
        std::io::Write::write_all(&mut file.open(&next).unwrap(), &old).unwrap();
        let vault = place.resume().await;
        assert!(!next.exists());
        vault.custodian().rekey_vault(RekeyVaultRequest { shares: 0 }).await.unwrap();
        vault.stop().await;
    }
}
