//! How long a caller waits at half of what the ledger can do.

use bursar_loadgen::{Bar, Figure, Goal, Histogram, Schedule, in_turns, open_loop};
use bursar_proto::ledger::v1::transfer_service_client::TransferServiceClient;
use bursar_proto::probe::v1::PingRequest;
use bursar_proto::probe::v1::probe_service_client::ProbeServiceClient;
use tonic::Status;

use super::load::{Dice, Spread};
use super::plan::Plan;
use super::stage::Stage;
use super::unary;
use crate::bench::place::failed;
use crate::bench::tell;
use crate::exit::Exit;

/// Calls in flight at most: below what the server lets in at once, so that it refuses none.
const IN_FLIGHT_MAX: usize = 512;

const GOAL: Goal = Goal { name: "unary_p99", unit: "ms", bar: Bar::AtMost(6.0), aim: 3.0 };

/// The 99th percentile of transfers against that of empty calls, at half of `most` calls a second.
pub(super) async fn p99(stage: &Stage, plan: Plan, most: Option<f64>) -> Result<Figure, Exit> {
    let most = match most {
        Some(most) => most,
        None => unary::transfers(stage, Spread::Uniform, unary::IN_FLIGHT, plan.latency.length)
            .await
            .map_err(|status| failed(&status))?,
    };
    let schedule = Schedule { rate: most / 2.0, length: plan.latency.length, in_flight_max: IN_FLIGHT_MAX };
    let pairs = in_turns(
        plan.latency.rounds,
        async || transfers(stage, schedule).await.map(|it| milliseconds(&it)),
        async || pings(stage, schedule).await.map(|it| milliseconds(&it)),
        |round| tell::round(GOAL, round),
    );
    let pairs = pairs.await.map_err(|status| failed(&status))?;
    let note = format!("open loop at {:.0} calls/s, half of the highest rate measured", schedule.rate);
    Ok(Figure::of(GOAL, &pairs).with_note(note))
}

fn milliseconds(latencies: &Histogram) -> f64 {
    std::time::Duration::from_nanos(latencies.quantile(0.99)).as_secs_f64() * 1e3
}

async fn pings(stage: &Stage, schedule: Schedule) -> Result<Histogram, Status> {
    open_loop(schedule, || {
        let mut client = ProbeServiceClient::new(stage.channel());
        async move { client.ping(PingRequest {}).await.map(drop) }
    })
    .await
}

async fn transfers(stage: &Stage, schedule: Schedule) -> Result<Histogram, Status> {
    let mut dice = Dice::new(0);
    let latencies = open_loop(schedule, || {
        let (mut client, load) = (TransferServiceClient::new(stage.channel()), stage.load());
        let request = load.transfer(&mut dice, Spread::Uniform);
        async move {
            let answer = client.create_transfer(request).await?.into_inner();
            load.reached(answer.transfer.unwrap_or_default().position);
            Ok::<_, Status>(())
        }
    });
    let latencies = latencies.await?;
    // Nothing is left behind for the next round to pay for.
    stage.caught_up().await?;
    Ok(latencies)
}
