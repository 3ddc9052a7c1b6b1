//! Durable transfers, one a call, against empty calls to the same server.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bursar_proto::access::Identity;
use bursar_proto::common::v1::Money;
use bursar_proto::ledger::v1::account_service_client::AccountServiceClient;
use bursar_proto::ledger::v1::transfer_service_client::TransferServiceClient;
use bursar_proto::ledger::v1::{AccountKind, CreateTransferRequest, ListAccountsRequest, ListEntriesRequest};
use bursar_service::client::PeerChannel;
use tokio::task::JoinSet;
use tonic::Status;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use uuid::Uuid;

use super::{Figure, Plan, median, say};
use crate::exit::Exit;
use crate::platform::Endpoints;

/// Calls in flight.
const IN_FLIGHT: usize = 256;
/// Connections they share.
const CONNECTIONS: usize = 2;
/// What is asked of `unary_256`.
const BAR: f64 = 0.65;

/// Measures every figure.
pub(super) async fn measure(endpoints: &Endpoints, plan: Plan, quiet: bool) -> Result<Vec<Figure>, Exit> {
    let channels: Vec<PeerChannel> = (0..CONNECTIONS)
        .map(|_| endpoints.channel(Identity::Ledger, Identity::Operator))
        .collect::<Result<_, _>>()?;
    let pair = accounts(&channels[0]).await.map_err(|status| failed(&status))?;
    let (mut ours, mut empty, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=plan.rounds {
        let reference = empty_calls(&channels, plan).await.map_err(|status| failed(&status))?;
        let value = transfers(&channels, &pair, plan).await.map_err(|status| failed(&status))?;
        if !quiet {
            say(&format!(
                "round {round} of {}: {value:.0} transfers/s, {reference:.0} empty calls/s",
                plan.rounds
            ));
        }
        ours.push(value);
        empty.push(reference);
        ratios.push(value / reference);
    }
    let ratio = median(&ratios);
    Ok(vec![Figure {
        name: "unary_256",
        value: median(&ours),
        unit: "1/s",
        reference: median(&empty),
        ratio,
        bar: ">=0.65",
        holds: ratio >= BAR,
        ratios,
    }])
}

fn failed(status: &Status) -> Exit {
    Exit::software(format!("a call of the bench failed: {}", status.message()))
}

/// The program's own bank and settlement account in one asset.
async fn accounts(channel: &PeerChannel) -> Result<(String, String), Status> {
    let request = ListAccountsRequest { page_size: 1000, ..ListAccountsRequest::default() };
    let all = AccountServiceClient::new(channel.clone()).list_accounts(request).await?.into_inner().accounts;
    let find = |kind: AccountKind| {
        all.iter()
            .find(|account| account.kind() == kind && account.asset == "CNY")
            .map(|it| it.account_id.clone())
    };
    find(AccountKind::Bank)
        .zip(find(AccountKind::Settlement))
        .ok_or_else(|| Status::not_found("the program has no bank and settlement account in CNY"))
}

async fn empty_calls(channels: &[PeerChannel], plan: Plan) -> Result<f64, Status> {
    let done = Arc::new(AtomicU64::new(0));
    let (began, until) = window(plan);
    let mut tasks = JoinSet::new();
    for index in 0..IN_FLIGHT {
        let mut client = HealthClient::new(channels[index % channels.len()].clone());
        let done = Arc::clone(&done);
        tasks.spawn(async move {
            while Instant::now() < until {
                client.check(HealthCheckRequest::default()).await?;
                done.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, Status>(())
        });
    }
    finish(tasks).await?;
    Ok(rate(&done, began))
}

async fn transfers(channels: &[PeerChannel], pair: &(String, String), plan: Plan) -> Result<f64, Status> {
    let (done, position) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicI64::new(0)));
    let (began, until) = window(plan);
    let mut tasks = JoinSet::new();
    for index in 0..IN_FLIGHT {
        let mut client = TransferServiceClient::new(channels[index % channels.len()].clone());
        let (done, position, pair) = (Arc::clone(&done), Arc::clone(&position), pair.clone());
        tasks.spawn(async move {
            while Instant::now() < until {
                let answer = client.create_transfer(transfer(&pair)).await?.into_inner();
                position.fetch_max(answer.transfer.unwrap_or_default().position, Ordering::Relaxed);
                done.fetch_add(1, Ordering::Relaxed);
            }
            Ok::<_, Status>(())
        });
    }
    finish(tasks).await?;
    // The clock stops when the projections have caught up.
    let request = ListEntriesRequest {
        account_id: pair.0.clone(),
        page_size: 1,
        at_least_position: position.load(Ordering::Relaxed),
        ..ListEntriesRequest::default()
    };
    AccountServiceClient::new(channels[0].clone()).list_entries(request).await?;
    Ok(rate(&done, began))
}

fn transfer(pair: &(String, String)) -> CreateTransferRequest {
    CreateTransferRequest {
        request_id: Uuid::now_v7().to_string(),
        debit_account_id: pair.0.clone(),
        credit_account_id: pair.1.clone(),
        amount: Some(Money { minor_units: 1, asset: "CNY".into() }),
        ..CreateTransferRequest::default()
    }
}

fn window(plan: Plan) -> (Instant, Instant) {
    let began = Instant::now();
    (began, began + Duration::from_secs(plan.seconds))
}

fn rate(done: &AtomicU64, began: Instant) -> f64 {
    // Counts stay far below what a float holds exactly.
    let count = u32::try_from(done.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
    f64::from(count) / began.elapsed().as_secs_f64()
}

async fn finish(mut tasks: JoinSet<Result<(), Status>>) -> Result<(), Status> {
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(|error| Status::internal(error.to_string()))??;
    }
    Ok(())
}
