//! Does the look-up of a card number slow down as the vault grows?

use bursar_loadgen::{Bar, Figure, Goal, Pairs};
use bursar_vault::measure;

use super::calls::verified;
use super::plan::Plan;
use super::stage::Stage;
use crate::bench::place::failed;
use crate::bench::tell;
use crate::exit::Exit;

const GOAL: Goal = Goal { name: "growth", unit: "1/s", bar: Bar::AtLeast(0.85), aim: 1.0 };
/// Calls in flight.
const IN_FLIGHT: usize = 256;

/// Card numbers verified with many cards against few. The two cannot take turns: first the few are measured, then the
/// vault is filled, then the many.
pub(super) async fn figure(stage: &Stage, plan: Plan) -> Result<Figure, Exit> {
    let (few, many) = (plan.growth_from, plan.growth_to);
    let fill = async |cards| measure::fill(&stage.config(), cards).await.map_err(Exit::software);
    fill(few).await?;
    let mut sides = [Vec::new(), Vec::new()];
    for (side, rates) in sides.iter_mut().enumerate() {
        if side == 1 {
            tell::line(&format!("growth: filling the vault with {many} cards"));
            fill(many - few).await?;
        }
        // One round more: the first finds what it reads on the disk.
        for round in 0..=plan.growth.rounds {
            let rate = verified(stage, IN_FLIGHT, plan.growth.length).await;
            let rate = rate.map_err(|status| failed(&status))?;
            tell::line(&format!("growth: {rate:.0}/s with {} cards", if side == 0 { few } else { many }));
            if round > 0 {
                rates.push(rate);
            }
        }
    }
    let mut pairs = Pairs::default();
    let [few_rates, many_rates] = sides;
    for (many, few) in many_rates.into_iter().zip(few_rates) {
        pairs.push(many, few);
    }
    Ok(Figure::of(GOAL, &pairs).with_note(format!("with {many} cards against {few}")))
}
