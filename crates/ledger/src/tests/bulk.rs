//! Many transfers at once: each by itself, or all or none.

use bursar_proto::ledger::v1 as proto;
use bursar_testkit::on_both_databases;

use super::desk::{Wrong, one_of_many, told};
use super::world::{World, uuid, yuan};

fn bulk(orders: Vec<proto::TransferOrder>, linked: bool) -> proto::BatchCreateTransfersRequest {
    proto::BatchCreateTransfersRequest { request_id: uuid(), orders, linked }
}

/// What was said to each: the amount moved, or the reason and the field.
fn each(response: &proto::BatchCreateTransfersResponse) -> Vec<(i64, &str, &str)> {
    let results = response.results.iter();
    results.map(|r| (r.amount, r.error_reason.as_str(), r.error_field.as_str())).collect()
}

on_both_databases! {
    async fn each_is_decided_by_itself_in_order(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let (from, to) = node.pair().await;
        let nobody = "acct_00000000000000000000000000";
        let orders = vec![
            one_of_many(&to, &from, 5),
            one_of_many(&from, &to, 5),
            one_of_many(&to, &from, 5),
            one_of_many(&from, nobody, 1),
            one_of_many(&from, &from, 1),
            proto::TransferOrder { hold_seconds: 60, ..one_of_many(&from, &to, 9) },
            proto::TransferOrder { balancing: true, ..one_of_many(&to, &from, 9) },
        ];
        let asked = bulk(orders, false);
        let answer = node.batch(asked.clone()).await.unwrap();
        let wanted = [
            (0, "INSUFFICIENT_FUNDS", "debit_account_id"),
            (5, "", ""),
            (5, "", ""),
            (0, "ACCOUNT_NOT_FOUND", "credit_account_id"),
            (0, "ACCOUNTS_MUST_DIFFER", "credit_account_id"),
            (9, "", ""),
            (0, "INSUFFICIENT_FUNDS", "amount"),
        ];
        assert_eq!(each(&answer), wanted);
        for (result, (_, error, _)) in answer.results.iter().zip(wanted) {
            let made = error.is_empty();
            assert_eq!(!result.transfer_id.is_empty(), made);
            assert_eq!((result.debit_after.is_some(), result.credit_after.is_some()), (made, made));
        }
        assert_eq!(answer.results[1].credit_after.unwrap().posted, 5);
        assert_eq!(answer.results[2].debit_after.unwrap().posted, 0);
        assert_eq!(answer.results[5].debit_after.unwrap().held, 9);
        let shown = node.transfer(&answer.results[1].transfer_id).await.unwrap();
        assert_eq!((shown.position, shown.amount), (answer.position, yuan(5)));

        assert_eq!(node.batch(asked.clone()).await.unwrap(), answer);
        node.stop().await;
        let node = world.node().await;
        assert_eq!(node.batch(asked.clone()).await.unwrap(), answer);
        let other = proto::BatchCreateTransfersRequest { linked: true, ..asked.clone() };
        assert_eq!(told(&node.batch(other).await.unwrap_err()), ("REQUEST_ID_REUSED", "linked".to_owned()));
        let mut other = asked;
        other.orders[1].amount = yuan(6);
        assert_eq!(told(&node.batch(other).await.unwrap_err()), ("REQUEST_ID_REUSED", "orders".to_owned()));
        assert_eq!(node.findings().await, Vec::<String>::new());
        node.stop().await;
    }

    async fn linked_ones_all_happen_or_none(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let (from, to) = node.pair().await;
        let orders = vec![
            one_of_many(&from, &to, 5),
            one_of_many(&to, &from, 6),
            one_of_many(&from, &to, 1),
        ];
        let asked = bulk(orders, true);
        let answer = node.batch(asked.clone()).await.unwrap();
        let linked = (0, "LINKED_ITEM_FAILED", "");
        assert_eq!(each(&answer), [linked, (0, "INSUFFICIENT_FUNDS", "debit_account_id"), linked]);
        assert_eq!((answer.position, node.balance(&to).await.posted), (0, 0));

        // Nothing happened and the request id is not used: the same request succeeds once there is money.
        node.batch(bulk(vec![one_of_many(&from, &to, 1)], true)).await.unwrap();
        let answer = node.batch(asked.clone()).await.unwrap();
        assert_eq!(each(&answer), [(5, "", ""), (6, "", ""), (1, "", "")]);
        assert!(answer.position > 0);
        assert_eq!(node.batch(asked).await.unwrap(), answer);
        assert_eq!(node.balance(&to).await.posted, 1);

        // Each by itself, and all refused: no trace either.
        let refused = bulk(vec![one_of_many(&to, &from, 2), one_of_many(&to, &to, 1)], false);
        let answer = node.batch(refused.clone()).await.unwrap();
        assert_eq!(answer.position, 0);
        assert_eq!(answer.results.len(), 2);
        let other = proto::BatchCreateTransfersRequest {
            orders: vec![one_of_many(&from, &to, 3)], ..refused
        };
        assert!(node.batch(other).await.unwrap().position > 0);
        assert_eq!(node.findings().await, Vec::<String>::new());
        node.stop().await;
    }

    async fn a_malformed_one_refuses_the_call_before_anything_is_decided(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let (from, to) = node.pair().await;
        let good = one_of_many(&from, &to, 1);
        let wrong: &[Wrong<proto::TransferOrder>] = &[
            (|o| o.amount = None, "INVALID_FIELD", "orders[17].amount"),
            (|o| o.amount = yuan(0), "INVALID_AMOUNT", "orders[17].amount.minor_units"),
            (|o| o.debit_account_id = "x".into(), "INVALID_FIELD", "orders[17].debit_account_id"),
            (|o| o.reference = "x".repeat(65), "INVALID_FIELD", "orders[17].reference"),
            (|o| o.value_date = "x".into(), "INVALID_FIELD", "orders[17].value_date"),
            (|o| o.code = 7, "INVALID_FIELD", "orders[17].code"),
        ];
        for (change, reason, field) in wrong {
            let mut asked = bulk(vec![good.clone(); 20], false);
            change(&mut asked.orders[17]);
            let refused = node.batch(asked).await.unwrap_err();
            assert_eq!(refused.code(), tonic::Code::InvalidArgument);
            assert_eq!(told(&refused), (*reason, (*field).to_owned()));
        }
        for count in [0, 8_193] {
            let refused = node.batch(bulk(vec![good.clone(); count], false)).await.unwrap_err();
            assert_eq!(told(&refused), ("INVALID_FIELD", "orders".to_owned()));
        }
        let nameless = proto::BatchCreateTransfersRequest { request_id: String::new(), ..bulk(vec![good.clone()], false) };
        assert_eq!(told(&node.batch(nameless).await.unwrap_err()).0, "REQUEST_ID_MISSING");
        assert_eq!(node.balance(&to).await.posted, 0);
        // The most there may be.
        let most = node.batch(bulk(vec![good; 8_192], true)).await.unwrap();
        assert_eq!(most.results.last().unwrap().credit_after.unwrap().posted, 8_192);
        assert_eq!(node.balance(&to).await.posted, 8_192);
        node.stop().await;
    }
}
