use bursar_proto::vault::v1::{CreateBinRangeRequest, GetCardRequest, ListBinRangesRequest};
use bursar_service::Identity;
use bursar_service::error::violations_of;
use bursar_types::Reason;
use bursar_types::id::{CardId, CustomerId};
use futures::future::join_all;

use super::support::*;

bursar_testkit::on_both_databases! {
    async fn a_card_gets_one_number_and_keeps_it(database: TestDatabase) {
        let place = Place::new(&database);
        let vault = place.start().await;
        let mut ledger = vault.cards(Identity::Ledger);
        let (card, customer): (CardId, CustomerId) = (ids().next(), ids().next());
        let request = issue_request(RANGE, card, customer);
        let first = ledger.issue_card(request.clone()).await.unwrap().into_inner().card.unwrap();
        assert_eq!(first.card_id, card.to_string());
        assert_eq!((first.expiry_month, first.expiry_year, first.password_set), (12, 2029, false));
        assert!(first.masked_pan.starts_with("990000******"), "{}", first.masked_pan);

        // The same request, and the same card by another request.
        let again = ledger.issue_card(request.clone()).await.unwrap().into_inner().card.unwrap();
        assert_eq!(again, first);
        let other = issue_request(RANGE, card, customer);
        assert_eq!(ledger.issue_card(other).await.unwrap().into_inner().card.unwrap(), first);
        let get = GetCardRequest { card_id: card.to_string() };
        assert_eq!(ledger.get_card(get).await.unwrap().into_inner().card.unwrap(), first);

        // The same card for somebody else, and the same request id for something else.
        let foreign = issue_request(RANGE, card, ids().next());
        assert_eq!(reason(&ledger.issue_card(foreign).await.unwrap_err()), Reason::AlreadyExists);
        let mut reused = request;
        reused.expiry_month = 11;
        assert_eq!(reason(&ledger.issue_card(reused).await.unwrap_err()), Reason::RequestIdReused);
        let nowhere = issue_request("no-range", ids().next(), customer);
        assert_eq!(reason(&ledger.issue_card(nowhere).await.unwrap_err()), Reason::NotFound);
        let unknown = GetCardRequest { card_id: ids().next::<CardId>().to_string() };
        assert_eq!(reason(&ledger.get_card(unknown).await.unwrap_err()), Reason::NotFound);

        assert_eq!(place.ask("SELECT masked_pan AS answer FROM card").await, [first.masked_pan]);
        let events = place
            .ask("SELECT event_type AS answer FROM bursar_event_log UNION ALL
                  SELECT event_type AS answer FROM bursar_event_outbox").await;
        let events: Vec<_> = events.iter().filter(|event| *event != "vault.audit.checkpoint").collect();
        assert_eq!(events, ["vault.card.issued"]);
        let audit = place
            .ask("SELECT caller || ' ' || operation || ' ' || outcome || ' ' || reason AS answer FROM audit_record ORDER BY leaf_index")
            .await;
        let expected = [
            "vault keys.create allowed first start",
            "operator bin_range.create allowed ",
            "ledger card.issue allowed ",
            "ledger card.issue refused ALREADY_EXISTS",
            "ledger card.issue refused REQUEST_ID_REUSED",
            "ledger card.issue refused NOT_FOUND",
        ];
        assert_eq!(audit, expected);
        vault.stop().await;
    }

    async fn of_many_calls_for_one_card_all_get_its_one_number(database: TestDatabase) {
        let place = Place::new(&database);
        let vault = place.start().await;
        let (card, customer): (CardId, CustomerId) = (ids().next(), ids().next());
        let calls = (0..16).map(|_| {
            let mut ledger = vault.cards(Identity::Ledger);
            async move { ledger.issue_card(issue_request(RANGE, card, customer)).await.unwrap().into_inner() }
        });
        let answers = join_all(calls).await;
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
        assert_eq!(place.ask("SELECT card_id AS answer FROM pan_index").await.len(), 1);
        let issued = vault.cards(Identity::Operator).list_bin_ranges(ListBinRangesRequest::default()).await;
        assert_eq!(issued.unwrap().into_inner().bin_ranges[0].issued, 1);
        vault.stop().await;
    }

    async fn ranges_are_listed_by_name_in_pages_and_made_once(database: TestDatabase) {
        let place = Place::new(&database);
        let vault = place.resume().await;
        for name in ["c", "a", "b"] {
            vault.range(name, "990000", 16).await.unwrap();
        }
        assert_eq!(reason(&vault.range("a", "990001", 16).await.unwrap_err()), Reason::AlreadyExists);
        let mut operator = vault.cards(Identity::Operator);
        let first = ListBinRangesRequest { page_size: 2, page_token: String::new() };
        let first = operator.list_bin_ranges(first).await.unwrap().into_inner();
        let names = |page: &[bursar_proto::vault::v1::BinRange]| {
            page.iter().map(|range| range.bin_range_id.clone()).collect::<Vec<_>>()
        };
        assert_eq!(names(&first.bin_ranges), ["a", "b"]);
        let rest = ListBinRangesRequest { page_size: 2, page_token: first.next_page_token };
        let rest = operator.list_bin_ranges(rest).await.unwrap().into_inner();
        assert_eq!((names(&rest.bin_ranges), rest.next_page_token), (vec!["c".to_owned()], String::new()));
        let foreign = ListBinRangesRequest { page_size: 2, page_token: "nonsense".into() };
        assert_eq!(reason(&operator.list_bin_ranges(foreign).await.unwrap_err()), Reason::PageTokenInvalid);
        vault.stop().await;
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_named_and_changes_nothing() {
    let database = bursar_testkit::TestDatabase::sqlite();
    let place = Place::new(&database);
    let vault = place.resume().await;
    let bad = CreateBinRangeRequest {
        request_id: request_id(),
        bin_range_id: "Not A Name".into(),
        bin: "12345".into(),
        pan_length: 16,
    };
    let mut operator = vault.cards(Identity::Operator);
    let status = operator.create_bin_range(bad.clone()).await.unwrap_err();
    let fields: Vec<_> = violations_of(&status).into_iter().map(|violation| violation.field).collect();
    assert_eq!((reason(&status), fields), (Reason::InvalidField, vec!["bin_range_id".into(), "bin".into()]));
    let without_id = CreateBinRangeRequest { request_id: String::new(), ..bad };
    assert_eq!(reason(&operator.create_bin_range(without_id).await.unwrap_err()), Reason::RequestIdMissing);
    let mut issue = issue_request(RANGE, ids().next(), ids().next());
    issue.card_id = "cust_1".into();
    issue.expiry_month = 13;
    issue.expiry_year = 29;
    let status = vault.cards(Identity::Ledger).issue_card(issue).await.unwrap_err();
    let fields: Vec<_> = violations_of(&status).into_iter().map(|violation| violation.field).collect();
    assert_eq!(fields, ["card_id", "expiry_month", "expiry_year"]);
    assert!(place.ask("SELECT bin_range_id AS answer FROM bin_range").await.is_empty());
    vault.stop().await;
}
