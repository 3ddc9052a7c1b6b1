//! Three figures of webhooks: how fast durable deliveries are against bare POSTs, what dead endpoints do to the others,
//! and what a backlog takes of memory.
//!
//! All of it in real processes: a publisher whose log is read, the notifications service, and a listener.

mod bare;
mod listener;
mod stage;

use std::time::{Duration, Instant};

use bursar_loadgen::{Bar, Figure, Goal, Pairs, Round};

use super::tell;
use crate::cli::{Bench, Databases};
use crate::exit::Exit;
use bare::Bare;
use listener::Listener;
use stage::{ENDPOINTS, Stage};

const RATE: Goal = Goal { name: "webhooks", unit: "1/s", bar: Bar::AtLeast(0.4), aim: 0.7 };
const DEAD: Goal = Goal { name: "dead_endpoints", unit: "ms", bar: Bar::AtMost(1.3), aim: 1.1 };
const MEMORY: Goal = Goal { name: "backlog_memory", unit: "MB", bar: Bar::AtMost(1.5), aim: 1.1 };

/// Endpoints that never answer, of [`ENDPOINTS`].
const DEAD_ENDPOINTS: usize = 5;

/// What a run does.
struct Plan {
    /// Rounds of the rate, and events of each.
    rounds: usize,
    events: usize,
    /// How long bare POSTs are made in each round, and at each number in flight that is tried.
    bare: Duration,
    search: Duration,
    /// Rounds of dead endpoints, how long each side is loaded, and events a second.
    dead_rounds: usize,
    dead_length: Duration,
    dead_rate: u32,
    /// Deliveries that wait.
    backlog: usize,
}

const QUICK: Plan = Plan {
    rounds: 3,
    events: 300,
    bare: Duration::from_millis(1_000),
    search: Duration::from_millis(250),
    dead_rounds: 3,
    dead_length: Duration::from_secs(2),
    dead_rate: 20,
    backlog: 100_000,
};

const FULL: Plan = Plan {
    rounds: 7,
    events: 1_000,
    bare: Duration::from_secs(4),
    search: Duration::from_secs(1),
    dead_rounds: 5,
    dead_length: Duration::from_secs(8),
    dead_rate: 20,
    backlog: 1_000_000,
};

/// Measures the three, in the order of the table.
pub(super) async fn measure(arguments: &Bench) -> Result<Vec<Figure>, Exit> {
    let plan = if arguments.quick { QUICK } else { FULL };
    let databases = &arguments.databases;
    let listener = Listener::start()?;
    let rate = rate(databases, &listener, &plan).await?;
    let dead = dead(databases, &listener, &plan).await?;
    let memory = memory(databases, &listener, &plan).await?;
    Ok(vec![rate, dead, memory])
}

/// Durable deliveries a second, from the publication of the events to the last line of the log, against bare POSTs.
async fn rate(databases: &Databases, listener: &Listener, plan: &Plan) -> Result<Figure, Exit> {
    let urls: Vec<String> = (0..ENDPOINTS).map(|n| listener.url(n)).collect();
    let stage = Stage::set(databases, &urls).await?;
    let measured = rate_on(&stage, listener, &urls, plan).await;
    stage.clear(measured).await
}

async fn rate_on(stage: &Stage, listener: &Listener, urls: &[String], plan: &Plan) -> Result<Figure, Exit> {
    let bare = Bare::new(urls)?;
    let in_flight = bare.best(plan.search).await?;
    // Connections, caches and statements are there before anything is measured.
    let mut delivered = ENDPOINTS as u64 * 20;
    stage.publish(20).await?;
    stage.delivered(delivered).await?;
    let mut pairs = Pairs::default();
    for number in 1..=plan.rounds {
        let reference = bare.rate(in_flight, plan.bare).await?;
        let (began, before) = (Instant::now(), listener.count());
        let wanted = (plan.events * ENDPOINTS) as u64;
        stage.publish(plan.events).await?;
        delivered += wanted;
        stage.delivered(delivered).await?;
        let value = wanted as f64 / began.elapsed().as_secs_f64();
        let twice = (listener.count() - before).saturating_sub(wanted);
        if twice > 0 {
            tell::line(&format!("webhooks: {twice} deliveries were made twice"));
        }
        pairs.push(value, reference);
        tell::round(RATE, Round { number, of: plan.rounds, value, reference });
    }
    let note = format!(
        "{ENDPOINTS} endpoints, {} events a round, from their publication until all is written down; {in_flight} bare POSTs in flight",
        plan.events
    );
    Ok(Figure::of(RATE, &pairs).with_note(note))
}

