//! One transfer a message on a bidirectional stream.

use std::time::Duration;

use bursar_loadgen::{Bar, Figure, Goal, Run, closed_loop, in_turns, window};
use bursar_proto::probe::v1::EchoRequest;
use bursar_proto::probe::v1::probe_service_client::ProbeServiceClient;
use bursar_service::client::PeerChannel;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Request, Status};
use tonic_prost::ProstCodec;

use super::plan::Plan;
use super::stage::Stage;
use super::wire::{StreamAnswer, StreamMaker, Streamed};
use crate::bench::place::failed;
use crate::bench::tell;
use crate::exit::Exit;

/// Messages in flight.
const IN_FLIGHT: usize = 1_024;
/// Time the answers are of use: the longest the contract allows.
const DEADLINE_MS: i32 = 60_000;
const PATH: &str = "/bursar.ledger.v1.TransferService/StreamTransfers";

const GOAL: Goal = Goal { name: "stream_1024", unit: "1/s", bar: Bar::AtLeast(0.08), aim: 0.30 };

/// Durable transfers against an empty echo: one connection, one stream, the same number in flight.
pub(super) async fn transfers(stage: &Stage, plan: Plan) -> Result<Figure, Exit> {
    let length = plan.stream.length;
    let channel = stage.channel();
    let pairs = in_turns(
        plan.stream.rounds,
        async || streamed(stage, &channel, length).await,
        async || echoed(&channel, length).await,
        |round| tell::round(GOAL, round),
    );
    Ok(Figure::of(GOAL, &pairs.await.map_err(|status| failed(&status))?))
}

async fn echoed(channel: &PeerChannel, length: Duration) -> Result<f64, Status> {
    let tally = closed_loop(1, length, |run| echo(channel.clone(), run)).await?;
    Ok(tally.per_second())
}

async fn echo(channel: PeerChannel, run: Run) -> Result<(), Status> {
    let mut number = 0;
    let going = run.clone();
    let (messages, room) = window(IN_FLIGHT, move || {
        number += 1;
        going.goes_on().then_some(EchoRequest { number })
    });
    let mut answers = ProbeServiceClient::new(channel).echo(messages).await?.into_inner();
    let mut awaited = 0;
    while let Some(answer) = answers.message().await? {
        awaited += 1;
        if answer.number != awaited {
            return Err(Status::data_loss(format!("echo {} where {awaited} was due", answer.number)));
        }
        run.count(1);
        room.answered(1);
    }
    Ok(())
}

async fn streamed(stage: &Stage, channel: &PeerChannel, length: Duration) -> Result<f64, Status> {
    let tally = closed_loop(1, length, |run| stream(stage.load(), channel.clone(), run)).await?;
    stage.caught_up().await?;
    Ok(tally.per_second())
}

async fn stream(load: super::load::Load, channel: PeerChannel, run: Run) -> Result<(), Status> {
    let (mut maker, going) = (StreamMaker::new(load.clone()), run.clone());
    let (messages, room) = window(IN_FLIGHT, move || going.goes_on().then(|| maker.next(DEADLINE_MS)));
    let mut grpc = Grpc::new(channel);
    grpc.ready().await?;
    let codec = ProstCodec::<Streamed, StreamAnswer>::default();
    let answers = grpc.streaming(Request::new(messages), PathAndQuery::from_static(PATH), codec);
    let mut answers = answers.await?.into_inner();
    while let Some(answer) = answers.message().await? {
        room.answered(1);
        if let Some(error) = answer.error {
            if load.is_put_off(Code::from_i32(error.code)) {
                continue;
            }
            let what = format!("the stream refused a transfer: {} {}", error.reason, error.message);
            return Err(Status::internal(what));
        }
        let transfer = answer.create_transfer.and_then(|created| created.transfer);
        load.reached(transfer.map_or(0, |transfer| transfer.position));
        run.count(1);
    }
    Ok(())
}
