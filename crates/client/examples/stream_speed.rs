//! Durable transfers a second over one stream, with everything in one process: the ledger on a SQLite file (or
//! `--database-url`), mutual TLS on loopback, 1024 commands in flight. `cargo run --release -p bursar-client --example
//! stream_speed [URL]`.
#![allow(clippy::unwrap_used, clippy::print_stdout)] // a measurement, not a program

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bursar_client::{Money, Options, TransferClient, proto};
use bursar_proto::ledger::v1::account_service_client::AccountServiceClient;
use bursar_proto::ledger::v1::stream_transfers_request::Command;
use bursar_proto::ledger::v1::transfer_service_client::TransferServiceClient;
use bursar_service::cert::Authority;
use bursar_service::config::{LoadOptions, load};
use bursar_service::run::{self, Sources};
use bursar_service::{Identity, PeerChannel, client};
use bursar_types::{IdSource, OsEntropy, SystemClock};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;

const IN_FLIGHT: usize = 1_024;
const SECONDS: u64 = 5;

fn ids() -> IdSource {
    IdSource::new(Arc::new(SystemClock), Arc::new(OsEntropy))
}

#[tokio::main]
async fn main() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::open(folder.path(), Arc::new(SystemClock)).unwrap();
    authority.leaf(Identity::Ledger).unwrap();
    authority.signing(Identity::Ledger).unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let url = std::env::args().nth(1).unwrap_or_else(|| format!("sqlite://{}", path("ledger.db")));
    let sets = vec![
        "service.grpc_listen=127.0.0.1:0".to_owned(),
        "service.admin_listen=127.0.0.1:0".to_owned(),
        format!("tls.ca={}", path("ca.pem")),
        format!("tls.cert={}", path("ledger.pem")),
        format!("tls.key={}", path("ledger.key")),
        format!("signing.cert={}", path("ledger-signing.pem")),
        format!("signing.key={}", path("ledger-signing.key")),
        format!("database.url={url}"),
        "peers.identity=https://127.0.0.1:1".to_owned(),
        "peers.vault=https://127.0.0.1:1".to_owned(),
    ];
    let spec = bursar_ledger::spec();
    let loaded = load(spec.defaults, &LoadOptions { file: None, sets, variables: Vec::new() }).unwrap();
    let running = run::start(spec, loaded, Sources::default()).await.unwrap();
    let files = authority.leaf(Identity::Operator).unwrap();
    let channel = || client::operator_channel(&running.grpc_url(), Identity::Ledger, &files).unwrap();
    let pair = (account(channel()).await, account(channel()).await);

    println!("stream: {:.0}/s", stream(channel(), &pair).await);
    println!("client: {:.0}/s", through_client(channel(), &pair).await);
    println!("unary:  {:.0}/s", unary(channel(), &pair).await);
    running.stop().await;
}

async fn account(channel: PeerChannel) -> String {
    let unlimited = proto::balance_limit::Bound::Unlimited(true);
    let request = proto::CreateAccountRequest {
        request_id: ids().next_uuid().to_string(),
        asset: "POINTS".into(),
        normal_side: proto::NormalSide::Credit.into(),
        limit: Some(proto::BalanceLimit { bound: Some(unlimited) }),
        code: 1_000,
        ..Default::default()
    };
    let answer = AccountServiceClient::new(channel).create_account(request).await.unwrap();
    answer.into_inner().account.unwrap().account_id
}

fn transfer(pair: &(String, String)) -> proto::CreateTransferRequest {
    proto::CreateTransferRequest {
        debit_account_id: pair.0.clone(),
        credit_account_id: pair.1.clone(),
        amount: Some(Money { minor_units: 1, asset: "POINTS".into() }),
        ..Default::default()
    }
}

fn rate(done: u64, began: Instant) -> f64 {
    done as f64 / began.elapsed().as_secs_f64()
}

async fn stream(channel: PeerChannel, pair: &(String, String)) -> f64 {
    let (sender, messages) = tokio::sync::mpsc::channel(IN_FLIGHT);
    let ids = ids();
    let message = || {
        let request_id = ids.next_uuid().to_string();
        let command = proto::CreateTransferRequest { request_id, ..transfer(pair) };
        proto::StreamTransfersRequest { deadline_ms: 60_000, command: Some(Command::CreateTransfer(command)) }
    };
    for _ in 0..IN_FLIGHT {
        sender.send(message()).await.unwrap();
    }
    let mut client = TransferServiceClient::new(channel);
    let mut answers = client.stream_transfers(ReceiverStream::new(messages)).await.unwrap().into_inner();
    let (mut done, began) = (0, Instant::now());
    while began.elapsed() < Duration::from_secs(SECONDS) {
        let answer = answers.message().await.unwrap().unwrap();
        assert!(matches!(answer.result, Some(proto::stream_transfers_response::Result::CreateTransfer(_))));
        done += 1;
        sender.send(message()).await.unwrap();
    }
    rate(done, began)
}

async fn through_client(channel: PeerChannel, pair: &(String, String)) -> f64 {
    let client = TransferClient::new(channel, Options::default());
    let (done, began) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let mut tasks = JoinSet::new();
    for _ in 0..IN_FLIGHT {
        let (client, done, pair) = (client.clone(), Arc::clone(&done), pair.clone());
        tasks.spawn(async move {
            while began.elapsed() < Duration::from_secs(SECONDS) {
                client.create_transfer(transfer(&pair)).await.unwrap();
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    tasks.join_all().await;
    rate(done.load(Ordering::Relaxed), began)
}

async fn unary(channel: PeerChannel, pair: &(String, String)) -> f64 {
    let (done, began) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let mut tasks = JoinSet::new();
    for _ in 0..256 {
        let mut client = TransferServiceClient::new(channel.clone());
        let (done, pair, ids) = (Arc::clone(&done), pair.clone(), ids());
        tasks.spawn(async move {
            while began.elapsed() < Duration::from_secs(SECONDS) {
                let request_id = ids.next_uuid().to_string();
                let request = proto::CreateTransferRequest { request_id, ..transfer(&pair) };
                client.create_transfer(request).await.unwrap();
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    tasks.join_all().await;
    rate(done.load(Ordering::Relaxed), began)
}
