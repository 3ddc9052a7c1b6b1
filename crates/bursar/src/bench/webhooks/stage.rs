//! A notifications service of the bench's own, its endpoints, and who publishes what they are told.

use std::time::{Duration, Instant};

use bursar_proto::access::Identity;
use bursar_proto::notifications::v1::CreateWebhookEndpointRequest;
use bursar_proto::notifications::v1::webhook_service_client::WebhookServiceClient;
use bursar_service::tls::TlsFiles;
use bursar_types::{IdSource, OsEntropy, SystemClock};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::bench::place::{Place, failed};
use crate::bench::publisher::{EVENT_TYPE, Publisher};
use crate::bench::tell;
use crate::cli::Databases;
use crate::exit::Exit;
use crate::platform::{Platform, Running};

/// Endpoints, as the figures have them.
pub(super) const ENDPOINTS: usize = 50;

/// How often the service is asked how far it is.
const ASK_EVERY: Duration = Duration::from_millis(20);
/// Longest wait for it.
const PATIENCE: Duration = Duration::from_secs(300);
/// Lines of its log that are told when something fails.
const COMPLAINTS_MAX: usize = 10;

/// A notifications service that reads the log of one publisher.
pub(super) struct Stage {
    running: Running,
    place: Place,
    publisher: Publisher,
}

impl Stage {
    /// Starts both and declares the endpoints at `urls`.
    pub(super) async fn set(databases: &Databases, urls: &[String]) -> Result<Self, Exit> {
        let place = Place::new(databases)?;
        let running =
            Platform::prepare(place.setup()).await?.start_only(&[Identity::Notifications], |_| {}).await?;
        let publisher = match publisher(&running) {
            Ok(publisher) => publisher,
            Err(exit) => {
                running.stop().await;
                place.remove().await;
                return Err(exit);
            }
        };
        let stage = Self { running, place, publisher };
        match stage.declare(urls).await {
            Ok(()) => Ok(stage),
            Err(exit) => stage.clear(Err(exit)).await,
        }
    }

    async fn declare(&self, urls: &[String]) -> Result<(), Exit> {
        let ids = IdSource::new(std::sync::Arc::new(SystemClock), std::sync::Arc::new(OsEntropy));
        let channel = self.running.endpoints.channel(Identity::Notifications, Identity::Operator)?;
        let mut client = WebhookServiceClient::new(channel);
        for url in urls {
            let request = CreateWebhookEndpointRequest {
                request_id: ids.next_uuid().to_string(),
                url: url.clone(),
                event_types: vec![EVENT_TYPE.to_owned()],
                ..CreateWebhookEndpointRequest::default()
            };
            client.create_webhook_endpoint(request).await.map_err(|status| failed(&status))?;
        }
        Ok(())
    }

    /// Publishes so many events.
    pub(super) async fn publish(&self, events: usize) -> Result<(), Exit> {
        self.publisher.publish(events).await
    }

    /// Waits until `wanted` deliveries are written down as delivered, from the start of the service on.
    pub(super) async fn delivered(&self, wanted: u64) -> Result<(), Exit> {
        self.until("deliveries", wanted, "bursar_webhook_attempts_total{result=\"delivered\"}").await
    }

    /// Waits until the service has applied `wanted` events.
    pub(super) async fn applied(&self, wanted: u64) -> Result<(), Exit> {
        self.until("events", wanted, "bursar_webhook_events_total").await
    }

    async fn until(&self, what: &str, wanted: u64, metric: &str) -> Result<(), Exit> {
        let late = Instant::now() + PATIENCE;
        loop {
            let there = self.metric(metric).await?;
            if there >= wanted {
                return Ok(());
            }
            if Instant::now() > late {
                return Err(Exit::software(format!("{there} {what} are through, not {wanted}")));
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    /// The value of a counter of the service.
    async fn metric(&self, name: &str) -> Result<u64, Exit> {
        let failed = |error: std::io::Error| Exit::software(format!("the service's metrics: {error}"));
        let admin = &self.running.endpoints.of(Identity::Notifications).admin;
        let address = admin.trim_start_matches("http://");
        let mut stream = TcpStream::connect(address).await.map_err(failed)?;
        let request = format!("GET /metrics HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.map_err(failed)?;
        let mut page = Vec::new();
        stream.read_to_end(&mut page).await.map_err(failed)?;
        let page = String::from_utf8_lossy(&page);
        let value = page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
        Ok(value.unwrap_or(0))
    }

    /// Bytes of memory the service holds.
    pub(super) fn resident_bytes(&self) -> Result<u64, Exit> {
        let pids = self.running.fleet.pids();
        let pid = pids.get(&Identity::Notifications).copied().unwrap_or_default();
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).map_err(|error| {
            Exit::unavailable(format!("the memory of a process cannot be read here: {error}"))
        })?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = line.and_then(|line| line.trim().trim_end_matches("kB").trim().parse::<u64>().ok());
        kilobytes.map(|kilobytes| kilobytes * 1024).ok_or_else(|| Exit::unavailable("VmRSS is not told"))
    }

    /// Stops both and takes everything away; where the bench did not get through, what the service complained of last
    /// is told before.
    pub(super) async fn clear<T>(self, measured: Result<T, Exit>) -> Result<T, Exit> {
        if measured.is_err() {
            let log = std::fs::read(self.running.layout.log(Identity::Notifications)).unwrap_or_default();
            let log = String::from_utf8_lossy(&log);
            let complaints = log.lines().filter(|line| line.contains("WARN") || line.contains("ERROR"));
            let complaints: Vec<&str> = complaints.collect();
            for line in &complaints[complaints.len().saturating_sub(COMPLAINTS_MAX)..] {
                tell::line(&format!("notifications: {line}"));
            }
        }
        self.running.stop().await;
        drop(self.publisher);
        self.place.remove().await;
        measured
    }
}

/// Stands where the ledger would, with its certificate and at its address.
fn publisher(running: &Running) -> Result<Publisher, Exit> {
    let files = TlsFiles::in_dir(&running.layout.tls(), Identity::Ledger.name());
    let address = running.endpoints.of(Identity::Ledger);
    let sets = vec![
        format!("tls.ca={}", files.ca.display()),
        format!("tls.cert={}", files.cert.display()),
        format!("tls.key={}", files.key.display()),
        format!("service.grpc_listen={}", address.grpc.trim_start_matches("https://")),
        format!("service.admin_listen={}", address.admin.trim_start_matches("http://")),
        format!("database.url=sqlite://{}", running.layout.root().join("publisher.db").display()),
    ];
    Publisher::start(Identity::Ledger, sets)
}
