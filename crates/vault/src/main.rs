//! The vault as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    bursar_service::run::service(bursar_vault::spec(), std::env::args_os())
}
