//! How fast the journal is verified, against how fast it is written.

use std::time::{Duration, Instant};

use bursar_loadgen::{Bar, Figure, Goal, Pairs, Round};
use bursar_proto::ledger::v1::VerifyJournalRequest;
use bursar_proto::ledger::v1::books_service_client::BooksServiceClient;
use tonic::Status;

use super::bulk::{self, Orders};
use super::load::Spread;
use super::plan::Plan;
use super::stage::Stage;
use crate::bench::place::failed;
use crate::bench::tell;
use crate::exit::Exit;

/// Requests in flight while the journal is filled.
const IN_FLIGHT: usize = 4;

const GOAL: Goal = Goal { name: "verify", unit: "1/s", bar: Bar::AtLeast(3.0), aim: 10.0 };

/// Each round adds transfers in bulk and then verifies the whole journal, from its start, projections included.
pub(super) async fn figure(stage: &Stage, plan: Plan) -> Result<Figure, Exit> {
    let orders = Orders::new(stage, Spread::Uniform);
    let mut pairs = Pairs::default();
    let mut transfers = 0;
    for number in 1..=plan.verify_rounds {
        let took = bulk::fill(stage, &orders, IN_FLIGHT, plan.verify_part).await;
        let written = plan.verify_part as f64 / took.map_err(|status| failed(&status))?.as_secs_f64();
        transfers += plan.verify_part;
        let took = verify(stage).await.map_err(|status| failed(&status))?;
        let verified = transfers as f64 / took.as_secs_f64();
        pairs.push(verified, written);
        tell::round(GOAL, Round { number, of: plan.verify_rounds, value: verified, reference: written });
    }
    let note = format!("the whole journal of up to {transfers} transfers, hashes, outcomes and projections");
    Ok(Figure::of(GOAL, &pairs).with_note(note))
}

async fn verify(stage: &Stage) -> Result<Duration, Status> {
    let began = Instant::now();
    let mut books = BooksServiceClient::new(stage.channel());
    let mut progress = books.verify_journal(VerifyJournalRequest::default()).await?.into_inner();
    let mut last = None;
    while let Some(message) = progress.message().await? {
        last = Some(message);
    }
    match last {
        Some(last) if last.done && last.findings.is_empty() => Ok(began.elapsed()),
        Some(last) if last.done => Err(Status::data_loss(last.findings.join("; "))),
        _ => Err(Status::unavailable("the ledger ended the verification early")),
    }
}
