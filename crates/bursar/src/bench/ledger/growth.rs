//! Does the ledger slow down as it grows?

use bursar_loadgen::{Bar, Figure, Goal, Pairs};

use super::bulk::{self, Orders};
use super::load::Spread;
use super::plan::Plan;
use super::stage::Stage;
use crate::bench::place::failed;
use crate::bench::tell;
use crate::exit::Exit;

const GOAL: Goal = Goal { name: "growth", unit: "1/s", bar: Bar::AtLeast(0.85), aim: 0.95 };

/// The last part of many transfers against the first, in bulk, on a ledger that has nothing else.
pub(super) async fn figure(stage: &Stage, plan: Plan) -> Result<Figure, Exit> {
    let orders = Orders::new(stage, Spread::Uniform);
    let in_flight = bulk::best_in_flight(stage, &orders, plan.search).await?;
    let parts = plan.growth / plan.growth_part;
    let mut rates = Vec::new();
    for part in 1..=parts {
        let took = bulk::fill(stage, &orders, in_flight, plan.growth_part).await;
        let took = took.map_err(|status| failed(&status))?;
        let rate = plan.growth_part as f64 / took.as_secs_f64();
        rates.push(rate);
        tell::line(&format!("growth: {} of {} transfers, {rate:.0}/s", part * plan.growth_part, plan.growth));
    }
    let mut pairs = Pairs::default();
    if let [first, .., last] = rates.as_slice() {
        pairs.push(*last, *first);
    }
    let note = format!(
        "the last {} of {} transfers against the first {}, after a short search for the best number in flight",
        plan.growth_part, plan.growth, plan.growth_part
    );
    Ok(Figure::of(GOAL, &pairs).with_note(note))
}
