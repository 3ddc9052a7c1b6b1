//! Use cases at edges that calls over the network would take long to reach.

use std::collections::HashSet;

use bursar_proto::access::Identity;
use bursar_proto::vault::v1::IssueCardRequest;
use bursar_service::Supervisor;
use bursar_service::cert::Authority;
use bursar_service::db::{Cell, DbError};
use bursar_service::token::TokenSigner;
use bursar_types::id::{CardId, Uuid};
use bursar_types::{ManualClock, OsEntropy, Reason, SystemClock, TypedId as _};

use super::*;
use crate::group;
use crate::payment::range::{BinRangeId, RangeShape};
use crate::start;

const NOW: Timestamp = Timestamp::from_micros(1_767_225_600_000_000);

fn actor() -> Actor {
    Actor { caller: Identity::Ledger, customer: None, principal: "service/ledger".to_owned() }
}

fn request_id(n: u128) -> RequestId {
    RequestId::from_uuid(Uuid::from_u128(n))
}

async fn vault(db: Db, folder: &tempfile::TempDir) -> Vault {
    let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(NOW));
    let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy);
    let ids = IdSource::new(Arc::clone(&clock), Arc::clone(&entropy));
    let signing =
        Authority::open(folder.path(), Arc::new(SystemClock)).unwrap().signing(Identity::Vault).unwrap();
    let signer = TokenSigner::load(&signing.cert, &signing.key).unwrap();
    let log_id = start::name_log(&db, "log").await.unwrap();
    let keys = Keys::sealed();
    let supervisor = Supervisor::new();
    let (queues, inboxes) = group::queues(&supervisor.shutdown());
    let vault = Vault {
        keys,
        seal: Seal::new(RootSource::File(folder.path().join("root.key"))),
        retention: RETENTION_MIN,
        rewrap_begun: Arc::default(),
        rewrap_per_second: 1_000_000,
        queues,
        notary: Notary::new(signer.clone(), Arc::new(SystemClock), &log_id),
        hasher: PasswordHasher::new(),
        proofs: ProofSigner::new(signer, Arc::clone(&clock), ids.clone()),
        events: EventLog::open(db.clone(), "vault", Arc::clone(&clock), ids.clone()).await.unwrap(),
        ids,
        clock,
        entropy,
        db,
    };
    start::unseal_by_itself(&vault, true).await.unwrap();
    inboxes.run(&vault, &supervisor);
    vault
}

bursar_testkit::on_both_databases! {
    async fn a_range_gives_every_number_once_and_then_says_that_it_is_used_up(database: TestDatabase) {
        let folder = tempfile::tempdir().unwrap();
        let vault = vault(database.open(store::schema::MIGRATIONS).await, &folder).await;
        let range: BinRangeId = "tiny".parse().unwrap();
        let shape = RangeShape::new("99000099", 12).unwrap();
        let request = Default::default();
        vault.create_bin_range(&actor(), request_id(1), &request, &range, &shape).await.unwrap();
        // All of its thousand numbers but twelve are taken.
        let free: HashSet<u64> = (0..12).map(|n| n * 83).collect();
        let ring = vault.keys.ring().unwrap();
        let taken: Vec<[Cell; 3]> = (0..shape.capacity())
            .filter(|account| !free.contains(account))
            .map(|account| {
                let fingerprint = ring.fingerprint(&shape.number(account));
                [Cell::from(fingerprint.value), i64::from(fingerprint.key_version).into(), "card_of_before".into()]
            })
            .collect();
        let taken = &taken;
        let columns = ["fingerprint", "key_version", "card_id"];
        vault
            .db
            .write(|tx| Box::pin(async move { tx.bulk_insert("pan_index", columns, taken.clone()).await }))
            .await
            .unwrap_or_else(|error: DbError| panic!("{error}"));

        let issue = async |n: u128| {
            let card_id = CardId::from_uuid(Uuid::from_u128(n));
            let wanted = NewCard {
                card_id,
                customer_id: bursar_types::id::CustomerId::from_uuid(Uuid::from_u128(7)),
                range: range.clone(),
                expiry: bursar_card_data::ExpiryYymm::new(2029, 12).unwrap(),
            };
            let request = IssueCardRequest { card_id: card_id.to_string(), ..Default::default() };
            vault.issue_card(&actor(), request_id(n), &request, &wanted).await
        };
        let mut shown = HashSet::new();
        for n in 100..112 {
            shown.insert(issue(n).await.unwrap().card.unwrap().masked_pan);
        }
        // The last four digits hold the whole account number: these are the twelve that were free.
        let expected: HashSet<String> =
            free.iter().map(|account| shape.number(*account).masked().to_string()).collect();
        assert_eq!(shown, expected);
        let refused = issue(112).await.unwrap_err();
        assert_eq!(refused.reason(), Reason::BinRangeExhausted);
        // The card that got no number left nothing behind, and the ones that did stay.
        assert_eq!(vault.card(CardId::from_uuid(Uuid::from_u128(112))).await.unwrap_err().reason(), Reason::NotFound);
        assert!(issue(111).await.is_ok());
    }
}
