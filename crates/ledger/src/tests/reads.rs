//! What was: balances at any time, statements and lists, against the list of everything that was done.

use std::time::Duration;

use bursar_proto::ledger::v1 as proto;
use bursar_proto::ledger::v1::account_service_server::AccountService as _;
use bursar_proto::ledger::v1::get_balance_request::AsOf;
use bursar_proto::ledger::v1::transfer_service_server::TransferService as _;
use bursar_service::Identity;
use bursar_service::parse::timestamp_message;
use bursar_testkit::on_both_databases;
use bursar_types::{Clock as _, Timestamp};
use tonic::Status;

use super::world::{Node, World, by, by_customer, customer, reason, uuid, yuan};

/// One transfer that was made.
struct Made {
    amount: i64,
    reference: &'static str,
    position: i64,
    time: Timestamp,
}

/// Transfers from one account to another, a minute apart, some of them written to runs in between.
async fn history(world: &World, node: &Node, from: &str, to: &str) -> Vec<Made> {
    let mut made = Vec::new();
    for number in 1..=30_i64 {
        world.clock.advance(Duration::from_secs(60));
        let reference = ["rent", "rent 2", ""][usize::try_from(number % 3).unwrap()];
        let message = proto::CreateTransferRequest {
            request_id: uuid(),
            debit_account_id: from.into(),
            credit_account_id: to.into(),
            amount: yuan(number),
            reference: reference.into(),
            ..proto::CreateTransferRequest::default()
        };
        let answer = node.api.create_transfer(by(Identity::Backend, message)).await.unwrap().into_inner();
        let position = answer.transfer.unwrap().position;
        made.push(Made { amount: number, reference, position, time: world.clock.now() });
        if number % 7 == 0 {
            assert_eq!(node.findings().await, Vec::<String>::new());
        }
    }
    made
}

async fn balance(
    node: &Node,
    account: &str,
    as_of: Option<AsOf>,
) -> Result<proto::GetBalanceResponse, Status> {
    let message = proto::GetBalanceRequest { account_id: account.into(), as_of };
    node.api.get_balance(by(Identity::Operator, message)).await.map(tonic::Response::into_inner)
}

async fn transfers(node: &Node, message: proto::ListTransfersRequest) -> Vec<proto::Transfer> {
    let (mut message, mut all) = (message, Vec::new());
    loop {
        let answer =
            node.api.list_transfers(by(Identity::Backend, message.clone())).await.unwrap().into_inner();
        all.extend(answer.transfers);
        message.page_token = answer.next_page_token;
        if message.page_token.is_empty() {
            return all;
        }
    }
}

fn amounts(transfers: &[proto::Transfer]) -> Vec<i64> {
    transfers.iter().map(|transfer| transfer.amount.as_ref().unwrap().minor_units).collect()
}

