//! One authorization a call.

use std::time::Duration;

use bursar_loadgen::{Bar, Figure, Goal, Histogram, Schedule, closed_loop, in_turns, open_loop};
use bursar_proto::ledger::v1::payment_service_client::PaymentServiceClient;
use bursar_proto::probe::v1::PingRequest;
use bursar_proto::probe::v1::probe_service_client::ProbeServiceClient;
use tonic::Status;

use super::plan::Plan;
use super::stage::Stage;
use crate::bench::place::failed;
use crate::bench::tell;
use crate::exit::Exit;

/// Calls in flight.
const IN_FLIGHT: usize = 256;
/// Calls in flight at most in the open loop: below what the server lets in at once.
const IN_FLIGHT_MAX: usize = 512;
/// More than any machine authorizes in a second: what is prepared beforehand for each second.
const PREPARED_PER_SECOND: f64 = 40_000.0;

const CALLS: Goal = Goal { name: "authorize_256", unit: "1/s", bar: Bar::AtLeast(0.40), aim: 0.70 };
const P99: Goal = Goal { name: "authorize_p99", unit: "ms", bar: Bar::AtMost(6.0), aim: 3.0 };

/// How many requests are prepared for `length`.
pub(super) fn prepared(length: Duration) -> usize {
    (PREPARED_PER_SECOND * length.as_secs_f64()) as usize
}

/// Durable authorizations against empty calls: same server, same connections, same number in flight.
pub(super) async fn figure(stage: &Stage, plan: Plan) -> Result<Figure, Exit> {
    let length = plan.calls.length;
    let pairs = in_turns(
        plan.calls.rounds,
        async || {
            stage.load().prepare(prepared(length))?;
            authorizations(stage, length).await.map_err(|status| failed(&status))
        },
        async || pings(stage, length).await.map_err(|status| failed(&status)),
        |round| tell::round(CALLS, round),
    );
    let note = format!("{} cards, 20 controls and 6 counters on each", plan.cards);
    Ok(Figure::of(CALLS, &pairs.await?).with_note(note))
}

/// The 99th percentile of authorizations against that of empty calls, at half of `most` calls a second.
pub(super) async fn p99(stage: &Stage, plan: Plan, most: f64) -> Result<Figure, Exit> {
    let length = plan.latency.length;
    let schedule = Schedule { rate: most / 2.0, length, in_flight_max: IN_FLIGHT_MAX };
    let pairs = in_turns(
        plan.latency.rounds,
        async || {
            stage.load().prepare(prepared(length))?;
            let timed = timed(stage, schedule).await.map_err(|status| failed(&status))?;
            Ok::<_, Exit>(milliseconds(&timed))
        },
        async || {
            let empty = open_loop(schedule, || {
                let mut client = ProbeServiceClient::new(stage.backend());
                async move { client.ping(PingRequest {}).await.map(drop) }
            });
            Ok(milliseconds(&empty.await.map_err(|status: Status| failed(&status))?))
        },
        |round| tell::round(P99, round),
    );
    let note = format!("open loop at {:.0} calls/s, half of the highest rate measured", schedule.rate);
    Ok(Figure::of(P99, &pairs.await?).with_note(note))
}

fn milliseconds(latencies: &Histogram) -> f64 {
    Duration::from_nanos(latencies.quantile(0.99)).as_secs_f64() * 1e3
}

async fn timed(stage: &Stage, schedule: Schedule) -> Result<Histogram, Status> {
    let latencies = open_loop(schedule, || {
        let (mut client, load) = (PaymentServiceClient::new(stage.gateway()), stage.load());
        async move { load.paid(client.authorize(load.next()?).await?.into_inner().payment) }
    });
    let latencies = latencies.await?;
    stage.caught_up().await?;
    Ok(latencies)
}

/// Empty calls a second.
async fn pings(stage: &Stage, length: Duration) -> Result<f64, Status> {
    let tally = closed_loop(IN_FLIGHT, length, |run| {
        let mut client = ProbeServiceClient::new(stage.backend());
        async move {
            while run.goes_on() {
                client.ping(PingRequest {}).await?;
                run.count(1);
            }
            Ok::<_, Status>(())
        }
    });
    Ok(tally.await?.per_second())
}

/// Durable authorizations a second, projections included.
pub(super) async fn authorizations(stage: &Stage, length: Duration) -> Result<f64, Status> {
    let tally = closed_loop(IN_FLIGHT, length, |run| {
        let (mut client, load) = (PaymentServiceClient::new(stage.gateway()), stage.load());
        async move {
            while run.goes_on() {
                match client.authorize(load.next()?).await {
                    Ok(answer) => {
                        load.paid(answer.into_inner().payment)?;
                        run.count(1);
                    }
                    Err(refusal) => load.come_again(refusal).await?,
                }
            }
            Ok::<_, Status>(())
        }
    });
    let tally = tally.await?;
    stage.caught_up().await?;
    Ok(tally.per_second())
}
