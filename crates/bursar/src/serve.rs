//! `bursar serve SERVICE`: one service in the foreground, the same as its own binary.

use std::ffi::OsString;
use std::process::ExitCode;

use bursar_service::run::service;
use rustix::process::{Signal, getppid, set_parent_process_death_signal};

use crate::cli::{Serve, ServiceArgument};
use crate::exit::Exit;

/// Runs the service until it is told to stop.
pub(crate) fn run(arguments: Serve) -> ExitCode {
    if let Some(parent) = arguments.die_with_parent
        && let Err(exit) = die_with_parent(parent)
    {
        return exit.report();
    }
    let flags = std::iter::once("bursar serve".to_owned()).chain(arguments.flags).map(OsString::from);
    match arguments.service {
        ServiceArgument::Identity => service(bursar_identity::spec(), flags),
        ServiceArgument::Vault => service(bursar_vault::spec(), flags),
        ServiceArgument::Ledger => service(bursar_ledger::spec(), flags),
        ServiceArgument::Notifications => service(bursar_notifications::spec(), flags),
        ServiceArgument::Gateway => service(bursar_gateway::spec(), flags),
    }
}

/// A platform whose supervisor was killed must not go on by halves: the kernel tells us when it is gone.
fn die_with_parent(parent: u32) -> Result<(), Exit> {
    set_parent_process_death_signal(Some(Signal::TERM))
        .map_err(|error| Exit::software(format!("the parent's end cannot be watched: {error}")))?;
    // It may have ended before the line above.
    match getppid() {
        Some(now) if u32::try_from(now.as_raw_nonzero().get()) == Ok(parent) => Ok(()),
        _ => Err(Exit::unavailable("the process that started this one is gone")),
    }
}
