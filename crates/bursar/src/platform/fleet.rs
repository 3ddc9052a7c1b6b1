//! The five processes: started, watched, started again with back-off when one dies, stopped in order.

use std::collections::HashMap;
use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bursar_proto::access::Identity;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::{Endpoints, Layout};
use crate::exit::{self, Exit};

/// First wait before a process that died is started again; doubled each time up to the next.
const BACKOFF_MIN: Duration = Duration::from_millis(50);
const BACKOFF_MAX: Duration = Duration::from_secs(5);
/// A process that ran so long is healthy: its next death starts with the first wait again.
const BACKOFF_RESET: Duration = Duration::from_secs(30);
/// Longest wait for a process to end by itself once asked: longer than its own drain.
const STOP_MAX: Duration = Duration::from_secs(20);
/// Longest wait until all five serve after a start.
const READY_MAX: Duration = Duration::from_secs(120);
/// How often a starting process is asked whether it serves.
const READY_POLL: Duration = Duration::from_millis(50);

/// What happens to the processes.
#[derive(Debug)]
pub(crate) enum FleetEvent {
    /// A process was started.
    Started { service: Identity, pid: u32 },
    /// A process serves for the first time.
    Serving { service: Identity },
    /// A process died and is started again after the wait.
    Died { service: Identity, how: String, again_in: Duration },
    /// A process says that it cannot run as configured: starting it again would not help.
    Refused { service: Identity, code: u8, line: String },
}

/// The five processes.
#[derive(Debug)]
pub(crate) struct Fleet {
    members: Vec<Member>,
    events: mpsc::UnboundedReceiver<FleetEvent>,
    pids: Pids,
}

#[derive(Debug)]
struct Member {
    service: Identity,
    stop: CancellationToken,
    watch: JoinSet<()>,
}

type Pids = Arc<Mutex<HashMap<Identity, u32>>>;

/// Everything needed to start one process, again and again.
struct Recipe {
    service: Identity,
    program: PathBuf,
    config: PathBuf,
    log: PathBuf,
    events: mpsc::UnboundedSender<FleetEvent>,
    pids: Pids,
}

impl Fleet {
    /// Starts these services.
    pub(super) fn start(layout: &Layout, services: &[Identity]) -> Result<Self, Exit> {
        let program = std::env::current_exe()
            .map_err(|error| Exit::software(format!("the path of this program is not known: {error}")))?;
        let (sender, events) = mpsc::unbounded_channel();
        let pids = Pids::default();
        let members = services
            .iter()
            .map(|service| {
                let recipe = Recipe {
                    service: *service,
                    program: program.clone(),
                    config: layout.config(*service),
                    log: layout.log(*service),
                    events: sender.clone(),
                    pids: Arc::clone(&pids),
                };
                let stop = CancellationToken::new();
                let mut watch = JoinSet::new();
                watch.spawn(keep_running(recipe, stop.clone()));
                Member { service: *service, stop, watch }
            })
            .collect();
        Ok(Self { members, events, pids })
    }

