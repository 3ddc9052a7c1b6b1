//! `bursar up`: the platform until it is told to stop.

use std::time::Duration;

use crate::exit::Exit;
use crate::platform::{self, FleetEvent, Platform, Running, Setup};

/// How often certificates are looked at for renewal.
const RENEW_EVERY: Duration = Duration::from_secs(3_600);

/// Starts the platform and serves until SIGINT or SIGTERM.
pub(crate) async fn run(setup: &Setup) -> Result<(), Exit> {
    let stop = stop_signal()?;
    tokio::pin!(stop);
    let platform = Platform::prepare(setup).await?;
    let running = tokio::select! {
        running = platform.start(|event| tell(&event)) => running?,
        () = &mut stop => return Ok(()),
    };
    say(&format!(
        "bursar is ready: {}; {}",
        running.layout.endpoints().display(),
        running.endpoints.summary()
    ));
    serve(running, stop).await
}

/// Watches over a platform that serves until `stop`, then stops it in order.
pub(crate) async fn serve(mut running: Running, stop: impl Future<Output = ()>) -> Result<(), Exit> {
    tokio::pin!(stop);
    let mut renewal = tokio::time::interval(RENEW_EVERY);
    loop {
        tokio::select! {
            () = &mut stop => break,
            event = running.fleet.next_event() => tell(&event),
            _ = renewal.tick() => if let Err(problem) = platform::renew_certificates(&running.layout) {
                say(&format!("certificates could not be renewed: {problem}"));
            },
        }
    }
    say("stopping");
    running.stop().await;
    say("stopped");
    Ok(())
}

/// Resolves when the process is told to stop.
pub(crate) fn stop_signal() -> Result<impl Future<Output = ()>, Exit> {
    use tokio::signal::unix::{SignalKind, signal};
    let failed = |error: std::io::Error| Exit::software(format!("signals cannot be watched: {error}"));
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

fn tell(event: &FleetEvent) {
    match event {
        FleetEvent::Started { service, pid } => say(&format!("{service} started, process {pid}")),
        FleetEvent::Serving { service } => say(&format!("{service} serves")),
        FleetEvent::Died { service, how, again_in } => {
            say(&format!("{service} ended ({how}); started again in {} ms", again_in.as_millis()));
        }
        FleetEvent::Refused { service, line, .. } => say(&format!("{service}: {line}")),
    }
}

#[allow(clippy::print_stdout)] // what `up` says is its output
fn say(line: &str) {
    println!("{line}");
}
