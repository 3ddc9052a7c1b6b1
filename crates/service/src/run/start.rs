//! From a configuration to a process that serves, and from there to one that has stopped.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bursar_proto::access::{self, Identity};
use bursar_types::{Clock, IdSource, ShiftedClock};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

use super::{Chassis, Parts, Sources, Spec, StartError};
use crate::config::{CommonConfig, DatabaseConfig, Loaded};
use crate::db::{Db, DbOptions};
use crate::events::{EventLog, EventServer, ParkedDesk, Retention};
use crate::sandbox::SandboxClock;
use crate::server::{self, Probe, Shared};
use crate::supervisor::Supervisor;
use crate::telemetry::admin::{self, Readiness};
use crate::telemetry::metrics as names;
use crate::tls::{self, Name, Tls, TlsFiles};
use crate::token::TokenVerifier;

/// A service that serves, in this process.
#[derive(Debug)]
pub struct Running {
    chassis: Chassis,
    grpc: SocketAddr,
    admin: SocketAddr,
    health: Arc<Health>,
    served: oneshot::Receiver<()>,
}

/// Starts a service: TLS, database and schema, the service itself, then the ports. Returns once it takes calls.
///
/// # Errors
/// [`StartError`], one line that says what and what to do; nothing keeps running then.
pub async fn start<C>(spec: Spec<C>, loaded: Loaded<C>, sources: Sources) -> Result<Running, StartError> {
    let supervisor = Supervisor::new();
    match begin(spec, loaded, sources, supervisor.clone()).await {
        Ok(running) => Ok(running),
        Err(error) => {
            supervisor.stop().await;
            Err(error)
        }
    }
}

