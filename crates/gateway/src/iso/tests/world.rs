//! A gateway that serves partners, and a partner.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use bursar_iso8583::{FrameDecoder, Message, Profile, SecretBytes, Version};
use bursar_service::db::Db;
use bursar_testkit::TestDatabase;
use bursar_types::{Clock, OsEntropy, SystemClock};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::super::connection::Limits;
use super::super::deliver::Deliverer;
use super::super::exchange::{Desk, Exchange};
use super::super::keeper::Keeper;
use super::super::listener::accept;
use super::super::mac::Mac;
use super::super::partner::{Partner, Way};
use super::super::response_codes::ResponseCodes;
use super::super::seal::Sealer;
use crate::store::{self, DeliveryState};
use crate::tests::fake::{FakeIssuer, PAN};

/// Longest wait for what must come.
pub(super) const WAIT: Duration = Duration::from_secs(20);

/// What is special about a gateway.
pub(super) struct Traits {
    pub(super) profile: &'static str,
    pub(super) answer_max: Duration,
    pub(super) message_max: Duration,
    pub(super) idle_max: Duration,
    pub(super) connections_max: usize,
    pub(super) sign_on: bool,
    pub(super) mac: Option<Mac>,
    pub(super) way: Way,
}

impl Default for Traits {
    fn default() -> Self {
        Self {
            profile: "iso87-ascii",
            answer_max: Duration::from_secs(2),
            message_max: Duration::from_secs(5),
            idle_max: Duration::from_secs(60),
            connections_max: 2_000,
            sign_on: false,
            mac: None,
            way: Way::Listen(None),
        }
    }
}

/// A gateway on a database; dropped, it is killed at once.
pub(super) struct World {
    pub(super) issuer: Arc<FakeIssuer>,
    pub(super) db: Db,
    pub(super) address: SocketAddr,
    pub(super) partner: Partner,
    pub(super) limits: Limits,
    pub(super) stop: CancellationToken,
    pub(super) tasks: JoinSet<()>,
    sealer: Sealer,
}

impl World {
    pub(super) async fn new(database: &TestDatabase) -> Self {
        Self::with(database, Arc::default(), Traits::default()).await
    }

