//! What is left of a card when nobody may need it any more.

use std::time::Duration;

use bursar_proto::vault::v1::*;
use bursar_service::Identity;
use bursar_types::Reason;

use super::support::*;

const RETENTION: Duration = Duration::from_secs(540 * 24 * 60 * 60);

async fn close(vault: &Vault<'_>, card: &Card) -> Result<CloseCardResponse, tonic::Status> {
    let request = CloseCardRequest { request_id: request_id(), card_id: card.id.clone() };
    Ok(vault.cards(Identity::Ledger).close_card(request).await?.into_inner())
}

/// Waits until so many cards are purged: the vault does it by itself.
async fn purged(place: &Place, count: &str) {
    while place.ask("SELECT CAST(COUNT(*) AS TEXT) AS answer FROM card WHERE purged_at IS NOT NULL").await
        != [count]
    {
        tokio::task::yield_now().await;
    }
}

bursar_testkit::on_both_databases! {
    async fn a_closed_card_is_shredded_after_the_retention_and_its_number_given_to_nobody(database: TestDatabase) {
        let place = Place::new(&database);
        let vault = place.start().await;
        let (gone, stays) = (vault.issue().await, vault.issue().await);
        vault.set_password(&gone, "493817").await.unwrap();
        let shown = vault.reveal(&gone).await.unwrap();
        let closed = close(&vault, &gone).await.unwrap();
        let purge_time = closed.purge_time.unwrap();
        // Closed again it is the same.
        place.clock.advance(Duration::from_secs(3_600));
        assert_eq!(close(&vault, &gone).await.unwrap().purge_time.unwrap(), purge_time);
        // Not shown, and no new password; but known to the network, for refunds and chargebacks come late.
        assert_eq!(reason(&vault.reveal(&gone).await.unwrap_err()), Reason::WrongState);
        assert_eq!(reason(&vault.set_password(&gone, "771403").await.unwrap_err()), Reason::WrongState);
        assert!(vault.verify(&shown.pan, "2912", &shown.cvv2).await.found);

        // A day too early nothing happens; then only the fingerprint is left.
        vault.stop().await;
        place.clock.advance(RETENTION - Duration::from_secs(25 * 3_600));
        let vault = place.resume().await;
        assert!(vault.verify(&shown.pan, "", "").await.found);
        assert_eq!(place.ask("SELECT card_id AS answer FROM card_dek").await.len(), 2);
        vault.stop().await;
        place.clock.advance(Duration::from_secs(26 * 3_600));
        let vault = place.resume().await;
        purged(&place, "1").await;
        assert_eq!(place.ask("SELECT card_id AS answer FROM card_dek").await, std::slice::from_ref(&stays.id));
        for table in ["card_password", "card_password_try", "reveal_ticket"] {
            let left = place.dump().await.into_iter().filter(|(at, cell)| at.starts_with(table) && *cell == gone.id);
            assert_eq!(left.count(), 0, "{table}");
        }
        assert_eq!(vault.verify(&shown.pan, "2912", &shown.cvv2).await, VerifyCardResponse::default());
        assert!(vault.reveal(&gone).await.is_err());
        vault.reveal(&stays).await.unwrap();
        assert_eq!(place.ask("SELECT card_id AS answer FROM pan_index").await.len(), 2);
        // The log proves when.
        let records = vault.records().await;
        let record = records.iter().find(|record| record.operation == "card.purge").unwrap();
        assert_eq!((record.subject.as_str(), record.outcome.as_str(), record.caller.as_str()), (gone.id.as_str(), "allowed", "vault"));
        let proof = GetAuditInclusionProofRequest { index: record.index, size: 0 };
        assert!(vault.auditor().get_audit_inclusion_proof(proof).await.is_ok());
        // A key under which only it was can be retired now.
        vault.stop().await;
    }
}

#[tokio::test]
async fn a_retention_that_is_too_short_is_refused_and_unknown_cards_are_named() {
    let database = bursar_testkit::TestDatabase::sqlite();
    let place = Place::new(&database);
    let refused = place.try_start(&["purge.retention_days=179"]).await.unwrap_err();
    assert!(refused.to_string().contains("purge.retention_days"), "{refused}");
    let vault = place.start().await;
    let card = vault.issue().await;
    let unknown = Card { id: ids().next::<bursar_types::id::CardId>().to_string(), ..card };
    assert_eq!(reason(&close(&vault, &unknown).await.unwrap_err()), Reason::NotFound);
    vault.stop().await;
}
