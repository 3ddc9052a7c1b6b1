//! A ledger of the bench's own, and what its load shares: connections, accounts, request ids.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bursar_proto::access::Identity;
use bursar_proto::ledger::v1::account_service_client::AccountServiceClient;
use bursar_proto::ledger::v1::{
    BalanceLimit, CreateAccountRequest, ListEntriesRequest, NormalSide, balance_limit,
};
use bursar_service::client::PeerChannel;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use tonic::{Request, Status};

use super::load::{ASSET, Ids, Load};
use crate::bench::place::{Place, failed};
use crate::bench::tell;
use crate::cli::Databases;
use crate::exit::Exit;
use crate::platform::{Endpoints, Platform, Running};

/// Connections that the calls in flight share.
const CONNECTIONS: usize = 2;
/// Accounts that are opened at the same time.
const OPENING: usize = 256;
/// Lines of the ledger's log that are told when something fails.
const COMPLAINTS_MAX: usize = 10;
/// Longest wait for the projections: they may have a whole run to catch up with.
const CATCH_UP_MAX: Duration = Duration::from_secs(600);

/// A ledger on a folder and databases of its own, which go with it.
pub(super) struct Stage {
    running: Running,
    place: Place,
    channels: Vec<PeerChannel>,
    next_channel: AtomicUsize,
    accounts: Arc<[String]>,
    ids: Arc<Ids>,
    /// Position of the last transfer that was acknowledged.
    reached: Arc<AtomicI64>,
    /// Calls that were asked to come again.
    put_off: Arc<AtomicU64>,
}

/// What is left of a ledger that has stopped.
pub(super) struct Stopped {
    pub(super) place: Place,
    pub(super) endpoints: Endpoints,
    /// The ledger's configuration.
    pub(super) config: PathBuf,
    /// Where the ledger logs.
    pub(super) log: PathBuf,
}

impl Stage {
    /// Starts a ledger and opens `accounts` accounts that may be overdrawn without a bound.
    pub(super) async fn set(databases: &Databases, accounts: usize) -> Result<Self, Exit> {
        let place = Place::new(databases)?;
        let platform = Platform::prepare(place.setup()).await?;
        // The ledger alone: what others make of its events would be measured as its own work.
        let running = platform.start_only(&[Identity::Ledger], |_| {}).await?;
        let channels = (0..CONNECTIONS)
            .map(|_| running.endpoints.channel(Identity::Ledger, Identity::Operator))
            .collect::<Result<_, _>>()?;
        let mut stage = Self {
            running,
            place,
            channels,
            next_channel: AtomicUsize::new(0),
            accounts: Arc::from([]),
            ids: Arc::new(Ids::new()),
            reached: Arc::default(),
            put_off: Arc::default(),
        };
        match stage.open_accounts(accounts).await {
            Ok(()) => Ok(stage),
            Err(status) => stage.clear(Err(failed(&status))).await,
        }
    }

    /// Opens more accounts, until there are `wanted`.
    pub(super) async fn open_accounts(&mut self, wanted: usize) -> Result<(), Status> {
        let missing = wanted.saturating_sub(self.accounts.len());
        let opened = stream::iter(0..missing).map(|_| {
            let (mut client, request) = (AccountServiceClient::new(self.channel()), self.account_request());
            async move { client.create_account(request).await.map(tonic::Response::into_inner) }
        });
        let opened: Vec<_> = opened.buffer_unordered(OPENING).try_collect().await?;
        let last = opened.iter().map(|answer| answer.position).max().unwrap_or(0);
        self.reached.fetch_max(last, Ordering::Relaxed);
        let ids = opened.into_iter().map(|answer| answer.account.unwrap_or_default().account_id);
        self.accounts = self.accounts.iter().cloned().chain(ids).collect();
        self.caught_up().await
    }

    fn account_request(&self) -> CreateAccountRequest {
        CreateAccountRequest {
            request_id: self.ids.next(),
            asset: ASSET.to_owned(),
            normal_side: NormalSide::Credit.into(),
            limit: Some(BalanceLimit { bound: Some(balance_limit::Bound::Unlimited(true)) }),
            code: 1_000,
            reference: "bench".to_owned(),
            ..CreateAccountRequest::default()
        }
    }

    /// Its folder.
    pub(super) fn folder(&self) -> &Path {
        self.running.layout.root()
    }

    /// The next of the shared connections.
    pub(super) fn channel(&self) -> PeerChannel {
        let next = self.next_channel.fetch_add(1, Ordering::Relaxed);
        self.channels[next % self.channels.len()].clone()
    }

    /// What a worker needs to order transfers.
    pub(super) fn load(&self) -> Load {
        Load {
            accounts: Arc::clone(&self.accounts),
            ids: Arc::clone(&self.ids),
            reached: Arc::clone(&self.reached),
            put_off: Arc::clone(&self.put_off),
        }
    }

    /// Waits until the projections hold everything that was acknowledged: only then does a clock stop.
    pub(super) async fn caught_up(&self) -> Result<(), Status> {
        let Some(account) = self.accounts.first() else { return Ok(()) };
        let mut request = Request::new(ListEntriesRequest {
            account_id: account.clone(),
            page_size: 1,
            at_least_position: self.reached.load(Ordering::Relaxed),
            ..ListEntriesRequest::default()
        });
        request.set_timeout(CATCH_UP_MAX);
        AccountServiceClient::new(self.channel()).list_entries(request).await.map(drop)
    }

    /// Stops the ledger and leaves what it wrote.
    pub(super) async fn stop(self) -> Stopped {
        let config = self.running.layout.config(Identity::Ledger);
        let log = self.running.layout.log(Identity::Ledger);
        let endpoints = self.running.endpoints.clone();
        self.running.stop().await;
        Stopped { place: self.place, endpoints, config, log }
    }

    /// Stops the ledger and takes everything away; where the bench did not get through, what the ledger complained of
    /// last is told before.
    pub(super) async fn clear<T>(self, measured: Result<T, Exit>) -> Result<T, Exit> {
        let put_off = self.put_off.load(Ordering::Relaxed);
        if put_off > 0 {
            tell::line(&format!("the ledger asked {put_off} calls to come again"));
        }
        if measured.is_err() {
            let log = std::fs::read(self.running.layout.log(Identity::Ledger)).unwrap_or_default();
            let log = String::from_utf8_lossy(&log);
            let complaints = log.lines().filter(|line| line.contains("WARN") || line.contains("ERROR"));
            let complaints: Vec<&str> = complaints.collect();
            for line in &complaints[complaints.len().saturating_sub(COMPLAINTS_MAX)..] {
                tell::line(&format!("ledger: {line}"));
            }
        }
        self.running.stop().await;
        self.place.remove().await;
        measured
    }
}
