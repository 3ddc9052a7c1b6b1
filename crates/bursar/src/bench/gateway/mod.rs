//! The gateway: a bank's statement against the bare parser, payments from the network's wire against bare decisions.

mod acquirer;
mod authorize;
mod camt;
mod reference;
mod stage;

use std::time::Duration;

use bursar_loadgen::Figure;

use crate::cli::Bench;
use crate::exit::Exit;
use stage::Stage;

/// How often the two sides take turns, and how much each does.
#[derive(Clone, Copy, Debug)]
struct Plan {
    rounds: usize,
    turn: Duration,
    entries: u32,
}

/// Measures the three figures.
pub(super) async fn measure(arguments: &Bench) -> Result<Vec<Figure>, Exit> {
    let plan = match arguments.quick {
        true => Plan { rounds: 3, turn: Duration::from_secs(2), entries: 100_000 },
        false => Plan { rounds: 5, turn: Duration::from_secs(8), entries: 1_000_000 },
    };
    let mut figures = Vec::new();
    let stage = Stage::set(&arguments.databases).await?;
    let measured = authorize::figures(&stage, plan).await;
    stage.clear().await;
    figures.extend(measured?);
    figures.push(camt::figure(plan).await?);
    Ok(figures)
}
