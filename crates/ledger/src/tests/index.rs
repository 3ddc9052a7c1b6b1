//! The index: many runs, merged, and every request, transfer and entry still found.

use bursar_proto::ledger::v1 as proto;
use bursar_proto::ledger::v1::account_service_server::AccountService as _;
use bursar_proto::ledger::v1::transfer_service_server::TransferService as _;
use bursar_service::Identity;
use bursar_service::db::DbError;
use bursar_testkit::on_both_databases;

use super::world::{Node, World, by, customer, eventually, uuid, yuan};

fn transfer(from: &str, to: &str, reference: &str) -> proto::CreateTransferRequest {
    proto::CreateTransferRequest {
        request_id: uuid(),
        debit_account_id: from.into(),
        credit_account_id: to.into(),
        amount: yuan(7),
        reference: reference.into(),
        ..proto::CreateTransferRequest::default()
    }
}

/// Every entry of an account, page by page, the newest first.
async fn entries(node: &Node, account: &str, page_size: i32) -> Vec<proto::Entry> {
    let mut all = Vec::new();
    let mut page_token = String::new();
    loop {
        let message = proto::ListEntriesRequest {
            account_id: account.into(),
            page_size,
            page_token,
            ..proto::ListEntriesRequest::default()
        };
        let page = node.api.list_entries(by(Identity::Operator, message)).await.unwrap().into_inner();
        all.extend(page.entries);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return all;
        }
    }
}

/// Level and number of items of each run, the oldest first.
async fn runs(node: &Node) -> Vec<(i64, i64)> {
    let shard = node.handle.shared.shard;
    let runs = node.db.read(|tx| Box::pin(crate::store::index::runs(tx, shard))).await;
    let runs = runs.map_err(|error: DbError| error.to_string()).unwrap();
    runs.iter().rev().map(|run| (run.level, run.items)).collect()
}

on_both_databases! {
    async fn nothing_is_lost_when_runs_are_merged(database: TestDatabase) {
        const ROUNDS: usize = 20;
        let world = World::new(database);
        let mut node = world.node().await;
        let holder = node.holder(10_000).await;
        let other = node.account(customer()).await.account_id;
        let account = holder.account.account_id.clone();
        let mut sent = Vec::new();
        for round in 0..ROUNDS {
            for _ in 0..3 {
                let message = transfer(&account, &other, "rent");
                let answer = node.api.create_transfer(by(Identity::Backend, message.clone())).await.unwrap();
                sent.push((message, answer.into_inner()));
            }
            // A verification has what is in memory written as a run.
            assert_eq!(node.findings().await, Vec::<String>::new(), "round {round}");
            if round == ROUNDS / 2 {
                node.stop().await;
                node = world.node().await;
            }
        }
        eventually("runs are merged", async || {
            let runs = runs(&node).await;
            runs.iter().any(|(level, _)| *level == 1) && runs.iter().filter(|(level, _)| *level == 0).count() < 8
        })
        .await;
        assert_eq!(node.findings().await, Vec::<String>::new());
        for page_size in [1, 7, 1000] {
            let entries = entries(&node, &account, page_size).await;
            assert_eq!(entries.len(), 1 + sent.len());
            assert!(entries.is_sorted_by(|newer, older| newer.position > older.position));
            assert_eq!(entries[0].posted_after, 10_000 - 7 * i64::try_from(sent.len()).unwrap());
        }
        for (message, answer) in &sent {
            // An id that was used is found however long ago it was, and so is what it made.
            let again = node.api.create_transfer(by(Identity::Backend, message.clone())).await.unwrap();
            assert_eq!(&again.into_inner(), answer);
            let transfer = answer.transfer.as_ref().unwrap();
            let get = proto::GetTransferRequest { transfer_id: transfer.transfer_id.clone() };
            let found = node.api.get_transfer(by(Identity::Backend, get)).await.unwrap().into_inner();
            assert_eq!(found.transfer.as_ref().unwrap().position, transfer.position);
        }
        node.stop().await;
    }

    async fn what_was_in_memory_is_gathered_again_after_a_crash(database: TestDatabase) {
        let world = World::new(database);
        let node = world.node().await;
        let holder = node.holder(10_000).await;
        let other = node.account(customer()).await.account_id;
        let account = holder.account.account_id.clone();
        let message = transfer(&account, &other, "rent");
        let answer = node.api.create_transfer(by(Identity::Backend, message.clone())).await.unwrap();
        assert_eq!(runs(&node).await, []);
        // Killed: nothing is written at the end.
        drop(node);
        world.clock.advance(std::time::Duration::from_secs(60));
        let node = world.node().await;
        assert_eq!(entries(&node, &account, 100).await.len(), 2);
        let again = node.api.create_transfer(by(Identity::Backend, message)).await.unwrap();
        assert_eq!(again.into_inner(), answer.into_inner());
        assert_eq!(node.findings().await, Vec::<String>::new());
        node.stop().await;
    }
}
