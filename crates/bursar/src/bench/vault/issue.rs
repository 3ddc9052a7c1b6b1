//! A card's number: drawn, sealed, stored, recorded and told.

use std::time::Duration;

use bursar_loadgen::{Bar, Figure, Goal, closed_loop, in_turns};
use bursar_proto::vault::v1::card_vault_service_client::CardVaultServiceClient;
use tonic::Status;

use super::plan::Plan;
use super::stage::Stage;
use crate::bench::place::{failed, unique_name};
use crate::bench::tell;
use crate::cli::Bench;
use crate::exit::Exit;
use crate::store::reference::{CardRow, Reference};

/// Cards in flight.
const IN_FLIGHT: usize = 64;

const GOAL: Goal = Goal { name: "issue", unit: "1/s", bar: Bar::AtLeast(0.50), aim: 0.90 };

/// Cards issued by calls against one durable INSERT of the same bytes each, as many at once.
pub(super) async fn figure(arguments: &Bench, stage: &Stage, plan: Plan) -> Result<Figure, Exit> {
    let databases = &arguments.databases;
    let reference = match arguments.reference_url.as_ref().or(databases.database_url.as_ref()) {
        Some(url) => {
            let name = format!("{}_reference", unique_name(&databases.database_prefix));
            Reference::on_server(url, &name).await.map_err(Exit::unavailable)?
        }
        None => Reference::in_file(&stage.folder().join("reference.sqlite")).await.map_err(Exit::software)?,
    };
    let length = plan.issue.length;
    let pairs = in_turns(
        plan.issue.rounds,
        async || issued(stage, length).await.map_err(|status| failed(&status)),
        async || inserted(stage, &reference, length).await,
        |round| tell::round(GOAL, round),
    )
    .await;
    let note = format!("over RPC, {IN_FLIGHT} in flight; one INSERT on {}", reference.engine());
    reference.remove().await;
    Ok(Figure::of(GOAL, &pairs?).with_note(note))
}

async fn issued(stage: &Stage, length: Duration) -> Result<f64, Status> {
    let tally = closed_loop(IN_FLIGHT, length, |run| {
        let (mut client, load) = (CardVaultServiceClient::new(stage.ledger()), stage.load());
        async move {
            while run.goes_on() {
                client.issue_card(load.issue_request()).await?;
                run.count(1);
            }
            Ok::<_, Status>(())
        }
    });
    Ok(tally.await?.per_second())
}

async fn inserted(stage: &Stage, reference: &Reference, length: Duration) -> Result<f64, Exit> {
    // SQLite has one writer, whoever waits beside it.
    let most = reference.concurrencies().iter().copied().max().unwrap_or(1).min(IN_FLIGHT);
    let mut hands = Vec::with_capacity(most);
    for _ in 0..most {
        hands.push(reference.hand().await.map_err(Exit::unavailable)?);
    }
    let tally = closed_loop(most, length, |run| {
        let (hand, load) = (hands.pop(), stage.load());
        async move {
            let Some(mut hand) = hand else { return Ok(()) };
            while run.goes_on() {
                let wanted = load.issue_request();
                hand.keep_card(CardRow {
                    card_id: wanted.card_id,
                    customer_id: wanted.customer_id,
                    masked_pan: "990000******1234".to_owned(),
                    expiry: "3112".to_owned(),
                    sealed: vec![7; 46],
                    wrapped: vec![9; 46],
                })
                .await?;
                run.count(1);
            }
            Ok::<_, String>(())
        }
    });
    Ok(tally.await.map_err(Exit::software)?.per_second())
}
