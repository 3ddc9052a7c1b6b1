//! The real process, killed again and again while events come: every webhook arrives, the same event under the same id,
//! hardly any twice, and in order where that is asked for.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use bursar_proto::notifications::v1::CreateWebhookEndpointRequest;
use bursar_proto::notifications::v1::webhook_service_client::WebhookServiceClient;
use bursar_service::db::DbError;
use bursar_service::events::NewEvent;
use bursar_service::run::Running;
use bursar_service::{Identity, Supervisor, client};
use bursar_testkit::on_both_databases;
use bursar_types::id::AccountId;
use bursar_types::{Entropy as _, IdSource, OsEntropy, SeededEntropy, SystemClock};
use tokio::time::Instant;

use super::life::{Place, listener};

/// Subjects that events are about.
const SUBJECTS: usize = 20;
/// Events a second.
const RATE: u32 = 100;
/// Longest wait for what is under way at the end.
const PATIENCE: Duration = Duration::from_secs(90);

/// Kills: few in a build, many where somebody waits for it.
fn rounds() -> usize {
    #[allow(clippy::disallowed_methods)] // not configuration of ours: how long the test may take
    std::env::var("BURSAR_SOAK_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(3)
}

/// The service as a process of its own.
struct Service {
    sets: Vec<String>,
    child: Child,
}

impl Service {
    fn start(sets: Vec<String>) -> Self {
        let child = Self::spawn(&sets);
        Self { sets, child }
    }

    fn spawn(sets: &[String]) -> Child {
        let mut command = Command::new(env!("CARGO_BIN_EXE_bursar-notifications"));
        for set in sets {
            command.arg("--set").arg(set);
        }
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// SIGKILL: no line of it runs any more.
    fn kill_and_start(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = Self::spawn(&self.sets);
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn publish(ledger: &Running, subject: AccountId) {
    let chassis = ledger.chassis();
    let opened = &bursar_proto::ledger::v1::AccountOpened {
        account_id: subject.to_string(),
        asset: "CNY".into(),
        ..Default::default()
    };
    let publishing = chassis.db.write(|tx| {
        Box::pin(async move {
            chassis.events.publish(tx, NewEvent::new("ledger.account.opened", subject, opened))?;
            Ok::<_, DbError>(())
        })
    });
    publishing.await.unwrap();
}

/// A port that is free now.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

async fn declare(place: &Place, port: u16, ids: &IdSource, url: String, ordered: bool) {
    let files = place.authority.leaf(Identity::Backend).unwrap();
    let address = format!("https://127.0.0.1:{port}");
    let channel = client::operator_channel(&address, Identity::Notifications, &files).unwrap();
    let request = CreateWebhookEndpointRequest {
        request_id: ids.next_uuid().to_string(),
        url,
        event_types: vec!["ledger.account.*".into()],
        ordered,
        ..Default::default()
    };
    let late = Instant::now() + PATIENCE;
    loop {
        let mut webhooks = WebhookServiceClient::new(channel.clone());
        match webhooks.create_webhook_endpoint(request.clone()).await {
            Ok(_) => return,
            Err(status) => assert!(Instant::now() < late, "it does not serve: {status}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

on_both_databases! {
    async fn a_process_that_is_killed_again_and_again_delivers_everything(database: TestDatabase) {
        let mut seed = [0_u8; 8];
        OsEntropy.fill(&mut seed);
        let seed = u64::from_le_bytes(seed);
        eprintln!("seed {seed}");
        let dice = SeededEntropy::new(seed);
        let place = Place::new();
        let mut peers = Vec::new();
        for identity in [Identity::Identity, Identity::Vault, Identity::Ledger, Identity::Gateway] {
            peers.push(place.publisher(identity).await);
        }
        let ledger = &peers[2];
        let port = free_port();
        let mut sets = place.settings(Identity::Notifications, database.url());
        sets.push(format!("keys.master_file={}/master.key", place.folder.path().display()));
        sets.push("service.sandbox=true".into());
        sets.push(format!("service.grpc_listen=127.0.0.1:{port}"));
        sets.extend(peers.iter().map(|peer| format!("peers.{}={}", peer.chassis().identity, peer.grpc_url())));
        let mut service = Service::start(sets);

        let supervisor = Supervisor::new();
        let ids = IdSource::new(std::sync::Arc::new(SystemClock), std::sync::Arc::new(OsEntropy));
        let (plain_url, mut plain) = listener(&supervisor).await;
        let (ordered_url, mut ordered) = listener(&supervisor).await;
        declare(&place, port, &ids, plain_url, false).await;
        declare(&place, port, &ids, ordered_url, true).await;

        let subjects: Vec<AccountId> = (0..SUBJECTS).map(|_| ids.next()).collect();
        let mut published = 0_usize;
        let mut tick = tokio::time::interval(Duration::from_secs(1) / RATE);
        for _ in 0..rounds() {
            // Seven seconds of work at least: as long as the lease of the dead one and a start take, and then some.
            let mut random = [0_u8; 2];
            dice.fill(&mut random);
            let until = Instant::now() + Duration::from_millis(7_000 + u64::from(u16::from_le_bytes(random) % 4_000));
            while Instant::now() < until {
                tick.tick().await;
                publish(ledger, subjects[published % SUBJECTS]).await;
                published += 1;
            }
            service.kill_and_start();
        }

        let late = Instant::now() + PATIENCE;
        let (mut seen, mut order) = (BTreeMap::<String, usize>::new(), BTreeMap::<String, Vec<String>>::new());
        let (mut of_plain, mut of_ordered) = (0, 0);
        let mut firsts = BTreeMap::<String, usize>::new();
        while of_plain < published || of_ordered < published {
            tokio::select! {
                Some((headers, _)) = plain.recv() => {
                    let count = seen.entry(headers["webhook-id"].to_str().unwrap().to_owned()).or_default();
                    *count += 1;
                    of_plain += usize::from(*count == 1);
                }
                Some((headers, body)) = ordered.recv() => {
                    let id = headers["webhook-id"].to_str().unwrap().to_owned();
                    let count = firsts.entry(id.clone()).or_default();
                    *count += 1;
                    if *count == 1 {
                        of_ordered += 1;
                        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
                        order.entry(body["data"]["accountId"].as_str().unwrap().to_owned()).or_default().push(id);
                    }
                }
                () = tokio::time::sleep_until(late) => {
                    panic!("{of_plain} and {of_ordered} of {published} events arrived");
                }
            }
        }
        let twice: usize = seen.values().chain(firsts.values()).map(|count| count - 1).sum();
        let share = twice as f64 / (2 * published) as f64;
        eprintln!("{published} events to two endpoints, {} kills: {twice} deliveries came twice, {:.3} %", rounds(), 100.0 * share);
        // What was under way at a kill comes again: at most what comes in a quarter of a second, on a busy machine.
        let bound = 2 * RATE as usize / 4 * rounds();
        assert!(share < 0.001 || twice <= bound, "{twice} came twice, which is more than {bound}");
        let published_order = {
            use bursar_service::events::EventSource as _;
            let mut all = Vec::new();
            while all.len() < published {
                let page = ledger.chassis().events.page(all.len() as i64, 1_000).await.unwrap();
                all.extend(page);
            }
            all
        };
        for (subject, got) in order {
            let wanted: Vec<_> =
                published_order.iter().filter(|event| event.subject == subject).map(|event| event.id.clone()).collect();
            assert_eq!(got, wanted, "{subject} out of order, seed {seed}");
        }
        drop(service);
        for peer in peers {
            peer.stop().await;
        }
        supervisor.stop().await;
    }
}
