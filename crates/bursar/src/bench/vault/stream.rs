//! One card number a message on a bidirectional stream.

use std::time::Duration;

use bursar_loadgen::{Bar, Figure, Goal, Run, closed_loop, in_turns, window};
use bursar_proto::probe::v1::EchoRequest;
use bursar_proto::probe::v1::probe_service_client::ProbeServiceClient;
use bursar_proto::vault::v1::stream_verify_card_response::Result as Outcome;
use bursar_proto::vault::v1::verification_service_client::VerificationServiceClient;
use bursar_proto::vault::v1::{StreamVerifyCardRequest, Verification, VerifyCardRequest};
use bursar_service::client::PeerChannel;
use tonic::Status;

use super::plan::Plan;
use super::stage::{Load, Stage};
use crate::bench::place::failed;
use crate::bench::tell;
use crate::exit::Exit;

/// Messages in flight.
const IN_FLIGHT: usize = 1_024;
/// Time the answers are of use: the longest the contract allows.
const DEADLINE_MS: i32 = 60_000;

const GOAL: Goal = Goal { name: "verify_stream", unit: "1/s", bar: Bar::AtLeast(0.10), aim: 0.40 };

/// Card numbers against an empty echo: one connection, one stream, the same number in flight.
pub(super) async fn figure(stage: &Stage, plan: Plan) -> Result<Figure, Exit> {
    let length = plan.stream.length;
    let pairs = in_turns(
        plan.stream.rounds,
        async || streamed(stage, length).await,
        async || echoed(stage, length).await,
        |round| tell::round(GOAL, round),
    );
    Ok(Figure::of(GOAL, &pairs.await.map_err(|status| failed(&status))?))
}

async fn echoed(stage: &Stage, length: Duration) -> Result<f64, Status> {
    let channel = stage.backend();
    let tally = closed_loop(1, length, |run| {
        let channel = channel.clone();
        async move {
            let mut number = 0;
            let going = run.clone();
            let (messages, room) = window(IN_FLIGHT, move || {
                number += 1;
                going.goes_on().then_some(EchoRequest { number })
            });
            let mut answers = ProbeServiceClient::new(channel).echo(messages).await?.into_inner();
            while answers.message().await?.is_some() {
                run.count(1);
                room.answered(1);
            }
            Ok::<_, Status>(())
        }
    });
    Ok(tally.await?.per_second())
}

async fn streamed(stage: &Stage, length: Duration) -> Result<f64, Status> {
    let tally = closed_loop(1, length, |run| stream(stage.load(), stage.gateway(), run)).await?;
    Ok(tally.per_second())
}

async fn stream(load: Load, channel: PeerChannel, run: Run) -> Result<(), Status> {
    let questions: Vec<VerifyCardRequest> = (0..load.known.len()).map(|n| load.question(n)).collect();
    let (mut number, going) = (0_usize, run.clone());
    let (messages, room) = window(IN_FLIGHT, move || {
        number += 1;
        going.goes_on().then(|| StreamVerifyCardRequest {
            request_id: number.to_string(),
            deadline_ms: DEADLINE_MS,
            verify_card: Some(questions[number % questions.len()].clone()),
        })
    });
    let mut client = VerificationServiceClient::new(channel);
    let mut answers = client.stream_verify_card(messages).await?.into_inner();
    while let Some(answer) = answers.message().await? {
        room.answered(1);
        match answer.result {
            Some(Outcome::VerifyCard(answer))
                if answer.found && answer.cvv2() == Verification::Match && !answer.proof.is_empty() =>
            {
                run.count(1);
            }
            other => {
                return Err(Status::internal(format!("a card of the stream was not verified: {other:?}")));
            }
        }
    }
    Ok(())
}
