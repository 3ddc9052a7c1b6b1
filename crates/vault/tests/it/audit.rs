//! The audit log is held to what it said: by proofs that need no vault, and by whoever keeps a checkpoint.

use bursar_proto::vault::v1::*;
use bursar_service::Identity;
use bursar_service::db::DbError;
use bursar_service::token::Trust;
use bursar_transparency::{Hash, ProofError};
use bursar_types::Reason;
use bursar_vault::audit::check::{
    CheckError, CheckedHead, Replay, check_checkpoint, check_consistency, check_record,
};

use super::support::*;

fn trust(place: &Place) -> Trust {
    Trust::load(&place.authority.leaf(Identity::Operator).unwrap().ca).unwrap()
}

fn hashes(path: Vec<Vec<u8>>) -> Vec<Hash> {
    path.into_iter().map(|hash| hash.try_into().unwrap()).collect()
}

async fn head(vault: &Vault<'_>, at_least_size: i64) -> CheckedHead {
    let request = GetAuditCheckpointRequest { at_least_size };
    let checkpoint = vault.auditor().get_audit_checkpoint(request).await.unwrap().into_inner().checkpoint;
    let checkpoint = checkpoint.unwrap();
    let head = check_checkpoint(&checkpoint.text, &trust(vault.place)).unwrap();
    assert_eq!((head.size as i64, head.root.to_vec()), (checkpoint.size, checkpoint.root_hash));
    head
}

async fn consistency(vault: &Vault<'_>, old: &CheckedHead, new: &CheckedHead) -> Result<(), CheckError> {
    let request = GetAuditConsistencyProofRequest { old_size: old.size as i64, new_size: new.size as i64 };
    let proof = vault.auditor().get_audit_consistency_proof(request).await.unwrap().into_inner();
    check_consistency(old, new, &hashes(proof.path))
}

/// What the end of the log is, to put it back later.
async fn saved_head(place: &Place) -> (i64, Vec<u8>) {
    let db = place.database().await;
    db.read(|tx| {
        Box::pin(async move {
            let row = tx.query("SELECT size, peaks FROM audit_head").fetch_one().await?;
            Ok::<_, DbError>((row.get("size")?, row.get("peaks")?))
        })
    })
    .await
    .unwrap()
}

/// Puts the log back to what it was, as an administrator of the database can who knows how it is kept.
async fn put_back(place: &Place, size: i64, peaks: &[u8]) {
    let db = place.database().await;
    db.write(|tx| {
        Box::pin(async move {
            tx.query("DELETE FROM audit_record WHERE leaf_index >= $1").bind(size).execute().await?;
            tx.query("UPDATE audit_head SET size = $1, peaks = $2").bind(size).bind(peaks).execute().await?;
            tx.query("DELETE FROM audit_checkpoint").execute().await?;
            tx.query("DELETE FROM audit_tile").execute().await?;
            tx.query("UPDATE audit_tiles SET size = 0").execute().await?;
            Ok::<_, DbError>(())
        })
    })
    .await
    .unwrap();
}

