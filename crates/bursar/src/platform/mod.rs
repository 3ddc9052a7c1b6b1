//! The platform on one machine: its folder, its ports, its certificates and configuration, its databases and its five
//! processes. `up` and `demo` are two ways to use it.

mod endpoints;
mod files;
mod fleet;
mod layout;
mod ports;

pub(crate) use endpoints::Endpoints;
pub(crate) use files::{certificates as renew_certificates, recall, remember};
pub(crate) use fleet::{Fleet, FleetEvent};
pub(crate) use layout::{Layout, write_private};
pub(crate) use ports::{PortChoice, Ports};

use std::path::{Path, PathBuf};

use bursar_proto::access::Identity;

use crate::exit::Exit;
use crate::store::provision;

/// The five, in the order they are started: those that are called before those that call.
pub(crate) const SERVICES: [Identity; 5] =
    [Identity::Vault, Identity::Notifications, Identity::Identity, Identity::Ledger, Identity::Gateway];

/// The folder of a platform that is started for a while.
#[derive(Debug)]
pub(crate) enum Folder {
    /// Given, and kept.
    Kept(PathBuf),
    /// Removed when this is dropped.
    Temporary(tempfile::TempDir),
}

/// The given folder, or a temporary one whose name begins with `prefix`.
pub(crate) fn folder(given: Option<&Path>, prefix: &str) -> Result<Folder, Exit> {
    match given {
        Some(data) => Ok(Folder::Kept(data.to_owned())),
        None => tempfile::Builder::new()
            .prefix(prefix)
            .tempdir()
            .map(Folder::Temporary)
            .map_err(|error| Exit::usage(format!("no temporary folder: {error}; give one with --data"))),
    }
}

impl Folder {
    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(folder) => folder.path(),
        }
    }
}

/// What a platform is made from.
#[derive(Clone, Debug)]
pub(crate) struct Setup {
    /// Folder that holds everything the platform keeps.
    pub(crate) data: PathBuf,
    /// `postgres://…` of a role that may create roles and databases; none: embedded databases in the folder.
    pub(crate) database_url: Option<String>,
    /// What the databases and roles on PostgreSQL are called: `PREFIX_identity` and so on.
    pub(crate) database_prefix: String,
    /// Which ports to take.
    pub(crate) ports: PortChoice,
}

/// A platform whose folder is prepared and locked, ready to start.
#[derive(Debug)]
pub(crate) struct Platform {
    layout: Layout,
    endpoints: Endpoints,
}

impl Platform {
    /// Prepares the folder: certificates, keys, databases, configuration. What is there already is kept.
    pub(crate) async fn prepare(setup: &Setup) -> Result<Self, Exit> {
        let layout = Layout::open(&setup.data)?;
        let ports = Ports::choose(setup.ports)?;
        files::certificates(&layout)?;
        let databases = match &setup.database_url {
            None => provision::embedded(&layout),
            Some(url) => provision::postgres(url, &setup.database_prefix, &layout).await?,
        };
        files::configurations(&layout, &ports, &databases)?;
        let endpoints = Endpoints::new(&layout, &ports);
        Ok(Self { layout, endpoints })
    }

    /// Prepares a folder for processes that somebody else starts, each on a host that is called like the service.
    pub(crate) async fn prepare_hosts(
        data: &Path,
        database_url: &str,
        database_prefix: &str,
    ) -> Result<(), Exit> {
        let layout = Layout::open(data)?;
        files::certificates(&layout)?;
        let databases = provision::postgres(database_url, database_prefix, &layout).await?;
        files::configurations(&layout, &Ports::by_host(), &databases)
    }

    /// The configuration of a service.
    pub(crate) fn config(&self, service: Identity) -> PathBuf {
        self.layout.config(service)
    }

    /// Starts the five and waits until each serves; tells the way through `tell`.
    pub(crate) async fn start(self, tell: impl FnMut(FleetEvent)) -> Result<Running, Exit> {
        self.start_only(&SERVICES, tell).await
    }

    /// As [`start`](Self::start), with some of the five: the others stay away for as long as these run.
    pub(crate) async fn start_only(
        self,
        services: &[Identity],
        tell: impl FnMut(FleetEvent),
    ) -> Result<Running, Exit> {
        let mut fleet = Fleet::start(&self.layout, services)?;
        if let Err(exit) = fleet.ready(&self.endpoints, tell).await {
            // Those that serve already stop in good order.
            fleet.stop().await;
            return Err(exit);
        }
        self.endpoints.write(&self.layout)?;
        Ok(Running { endpoints: self.endpoints, layout: self.layout, fleet })
    }
}

/// A platform that serves.
#[derive(Debug)]
pub(crate) struct Running {
    /// Where everything is.
    pub(crate) endpoints: Endpoints,
    /// Its folder; the lock on it is held as long as this lives.
    pub(crate) layout: Layout,
    /// Its processes.
    pub(crate) fleet: Fleet,
}

impl Running {
    /// Stops them in order.
    pub(crate) async fn stop(self) {
        self.endpoints.remove(&self.layout);
        self.fleet.stop().await;
    }
}
