//! One transfer a call.

use std::time::Duration;

use bursar_loadgen::{Bar, Figure, Goal, closed_loop, in_turns};
use bursar_proto::ledger::v1::transfer_service_client::TransferServiceClient;
use bursar_proto::probe::v1::PingRequest;
use bursar_proto::probe::v1::probe_service_client::ProbeServiceClient;
use tonic::Status;

use super::load::{Dice, Spread};
use super::plan::Plan;
use super::sql::Sql;
use super::stage::Stage;
use crate::bench::place::failed;
use crate::bench::tell;
use crate::exit::Exit;

/// Calls in flight of `unary_256`.
pub(super) const IN_FLIGHT: usize = 256;
/// Calls in flight of `unary_hot`.
const IN_FLIGHT_HOT: usize = 64;

const UNARY: Goal = Goal { name: "unary_256", unit: "1/s", bar: Bar::AtLeast(0.65), aim: 0.95 };
const HOT: Goal = Goal { name: "unary_hot", unit: "1/s", bar: Bar::AtLeast(10.0), aim: 30.0 };

/// Durable transfers against empty calls: same server, same connections, same number in flight.
pub(super) async fn uniform(stage: &Stage, plan: Plan) -> Result<Figure, Exit> {
    let length = plan.unary.length;
    let pairs = in_turns(
        plan.unary.rounds,
        async || transfers(stage, Spread::Uniform, IN_FLIGHT, length).await,
        async || pings(stage, IN_FLIGHT, length).await,
        |round| tell::round(UNARY, round),
    );
    Ok(Figure::of(UNARY, &pairs.await.map_err(|status| failed(&status))?))
}

/// Durable transfers to one account against the hand-written transaction on one account.
pub(super) async fn hot(stage: &Stage, sql: &Sql, plan: Plan) -> Result<Figure, Exit> {
    let best = sql.best(Spread::Hot, plan.search).await?;
    let pairs = in_turns(
        plan.hot.rounds,
        async || {
            let rate = transfers(stage, Spread::Hot, IN_FLIGHT_HOT, plan.hot.length).await;
            rate.map_err(|status| failed(&status))
        },
        async || sql.rate(best, plan.hot.length).await,
        |round| tell::round(HOT, round),
    )
    .await?;
    Ok(Figure::of(HOT, &pairs).with_note(sql.described(best)))
}

/// Empty calls a second.
pub(super) async fn pings(stage: &Stage, in_flight: usize, length: Duration) -> Result<f64, Status> {
    let tally = closed_loop(in_flight, length, |run| {
        let mut client = ProbeServiceClient::new(stage.channel());
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

/// Durable transfers a second, one a call, projections included.
pub(super) async fn transfers(
    stage: &Stage,
    spread: Spread,
    in_flight: usize,
    length: Duration,
) -> Result<f64, Status> {
    let mut seed = 0;
    let tally = closed_loop(in_flight, length, |run| {
        let (mut client, load) = (TransferServiceClient::new(stage.channel()), stage.load());
        seed += 1;
        let mut dice = Dice::new(seed);
        async move {
            while run.goes_on() {
                match client.create_transfer(load.transfer(&mut dice, spread)).await {
                    Ok(answer) => {
                        load.reached(answer.into_inner().transfer.unwrap_or_default().position);
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
