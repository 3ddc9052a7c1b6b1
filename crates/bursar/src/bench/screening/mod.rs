//! Sanctions screening: how fast against scoring every entry, how well on labelled names.

mod figures;
mod lists;
mod made;
mod pairs;
mod people;

use bursar_loadgen::Figure;
use bursar_screening::{Policy, THRESHOLD_DEFAULT};

use crate::cli::Bench;
use crate::exit::Exit;

/// Measures the four figures.
pub(super) async fn measure(arguments: &Bench) -> Result<Vec<Figure>, Exit> {
    let lists = lists::of(&arguments.list)?;
    figures::measure(lists, policy(arguments), arguments.quick).await
}

/// Judges labelled names instead.
pub(super) fn judge(arguments: &Bench) -> Result<(), Exit> {
    if let Some(file) = &arguments.pairs {
        pairs::judge(file, policy(arguments), arguments.json)?;
    }
    if let Some(file) = &arguments.people {
        people::judge(file, lists::of(&arguments.list)?, policy(arguments), arguments.json)?;
    }
    Ok(())
}

fn policy(arguments: &Bench) -> Policy {
    Policy { threshold_bps: arguments.threshold.unwrap_or(THRESHOLD_DEFAULT), ..Policy::default() }
}
