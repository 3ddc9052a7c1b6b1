//! Records moved from one key to another.

use bursar_loadgen::{Bar, Figure, Goal, in_turns};
use bursar_vault::measure::Rewraps;
use tokio::sync::Mutex;

use super::plan::Plan;
use super::stage::Stage;
use crate::bench::tell;
use crate::exit::Exit;

const GOAL: Goal = Goal { name: "rewrap", unit: "1/s", bar: Bar::AtLeast(0.5), aim: 0.9 };

/// Each data key unwrapped and wrapped again against reading and writing the same rows; batches of one size, each durable.
pub(super) async fn figure(stage: &Stage, plan: Plan) -> Result<Figure, Exit> {
    let rewraps = Rewraps::new(&stage.config(), plan.rewrap_records).await.map_err(Exit::software)?;
    // Both sides move the same rows.
    let rewraps = Mutex::new(rewraps);
    let pass = async |with_keys| rewraps.lock().await.pass(with_keys).await.map_err(Exit::software);
    let pairs = in_turns(
        plan.rewrap_rounds,
        async || pass(true).await,
        async || pass(false).await,
        |round| tell::round(GOAL, round),
    )
    .await;
    rewraps.into_inner().close().await;
    Ok(Figure::of(GOAL, &pairs?).with_note(format!("{} records", plan.rewrap_records)))
}
