//! The identity service as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    bursar_service::run::service(bursar_identity::spec(), std::env::args_os())
}
