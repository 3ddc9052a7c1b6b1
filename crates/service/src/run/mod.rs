//! The life of a process: flags, configuration, everything the chassis gives, the service's own start, ready, serve,
//! drain, stop. Every `main.rs` and `bursar serve …` goes through [`service`].

mod chassis;
mod process;
mod start;

use std::sync::Arc;

use bursar_proto::access::Identity;
use bursar_types::{Clock, Entropy};
use futures::future::BoxFuture;
use tonic::service::Routes;

use crate::config::ConfigError;

pub use chassis::Chassis;
pub use process::service;
pub use start::{Running, start};

/// Exit code of a wrong configuration (EX_USAGE of sysexits.h).
pub const EXIT_CONFIGURATION: u8 = 64;
/// Exit code where something needed is away (EX_UNAVAILABLE).
pub const EXIT_UNAVAILABLE: u8 = 69;
/// Exit code of a fault of ours (EX_SOFTWARE).
pub const EXIT_INTERNAL: u8 = 70;

/// What makes one service of the five: a constant in its `lib.rs`, by convention `pub fn spec() -> Spec<Config>`.
pub struct Spec<C> {
    /// Which service.
    pub identity: Identity,
    /// Its commented default.toml, embedded.
    pub defaults: &'static str,
    /// The schema of its database.
    pub migrations: &'static [crate::migrate::Migration],
    /// Makes the service from the chassis and its own configuration. Background work goes to
    /// [`Chassis::supervisor`].
    pub start: fn(Chassis, C) -> BoxFuture<'static, Result<Parts, StartError>>,
}

impl<C> Clone for Spec<C> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for Spec<C> {}

impl<C> std::fmt::Debug for Spec<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Spec").field("identity", &self.identity).finish_non_exhaustive()
    }
}

/// What a service gives back: what it serves.
pub struct Parts {
    pub(crate) routes: Routes,
    pub(crate) event_source: Option<Arc<dyn crate::events::EventSource>>,
    pub(crate) serving: Option<tokio::sync::watch::Receiver<bool>>,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Parts")
    }
}

impl Parts {
    /// The gRPC services: `Routes::new(FooServer::new(foo)).add_service(…)`. Health, reflection, the event
    /// service, the probe and the sandbox's clock are added by the chassis.
    pub fn new(routes: Routes) -> Self {
        Self { routes, event_source: None, serving: None }
    }

    /// Says that the process serves while `serving` holds `true`, and not from its start on: a vault is sealed then.
    #[must_use]
    pub fn with_serving(mut self, serving: tokio::sync::watch::Receiver<bool>) -> Self {
        self.serving = Some(serving);
        self
    }

    /// Serves the event log from `source` in place of [`Chassis::events`]: the ledger's log is its journal.
    #[must_use]
    pub fn with_event_source(mut self, source: Arc<dyn crate::events::EventSource>) -> Self {
        self.event_source = Some(source);
        self
    }
}

/// Why a process did not start: one line, and the exit code by kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StartError {
    /// The operator must change something: exit code 64.
    #[error("{0}")]
    Configuration(String),
    /// Something needed is away; a later start may succeed: exit code 69.
    #[error("{0}")]
    Unavailable(String),
    /// A fault of ours: exit code 70.
    #[error("{0}")]
    Internal(String),
}

impl StartError {
    /// The exit code.
    pub const fn exit_code(&self) -> u8 {
        match self {
            Self::Configuration(_) => EXIT_CONFIGURATION,
            Self::Unavailable(_) => EXIT_UNAVAILABLE,
            Self::Internal(_) => EXIT_INTERNAL,
        }
    }
}

impl From<ConfigError> for StartError {
    fn from(error: ConfigError) -> Self {
        Self::Configuration(error.to_string())
    }
}

impl From<crate::db::DbError> for StartError {
    fn from(error: crate::db::DbError) -> Self {
        match error.exit_code() {
            EXIT_CONFIGURATION => Self::Configuration(error.to_string()),
            EXIT_UNAVAILABLE => Self::Unavailable(error.to_string()),
            _ => Self::Internal(error.to_string()),
        }
    }
}

/// Time and randomness of a process, for tests that must control them. [`Sources::default`] is the machine's.
#[derive(Clone, Debug)]
pub struct Sources {
    /// The platform's time.
    pub clock: Arc<dyn Clock>,
    /// The machine's time.
    pub machine_clock: Arc<dyn Clock>,
    /// Randomness.
    pub entropy: Arc<dyn Entropy>,
}

impl Default for Sources {
    fn default() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(bursar_types::SystemClock);
        Self { machine_clock: Arc::clone(&clock), clock, entropy: Arc::new(bursar_types::OsEntropy) }
    }
}
