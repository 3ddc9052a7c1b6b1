//! The tasks of this repository. `cargo xtask test` is all a newcomer types; `.ci/run` types the same.

mod install;
mod peers;
mod postgres;
mod run;
mod soak;
mod test;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Tasks of the Bursar repository.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Formatting, lints, every test on both databases, and the journeys in real processes.
    #[command(
        after_help = "Examples:\n  cargo xtask test\n  cargo xtask test --peers     only what needs foreign peers"
    )]
    Test {
        /// Run the tests that need programs of others, which are installed first (Debian, PyPI, npm, crates.io).
        #[arg(long)]
        peers: bool,
    },
    /// Formatting and lints alone.
    Lint,
    /// The long forms of the fault tests.
    Soak,
    /// A PostgreSQL of your own to measure on, durable and empty, until Ctrl-C.
    #[command(
        after_help = "Examples:\n  cargo xtask postgres          prints its URL\n  then, in another shell: cargo run --release -- bench ledger --database-url URL"
    )]
    Postgres,
    /// Licences, bans, sources, and the advisory database (needs the open internet).
    Advisories,
}

fn main() -> ExitCode {
    let done = match Cli::parse().task {
        Task::Test { peers: false } => test::all(),
        Task::Test { peers: true } => peers::all(),
        Task::Lint => test::lint(),
        Task::Soak => soak::all(),
        Task::Postgres => postgres::serve(),
        Task::Advisories => peers::advisories(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            run::say(&format!("✗ {problem}"));
            ExitCode::FAILURE
        }
    }
}
