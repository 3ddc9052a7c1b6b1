//! `bursar bench`: our path and its reference side by side, in one run on one machine, with durable settings.
//!
//! A figure is measured in rounds in which the two take turns; medians are compared, so that what else the machine does
//! weighs on both.

mod ledger;

use serde::Serialize;

use crate::cli::{Bench, BenchName};
use crate::exit::Exit;
use crate::platform::{Platform, PortChoice, Setup};

/// One measured figure.
#[derive(Debug, Serialize)]
struct Figure {
    name: &'static str,
    value: f64,
    unit: &'static str,
    reference: f64,
    ratio: f64,
    bar: &'static str,
    holds: bool,
    #[serde(skip)]
    ratios: Vec<f64>,
}

/// The last line of `--json`.
#[derive(Debug, Serialize)]
struct Answer<'a> {
    bench: &'static str,
    database: &'static str,
    figures: &'a [Figure],
}

/// How long and how often each side is measured.
#[derive(Clone, Copy, Debug)]
struct Plan {
    rounds: usize,
    seconds: u64,
}

/// Runs a bench on a platform of its own.
pub(crate) async fn run(arguments: &Bench) -> Result<(), Exit> {
    let folder = tempfile::Builder::new()
        .prefix("bursar-bench-")
        .tempdir()
        .map_err(|error| Exit::usage(format!("no temporary folder: {error}")))?;
    let setup = Setup {
        data: folder.path().to_owned(),
        database_url: arguments.databases.database_url.clone(),
        database_prefix: arguments.databases.database_prefix.clone(),
        ports: PortChoice::Free,
    };
    let running = Platform::prepare(&setup).await?.start(|_| {}).await?;
    let plan = if arguments.quick { Plan { rounds: 5, seconds: 2 } } else { Plan { rounds: 9, seconds: 10 } };
    let measured = match arguments.name {
        BenchName::Ledger => ledger::measure(&running.endpoints, plan, arguments.json).await,
    };
    running.stop().await;
    let figures = measured?;
    if arguments.json {
        let database = if setup.database_url.is_some() { "postgres" } else { "sqlite" };
        let answer = Answer { bench: "ledger", database, figures: &figures };
        say(&serde_json::to_string(&answer).unwrap_or_default());
    } else {
        figures.iter().for_each(show);
    }
    match figures.iter().find(|figure| !figure.holds) {
        Some(figure) => Err(Exit::software(format!("{} does not reach its bar {}", figure.name, figure.bar))),
        None => Ok(()),
    }
}

fn show(figure: &Figure) {
    let (least, most) =
        figure.ratios.iter().fold((f64::MAX, 0.0_f64), |(low, high), r| (low.min(*r), high.max(*r)));
    say(&format!(
        "{:<12} {:>9.0} {}   reference {:>9.0}   ratio {:.2} (min {least:.2}, max {most:.2})   bar {}   {}",
        figure.name,
        figure.value,
        figure.unit,
        figure.reference,
        figure.ratio,
        figure.bar,
        if figure.holds { "holds" } else { "does not hold" }
    ));
}

/// The middle value.
fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

#[allow(clippy::print_stdout)] // what was measured is the output
fn say(line: &str) {
    println!("{line}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        assert!((median(&[9.0, 1.0, 5.0]) - 5.0).abs() < f64::EPSILON);
    }
}
