//! Where a bench's platform lies, and what goes wrong there.

use bursar_types::{Entropy as _, OsEntropy};
use tempfile::TempDir;
use tonic::Status;

use crate::cli::Databases;
use crate::exit::Exit;
use crate::platform::{PortChoice, Setup};
use crate::store::provision;

/// Where it lies.
pub(in crate::bench) struct Place {
    setup: Setup,
    _folder: TempDir,
}

impl Place {
    /// A folder, and names for databases that nobody else has.
    pub(in crate::bench) fn new(databases: &Databases) -> Result<Self, Exit> {
        let folder = tempfile::Builder::new()
            .prefix("bursar-bench-")
            .tempdir()
            .map_err(|error| Exit::usage(format!("no temporary folder: {error}")))?;
        let setup = Setup {
            data: folder.path().to_owned(),
            database_url: databases.database_url.clone(),
            database_prefix: unique_name(&databases.database_prefix),
            ports: PortChoice::Free,
        };
        Ok(Self { setup, _folder: folder })
    }

    /// What the platform is set up from.
    pub(in crate::bench) fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Takes the databases away; the folder goes by itself.
    pub(in crate::bench) async fn remove(self) {
        if let Some(url) = &self.setup.database_url {
            provision::remove(url, &self.setup.database_prefix).await;
        }
    }
}

/// `PREFIX_bench_` and six hexadecimal digits, so that benches side by side on one server do not meet.
pub(in crate::bench) fn unique_name(prefix: &str) -> String {
    let mut random = [0_u8; 3];
    OsEntropy.fill(&mut random);
    format!("{prefix}_bench_{}", data_encoding::HEXLOWER.encode(&random))
}

/// A call of the bench failed.
pub(in crate::bench) fn failed(status: &Status) -> Exit {
    let reason = bursar_service::reason_of(status).map_or("no reason", |(reason, _)| reason.as_str());
    Exit::software(format!("a call of the bench failed: {:?}, {reason}: {}", status.code(), status.message()))
}
