//! One authorization a message on a bidirectional stream.

use bursar_loadgen::{Bar, Figure, Goal, Run, closed_loop, in_turns, window};
use bursar_proto::ledger::v1::AuthorizeStreamRequest;
use bursar_proto::ledger::v1::payment_service_client::PaymentServiceClient;
use bursar_proto::probe::v1::EchoRequest;
use bursar_proto::probe::v1::probe_service_client::ProbeServiceClient;
use bursar_service::client::PeerChannel;
use tonic::{Code, Status};

use super::calls::prepared;
use super::plan::Plan;
use super::stage::{Load, Stage};
use crate::bench::place::failed;
use crate::bench::tell;
use crate::exit::Exit;

/// Messages in flight.
const IN_FLIGHT: usize = 1_024;
/// Time the answers are of use: the longest the contract allows.
const DEADLINE_MS: i32 = 60_000;
/// So much more than calls is prepared for a stream.
const MORE: usize = 3;

const GOAL: Goal = Goal { name: "authorize_stream", unit: "1/s", bar: Bar::AtLeast(0.05), aim: 0.20 };

/// Durable authorizations against an empty echo: one connection, one stream, the same number in flight.
pub(super) async fn figure(stage: &Stage, plan: Plan) -> Result<Figure, Exit> {
    let length = plan.stream.length;
    let (channel, empty) = (stage.gateway(), stage.backend());
    let pairs = in_turns(
        plan.stream.rounds,
        async || {
            stage.load().prepare(MORE * prepared(length))?;
            let tally = closed_loop(1, length, |run| streamed(stage.load(), channel.clone(), run));
            let tally = tally.await.map_err(|status| failed(&status))?;
            stage.caught_up().await.map_err(|status| failed(&status))?;
            Ok::<_, Exit>(tally.per_second())
        },
        async || {
            let tally = closed_loop(1, length, |run| echo(empty.clone(), run)).await;
            Ok(tally.map_err(|status: Status| failed(&status))?.per_second())
        },
        |round| tell::round(GOAL, round),
    );
    Ok(Figure::of(GOAL, &pairs.await?))
}

async fn echo(channel: PeerChannel, run: Run) -> Result<(), Status> {
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
    Ok(())
}

async fn streamed(load: Load, channel: PeerChannel, run: Run) -> Result<(), Status> {
    let (maker, going) = (load.clone(), run.clone());
    let (messages, room) = window(IN_FLIGHT, move || {
        let authorize = going.goes_on().then(|| maker.next().ok()).flatten()?;
        Some(AuthorizeStreamRequest { authorize: Some(authorize), deadline_ms: DEADLINE_MS })
    });
    let mut answers = PaymentServiceClient::new(channel).authorize_stream(messages).await?.into_inner();
    while let Some(answer) = answers.message().await? {
        room.answered(1);
        let put_off =
            [Code::Unavailable, Code::ResourceExhausted].map(i32::from).contains(&answer.error_code);
        if put_off {
            continue;
        }
        if answer.error_code != 0 {
            return Err(Status::internal(format!("{}: {}", answer.error_reason, answer.error_message)));
        }
        load.paid(answer.payment)?;
        run.count(1);
    }
    Ok(())
}
