//! One card number a call.

use std::time::Duration;

use bursar_loadgen::{Bar, Figure, Goal, closed_loop, in_turns};
use bursar_proto::probe::v1::PingRequest;
use bursar_proto::probe::v1::probe_service_client::ProbeServiceClient;
use bursar_proto::vault::v1::Verification;
use bursar_proto::vault::v1::verification_service_client::VerificationServiceClient;
use tonic::Status;

use super::plan::Plan;
use super::stage::Stage;
use crate::bench::place::failed;
use crate::bench::tell;
use crate::exit::Exit;

/// Calls in flight.
const IN_FLIGHT: usize = 256;

const GOAL: Goal = Goal { name: "verify_card", unit: "1/s", bar: Bar::AtLeast(0.50), aim: 0.80 };

/// Card numbers with expiry and CVV2 against empty calls: same server, as many connections, same number in flight.
pub(super) async fn figure(stage: &Stage, plan: Plan) -> Result<Figure, Exit> {
    let length = plan.calls.length;
    let pairs = in_turns(
        plan.calls.rounds,
        async || verified(stage, IN_FLIGHT, length).await,
        async || pings(stage, length).await,
        |round| tell::round(GOAL, round),
    );
    Ok(Figure::of(GOAL, &pairs.await.map_err(|status| failed(&status))?))
}

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

/// Card numbers verified a second, each durably recorded.
pub(super) async fn verified(stage: &Stage, in_flight: usize, length: Duration) -> Result<f64, Status> {
    let mut number = 0;
    let tally = closed_loop(in_flight, length, |run| {
        number += 1;
        let (mut client, load) = (VerificationServiceClient::new(stage.gateway()), stage.load());
        let mut number = number;
        async move {
            while run.goes_on() {
                let answer = client.verify_card(load.question(number)).await?.into_inner();
                if !answer.found || answer.cvv2() != Verification::Match || answer.proof.is_empty() {
                    return Err(Status::internal("a card was not verified"));
                }
                number += in_flight;
                run.count(1);
            }
            Ok::<_, Status>(())
        }
    });
    Ok(tally.await?.per_second())
}
