//! A whole platform with a customer who has a card and money: the demo, which goes on serving.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use bursar_proto::access::Identity;
use bursar_proto::ledger::v1::program_service_client::ProgramServiceClient;
use bursar_proto::ledger::v1::{
    ActivateCardProductRequest, DraftCardProductRequest, ListCardProductsRequest,
};
use bursar_service::client::{self, PeerChannel};
use bursar_service::tls::TlsFiles;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::bench::ledger::Ids;
use crate::bench::place::unique_name;
use crate::bench::tell;
use crate::cli::Databases;
use crate::exit::Exit;
use crate::platform::Endpoints;
use crate::store::provision;

/// Longest wait for the demo to be played.
const PLAYED_MAX: Duration = Duration::from_secs(120);
/// Longest wait for the platform to stop.
const STOP_MAX: Duration = Duration::from_secs(60);

/// The platform, and what only its customer knows.
pub(super) struct Stage {
    demo: Child,
    folder: TempDir,
    databases: Option<(String, String)>,
    pub(super) endpoints: Endpoints,
    pub(super) pan: String,
    pub(super) cvv2: String,
}

#[derive(serde::Deserialize)]
struct Secrets {
    pan: Vec<String>,
    cvv2: Vec<String>,
}

impl Stage {
    pub(super) async fn set(databases: &Databases) -> Result<Self, Exit> {
        let folder = tempfile::Builder::new().prefix("bursar-bench-").tempdir();
        let folder = folder.map_err(|error| Exit::usage(format!("no temporary folder: {error}")))?;
        let own = std::env::current_exe().map_err(|error| Exit::software(error.to_string()))?;
        let (data, secrets) = (folder.path().join("data"), folder.path().join("secrets.json"));
        tell::line("the demo is played, for a customer with a card and money");
        let mut command = Command::new(own);
        command.args(["demo", "--keep", "--json", "--ports", "free", "--data"]).arg(&data);
        command.arg("--tell-secrets").arg(&secrets);
        let databases =
            databases.database_url.clone().map(|url| (url, unique_name(&databases.database_prefix)));
        if let Some((url, prefix)) = &databases {
            command.args(["--database-url", url, "--database-prefix", prefix]);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        let mut demo = command.spawn().map_err(|error| Exit::software(error.to_string()))?;
        let known = tokio::time::timeout(PLAYED_MAX, async {
            // Told when the journey is over; the platform serves on.
            loop {
                if let Ok(text) = std::fs::read(&secrets)
                    && let Ok(known) = serde_json::from_slice::<Secrets>(&text)
                {
                    return Some(known);
                }
                if demo.try_wait().is_ok_and(|ended| ended.is_some()) {
                    return None;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await;
        let known =
            known.ok().flatten().and_then(|it| it.pan.into_iter().next().zip(it.cvv2.into_iter().next()));
        let (pan, cvv2) = known.ok_or_else(|| Exit::software("the demo did not come to its end"))?;
        let endpoints = Endpoints::read(&data)?;
        let stage = Self { demo, folder, databases, endpoints, pan, cvv2 };
        stage.unlimited().await.map_err(|status| Exit::software(format!("the card's limits: {status}")))?;
        Ok(stage)
    }

    /// Gives the card's product a version without limits.
    async fn unlimited(&self) -> Result<(), Box<dyn std::error::Error>> {
        let channel =
            self.endpoints.channel(Identity::Ledger, Identity::Operator).map_err(|exit| exit.line)?;
        let mut program = ProgramServiceClient::new(channel);
        let ids = Ids::new();
        let products = program.list_card_products(ListCardProductsRequest::default()).await?.into_inner();
        for product in products.card_products {
            let draft = DraftCardProductRequest {
                request_id: ids.next(),
                card_product_id: product.card_product_id.clone(),
                name: product.name,
                bin_range_id: product.bin_range_id,
                validity_months: product.validity_months,
                ..DraftCardProductRequest::default()
            };
            let draft =
                program.draft_card_product(draft).await?.into_inner().card_product.unwrap_or_default();
            let activate = ActivateCardProductRequest {
                request_id: ids.next(),
                card_product_id: product.card_product_id,
                version: draft.version,
            };
            program.activate_card_product(activate).await?;
        }
        Ok(())
    }

    /// A file of the platform's certificates.
    pub(super) fn tls(&self, name: &str) -> PathBuf {
        self.folder.path().join("data/tls").join(name)
    }

    /// A connection to a service as the gateway has it.
    pub(super) fn as_gateway(&self, service: Identity) -> Result<PeerChannel, Exit> {
        let files =
            TlsFiles { ca: self.tls("ca.pem"), cert: self.tls("gateway.pem"), key: self.tls("gateway.key") };
        client::operator_channel(&self.endpoints.of(service).grpc, service, &files)
            .map_err(|error| Exit::usage(error.to_string()))
    }

    /// Stops the platform and takes its databases away; the folder goes by itself.
    pub(super) async fn clear(mut self) {
        if let Some(pid) =
            self.demo.id().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?))
        {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let _ = tokio::time::timeout(STOP_MAX, self.demo.wait()).await;
        if let Some((url, prefix)) = &self.databases {
            provision::remove(url, prefix).await;
        }
    }
}
