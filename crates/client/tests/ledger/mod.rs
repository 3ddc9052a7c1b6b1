//! A ledger that can be stopped and started again, and a network that breaks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use bursar_client::{Money, proto};
use bursar_ledger::spec;
use bursar_proto::ledger::v1::account_service_client::AccountServiceClient;
use bursar_proto::ledger::v1::books_service_client::BooksServiceClient;
use bursar_service::cert::Authority;
use bursar_service::config::{LoadOptions, load};
use bursar_service::run::{self, Running, Sources};
use bursar_service::{Identity, PeerChannel, client};
use bursar_testkit::TestDatabase;
use bursar_types::{IdSource, OsEntropy, SystemClock};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

pub(crate) fn points(minor_units: i64) -> Option<Money> {
    Some(Money { minor_units, asset: "POINTS".into() })
}

/// A ledger's database, certificates and port.
pub(crate) struct Ledger {
    database: TestDatabase,
    folder: TempDir,
    authority: Authority,
    port: u16,
}

impl Ledger {
    pub(crate) fn new(database: TestDatabase) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::open(folder.path(), Arc::new(SystemClock)).unwrap();
        authority.leaf(Identity::Ledger).unwrap();
        authority.signing(Identity::Ledger).unwrap();
        // Free a moment ago: the port stays the same over restarts.
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { database, folder, authority, port }
    }

    pub(crate) async fn start(&self) -> Running {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let sets = vec![
            format!("service.grpc_listen=127.0.0.1:{}", self.port),
            "service.admin_listen=127.0.0.1:0".to_owned(),
            format!("tls.ca={}", path("ca.pem")),
            format!("tls.cert={}", path("ledger.pem")),
            format!("tls.key={}", path("ledger.key")),
            format!("signing.cert={}", path("ledger-signing.pem")),
            format!("signing.key={}", path("ledger-signing.key")),
            format!("database.url={}", self.database.url()),
            // Nobody listens there.
            "peers.identity=https://127.0.0.1:1".to_owned(),
            "peers.vault=https://127.0.0.1:1".to_owned(),
        ];
        let options = LoadOptions { file: None, sets, variables: Vec::new() };
        let spec = spec();
        let loaded = load(spec.defaults, &options).unwrap();
        run::start(spec, loaded, Sources::default()).await.unwrap()
    }

    pub(crate) fn channel(&self, caller: Identity) -> PeerChannel {
        self.channel_to(self.port, caller)
    }

    pub(crate) fn channel_to(&self, port: u16, caller: Identity) -> PeerChannel {
        let files = self.authority.leaf(caller).unwrap();
        client::operator_channel(&format!("https://127.0.0.1:{port}"), Identity::Ledger, &files).unwrap()
    }

    /// An account of the program's own without a limit.
    pub(crate) async fn account(&self) -> String {
        let ids = IdSource::new(Arc::new(SystemClock), Arc::new(OsEntropy));
        let request = proto::CreateAccountRequest {
            request_id: ids.next_uuid().to_string(),
            asset: "POINTS".into(),
            normal_side: proto::NormalSide::Credit.into(),
            limit: Some(proto::BalanceLimit { bound: Some(proto::balance_limit::Bound::Unlimited(true)) }),
            code: 1_000,
            ..Default::default()
        };
        let mut accounts = AccountServiceClient::new(self.channel(Identity::Operator));
        accounts.create_account(request).await.unwrap().into_inner().account.unwrap().account_id
    }

    pub(crate) async fn posted(&self, account: &str) -> i64 {
        let request = proto::GetAccountRequest { account_id: account.into(), at_least_position: 0 };
        let mut accounts = AccountServiceClient::new(self.channel(Identity::Operator));
        accounts.get_account(request).await.unwrap().into_inner().account.unwrap().posted
    }

    /// How many transfers there are with an account; and the books hold together.
    pub(crate) async fn transfers_with(&self, account: &str) -> usize {
        let mut books = BooksServiceClient::new(self.channel(Identity::Operator));
        let mut told =
            books.verify_journal(proto::VerifyJournalRequest::default()).await.unwrap().into_inner();
        while let Some(progress) = told.message().await.unwrap() {
            assert_eq!(progress.findings, Vec::<String>::new());
        }
        let mut accounts = AccountServiceClient::new(self.channel(Identity::Operator));
        let (mut count, mut page_token) = (0, String::new());
        loop {
            let request = proto::ListEntriesRequest {
                account_id: account.into(),
                page_size: 1_000,
                page_token,
                ..Default::default()
            };
            let page = accounts.list_entries(request).await.unwrap().into_inner();
            count += page.entries.len();
            page_token = page.next_page_token;
            if page_token.is_empty() {
                return count;
            }
        }
    }
}

/// Something between client and server that cuts each connection after some bytes from the server.
pub(crate) struct Cutter {
    address: SocketAddr,
    cuts: Arc<AtomicU32>,
    _tasks: JoinSet<()>,
}

impl Cutter {
    pub(crate) async fn before(server: SocketAddr, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let cuts = Arc::new(AtomicU32::new(0));
        let mut tasks = JoinSet::new();
        let (counted, random) = (Arc::clone(&cuts), AtomicU64::new(seed));
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((near, _)) = listener.accept().await {
                let next =
                    random.load(Ordering::Relaxed).wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                random.store(next, Ordering::Relaxed);
                // Past the handshake, and before long.
                let most = 4_000 + next % 16_000;
                let counted = Arc::clone(&counted);
                connections.spawn(async move {
                    if let Ok(far) = TcpStream::connect(server).await {
                        carry(near, far, most).await;
                        counted.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        Self { address, cuts, _tasks: tasks }
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn cuts(&self) -> u32 {
        self.cuts.load(Ordering::Relaxed)
    }
}

/// Carries bytes both ways until `most` have come back.
async fn carry(mut near: TcpStream, mut far: TcpStream, most: u64) {
    let (mut from_near, mut to_near) = near.split();
    let (mut from_far, mut to_far) = far.split();
    let there = async { tokio::io::copy(&mut from_near, &mut to_far).await.map(drop) };
    let back = async {
        let mut left = most;
        let mut bytes = [0; 1_024];
        while left > 0 {
            let room = bytes.len().min(usize::try_from(left).unwrap_or(bytes.len()));
            let count = from_far.read(&mut bytes[..room]).await?;
            if count == 0 {
                break;
            }
            to_near.write_all(&bytes[..count]).await?;
            left -= count as u64;
        }
        std::io::Result::Ok(())
    };
    tokio::select! {
        _ = there => {}
        _ = back => {}
    }
}
