//! Does the ledger slow down with the number of cards?

use bursar_loadgen::{Bar, Figure, Goal, Pairs, Round, Samples};

use super::calls::{authorizations, prepared};
use super::plan::Plan;
use super::stage::Stage;
use crate::bench::place::failed;
use crate::bench::tell;
use crate::exit::Exit;

const GOAL: Goal = Goal { name: "growth", unit: "1/s", bar: Bar::AtLeast(0.9), aim: 1.0 };

/// Authorizations with many cards against authorizations with few, on the same ledger.
pub(super) async fn figure(stage: &mut Stage, plan: Plan) -> Result<Figure, Exit> {
    let few = rates(stage, plan).await?.median();
    stage.make_cards(plan.grown).await?;
    let many = rates(stage, plan).await?;
    let mut pairs = Pairs::default();
    for (number, value) in (1..).zip([many.least(), many.median(), many.most()]) {
        pairs.push(value, few);
        tell::round(GOAL, Round { number, of: 3, value, reference: few });
    }
    let note = format!("{} cards against {}", plan.grown, plan.cards);
    Ok(Figure::of(GOAL, &pairs).with_note(note))
}

async fn rates(stage: &Stage, plan: Plan) -> Result<Samples, Exit> {
    let mut rates = Samples::default();
    for _ in 0..plan.growth.rounds {
        stage.load().prepare(prepared(plan.growth.length))?;
        rates.push(authorizations(stage, plan.growth.length).await.map_err(|status| failed(&status))?);
    }
    Ok(rates)
}
