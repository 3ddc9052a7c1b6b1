//! The sections that every service has; `default.toml` beside this crate's sources is their reference.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use bursar_proto::access::Identity;
use serde::{Deserialize, Serialize};

use super::{ConfigError, Secret};

/// The sections that every service has. Embed it with `#[serde(flatten)]`, or leave it out: the chassis reads it
/// from the same layers by itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct CommonConfig {
    /// The process itself.
    pub service: ServiceConfig,
    /// Certificates.
    pub tls: TlsConfig,
    /// The database.
    pub database: DatabaseConfig,
    /// Logs, traces and metrics.
    pub telemetry: TelemetryConfig,
    /// The event log.
    pub events: EventsConfig,
    /// The other services.
    #[serde(default)]
    pub peers: PeersConfig,
}

/// `[events]`
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct EventsConfig {
    /// How long events are kept, in hours.
    pub keep_hours: u32,
    /// How long they are kept for a registered reader that has not taken them, in hours.
    pub hold_hours: u32,
}

/// `[service]`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ServiceConfig {
    /// Address of the gRPC port.
    pub grpc_listen: SocketAddr,
    /// Address of the admin port.
    pub admin_listen: SocketAddr,
    /// Whether this is a sandbox.
    pub sandbox: bool,
    /// Calls worked on at once.
    pub max_concurrent_calls: usize,
    /// Deadline of a call whose caller sets none, in milliseconds.
    pub default_deadline_ms: u64,
    /// Longest drain at a stop, in milliseconds.
    pub drain_ms_max: u64,
    /// Largest request message, in bytes.
    pub max_message_bytes: usize,
}

impl ServiceConfig {
    /// Deadline of a call whose caller sets none.
    pub fn default_deadline(&self) -> Duration {
        Duration::from_millis(self.default_deadline_ms)
    }

    /// Longest drain at a stop.
    pub fn drain_max(&self) -> Duration {
        Duration::from_millis(self.drain_ms_max)
    }
}

/// `[tls]`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TlsConfig {
    /// The authority's certificate (PEM).
    pub ca: PathBuf,
    /// This process' certificate (PEM).
    pub cert: PathBuf,
    /// Its private key (PEM, PKCS #8).
    pub key: PathBuf,
}

/// `[database]`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct DatabaseConfig {
    /// `sqlite://path` or `postgres://…`.
    pub url: Secret,
    /// Most connections at once.
    pub max_connections: u32,
    /// Longest wait for a connection, in milliseconds.
    pub acquire_ms_max: u64,
    /// Longest time of one statement on PostgreSQL, in milliseconds.
    pub statement_ms_max: u64,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For eyes.
    Human,
    /// One JSON object a line.
    Json,
}

/// `[telemetry]`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct TelemetryConfig {
    /// How log lines look.
    pub log: LogFormat,
    /// What is logged: a level or directives.
    pub level: String,
    /// OTLP/gRPC collector for traces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub otlp_endpoint: Option<String>,
    /// Share of calls traced where the caller has not decided, in thousandths.
    pub trace_per_mille: u16,
}

/// `[peers]`: addresses as `https://host:port`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)] // each field is the address of the service it names
pub struct PeersConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vault: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ledger: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notifications: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
}

impl PeersConfig {
    /// The address of `peer`.
    ///
    /// # Errors
    /// [`ConfigError`] that names the key to set, if it is not set.
    pub fn address(&self, peer: Identity) -> Result<&str, ConfigError> {
        let address = match peer {
            Identity::Identity => &self.identity,
            Identity::Vault => &self.vault,
            Identity::Ledger => &self.ledger,
            Identity::Notifications => &self.notifications,
            Identity::Gateway => &self.gateway,
            Identity::Backend | Identity::Operator | Identity::Partner => &None,
        };
        address.as_deref().ok_or_else(|| {
            ConfigError::new(format!("peers.{peer} is not set: give the address as https://HOST:PORT"))
        })
    }
}

impl CommonConfig {
    /// What types alone do not check.
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let service = &self.service;
        within("service.max_concurrent_calls", service.max_concurrent_calls, 1, 100_000)?;
        within("service.default_deadline_ms", service.default_deadline_ms, 1, 3_600_000)?;
        within("service.drain_ms_max", service.drain_ms_max, 0, 600_000)?;
        within("service.max_message_bytes", service.max_message_bytes, 1_024, 256 * 1024 * 1024)?;
        within("database.max_connections", self.database.max_connections, 1, 1_000)?;
        within("database.acquire_ms_max", self.database.acquire_ms_max, 1, 600_000)?;
        within("database.statement_ms_max", self.database.statement_ms_max, 1, 3_600_000)?;
        within("events.keep_hours", self.events.keep_hours, 1, 1_000_000)?;
        within("events.hold_hours", self.events.hold_hours, self.events.keep_hours, 1_000_000)?;
        within("telemetry.trace_per_mille", self.telemetry.trace_per_mille, 0, 1_000)?;
        for peer in Identity::ALL {
            if let Ok(address) = self.peers.address(peer) {
                crate::client::parse_address(address)
                    .map_err(|problem| ConfigError::new(format!("peers.{peer}: {problem}")))?;
            }
        }
        Ok(())
    }
}

fn within<N: PartialOrd + Copy + std::fmt::Display>(
    key: &str,
    value: N,
    least: N,
    most: N,
) -> Result<(), ConfigError> {
    if value >= least && value <= most {
        return Ok(());
    }
    Err(ConfigError::new(format!("{key} is {value}: give a number from {least} to {most}")))
}
