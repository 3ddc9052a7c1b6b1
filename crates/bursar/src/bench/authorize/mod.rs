//! The five figures of the authorization decision: what it costs over the wire, on a stream, at half of the highest
//! rate, by itself, and with many cards.

mod calls;
mod decision;
mod growth;
mod holder;
mod plan;
mod stage;
mod stream;

use bursar_loadgen::Figure;

use crate::cli::{Bench, BenchFigure};
use crate::exit::Exit;
use plan::Plan;
use stage::Stage;

/// Measures what was asked for, in the order of the table.
pub(super) async fn measure(arguments: &Bench) -> Result<Vec<Figure>, Exit> {
    use BenchFigure::{Authorize256, AuthorizeP99, AuthorizeStream, Decision, Growth};
    let wants = |figure| arguments.only.is_empty() || arguments.only.contains(&figure);
    let plan = if arguments.quick { Plan::QUICK } else { Plan::FULL };
    let mut figures = Vec::new();
    if wants(Decision) {
        figures.push(decision::figure(plan)?);
    }
    if [Authorize256, AuthorizeStream, AuthorizeP99, Growth].into_iter().any(wants) {
        let mut stage = Stage::set(&arguments.databases, plan.cards).await?;
        let measured = async {
            let mut figures = Vec::new();
            let mut most = None;
            if wants(Authorize256) || wants(AuthorizeP99) {
                let figure = calls::figure(&stage, plan).await?;
                most = Some(figure.value);
                figures.extend(Some(figure).filter(|_| wants(Authorize256)));
            }
            if wants(AuthorizeStream) {
                figures.push(stream::figure(&stage, plan).await?);
            }
            if let Some(most) = most.filter(|_| wants(AuthorizeP99)) {
                figures.push(calls::p99(&stage, plan, most).await?);
            }
            // Last: it makes many more cards.
            if wants(Growth) {
                figures.push(growth::figure(&mut stage, plan).await?);
            }
            Ok(figures)
        };
        let measured = measured.await;
        figures.extend(stage.clear(measured).await?);
    }
    Ok(figures)
}
