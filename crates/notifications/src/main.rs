//! The notifications process.

use std::process::ExitCode;

fn main() -> ExitCode {
    bursar_service::run::service(bursar_notifications::spec(), std::env::args_os())
}
