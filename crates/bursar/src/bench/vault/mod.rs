//! The six figures of the vault, each a ratio: ours against what the same machine does without the vault's work.

mod calls;
mod growth;
mod issue;
mod open;
mod plan;
mod rewrap;
mod stage;
mod stream;

use bursar_loadgen::Figure;

use crate::cli::{Bench, BenchFigure};
use crate::exit::Exit;
use plan::Plan;
use stage::Stage;

/// Cards whose numbers are known to the load.
const CARDS: usize = 256;

/// Measures what was asked for, in the order of the table.
pub(super) async fn measure(arguments: &Bench) -> Result<Vec<Figure>, Exit> {
    use BenchFigure::{Growth, Issue, Open, Rewrap, VerifyCard, VerifyStream};
    let wants = |figure| arguments.only.is_empty() || arguments.only.contains(&figure);
    let plan = if arguments.quick { Plan::QUICK } else { Plan::FULL };
    let mut figures = Vec::new();
    if [VerifyCard, VerifyStream, Issue].into_iter().any(wants) {
        let stage = Stage::set(&arguments.databases, CARDS).await?;
        let measured = async {
            let mut figures = Vec::new();
            if wants(VerifyCard) {
                figures.push(calls::figure(&stage, plan).await?);
            }
            if wants(VerifyStream) {
                figures.push(stream::figure(&stage, plan).await?);
            }
            if wants(Issue) {
                figures.push(issue::figure(arguments, &stage, plan).await?);
            }
            Ok(figures)
        };
        let measured = measured.await;
        figures.extend(stage.clear(measured).await?);
    }
    if wants(Open) {
        figures.push(open::figure(plan)?);
    }
    if wants(Rewrap) {
        // Without cards of its own: what is moved is the bench's alone.
        let stage = Stage::set(&arguments.databases, 0).await?;
        let measured = rewrap::figure(&stage, plan).await;
        figures.push(stage.clear(measured).await?);
    }
    if wants(Growth) {
        let stage = Stage::set(&arguments.databases, CARDS).await?;
        let measured = growth::figure(&stage, plan).await;
        figures.push(stage.clear(measured).await?);
    }
    Ok(figures)
}