    /// Process ids, by service.
    pub(crate) fn pids(&self) -> HashMap<Identity, u32> {
        self.pids.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The next thing that happens; never ends while the fleet lives.
    pub(crate) async fn next_event(&mut self) -> FleetEvent {
        match self.events.recv().await {
            Some(event) => event,
            None => std::future::pending().await,
        }
    }

    /// Waits until each process serves, or one refuses to.
    pub(super) async fn ready(
        &mut self,
        endpoints: &Endpoints,
        mut tell: impl FnMut(FleetEvent),
    ) -> Result<(), Exit> {
        let mut waiting = JoinSet::new();
        for service in self.members.iter().map(|member| member.service) {
            let mut health = HealthClient::new(endpoints.channel(service, Identity::Operator)?);
            waiting.spawn(async move {
                loop {
                    let answer = health.check(HealthCheckRequest::default()).await;
                    if answer.is_ok_and(|answer| answer.get_ref().status() == ServingStatus::Serving) {
                        return service;
                    }
                    tokio::time::sleep(READY_POLL).await;
                }
            });
        }
        let late = Instant::now() + READY_MAX;
        while !waiting.is_empty() {
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(FleetEvent::Refused { service, code, line }) => {
                        return Err(Exit { code, line: format!("{service}: {line}") });
                    }
                    Some(event) => tell(event),
                    None => return Err(Exit::software("the processes ended")),
                },
                served = waiting.join_next() => if let Some(Ok(service)) = served {
                    tell(FleetEvent::Serving { service });
                },
                () = tokio::time::sleep_until(late) => {
                    return Err(Exit::unavailable(format!(
                        "the platform did not serve within {} s; look into the log folder", READY_MAX.as_secs()
                    )));
                }
            }
        }
        Ok(())
    }

    /// Stops the callers before those they call, each with time to finish its work.
    pub(crate) async fn stop(self) {
        for mut member in self.members.into_iter().rev() {
            member.stop.cancel();
            while member.watch.join_next().await.is_some() {}
        }
    }
}

async fn keep_running(recipe: Recipe, stop: CancellationToken) {
    let mut backoff = BACKOFF_MIN;
    loop {
        let started = Instant::now();
        let how = match start(&recipe) {
            Err(error) => format!("cannot be started: {error}"),
            Ok(mut child) => {
                let pid = child.id().unwrap_or_default();
                recipe.pids.lock().unwrap_or_else(PoisonError::into_inner).insert(recipe.service, pid);
                recipe.tell(FleetEvent::Started { service: recipe.service, pid });
                let status = tokio::select! {
                    status = child.wait() => status,
                    () = stop.cancelled() => return end(child).await,
                };
                match status {
                    Ok(status) => {
                        if let Some(code) = refusal(status) {
                            let line = last_line(&recipe.log, recipe.service);
                            recipe.tell(FleetEvent::Refused { service: recipe.service, code, line });
                        }
                        status.to_string()
                    }
                    Err(error) => error.to_string(),
                }
            }
        };
        if started.elapsed() >= BACKOFF_RESET {
            backoff = BACKOFF_MIN;
        }
        recipe.tell(FleetEvent::Died { service: recipe.service, how, again_in: backoff });
        tokio::select! {
            () = tokio::time::sleep(backoff) => {}
            () = stop.cancelled() => return,
        }
        backoff = (backoff * 2).min(BACKOFF_MAX);
    }
}

impl Recipe {
    fn tell(&self, event: FleetEvent) {
        // Nobody listens any more once the fleet is being stopped.
        let _ = self.events.send(event);
    }
}

/// Whether an end means "not as configured" or "something I need is away", and not a crash.
fn refusal(status: ExitStatus) -> Option<u8> {
    let code = u8::try_from(status.code()?).ok()?;
    [exit::USAGE, exit::UNAVAILABLE].contains(&code).then_some(code)
}

fn start(recipe: &Recipe) -> std::io::Result<Child> {
    let log = OpenOptions::new().create(true).append(true).mode(0o600).open(&recipe.log)?;
    Command::new(&recipe.program)
        .arg("serve")
        .arg(recipe.service.name())
        .arg("--die-with-parent")
        .arg(std::process::id().to_string())
        .arg("--config")
        .arg(&recipe.config)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        // A terminal's Ctrl-C is for us: we stop them in order.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

async fn end(mut child: Child) {
    let pid = child.id().and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    if let Some(pid) = pid {
        let _ = kill_process(pid, Signal::TERM);
    }
    if tokio::time::timeout(STOP_MAX, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
}

/// The last line a process wrote, where it says why it ended.
fn last_line(log: &Path, service: Identity) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let line = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it did not say why");
    line.trim().trim_start_matches(&format!("bursar {service}: ")).to_owned()
}
