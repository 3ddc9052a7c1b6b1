//! The gateway as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    bursar_service::run::service(bursar_gateway::spec(), std::env::args_os())
}
