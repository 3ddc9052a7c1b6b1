//! Bank files from their bytes to the ledger, on both databases.

use std::sync::Arc;

use bursar_proto::gateway::v1::BankEntryOutcome;
use bursar_service::db::Db;
use bursar_service::events::EventLog;
use bursar_testkit::{TestDatabase, on_both_databases};
use bursar_types::{Clock, Failure as _, IdSource, ManualClock, OsEntropy, Reason, RequestId, Timestamp};

use super::fake::{FUNDING, FakeIssuer, Mood};
use crate::bank::{Booker, Import, Imported};
use crate::error::GatewayError;
use crate::store;

struct World {
    import: Import,
    issuer: Arc<FakeIssuer>,
}

impl World {
    async fn new(database: &TestDatabase) -> Self {
        let db: Db = database.open(store::MIGRATIONS).await;
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::at(Timestamp::from_micros(1_767_225_600_000_000)));
        let issuer = Arc::new(FakeIssuer::default());
        let booker = Booker { db: db.clone(), issuer: Arc::clone(&issuer) as _ };
        let ids = IdSource::new(Arc::clone(&clock), Arc::new(OsEntropy));
        let import = Import {
            events: EventLog::open(db.clone(), "gateway", Arc::clone(&clock), ids.clone()).await.unwrap(),
            ids,
            db,
            clock,
            booker,
        };
        Self { import, issuer }
    }

    async fn import(&self, file: &str) -> Result<Imported, GatewayError> {
        self.import.import("partner", request_id(), file.as_bytes()).await
    }
}

fn request_id() -> RequestId {
    let ids = IdSource::new(Arc::new(bursar_types::SystemClock), Arc::new(OsEntropy));
    RequestId::from_uuid(ids.next_uuid())
}

fn outcomes(imported: &Imported) -> Vec<BankEntryOutcome> {
    imported.entries.iter().map(|entry| BankEntryOutcome::try_from(entry.outcome).unwrap()).collect()
}

/// A file with these entries: amount, reference of the bank, remittance.
fn file(kind: u32, message: &str, entries: &[(&str, &str, &str)]) -> String {
    let (root, part) = match kind {
        53 => ("BkToCstmrStmt", "Stmt"),
        _ => ("BkToCstmrDbtCdtNtfctn", "Ntfctn"),
    };
    let entries: String = entries
        .iter()
        .map(|(amount, reference, remittance)| {
            let reference = match *reference {
                "" => String::new(),
                reference => format!("<AcctSvcrRef>{reference}</AcctSvcrRef>"),
            };
            format!(
                "<Ntry><Amt Ccy=\"CNY\">{amount}</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts><BookgDt><Dt>2026-01-02</Dt></BookgDt>{reference}<NtryDtls><TxDtls><RmtInf><Ustrd>{remittance}</Ustrd></RmtInf></TxDtls></NtryDtls></Ntry>"
            )
        })
        .collect();
    format!(
        "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.0{kind}.001.02\"><{root}><GrpHdr><MsgId>{message}</MsgId></GrpHdr><{part}><Id>1</Id><Acct><Id><IBAN>GB82WEST12345698765432</IBAN></Id></Acct>{entries}</{part}></{root}></Document>"
    )
}

on_both_databases! {
    async fn credits_reach_their_account_or_suspense_once(database: TestDatabase) {
        let world = World::new(&database).await;
        let notification = file(54, "N-1", &[("1.00", "B-1", FUNDING), ("2.00", "B-2", "for the rent")]);
        let first = world.import(&notification).await.unwrap();
        assert_eq!(outcomes(&first), [BankEntryOutcome::Booked, BankEntryOutcome::Suspense]);
        assert!(!first.duplicate);
        // The same bytes again, under another request.
        let again = world.import(&notification).await.unwrap();
        assert!(again.duplicate);
        assert_eq!((again.file.id, outcomes(&again)), (first.file.id, outcomes(&first)));
        // The statement of the day has them too, and one more.
        let statement = file(53, "S-1", &[("1.00", "B-1", FUNDING), ("2.00", "B-2", "for the rent"), ("3.00", "B-3", FUNDING)]);
        let seen = outcomes(&world.import(&statement).await.unwrap());
        assert_eq!(seen, [BankEntryOutcome::Duplicate, BankEntryOutcome::Duplicate, BankEntryOutcome::Booked]);
        assert_eq!(world.issuer.known().credits.len(), 3);
    }

    async fn movements_without_a_reference_are_told_apart_by_their_number(database: TestDatabase) {
        let world = World::new(&database).await;
        let rent = ("5.00", "", "Rent");
        // Two equal ones in two notifications: two payments.
        for message in ["N-1", "N-2"] {
            let seen = outcomes(&world.import(&file(54, message, &[rent])).await.unwrap());
            assert_eq!(seen, [BankEntryOutcome::Suspense]);
        }
        // The statement tells of both, and of a third.
        let seen = outcomes(&world.import(&file(53, "S-1", &[rent, rent, rent])).await.unwrap());
        assert_eq!(seen, [BankEntryOutcome::Duplicate, BankEntryOutcome::Duplicate, BankEntryOutcome::Suspense]);
        assert_eq!(world.issuer.known().credits.len(), 3);
    }

    async fn what_is_stored_is_booked_after_the_ledger_is_back(database: TestDatabase) {
        let world = World::new(&database).await;
        let notification = file(54, "N-1", &[("1.00", "B-1", FUNDING), ("2.00", "B-2", FUNDING)]);
        world.issuer.known().ledger = Mood::Away;
        let id = request_id();
        let asked = world.import.import("partner", id, notification.as_bytes());
        assert_eq!(asked.await.unwrap_err().reason(), Reason::PeerUnavailable);
        world.issuer.known().ledger = Mood::Answers;
        // Nobody asks again: the loop finds what waits.
        world.import.booker.clone().round().await.unwrap();
        assert_eq!(world.issuer.known().credits.len(), 2);
        let after = world.import.import("partner", id, notification.as_bytes()).await.unwrap();
        assert_eq!(outcomes(&after), [BankEntryOutcome::Booked, BankEntryOutcome::Booked]);
        assert!(!after.duplicate, "the request that was first");
        // Another file under the same id changes nothing.
        let other = world.import.import("partner", id, file(54, "N-9", &[]).as_bytes()).await.unwrap_err();
        assert_eq!(other.reason(), Reason::RequestIdReused);
    }
}
