//! Many transfers in one call.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bursar_loadgen::{Bar, Figure, Goal, Pairs, Round, closed_loop};
use bursar_service::client::PeerChannel;
use bytes::Bytes;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Request, Status};
use tonic_prost::ProstCodec;

use super::load::{Load, Spread};
use super::plan::Plan;
use super::sql::Sql;
use super::stage::Stage;
use super::wire::{Bulk, BulkAnswer, bulk_orders};
use crate::bench::place::failed;
use crate::bench::tell;
use crate::exit::Exit;

/// Transfers of one request.
pub(super) const SIZE: u64 = 1_000;
/// Lists of orders that are made beforehand and used in turn.
const LISTS: u64 = 32;
/// Requests in flight that are tried.
const IN_FLIGHT: [usize; 5] = [1, 2, 4, 8, 16];
const PATH: &str = "/bursar.ledger.v1.TransferService/BatchCreateTransfers";
/// Longest wait for an answer: many large requests may stand before it.
const DEADLINE: Duration = Duration::from_secs(60);

const UNIFORM: Goal = Goal { name: "bulk_uniform", unit: "1/s", bar: Bar::AtLeast(25.0), aim: 80.0 };
const HOT: Goal = Goal { name: "bulk_hot", unit: "1/s", bar: Bar::AtLeast(0.9), aim: 1.1 };

/// Requests that can be sent again and again, each time with another request id.
#[derive(Clone)]
pub(super) struct Orders {
    load: Load,
    lists: Arc<[Vec<Bytes>]>,
}

impl Orders {
    pub(super) fn new(stage: &Stage, spread: Spread) -> Self {
        let load = stage.load();
        let size = usize::try_from(SIZE).unwrap_or(usize::MAX);
        let lists = bulk_orders(&load, spread, LISTS, size).into();
        Self { load, lists }
    }

    fn request(&self, number: usize) -> Bulk {
        Bulk { request_id: self.load.ids.next(), orders: self.lists[number % self.lists.len()].clone() }
    }
}

/// Which of the two figures are wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    pub(super) uniform: bool,
    pub(super) hot: bool,
}

/// Uniform against hand-written transactions, and hot against uniform, from the same rounds.
pub(super) async fn figures(
    stage: &Stage,
    sql: Option<&Sql>,
    wanted: Wanted,
    plan: Plan,
) -> Result<Vec<Figure>, Exit> {
    let (even, hot) = (Orders::new(stage, Spread::Uniform), Orders::new(stage, Spread::Hot));
    let in_flight = best_in_flight(stage, &even, plan.search).await?;
    let best = match sql {
        Some(sql) => Some((sql, sql.best(Spread::Uniform, plan.search).await?)),
        None => None,
    };
    let (mut to_sql, mut to_uniform) = (Pairs::default(), Pairs::default());
    let length = plan.bulk.length;
    for number in 1..=plan.bulk.rounds {
        let reference = match best {
            Some((sql, best)) => sql.rate(best, length).await?,
            None => 0.0,
        };
        let value = rate(stage, &even, in_flight, length).await.map_err(|status| failed(&status))?;
        let round = Round { number, of: plan.bulk.rounds, value, reference };
        if wanted.uniform {
            to_sql.push(value, reference);
            tell::round(UNIFORM, round);
        }
        if wanted.hot {
            let hot = rate(stage, &hot, in_flight, length).await.map_err(|status| failed(&status))?;
            to_uniform.push(hot, value);
            tell::round(HOT, Round { value: hot, reference: value, ..round });
        }
    }
    let mut figures = Vec::new();
    if let Some((sql, best)) = best.filter(|_| wanted.uniform) {
        let note = format!("{SIZE} a request, {in_flight} requests in flight; {}", sql.described(best));
        figures.push(Figure::of(UNIFORM, &to_sql).with_note(note));
    }
    if wanted.hot {
        figures.push(Figure::of(HOT, &to_uniform));
    }
    Ok(figures)
}

/// The number of requests in flight that does best.
pub(super) async fn best_in_flight(stage: &Stage, orders: &Orders, length: Duration) -> Result<usize, Exit> {
    let mut best = (1, 0.0);
    for in_flight in IN_FLIGHT {
        let rate = rate(stage, orders, in_flight, length).await.map_err(|status| failed(&status))?;
        if rate > best.1 {
            best = (in_flight, rate);
        }
    }
    tell::line(&format!("bulk: {} requests in flight do best, {:.0} transfers/s", best.0, best.1));
    Ok(best.0)
}

/// Durable transfers a second, projections included.
async fn rate(stage: &Stage, orders: &Orders, in_flight: usize, length: Duration) -> Result<f64, Status> {
    let mut index = 0;
    let tally = closed_loop(in_flight, length, |run| {
        index += 1;
        let (channel, orders) = (stage.channel(), orders.clone());
        let mut number = index;
        async move {
            while run.goes_on() {
                send(channel.clone(), &orders.load, orders.request(number)).await?;
                number += in_flight;
                run.count(SIZE);
            }
            Ok::<_, Status>(())
        }
    });
    let tally = tally.await?;
    stage.caught_up().await?;
    Ok(tally.per_second())
}

/// Makes `transfers` transfers; how long that took, projections included.
pub(super) async fn fill(
    stage: &Stage,
    orders: &Orders,
    in_flight: usize,
    transfers: u64,
) -> Result<Duration, Status> {
    let began = Instant::now();
    let requests = usize::try_from(transfers.div_ceil(SIZE)).unwrap_or(usize::MAX);
    stream::iter(0..requests)
        .map(|number| send(stage.channel(), &orders.load, orders.request(number)))
        .buffer_unordered(in_flight)
        .try_collect::<()>()
        .await?;
    stage.caught_up().await?;
    Ok(began.elapsed())
}

/// Sends a request, again if it is put off.
async fn send(channel: PeerChannel, load: &Load, bulk: Bulk) -> Result<(), Status> {
    let mut grpc = Grpc::new(channel);
    let answer = loop {
        grpc.ready().await?;
        let codec = ProstCodec::<Bulk, BulkAnswer>::default();
        let mut request = Request::new(bulk.clone());
        request.set_timeout(DEADLINE);
        match grpc.unary(request, PathAndQuery::from_static(PATH), codec).await {
            Ok(answer) => break answer.into_inner(),
            Err(refusal) => load.come_again(refusal).await?,
        }
    };
    match answer.results.iter().find(|result| !result.error_reason.is_empty()) {
        Some(refused) => {
            Err(Status::internal(format!("a transfer of the bulk was refused: {}", refused.error_reason)))
        }
        None if answer.position == 0 => Err(Status::internal("the bulk was not journaled")),
        None => {
            load.reached(answer.position);
            Ok(())
        }
    }
}
