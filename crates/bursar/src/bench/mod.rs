//! `bursar bench`: our path and its reference side by side, in one run on one machine, with durable settings.
//!
//! A figure is measured in rounds in which the two take turns; medians are compared, so that what else the machine does
//! weighs on both.

mod authorize;
mod events;
mod gateway;
mod iso8583;
mod ledger;
mod place;
mod publisher;
mod screening;
mod tell;
mod vault;
mod webhooks;

use bursar_loadgen::{Figure, plot, report};

use crate::cli::{Bench, BenchName};
use crate::exit::Exit;

/// Runs a bench on platforms of its own.
pub(crate) async fn run(arguments: &Bench) -> Result<(), Exit> {
    if matches!(arguments.name, BenchName::Screening)
        && (arguments.pairs.is_some() || arguments.people.is_some())
    {
        return screening::judge(arguments);
    }
    let name = match arguments.name {
        BenchName::Ledger => "ledger",
        BenchName::Screening => "screening",
        BenchName::Authorize => "authorize",
        BenchName::Iso8583 => "iso8583",
        BenchName::Gateway => "gateway",
        BenchName::Vault => "vault",
        BenchName::Webhooks => "webhooks",
        BenchName::Events => "events",
    };
    if !matches!(arguments.name, BenchName::Ledger | BenchName::Authorize | BenchName::Vault)
        && !arguments.only.is_empty()
    {
        return Err(Exit::usage(
            "--only names figures of the ledger, its decision or the vault: leave it out",
        ));
    }
    let figures = match arguments.name {
        BenchName::Ledger => ledger::measure(arguments).await?,
        BenchName::Screening => screening::measure(arguments).await?,
        BenchName::Authorize => authorize::measure(arguments).await?,
        BenchName::Iso8583 => iso8583::measure(arguments).await?,
        BenchName::Gateway => gateway::measure(arguments).await?,
        BenchName::Vault => vault::measure(arguments).await?,
        BenchName::Webhooks => webhooks::measure(arguments).await?,
        BenchName::Events => events::measure(arguments).await?,
    };
    let database = if matches!(arguments.name, BenchName::Iso8583 | BenchName::Screening) {
        "none"
    } else if arguments.databases.database_url.is_some() {
        "postgres"
    } else {
        "sqlite"
    };
    if let Some(path) = &arguments.plot {
        let length = if arguments.quick { "quick" } else { "full" };
        let picture = plot::svg(&format!("bursar bench {name}, {database}, {length}"), &figures);
        std::fs::write(path, picture)
            .map_err(|error| Exit::usage(format!("--plot {}: {error}", path.display())))?;
    }
    if arguments.json {
        say(&report::json(name, database, &figures));
    } else {
        say(report::table(&figures).trim_end());
    }
    let failing: Vec<String> = figures.iter().filter(|figure| !figure.holds()).map(told).collect();
    if failing.is_empty() { Ok(()) } else { Err(Exit::software(failing.join("; "))) }
}

fn told(figure: &Figure) -> String {
    format!("{} does not reach its bar {}: {:.3}", figure.goal.name, figure.goal.bar, figure.ratio())
}

#[allow(clippy::print_stdout)] // what was measured is the output
fn say(line: &str) {
    println!("{line}");
}