on_both_databases! {
    async fn a_balance_is_known_at_every_time_and_position(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let from = node.holder(10_000).await.account.account_id;
        let to = node.account(customer()).await.account_id;
        let opened = world.clock.now();
        let made = history(&world, &node, &from, &to).await;
        let mut sum = 0;
        for one in &made {
            let before = Timestamp::from_micros(one.time.as_micros() - 1);
            let found = balance(&node, &to, Some(AsOf::Time(timestamp_message(before)))).await.unwrap();
            assert_eq!(found.posted, sum);
            let found = balance(&node, &to, Some(AsOf::Position(one.position - 1))).await.unwrap();
            assert_eq!(found.posted, sum);
            sum += one.amount;
            let found = balance(&node, &to, Some(AsOf::Time(timestamp_message(one.time)))).await.unwrap();
            assert_eq!((found.posted, found.entry_position), (sum, one.position));
            let found = balance(&node, &to, Some(AsOf::Position(one.position))).await.unwrap();
            assert_eq!((found.posted, found.position, found.asset.as_str()), (sum, one.position, "CNY"));
            let found = balance(&node, &from, Some(AsOf::Position(one.position))).await.unwrap();
            assert_eq!(found.posted, 10_000 - sum);
        }
        assert_eq!(balance(&node, &to, None).await.unwrap().posted, sum);
        let nothing = balance(&node, &to, Some(AsOf::Time(timestamp_message(opened)))).await.unwrap();
        assert_eq!((nothing.posted, nothing.entry_position), (0, 0));
        let tomorrow = timestamp_message(world.clock.now().plus(Duration::from_secs(86_400)));
        let refused = balance(&node, &to, Some(AsOf::Time(tomorrow))).await.unwrap_err();
        assert!(refused.message().contains("time"), "{refused:?}");
        let refused = balance(&node, &to, Some(AsOf::Position(0))).await.unwrap_err();
        assert_eq!(reason(&refused), "INVALID_FIELD");
        node.stop().await;
    }

    async fn a_statement_adds_up(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let owner = customer();
        let to = node.account(owner).await.account_id;
        let from = node.holder(10_000).await.account.account_id;
        let made = history(&world, &node, &from, &to).await;
        let (start, end) = (made[10].time, made[25].time);
        let mut lines = Vec::new();
        let mut page_token = String::new();
        loop {
            let message = proto::GetStatementRequest {
                account_id: to.clone(),
                start_time: Some(timestamp_message(start)),
                end_time: Some(timestamp_message(end)),
                page_size: 4,
                page_token,
            };
            let page = node.api.get_statement(by_customer(owner, message)).await.unwrap().into_inner();
            let sum = |upto: usize| made[..upto].iter().map(|one| one.amount).sum::<i64>();
            assert_eq!((page.opening_balance, page.closing_balance), (sum(10), sum(25)));
            lines.extend(page.lines);
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        let told: Vec<i64> = lines.iter().map(|line| line.amount.as_ref().unwrap().minor_units).collect();
        assert_eq!(told, made[10..25].iter().map(|one| one.amount).collect::<Vec<_>>());
        let mut running = made[..10].iter().map(|one| one.amount).sum::<i64>();
        for line in &lines {
            running += line.amount.as_ref().unwrap().minor_units;
            assert_eq!(line.posted_after, running);
        }
        let backwards = proto::GetStatementRequest {
            account_id: to.clone(),
            start_time: Some(timestamp_message(end)),
            end_time: Some(timestamp_message(start)),
            ..proto::GetStatementRequest::default()
        };
        let refused = node.api.get_statement(by_customer(owner, backwards)).await.unwrap_err();
        assert!(refused.message().contains("end_time"), "{refused:?}");
        let of_another = proto::GetStatementRequest { account_id: from, ..proto::GetStatementRequest::default() };
        assert!(node.api.get_statement(by_customer(owner, of_another)).await.is_err());
        node.stop().await;
    }

    async fn transfers_are_found_by_account_reference_type_and_time(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let from = node.holder(10_000).await.account.account_id;
        let to = node.account(customer()).await.account_id;
        let made = history(&world, &node, &from, &to).await;
        let newest_first = |wanted: &dyn Fn(&Made) -> bool| -> Vec<i64> {
            made.iter().rev().filter(|one| wanted(one)).map(|one| one.amount).collect()
        };
        for page_size in [1, 4, 1000] {
            let ask = proto::ListTransfersRequest { page_size, ..proto::ListTransfersRequest::default() };
            let by_account = proto::ListTransfersRequest { account_id: to.clone(), ..ask.clone() };
            let found = transfers(&node, by_account.clone()).await;
            assert_eq!(amounts(&found), newest_first(&|_| true));
            assert!(found.iter().all(|it| it.debit_account_id == from && it.credit_account_id == to));
            let by_reference = proto::ListTransfersRequest { reference: "rent".into(), ..ask.clone() };
            assert_eq!(amounts(&transfers(&node, by_reference).await), newest_first(&|one| one.reference == "rent"));
            let both = proto::ListTransfersRequest {
                reference: "rent 2".into(),
                start_time: Some(timestamp_message(made[5].time)),
                end_time: Some(timestamp_message(made[20].time)),
                ..by_account.clone()
            };
            let within = |one: &Made| {
                one.reference == "rent 2" && one.time >= made[5].time && one.time < made[20].time
            };
            assert_eq!(amounts(&transfers(&node, both).await), newest_first(&within));
            let top_ups = proto::ListTransfersRequest { account_id: from.clone(), r#type: "top_up".into(), ..ask };
            assert_eq!(amounts(&transfers(&node, top_ups).await), [10_000]);
        }
        for (message, field) in [
            (proto::ListTransfersRequest::default(), "account_id"),
            (proto::ListTransfersRequest { account_id: to.clone(), r#type: "gift".into(), ..Default::default() }, "type"),
            (proto::ListTransfersRequest { account_id: "acct_x".into(), ..Default::default() }, "account_id"),
            (proto::ListTransfersRequest { reference: "x".repeat(65), ..Default::default() }, "reference"),
            (proto::ListTransfersRequest { account_id: to.clone(), page_size: 1001, ..Default::default() }, "page_size"),
            (proto::ListTransfersRequest { account_id: to.clone(), at_least_position: -1, ..Default::default() }, "at_least_position"),
        ] {
            let refused = node.api.list_transfers(by(Identity::Backend, message)).await.unwrap_err();
            assert!(refused.message().contains(field), "{field}: {refused:?}");
        }
        node.stop().await;
    }
}
