//! The client against the ledger as its process starts it: chassis, mutual TLS, both databases.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

mod ledger;

use std::sync::Arc;
use std::time::Duration;

use bursar_client::{Failure, Options, TransferClient, proto};
use bursar_service::Identity;
use bursar_testkit::on_both_databases;
use tokio::task::JoinSet;
use tokio::time::Instant;

use ledger::{Cutter, Ledger, points};

fn transfer(from: &str, to: &str, amount: i64) -> proto::CreateTransferRequest {
    proto::CreateTransferRequest {
        debit_account_id: from.into(),
        credit_account_id: to.into(),
        amount: points(amount),
        ..Default::default()
    }
}

/// Asks until there is an answer; what was lost is asked again under its request id.
async fn persist(client: &TransferClient, mut request: proto::CreateTransferRequest) -> proto::Transfer {
    loop {
        match client.create_transfer(request.clone()).await {
            Ok(response) => return response.transfer.unwrap(),
            Err(error) if error.is_unknown() => request.request_id = error.request_id,
            Err(error) => panic!("{error:?}"),
        }
    }
}

on_both_databases! {
    async fn a_stream_looks_like_async_functions(database: TestDatabase) {
        let ledger = Ledger::new(database);
        let running = ledger.start().await;
        let (a, b) = (ledger.account().await, ledger.account().await);
        let client = TransferClient::new(ledger.channel(Identity::Backend), Options::default());

        let posted = client.create_transfer(transfer(&a, &b, 70)).await.unwrap();
        assert_eq!(posted.credit_after.unwrap().posted, 70);
        let original = posted.transfer.unwrap().transfer_id;
        let reverse = proto::ReverseTransferRequest {
            transfer_id: original.clone(), reason: "by mistake".into(), ..Default::default()
        };
        let reversed = client.reverse(reverse.clone()).await.unwrap().transfer.unwrap();
        assert_eq!((reversed.reverses_transfer_id, reversed.r#type), (original, "reversal".to_owned()));
        let twice = client.reverse(reverse).await.unwrap_err();
        assert_eq!(twice.reason().unwrap().as_str(), "ALREADY_EXISTS");

        let order = proto::CreateTransferRequest { hold_seconds: 600, ..transfer(&a, &b, 100) };
        let hold = client.create_transfer(order).await.unwrap().transfer.unwrap().transfer_id;
        let raise = proto::IncrementHoldRequest {
            transfer_id: hold.clone(), amount: points(20), ..Default::default()
        };
        assert_eq!(client.increment(raise).await.unwrap().transfer.unwrap().held, 120);
        let capture = proto::CaptureHoldRequest {
            transfer_id: hold.clone(), amount: points(50), ..Default::default()
        };
        let captured = client.capture(capture).await.unwrap();
        assert_eq!(captured.transfer.unwrap().held, 70);
        let void = proto::VoidHoldRequest { transfer_id: hold, ..Default::default() };
        let voided = client.void(void).await.unwrap().transfer.unwrap();
        assert_eq!((voided.held, voided.captured, voided.state()), (0, 50, proto::TransferState::Posted));

        let orders = (1..=3).map(|amount| proto::TransferOrder {
            debit_account_id: a.clone(),
            credit_account_id: b.clone(),
            amount: points(amount),
            ..Default::default()
        });
        let bulk = proto::BatchCreateTransfersRequest { orders: orders.collect(), linked: true, ..Default::default() };
        assert_eq!(client.batch(bulk).await.unwrap().results.len(), 3);

        let wrong = client.create_transfer(transfer(&a, &a, 1)).await.unwrap_err();
        assert_eq!(wrong.reason().unwrap().as_str(), "ACCOUNTS_MUST_DIFFER");
        assert!(!wrong.is_unknown());
        let malformed = proto::CreateTransferRequest { request_id: "7".into(), ..transfer(&a, &b, 1) };
        let malformed = client.create_transfer(malformed).await.unwrap_err();
        assert_eq!(malformed.reason().unwrap().as_str(), "REQUEST_ID_MALFORMED");

        // Any number of tasks at once, more than may be on their way.
        let mut tasks = JoinSet::new();
        for _ in 0..3_000 {
            let (client, order) = (client.clone(), transfer(&a, &b, 1));
            tasks.spawn(async move { client.create_transfer(order).await.unwrap() });
        }
        tasks.join_all().await;
        let last = client.create_transfer(transfer(&a, &b, 1)).await.unwrap();
        assert_eq!(last.credit_after.unwrap().posted, 50 + 6 + 3_000 + 1);
        running.stop().await;
    }

    async fn restarts_lose_and_double_nothing(database: TestDatabase) {
        let ledger = Arc::new(Ledger::new(database));
        let running = ledger.start().await;
        let (a, b) = (ledger.account().await, ledger.account().await);
        let options = Options { deadline: Duration::from_secs(30), ..Options::default() };
        let client = TransferClient::new(ledger.channel(Identity::Backend), options);
        let mut tasks = JoinSet::new();
        for task in 0..16_i64 {
            let (client, a, b) = (client.clone(), a.clone(), b.clone());
            tasks.spawn(async move {
                let mut sum = 0;
                for number in 0..60 {
                    let amount = 1 + task * 100 + number;
                    let made = persist(&client, transfer(&a, &b, amount)).await;
                    assert_eq!(made.amount.unwrap().minor_units, amount);
                    sum += amount;
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                sum
            });
        }
        let mut running = running;
        for _ in 0..3 {
            tokio::time::sleep(Duration::from_millis(150)).await;
            running.stop().await;
            running = ledger.start().await;
        }
        let sum: i64 = tasks.join_all().await.into_iter().sum();
        let last = persist(&client, transfer(&a, &b, 1)).await;
        assert_eq!(ledger.posted(&b).await, sum + 1);
        assert_eq!(ledger.transfers_with(&a).await, 16 * 60 + 1, "{last:?}");
        running.stop().await;
    }

    async fn cut_connections_lose_and_double_nothing(database: TestDatabase) {
        let ledger = Ledger::new(database);
        let running = ledger.start().await;
        let (a, b) = (ledger.account().await, ledger.account().await);
        // Cuts every connection after some thousand bytes, wherever that is.
        let cutter = Cutter::before(running.grpc_address(), 0x5eed).await;
        let options = Options { deadline: Duration::from_secs(30), ..Options::default() };
        let client = TransferClient::new(ledger.channel_to(cutter.port(), Identity::Backend), options);
        let mut tasks = JoinSet::new();
        for task in 0..8_i64 {
            let (client, a, b) = (client.clone(), a.clone(), b.clone());
            tasks.spawn(async move {
                let mut sum = 0;
                for number in 0..40 {
                    let amount = 1 + task * 100 + number;
                    persist(&client, transfer(&a, &b, amount)).await;
                    sum += amount;
                }
                sum
            });
        }
        let sum: i64 = tasks.join_all().await.into_iter().sum();
        assert!(cutter.cuts() > 3, "{} cuts", cutter.cuts());
        assert_eq!(ledger.posted(&b).await, sum);
        assert_eq!(ledger.transfers_with(&a).await, 8 * 40);
        running.stop().await;
    }

    async fn nobody_waits_beyond_the_deadline(database: TestDatabase) {
        let ledger = Ledger::new(database);
        let running = ledger.start().await;
        let (a, b) = (ledger.account().await, ledger.account().await);
        let client = TransferClient::new(ledger.channel(Identity::Backend), Options::default());
        client.create_transfer(transfer(&a, &b, 1)).await.unwrap();
        running.stop().await;

        let hurried = client.with_deadline(Duration::from_millis(300));
        let began = Instant::now();
        let late = hurried.create_transfer(transfer(&a, &b, 2)).await.unwrap_err();
        assert!(late.is_unknown() && matches!(late.failure, Failure::DeadlineExceeded { .. }), "{late:?}");
        assert!(began.elapsed() >= Duration::from_millis(299) && began.elapsed() < Duration::from_secs(5));

        // The same request, once the ledger is back.
        let running = ledger.start().await;
        let again = proto::CreateTransferRequest { request_id: late.request_id, ..transfer(&a, &b, 2) };
        assert_eq!(client.create_transfer(again).await.unwrap().credit_after.unwrap().posted, 3);
        running.stop().await;
    }

    async fn who_is_not_let_in_is_told_at_once(database: TestDatabase) {
        let ledger = Ledger::new(database);
        let running = ledger.start().await;
        let client = TransferClient::new(ledger.channel(Identity::Gateway), Options::default());
        let began = Instant::now();
        let refused = client.create_transfer(transfer("acct_x", "acct_y", 1)).await.unwrap_err();
        assert!(matches!(refused.failure, Failure::NotLetIn { .. }), "{refused:?}");
        assert!(began.elapsed() < Duration::from_secs(5));
        running.stop().await;
    }
}
