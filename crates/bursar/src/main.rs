//! The command people run. It starts the five processes and speaks to them as anybody outside would; what money, cards
//! and people are, it leaves to them.

mod bench;
mod cli;
mod clock;
mod demo;
mod doctor;
mod exit;
mod iso8583;
mod ledger;
mod outside;
mod platform;
mod sandbox;
mod scenario;
mod serve;
mod store;
mod up;
mod vault;

use std::process::ExitCode;

use clap::Parser as _;

use cli::{Cli, Command};
use exit::Exit;
use platform::Platform;

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Command::Serve(arguments) = cli.command {
        return serve::run(arguments);
    }
    bursar_service::tls::install_provider();
    let mut builder = match &cli.command {
        // One thread loads a server on the same machine better than several: fewer of them wait for each other.
        Command::Bench(_) => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = match builder.enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return Exit::software(format!("the runtime does not start: {error}")).report(),
    };
    let done = runtime.block_on(async {
        match &cli.command {
            Command::Demo(arguments) => demo::run(arguments).await,
            Command::Up(arguments) => up::run(&arguments.setup()).await,
            Command::Init(arguments) => {
                Platform::prepare_hosts(
                    &arguments.place.data,
                    &arguments.database_url,
                    &arguments.database_prefix,
                )
                .await
            }
            Command::Ledger(cli::Ledger::Verify(arguments)) => ledger::verify(arguments).await,
            Command::Ledger(cli::Ledger::Receipt(arguments)) => ledger::receipt(arguments).await,
            Command::Ledger(cli::Ledger::Checkpoint(arguments)) => ledger::checkpoint(arguments).await,
            Command::Ledger(cli::Ledger::Check(arguments)) => ledger::check(arguments).await,
            Command::Iso8583(command) => iso8583::run(command),
            Command::Sandbox(command) => sandbox::run(command).await,
            Command::Vault(command) => vault::run(command).await,
            Command::Bench(arguments) => bench::run(arguments).await,
            Command::Clock(arguments) => clock::run(arguments).await,
            Command::Scenario(arguments) => scenario::run(arguments).await,
            Command::Doctor(arguments) => doctor::run(arguments).await,
            Command::Serve(_) => Ok(()),
        }
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(exit) => exit.report(),
    }
}