bursar_testkit::on_both_databases! {
    async fn every_record_is_proven_to_be_in_the_log_that_was_signed(database: TestDatabase) {
        let place = Place::new(&database);
        let vault = place.start().await;
        let card = vault.issue().await;
        let early = head(&vault, 3).await;
        let shown = vault.reveal(&card).await.unwrap();
        for n in 0..300 {
            // Two records of one moment can be the same.
            place.clock.advance(std::time::Duration::from_micros(1));
            vault.verify(&shown.pan, "2912", if n % 100 == 0 { "" } else { &shown.cvv2 }).await;
        }
        let late = head(&vault, 300).await;
        assert!(early.size >= 3 && late.size > early.size);
        assert_eq!(early.origin, late.origin);
        consistency(&vault, &early, &late).await.unwrap();
        // The other way around it is a rollback, and another root is a fork.
        assert!(matches!(check_consistency(&late, &early, &[]), Err(CheckError::RolledBack { .. })));
        let forked = CheckedHead { root: [7; 32], ..early.clone() };
        assert_eq!(consistency(&vault, &forked, &late).await, Err(CheckError::Proof(ProofError::Root)));
        let foreign = CheckedHead { origin: "bursar/vault/other".into(), ..early };
        assert!(matches!(consistency(&vault, &foreign, &late).await, Err(CheckError::OtherLog { .. })));

        let records: Vec<AuditRecord> =
            vault.records().await.into_iter().take(usize::try_from(late.size).unwrap()).collect();
        let mut replay = Replay::default();
        records.iter().for_each(|record| replay.take(record).unwrap());
        replay.finish(&late).unwrap();
        for record in records.iter().step_by(37) {
            let request = GetAuditInclusionProofRequest { index: record.index, size: late.size as i64 };
            let proof = vault.auditor().get_audit_inclusion_proof(request).await.unwrap().into_inner();
            let path = hashes(proof.path);
            check_record(record, &path, &late).unwrap();
            // A record that tells something else than its bytes, other bytes, another place.
            let told = AuditRecord { outcome: "refused".into(), reason: "made up".into(), ..record.clone() };
            assert!(matches!(check_record(&told, &path, &late), Err(CheckError::Told { .. })));
            let mut edited = record.clone();
            edited.body[3] ^= 1;
            assert!(matches!(check_record(&edited, &path, &late), Err(CheckError::Proof(_))));
            let moved = AuditRecord { index: record.index + 1, ..record.clone() };
            assert!(matches!(check_record(&moved, &path, &late), Err(CheckError::Proof(_))));
        }
        // Of one card only, and what is not there.
        let request = ListAuditRecordsRequest { subject: card.id.clone(), page_size: 1_000, ..Default::default() };
        let of_card = vault.auditor().list_audit_records(request).await.unwrap().into_inner().records;
        assert!(of_card.len() > 300 && of_card.iter().all(|record| record.subject == card.id));
        let beyond = GetAuditInclusionProofRequest { index: 1_000_000, size: 0 };
        let refused = vault.auditor().get_audit_inclusion_proof(beyond).await.unwrap_err();
        assert_eq!(reason(&refused), Reason::NotFound);

        // The heads travel in the event stream: whoever follows it is a witness.
        let texts = place
            .ask("SELECT subject AS answer FROM bursar_event_log WHERE event_type = 'vault.audit.checkpoint'").await;
        assert!(!texts.is_empty() && texts.iter().all(|subject| *subject == late.origin));

        // And the log goes on over a restart.
        let vault = vault.restart().await;
        vault.issue().await;
        let later = head(&vault, late.size as i64 + 1).await;
        consistency(&vault, &late, &later).await.unwrap();
        vault.stop().await;
    }

    async fn a_log_that_was_put_back_or_forked_is_found_out_with_a_checkpoint_kept_elsewhere(database: TestDatabase) {
        let place = Place::new(&database);
        let vault = place.start().await;
        for _ in 0..5 {
            vault.issue().await;
        }
        let base = saved_head(&place).await;
        for _ in 0..5 {
            vault.issue().await;
        }
        let kept = head(&vault, base.0 + 5).await;
        vault.stop().await;
        put_back(&place, base.0, &base.1).await;
        let vault = place.resume().await;
        let shorter = head(&vault, base.0).await;
        assert!(shorter.size < kept.size);
        assert!(matches!(check_consistency(&kept, &shorter, &[]), Err(CheckError::RolledBack { .. })));
        // It goes on as if nothing had been: the new one is longer, and not of one history with what was kept.
        for _ in 0..8 {
            vault.issue().await;
        }
        let longer = head(&vault, kept.size as i64 + 1).await;
        assert_eq!(consistency(&vault, &kept, &longer).await, Err(CheckError::Proof(ProofError::Root)));
        vault.stop().await;
    }

    async fn records_changed_behind_the_vaults_back_are_never_signed(database: TestDatabase) {
        let place = Place::new(&database);
        let vault = place.start().await;
        vault.issue().await;
        let kept = head(&vault, 3).await;
        vault.stop().await;
        // An edit of what was signed: the records make another root than what was signed.
        place.tamper("UPDATE audit_record SET body = (SELECT body FROM audit_record WHERE leaf_index = 0) WHERE leaf_index = 1").await;
        let vault = place.resume().await;
        let mut replay = Replay::default();
        let edited = vault
            .records()
            .await
            .iter()
            .take(usize::try_from(kept.size).unwrap())
            .try_for_each(|record| replay.take(record))
            .and_then(|()| replay.finish(&kept));
        assert!(edited.is_err(), "{edited:?}");
        vault.stop().await;
        // An edit of what was not signed yet: no signature is to be had any more.
        place.tamper("DELETE FROM audit_checkpoint").await;
        place.tamper("DELETE FROM audit_tile").await;
        place.tamper("UPDATE audit_tiles SET size = 0").await;
        let vault = place.resume().await;
        let request = GetAuditCheckpointRequest { at_least_size: 0 };
        let refused = vault.auditor().get_audit_checkpoint(request).await.unwrap_err();
        assert_eq!(reason(&refused), Reason::DataCorrupt);
        // So with a record that was taken out.
        place.tamper("DELETE FROM audit_record WHERE leaf_index = 2").await;
        let refused = vault.auditor().get_audit_checkpoint(request).await.unwrap_err();
        assert_eq!(reason(&refused), Reason::DataCorrupt);
        vault.stop().await;
    }
}

#[tokio::test]
async fn a_checkpoint_is_good_only_with_the_vaults_signature_over_exactly_this() {
    let database = bursar_testkit::TestDatabase::sqlite();
    let place = Place::new(&database);
    let vault = place.start().await;
    vault.issue().await;
    let request = GetAuditCheckpointRequest { at_least_size: 1 };
    let text =
        vault.auditor().get_audit_checkpoint(request).await.unwrap().into_inner().checkpoint.unwrap().text;
    let trust = trust(&place);
    let good = check_checkpoint(&text, &trust).unwrap();
    let larger = text.replacen(&format!("\n{}\n", good.size), &format!("\n{}\n", good.size + 1), 1);
    assert_eq!(check_checkpoint(&larger, &trust), Err(CheckError::SignedOtherwise));
    let stranger = Place::new(&database);
    let theirs = Trust::load(&stranger.authority.leaf(Identity::Operator).unwrap().ca).unwrap();
    assert!(matches!(check_checkpoint(&text, &theirs), Err(CheckError::Signature(_))));
    assert!(check_checkpoint("", &trust).is_err());
    vault.stop().await;
}
