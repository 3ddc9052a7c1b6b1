//! Payments through TCP, vault and ledger, durable, against bare decisions of the ledger.

use std::sync::Arc;
use std::time::Duration;

use bursar_loadgen::{Bar, Figure, Goal, Histogram, Schedule, closed_loop, in_turns, open_loop};

use super::Plan;
use super::acquirer::Acquirer;
use super::reference::Reference;
use super::stage::Stage;
use crate::bench::tell;
use crate::exit::Exit;

const RATE: Goal = Goal { name: "authorize_iso", unit: "1/s", bar: Bar::AtLeast(0.6), aim: 2.0 };
const P99: Goal = Goal { name: "authorize_iso_p99", unit: "ms", bar: Bar::AtMost(3.0), aim: 2.0 };
/// Payments under way.
const IN_FLIGHT: usize = 256;
/// Connections of the acquirer.
const LINES: usize = 2;

struct Sides {
    lines: Vec<Arc<Acquirer>>,
    reference: Arc<Reference>,
}

pub(super) async fn figures(stage: &Stage, plan: Plan) -> Result<Vec<Figure>, Exit> {
    let mut lines = Vec::new();
    for line in 0..LINES {
        let number = u32::try_from(line).unwrap_or(0);
        let address = &stage.endpoints.iso8583;
        let line = Acquirer::connect(address, number, &stage.pan, &stage.cvv2).await;
        lines.push(Arc::new(line.map_err(Exit::software)?));
    }
    let sides = Sides { lines, reference: Reference::open(stage).await? };
    let pairs = in_turns(
        plan.rounds,
        async || sides.iso_rate(plan.turn).await,
        async || sides.reference_rate(plan.turn).await,
        |round| tell::round(RATE, round),
    );
    let rate = Figure::of(RATE, &pairs.await.map_err(Exit::software)?);
    // The slower of the two bounds what both are asked for.
    let schedule = Schedule {
        rate: rate.value.min(rate.reference) / 2.0,
        length: plan.turn,
        in_flight_max: 2 * IN_FLIGHT,
    };
    let pairs = in_turns(
        plan.rounds,
        async || sides.iso_p99(schedule).await,
        async || sides.reference_p99(schedule).await,
        |round| tell::round(P99, round),
    );
    let note = format!("open loop at {:.0} payments/s, half of the highest rate measured", schedule.rate);
    let p99 = Figure::of(P99, &pairs.await.map_err(Exit::software)?).with_note(note);
    let note =
        format!("{IN_FLIGHT} in flight, one card, against Authorize, one call a payment, as many in flight");
    Ok(vec![rate.with_note(note), p99])
}

impl Sides {
    async fn iso_rate(&self, length: Duration) -> Result<f64, String> {
        let mut number = 0;
        let tally = closed_loop(IN_FLIGHT, length, |run| {
            let line = Arc::clone(&self.lines[number % LINES]);
            number += 1;
            async move {
                while run.goes_on() {
                    line.buy().await?;
                    run.count(1);
                }
                Ok::<_, String>(())
            }
        });
        tally.await.map(|tally| tally.per_second())
    }

    async fn reference_rate(&self, length: Duration) -> Result<f64, String> {
        let tally = closed_loop(IN_FLIGHT, length, |run| {
            let reference = Arc::clone(&self.reference);
            async move {
                while run.goes_on() {
                    reference.authorize().await?;
                    run.count(1);
                }
                Ok::<_, String>(())
            }
        });
        tally.await.map(|tally| tally.per_second())
    }

    async fn iso_p99(&self, schedule: Schedule) -> Result<f64, String> {
        let mut number = 0;
        let latencies = open_loop(schedule, || {
            let line = Arc::clone(&self.lines[number % LINES]);
            number += 1;
            async move { line.buy().await }
        });
        latencies.await.map(|it| milliseconds(&it))
    }

    async fn reference_p99(&self, schedule: Schedule) -> Result<f64, String> {
        let latencies = open_loop(schedule, || {
            let reference = Arc::clone(&self.reference);
            async move { reference.authorize().await }
        });
        latencies.await.map(|it| milliseconds(&it))
    }
}

fn milliseconds(latencies: &Histogram) -> f64 {
    Duration::from_nanos(latencies.quantile(0.99)).as_secs_f64() * 1e3
}