    pub(super) async fn with(database: &TestDatabase, issuer: Arc<FakeIssuer>, traits: Traits) -> Self {
        let db = database.open(store::MIGRATIONS).await;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let sealer = Sealer::with_key(&[7; 32], Arc::new(OsEntropy)).unwrap();
        let (keeper, writing) = Keeper::new(db.clone(), Arc::new(OsEntropy));
        let deliverer = Deliverer {
            db: db.clone(),
            issuer: Arc::clone(&issuer) as _,
            clock: Arc::clone(&clock),
            sealer: Some(sealer.clone()),
            wake: Arc::clone(&keeper.deliveries),
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(writing.run());
        tasks.spawn(async move {
            loop {
                deliverer.clone().round().await.unwrap();
            }
        });
        let desk = Desk {
            issuer: Arc::clone(&issuer) as _,
            keeper,
            clock,
            sealer: Some(sealer.clone()),
            codes_87: ResponseCodes::builtin(Version::V1987).unwrap(),
            codes_93: ResponseCodes::builtin(Version::V1993).unwrap(),
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let partner = Partner {
            name: "test".into(),
            address: address.to_string(),
            way: traits.way,
            exchange: Arc::new(Exchange {
                profile: Profile::builtin(traits.profile).unwrap(),
                mac: traits.mac,
                answer_max: traits.answer_max,
                sign_on: traits.sign_on,
                stan: AtomicU32::new(0),
                desk: Arc::new(desk),
            }),
        };
        let limits = Limits {
            connections: Arc::new(Semaphore::new(traits.connections_max)),
            in_flight_max: 64,
            idle_max: traits.idle_max,
            message_max: traits.message_max,
        };
        let stop = CancellationToken::new();
        if matches!(partner.way, Way::Listen(_)) {
            tasks.spawn(accept(listener, partner.clone(), limits.clone(), stop.clone()));
        }
        Self { issuer, db, address, partner, limits, stop, tasks, sealer }
    }

    /// The same after a kill: another process on the same database.
    pub(super) async fn killed(self, database: &TestDatabase) -> Self {
        let Self { issuer, mut tasks, db, .. } = self;
        tasks.shutdown().await;
        db.close().await;
        Self::with(database, issuer, Traits::default()).await
    }

    pub(super) async fn connect(&self) -> Line {
        let stream = TcpStream::connect(self.address).await.unwrap();
        Line { stream, profile: Profile::builtin(self.partner.exchange.profile.name()).unwrap() }
    }

    pub(super) async fn deliveries(&self, state: DeliveryState) -> i64 {
        self.db.read(|tx| Box::pin(store::count_deliveries(tx, state))).await.unwrap()
    }

    /// Waits until the ledger was told all there is to tell.
    pub(super) async fn told(&self) {
        let all = async {
            while self.deliveries(DeliveryState::Waiting).await > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(WAIT, all).await.expect("the ledger is told in time");
    }

    /// Every text and byte of the gateway's tables.
    pub(super) async fn rows(&self) -> Vec<Vec<u8>> {
        let due = self.db.read(|tx| {
            Box::pin(store::due_deliveries(tx, bursar_types::Timestamp::from_micros(i64::MAX), 1_000))
        });
        due.await.unwrap().into_iter().map(|it| it.work).collect()
    }

    pub(super) fn opens(&self, row: &[u8], sealed: &[u8]) -> bool {
        self.sealer.open_sealed(row, sealed).is_some()
    }
}

/// A partner's end of a connection.
pub(super) struct Line {
    pub(super) stream: TcpStream,
    pub(super) profile: Profile,
}

impl Line {
    /// Sends a message, and gives the bytes of the answer.
    pub(super) async fn ask_raw(&mut self, message: &Message) -> Vec<u8> {
        self.send(message).await;
        self.hear().await.expect("there is an answer")
    }

    pub(super) async fn ask(&mut self, message: &Message) -> Message {
        let raw = self.ask_raw(message).await;
        self.profile.decode(&raw).into_result().unwrap()
    }

    /// Sends a message, and gives field 39 of the answer.
    pub(super) async fn code(&mut self, message: &Message) -> String {
        self.ask(message).await.response_code().unwrap().to_owned()
    }

    pub(super) async fn send(&mut self, message: &Message) {
        let bytes = self.profile.encode(message).unwrap();
        self.send_raw(&bytes).await;
    }

    pub(super) async fn send_raw(&mut self, bytes: &[u8]) {
        let mut framed = SecretBytes::default();
        self.profile.framing().write_plain(bytes, &mut framed).unwrap();
        self.stream.write_all(&framed).await.unwrap();
    }

    /// The next message's bytes; `None` if the connection ends first.
    pub(super) async fn hear(&mut self) -> Option<Vec<u8>> {
        let mut decoder = FrameDecoder::new(self.profile.framing());
        let mut buffer = [0_u8; 1];
        loop {
            let read = tokio::time::timeout(WAIT, self.stream.read(&mut buffer)).await;
            let count = read.expect("something is heard in time").unwrap_or(0);
            if count == 0 {
                return None;
            }
            let mut input = &buffer[..];
            if let Some(frame) = decoder.next(&mut input).unwrap() {
                return Some(frame.message().to_vec());
            }
        }
    }
}

/// An authorization request with this trace number.
pub(super) fn purchase(line: &Line, mti: &str, stan: u32, minor_units: u64) -> Message {
    let mut message = line.profile.message(mti.parse().unwrap());
    let stan = format!("{stan:06}");
    let new = message.mti().version() == Version::V1993;
    for (field, value) in [
        (2, PAN),
        (3, "000000"),
        (7, "0102030405"),
        (11, stan.as_str()),
        (14, "2912"),
        (32, "990001"),
        (37, "600203000042"),
        (42, "DEMOSHOP0000001"),
        (43, "Demo Tea House           Beijing      CN"),
        (49, "156"),
    ] {
        message.set(field, value).unwrap();
    }
    let others: &[(u8, &str)] = match new {
        true => &[(12, "260102110405"), (22, "510101511344"), (24, "100"), (26, "5499")],
        false => &[(12, "110405"), (13, "0102"), (18, "5499"), (22, "051"), (25, "00")],
    };
    for (field, value) in others {
        message.set(*field, value).unwrap();
    }
    message.set_amount(4, minor_units).unwrap();
    message
}

/// The reversal of a purchase, which it names in field 90 or 56.
pub(super) fn reversal(line: &Line, mti: &str, stan: u32, original: &Message) -> Message {
    let mut message = original.clone();
    message.set_mti(mti.parse().unwrap());
    let digits: String = original.mti().digits().iter().copied().map(char::from).collect();
    let first = original.text(11).unwrap();
    if message.mti().version() == Version::V1993 {
        message.set(56, format!("{digits}{first}{}06990001", original.text(12).unwrap())).unwrap();
    } else {
        let time = original.text(7).unwrap();
        message.set(90, format!("{digits}{first}{time}00000990001{}", "0".repeat(11))).unwrap();
    }
    message.set(7, "0102030506").unwrap();
    message.set(11, format!("{stan:06}")).unwrap();
    let _ = line;
    message
}
