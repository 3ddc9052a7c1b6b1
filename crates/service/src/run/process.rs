//! The process around a service: flags, exit codes, signals.

use std::ffi::OsString;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::signal::unix::{SignalKind, signal};

use super::{EXIT_CONFIGURATION, EXIT_INTERNAL, Sources, Spec, StartError, start};
use crate::config::{self, LoadOptions, Loaded};
use crate::telemetry::Telemetry;

/// The flags of every service.
#[derive(Debug, Parser)]
struct Flags {
    /// Configuration file (TOML); lies over the built-in defaults.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One setting; lies over the file and the BURSAR_<SECTION>__<KEY> variables.
    #[arg(long = "set", value_name = "SECTION.KEY=VALUE")]
    sets: Vec<String>,
    /// Check the configuration, print it with secrets hidden, and end.
    #[arg(long)]
    check_config: bool,
    /// Ask the process that runs with this configuration whether it is ready, and end: 0 if it is, 69 if not.
    /// For the health checks of containers, whose images hold no other program.
    #[arg(long, conflicts_with = "check_config")]
    probe: bool,
}

/// Longest wait of a probe.
const PROBE_MAX: Duration = Duration::from_secs(2);

/// Runs a service as this process until it is told to stop. `args` begin with the name the process was called by.
///
/// Ends with 0 after SIGTERM or SIGINT, 64 for a configuration that cannot work, 69 where something needed is away,
/// 70 for a fault of ours; each but the first with one line on standard error.
pub fn service<C>(spec: Spec<C>, args: impl IntoIterator<Item = OsString>) -> ExitCode
where
    C: DeserializeOwned + Serialize + Send + 'static,
{
    let flags = match Flags::try_parse_from(args) {
        Ok(flags) => flags,
        Err(answer) => {
            let code = if answer.use_stderr() { EXIT_CONFIGURATION } else { 0 };
            // Nothing can be done about a closed standard output.
            let _ = answer.print();
            return ExitCode::from(code);
        }
    };
    let options = LoadOptions::from_environment(flags.config, flags.sets);
    let loaded = match config::load::<C>(spec.defaults, &options) {
        Ok(loaded) => loaded,
        Err(error) => return failed(&spec, &error.into()),
    };
    if flags.check_config {
        print(&loaded.shown);
        return ExitCode::SUCCESS;
    }
    if flags.probe {
        return match probe(loaded.common.service.admin_listen) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&spec, &StartError::Unavailable(format!("not ready: {error}"))),
        };
    }
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&spec, &StartError::Internal(format!("no runtime: {error}"))),
    };
    let code = runtime.block_on(Box::pin(live(spec, loaded)));
    // What is still blocking must not hold the exit up.
    runtime.shutdown_background();
    code
}

async fn live<C: Send + 'static>(spec: Spec<C>, loaded: Loaded<C>) -> ExitCode {
    let telemetry = match Telemetry::start(spec.identity, &loaded.common.telemetry) {
        Ok(telemetry) => telemetry,
        Err(error) => return failed(&spec, &error.into()),
    };
    quiet_panics();
    // Listened for from here on, so that a stop during the start is not lost.
    let (Ok(mut terminate), Ok(mut interrupt)) =
        (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return failed(&spec, &StartError::Internal("signals cannot be received".to_owned()));
    };
    let started = tokio::select! {
        started = Box::pin(start(spec, loaded, Sources::default())) => started,
        _ = terminate.recv() => return ExitCode::SUCCESS,
        _ = interrupt.recv() => return ExitCode::SUCCESS,
    };
    let running = match started {
        Ok(running) => running,
        Err(error) => return failed(&spec, &error),
    };
    let supervisor = running.chassis().supervisor.clone();
    let stopped_by = tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
        () = supervisor.failed() => "a task that died",
    };
    tracing::info!(by = stopped_by, "stopping");
    // A second signal ends a drain that takes too long for whoever sent it.
    tokio::select! {
        () = running.stop() => {}
        _ = terminate.recv() => tracing::warn!("stopped a second time: not waiting any longer"),
        _ = interrupt.recv() => tracing::warn!("stopped a second time: not waiting any longer"),
    }
    let code = if supervisor.has_failed() { EXIT_INTERNAL } else { 0 };
    tracing::info!(code, "stopped");
    telemetry.flush().await;
    ExitCode::from(code)
}

/// Asks the admin port of a running process for `/readyz`.
fn probe(admin: SocketAddr) -> Result<(), std::io::Error> {
    let mut address = admin;
    if address.ip().is_unspecified() {
        address.set_ip(if admin.is_ipv4() { Ipv4Addr::LOCALHOST.into() } else { Ipv6Addr::LOCALHOST.into() });
    }
    let mut stream = TcpStream::connect_timeout(&address, PROBE_MAX)?;
    stream.set_read_timeout(Some(PROBE_MAX))?;
    stream.set_write_timeout(Some(PROBE_MAX))?;
    stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut status = [0_u8; 12];
    stream.read_exact(&mut status)?;
    if status.ends_with(b" 200") {
        Ok(())
    } else {
        Err(std::io::Error::other("it answers, and says that it is not"))
    }
}

/// Panics are logged where they happened. Their text may hold anything, so only a literal one is repeated.
fn quiet_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let text = panic.payload().downcast_ref::<&'static str>().copied().unwrap_or("(text withheld)");
        tracing::error!(place, text, "panic");
    }));
}

fn failed<C>(spec: &Spec<C>, error: &StartError) -> ExitCode {
    print_error(&format!("bursar {}: {error}", spec.identity));
    ExitCode::from(error.exit_code())
}

#[allow(clippy::print_stdout)] // the answer to --check-config is the program's output, not a log line
fn print(text: &str) {
    println!("{text}");
}

#[allow(clippy::print_stderr)] // said before and after there is a log
fn print_error(line: &str) {
    eprintln!("{line}");
}
