//! `endpoints.json`: where a running platform is reached, and with which certificate. Tools, tests and examples read it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use bursar_proto::access::Identity;
use bursar_service::client::{self, PeerChannel};
use bursar_service::tls::TlsFiles;
use serde::{Deserialize, Serialize};

use super::layout::write_private;
use super::ports::local;
use super::{Layout, Ports, SERVICES};
use crate::exit::Exit;

/// Where a running platform is reached.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Endpoints {
    identity: Address,
    vault: Address,
    ledger: Address,
    notifications: Address,
    gateway: Address,
    /// ISO 8583 over TCP: `127.0.0.1:8583`.
    pub(crate) iso8583: String,
    /// HTTP: `http://127.0.0.1:8080`.
    pub(crate) http: String,
    /// HTTP and JSON over mutual TLS: `https://127.0.0.1:8443`.
    pub(crate) api: String,
    /// An operator's certificate.
    pub(crate) tls: Certificate,
    /// Certificates of the other outside callers: `backend`, `partner`.
    pub(crate) certificates: BTreeMap<String, Certificate>,
}

/// Addresses of one service.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Address {
    /// gRPC over mutual TLS: `https://127.0.0.1:7101`.
    pub(crate) grpc: String,
    /// Metrics and health over plain HTTP: `http://127.0.0.1:7201`.
    pub(crate) admin: String,
}

/// Files a caller shows, PEM.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Certificate {
    pub(crate) ca: PathBuf,
    pub(crate) cert: PathBuf,
    pub(crate) key: PathBuf,
}

impl Endpoints {
    pub(super) fn new(layout: &Layout, ports: &Ports) -> Self {
        let address = |service| Address {
            grpc: ports.address(service),
            admin: format!("http://{}", ports.admin(service)),
        };
        let certificate = |caller: Identity| {
            let files = TlsFiles::in_dir(&layout.tls(), caller.name());
            Certificate { ca: files.ca, cert: files.cert, key: files.key }
        };
        Self {
            identity: address(Identity::Identity),
            vault: address(Identity::Vault),
            ledger: address(Identity::Ledger),
            notifications: address(Identity::Notifications),
            gateway: address(Identity::Gateway),
            iso8583: local(ports.iso8583).to_string(),
            http: format!("http://{}", local(ports.http)),
            api: format!("https://{}", local(ports.api)),
            tls: certificate(Identity::Operator),
            certificates: [Identity::Backend, Identity::Partner]
                .into_iter()
                .map(|caller| (caller.name().to_owned(), certificate(caller)))
                .collect(),
        }
    }

    /// Reads the file of a platform that runs in `data`.
    pub(crate) fn read(data: &Path) -> Result<Self, Exit> {
        let path = data.join("endpoints.json");
        let text = fs::read_to_string(&path).map_err(|error| {
            Exit::unavailable(format!(
                "no platform runs in {} ({}: {error}); start one with `bursar up --data {}`",
                data.display(),
                path.display(),
                data.display()
            ))
        })?;
        serde_json::from_str(&text)
            .map_err(|error| Exit::usage(format!("{} is damaged: {error}", path.display())))
    }

    pub(super) fn write(&self, layout: &Layout) -> Result<(), Exit> {
        let text = serde_json::to_string_pretty(self)
            .map_err(|error| Exit::software(format!("endpoints.json cannot be written: {error}")))?;
        write_private(&layout.endpoints(), format!("{text}\n").as_bytes())
    }

    /// Takes the file away again: nobody should look for a platform that is gone.
    pub(super) fn remove(&self, layout: &Layout) {
        let _ = fs::remove_file(layout.endpoints());
    }

    pub(crate) fn of(&self, service: Identity) -> &Address {
        match service {
            Identity::Identity => &self.identity,
            Identity::Vault => &self.vault,
            Identity::Ledger => &self.ledger,
            Identity::Notifications => &self.notifications,
            _ => &self.gateway,
        }
    }

    /// A connection to `service` as `caller`: operator, backend or partner.
    pub(crate) fn channel(&self, service: Identity, caller: Identity) -> Result<PeerChannel, Exit> {
        let certificate = self.certificates.get(caller.name()).unwrap_or(&self.tls);
        let files = TlsFiles {
            ca: certificate.ca.clone(),
            cert: certificate.cert.clone(),
            key: certificate.key.clone(),
        };
        client::operator_channel(&self.of(service).grpc, service, &files)
            .map_err(|error| Exit::usage(error.to_string()))
    }

    /// One line that names every address.
    pub(crate) fn summary(&self) -> String {
        let mut parts: Vec<String> =
            SERVICES.iter().map(|service| format!("{service} {}", self.of(*service).grpc)).collect();
        parts.push(format!("iso8583 {}", self.iso8583));
        parts.push(format!("http {}", self.http));
        parts.join(", ")
    }
}
