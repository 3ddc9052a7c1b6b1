//! The ledger as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    bursar_service::run::service(bursar_ledger::spec(), std::env::args_os())
}
