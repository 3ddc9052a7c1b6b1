//! How long a ledger with many accounts takes to start.

use std::fs::OpenOptions;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use bursar_loadgen::{Bar, Figure, Goal, in_turns};
use bursar_proto::access::Identity;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::plan::Plan;
use super::stage::{Stage, Stopped};
use crate::bench::place::failed;
use crate::bench::tell;
use crate::exit::Exit;
use crate::store::reference::read_accounts;

/// How often the ledger is asked whether it serves.
const POLL: Duration = Duration::from_millis(2);
/// Longest wait for it.
const START_MAX: Duration = Duration::from_secs(120);
/// Longest wait for its end.
const STOP_MAX: Duration = Duration::from_secs(60);

const GOAL: Goal = Goal { name: "start", unit: "ms", bar: Bar::AtMost(3.0), aim: 1.5 };

/// From the start of the process until it serves, against a plain read of the rows of all accounts.
pub(super) async fn figure(mut stage: Stage, plan: Plan) -> Result<Figure, Exit> {
    tell::line(&format!("start: opening {} accounts", plan.start_accounts));
    if let Err(status) = stage.open_accounts(plan.start_accounts).await {
        return stage.clear(Err(failed(&status))).await;
    }
    let stopped = stage.stop().await;
    let figure = measure(&stopped, plan).await;
    stopped.place.remove().await;
    figure
}

async fn measure(stopped: &Stopped, plan: Plan) -> Result<Figure, Exit> {
    let url = database_url(&stopped.config)?;
    let pairs = in_turns(
        plan.starts,
        async || start(stopped).await,
        async || {
            let (accounts, took) = read_accounts(&url).await.map_err(Exit::software)?;
            if accounts < plan.start_accounts {
                return Err(Exit::software(format!(
                    "{accounts} accounts are stored, not {}",
                    plan.start_accounts
                )));
            }
            Ok(took.as_secs_f64() * 1e3)
        },
        |round| tell::round(GOAL, round),
    )
    .await?;
    let note = format!("{} accounts; from the start of the process until it serves", plan.start_accounts);
    Ok(Figure::of(GOAL, &pairs).with_note(note))
}

/// The address of a service's database, as its configuration has it.
pub(in crate::bench) fn database_url(config: &Path) -> Result<String, Exit> {
    let text = std::fs::read_to_string(config)
        .map_err(|error| Exit::software(format!("{}: {error}", config.display())))?;
    let table: toml::Table =
        text.parse().map_err(|error| Exit::software(format!("{}: {error}", config.display())))?;
    let url = table.get("database").and_then(|section| section.get("url")).and_then(toml::Value::as_str);
    url.map(str::to_owned).ok_or_else(|| Exit::software("the configuration names no database"))
}

/// Milliseconds from the start of a ledger until it serves; then it is stopped in good order.
async fn start(stopped: &Stopped) -> Result<f64, Exit> {
    let failed = |error: std::io::Error| Exit::software(format!("the ledger cannot be started: {error}"));
    let log = OpenOptions::new().append(true).create(true).open(&stopped.log).map_err(failed)?;
    let program = std::env::current_exe().map_err(failed)?;
    let mut health = HealthClient::new(stopped.endpoints.channel(Identity::Ledger, Identity::Operator)?);
    let began = Instant::now();
    let mut ledger = Command::new(program)
        .args(["serve", "ledger", "--die-with-parent"])
        .arg(std::process::id().to_string())
        .arg("--config")
        .arg(&stopped.config)
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(failed)?)
        .stderr(log)
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let serving = async {
        loop {
            let answer = health.check(HealthCheckRequest::default()).await;
            if answer.is_ok_and(|answer| answer.get_ref().status() == ServingStatus::Serving) {
                return;
            }
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::select! {
        served = tokio::time::timeout(START_MAX, serving) => {
            served.map_err(|_| Exit::software("the ledger did not serve in time"))?;
        }
        ended = ledger.wait() => {
            let how = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
            return Err(Exit::software(format!("the ledger ended while it started: {how}")));
        }
    }
    let took = began.elapsed();
    stop(ledger).await?;
    Ok(took.as_secs_f64() * 1e3)
}

async fn stop(mut ledger: Child) -> Result<(), Exit> {
    if let Some(pid) = ledger.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)) {
        let _ = kill_process(pid, Signal::TERM);
    }
    match tokio::time::timeout(STOP_MAX, ledger.wait()).await {
        Ok(Ok(status)) if status.success() => Ok(()),
        Ok(Ok(status)) => Err(Exit::software(format!("the ledger ended with {status}"))),
        Ok(Err(error)) => Err(Exit::software(format!("the ledger's end: {error}"))),
        Err(_) => Err(Exit::software("the ledger does not stop")),
    }
}