async fn begin<C>(
    spec: Spec<C>,
    loaded: Loaded<C>,
    sources: Sources,
    supervisor: Supervisor,
) -> Result<Running, StartError> {
    let Loaded { config, common, .. } = loaded;
    tls::install_provider();
    let metrics = crate::telemetry::metrics::recorder();
    let tls = own_certificates(spec.identity, &common)?;
    // Both ports are taken before anything is done that must not be done twice at once.
    let grpc = listen(common.service.grpc_listen, "service.grpc_listen").await?;
    let admin = listen(common.service.admin_listen, "service.admin_listen").await?;
    let (grpc_address, admin_address) = (address_of(&grpc)?, address_of(&admin)?);

    let readiness = Readiness::default();
    let shutdown = supervisor.shutdown();
    supervisor.spawn("admin", admin::serve(admin, metrics.clone(), readiness.clone(), shutdown.clone()));
    supervisor.spawn("certificates", tls.clone().watch(shutdown.clone()));
    supervisor.spawn("metrics", upkeep(metrics, shutdown));

    let chassis = chassis(&spec, common, sources, supervisor, tls).await?;
    let mut parts = (spec.start)(chassis.clone(), config).await?;
    let serving = parts.serving.take();
    let health = Arc::new(Health::new(spec.identity, readiness).await);
    let routes = mount(&chassis, parts, &health)?;

    let (done, served) = oneshot::channel();
    let server = server::serve(grpc, routes, Arc::new(Shared::new(&chassis)));
    chassis.supervisor.spawn_once("grpc", async move {
        server.await;
        // Nobody waits where the process was not stopped by `Running::stop`.
        let _ = done.send(());
    });
    match serving {
        None => health.set(true).await,
        Some(serving) => {
            health.set(*serving.borrow()).await;
            let (health, shutdown) = (Arc::clone(&health), chassis.draining.clone());
            chassis.supervisor.spawn_once("health", follow(health, serving, shutdown));
        }
    }
    let service = spec.identity.name();
    metrics::gauge!(names::BUILD_INFO, "service" => service, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    tracing::info!(service, grpc = %grpc_address, admin = %admin_address, sandbox = chassis.sandbox, "ready");
    Ok(Running { chassis, grpc: grpc_address, admin: admin_address, health, served })
}

impl Running {
    /// What the service was given.
    pub fn chassis(&self) -> &Chassis {
        &self.chassis
    }

    /// Address of the gRPC port.
    pub fn grpc_address(&self) -> SocketAddr {
        self.grpc
    }

    /// Address of the gRPC port as the others call it.
    pub fn grpc_url(&self) -> String {
        format!("https://{}", self.grpc)
    }

    /// Address of the admin port.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// Says NOT_SERVING, lets the calls in flight end (at most `drain_ms_max`), ends the tasks, closes the database.
    pub async fn stop(self) {
        self.health.set(false).await;
        self.chassis.draining.cancel();
        // The server bounds its own drain; an error says that it ended before.
        let _ = self.served.await;
        self.chassis.supervisor.stop().await;
        self.chassis.db.close().await;
    }
}

fn own_certificates(identity: Identity, common: &CommonConfig) -> Result<Tls, StartError> {
    let tls = Tls::load(TlsFiles::from(&common.tls))?;
    if tls.name() == Name::Peer(identity) {
        return Ok(tls);
    }
    let (cert, name, wanted) = (common.tls.cert.display(), tls.name(), Name::Peer(identity));
    Err(StartError::Configuration(format!(
        "tls.cert: {cert} is the certificate of {name}; give that of {wanted}"
    )))
}

async fn chassis<C>(
    spec: &Spec<C>,
    common: CommonConfig,
    sources: Sources,
    supervisor: Supervisor,
    tls: Tls,
) -> Result<Chassis, StartError> {
    let Sources { clock, machine_clock, entropy } = sources;
    let sandbox = common.service.sandbox;
    let shifted = Arc::new(ShiftedClock::default());
    // Tests bring clocks of their own; a sandbox process moves the machine's.
    let is_machine = Arc::ptr_eq(&clock, &machine_clock);
    let sandbox_clock = (sandbox && is_machine).then(|| Arc::clone(&shifted));
    let clock: Arc<dyn Clock> = if sandbox_clock.is_some() { shifted } else { clock };
    let db = Db::connect(&database(&common.database, spec.identity)).await?;
    crate::migrate::run(&db, spec.migrations, clock.now()).await?;
    if let Some(clock) = &sandbox_clock {
        clock.move_ahead(crate::sandbox::ahead(&db).await?);
    }
    let ids = IdSource::new(Arc::clone(&clock), Arc::clone(&entropy));
    let tokens = TokenVerifier::new(tls.clone(), Arc::clone(&machine_clock));
    let events = EventLog::open(db.clone(), spec.identity.name(), Arc::clone(&clock), ids.clone()).await?;
    supervisor.spawn("sequencer", events.clone().run_sequencer(supervisor.shutdown()));
    Ok(Chassis {
        identity: spec.identity,
        db,
        events,
        clock,
        machine_clock,
        sandbox_clock,
        entropy,
        ids,
        supervisor,
        draining: tokio_util::sync::CancellationToken::new(),
        tls,
        tokens,
        parked: ParkedDesk::default(),
        sandbox,
        common: Arc::new(common),
    })
}

fn database(config: &DatabaseConfig, identity: Identity) -> DbOptions {
    DbOptions {
        max_connections: config.max_connections,
        acquire_max: Duration::from_millis(config.acquire_ms_max),
        statement_max: Duration::from_millis(config.statement_ms_max),
        application: format!("bursar-{identity}"),
        ..DbOptions::new(config.url.expose())
    }
}

/// The service's routes with what every process serves.
fn mount(chassis: &Chassis, parts: Parts, health: &Health) -> Result<Routes, StartError> {
    let unfit = |error: tonic_reflection::server::Error| StartError::Internal(format!("reflection: {error}"));
    let reflection = || {
        let builder = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(bursar_proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .with_service_name("grpc.health.v1.Health");
        services_of(chassis.identity).fold(builder, tonic_reflection::server::Builder::with_service_name)
    };
    let shutdown = chassis.supervisor.shutdown();
    let source = match parts.event_source {
        // Who brings a log of its own keeps it.
        Some(source) => source,
        None => {
            let (log, retention) = (chassis.events.clone(), Retention::from(&chassis.common.events));
            chassis.supervisor.spawn("event retention", log.run_retention(retention, shutdown.clone()));
            Arc::new(chassis.events.clone())
        }
    };
    let events = EventServer::new(
        source,
        chassis.db.clone(),
        Arc::clone(&chassis.clock),
        chassis.supervisor.clone(),
        chassis.draining.clone(),
        chassis.parked.clone(),
    );
    chassis.supervisor.spawn("event readers", events.clone().watch_readers(shutdown));
    Ok(parts
        .routes
        .add_service(events.into_service())
        .add_service(Probe.into_service())
        .add_service(SandboxClock::of(chassis).into_service())
        .add_service(tonic_health::pb::health_server::HealthServer::new(
            tonic_health::server::HealthService::from_health_reporter(health.reporter.clone()),
        ))
        .add_service(reflection().build_v1().map_err(unfit)?)
        .add_service(reflection().build_v1alpha().map_err(unfit)?)
        .prepare())
}

/// Packages of the contract that every process serves.
const EVERYWHERE: [&str; 3] = ["event", "probe", "sandbox"];

/// The services of the contract that `identity` serves.
fn services_of(identity: Identity) -> impl Iterator<Item = &'static str> {
    let mut services: Vec<&str> = access::METHODS
        .iter()
        .map(|method| method.service)
        .filter(|service| {
            let package = service.strip_prefix("bursar.").and_then(|rest| rest.split('.').next());
            package.is_some_and(|package| package == identity.name() || EVERYWHERE.contains(&package))
        })
        .collect();
    services.dedup();
    services.into_iter()
}

/// Health over gRPC and `/readyz`, told together.
#[derive(Debug)]
struct Health {
    reporter: HealthReporter,
    readiness: Readiness,
    services: Vec<&'static str>,
}

impl Health {
    async fn new(identity: Identity, readiness: Readiness) -> Self {
        let services = std::iter::once("").chain(services_of(identity)).collect();
        let health = Self { reporter: HealthReporter::new(), readiness, services };
        health.set(false).await;
        health
    }

    async fn set(&self, serving: bool) {
        let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        for service in &self.services {
            self.reporter.set_service_status(*service, status).await;
        }
        self.readiness.set(serving);
    }
}

/// Says what `serving` says, until the process drains.
async fn follow(
    health: Arc<Health>,
    mut serving: tokio::sync::watch::Receiver<bool>,
    draining: tokio_util::sync::CancellationToken,
) {
    loop {
        tokio::select! {
            changed = serving.changed() => {
                if changed.is_err() || draining.is_cancelled() {
                    return;
                }
                let now = *serving.borrow_and_update();
                health.set(now).await;
            }
            () = draining.cancelled() => return,
        }
    }
}

async fn listen(address: SocketAddr, key: &str) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|error| {
        let what = match error.kind() {
            std::io::ErrorKind::AddrInUse => {
                "the port is in use: stop the other process or choose another".to_owned()
            }
            _ => error.to_string(),
        };
        StartError::Configuration(format!("{key}: cannot listen on {address}: {what}"))
    })
}

fn address_of(listener: &TcpListener) -> Result<SocketAddr, StartError> {
    listener.local_addr().map_err(|error| StartError::Internal(error.to_string()))
}

async fn upkeep(
    metrics: metrics_exporter_prometheus::PrometheusHandle,
    shutdown: tokio_util::sync::CancellationToken,
) {
    while tokio::time::timeout(names::UPKEEP_EVERY, shutdown.cancelled()).await.is_err() {
        metrics.run_upkeep();
    }
}