/// How long healthy endpoints wait for a first attempt while others are dead, against while none is.
async fn dead(databases: &Databases, listener: &Listener, plan: &Plan) -> Result<Figure, Exit> {
    let well: Vec<String> = (0..ENDPOINTS).map(|n| listener.url(n)).collect();
    let some_dead: Vec<String> = (0..ENDPOINTS)
        .map(|n| if n < DEAD_ENDPOINTS { listener.dead_url(n) } else { listener.url(n) })
        .collect();
    let healthy = Stage::set(databases, &well).await?;
    let failing = match Stage::set(databases, &some_dead).await {
        Ok(failing) => failing,
        Err(exit) => return healthy.clear(Err(exit)).await,
    };
    let measured = dead_on(&healthy, &failing, listener, plan).await;
    let measured = failing.clear(measured).await;
    healthy.clear(measured).await
}

async fn dead_on(healthy: &Stage, failing: &Stage, listener: &Listener, plan: &Plan) -> Result<Figure, Exit> {
    let (all, some) = (ENDPOINTS as u64, (ENDPOINTS - DEAD_ENDPOINTS) as u64);
    let (mut of_healthy, mut of_failing) = (0, 0);
    // Both are warm, and the dead ones known to be dead or not, as they are.
    for (stage, endpoints, delivered) in [(healthy, all, &mut of_healthy), (failing, some, &mut of_failing)] {
        stage.publish(20).await?;
        *delivered += 20 * endpoints;
        stage.delivered(*delivered).await?;
    }
    let mut pairs = Pairs::default();
    for number in 1..=plan.dead_rounds {
        let reference = p99(healthy, all, &mut of_healthy, listener, plan).await?;
        let value = p99(failing, some, &mut of_failing, listener, plan).await?;
        pairs.push(value, reference);
        tell::round(DEAD, Round { number, of: plan.dead_rounds, value, reference });
    }
    let note = format!(
        "{} events a second to {ENDPOINTS} endpoints; {DEAD_ENDPOINTS} of them take requests and never answer",
        plan.dead_rate
    );
    Ok(Figure::of(DEAD, &pairs).with_note(note))
}

/// Milliseconds within which 99 of 100 deliveries arrive, at a steady rate of events.
async fn p99(
    stage: &Stage,
    endpoints: u64,
    delivered: &mut u64,
    listener: &Listener,
    plan: &Plan,
) -> Result<f64, Exit> {
    listener.watch();
    let mut tick = tokio::time::interval(Duration::from_secs(1) / plan.dead_rate);
    let until = Instant::now() + plan.dead_length;
    while Instant::now() < until {
        tick.tick().await;
        stage.publish(1).await?;
        *delivered += endpoints;
    }
    stage.delivered(*delivered).await?;
    Ok(Duration::from_nanos(listener.watched().quantile(0.99)).as_secs_f64() * 1e3)
}

/// Memory of the service with many deliveries waiting against few.
async fn memory(databases: &Databases, listener: &Listener, plan: &Plan) -> Result<Figure, Exit> {
    let urls: Vec<String> = (0..ENDPOINTS).map(|n| listener.dead_url(n)).collect();
    let few = Stage::set(databases, &urls).await?;
    let many = match Stage::set(databases, &urls).await {
        Ok(many) => many,
        Err(exit) => return few.clear(Err(exit)).await,
    };
    let measured = memory_on(&few, &many, plan).await;
    let measured = many.clear(measured).await;
    few.clear(measured).await
}

async fn memory_on(few: &Stage, many: &Stage, plan: &Plan) -> Result<Figure, Exit> {
    let few_events = 1_000 / ENDPOINTS;
    let many_events = plan.backlog / ENDPOINTS;
    few.publish(few_events).await?;
    few.applied(few_events as u64).await?;
    let began = Instant::now();
    many.publish(many_events).await?;
    many.applied(many_events as u64).await?;
    let made = plan.backlog as f64 / began.elapsed().as_secs_f64();
    tell::line(&format!("backlog_memory: {} deliveries were made, {made:.0}/s", plan.backlog));
    let mut pairs = Pairs::default();
    // Looked at while both go on trying.
    for number in 1..=3 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let [value, reference] =
            [many.resident_bytes()?, few.resident_bytes()?].map(|bytes| bytes as f64 / 1e6);
        pairs.push(value, reference);
        tell::round(MEMORY, Round { number, of: 3, value, reference });
    }
    let note = format!("{} deliveries waiting against 1000, at endpoints that never answer", plan.backlog);
    Ok(Figure::of(MEMORY, &pairs).with_note(note))
}
