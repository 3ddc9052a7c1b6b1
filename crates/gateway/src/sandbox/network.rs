//! The network that is played: connections to our own listener, with all that can go wrong on them.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bursar_iso8583::{FrameDecoder, Message, Profile, SecretBytes};
use bursar_proto::ledger::v1::NetworkReference;
use bursar_types::Clock;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::Instant;

use super::SandboxError;
use super::messages::{Card, Maker, Purchase, SANDBOX_ACQUIRER};

/// A network's own time for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Pieces of a slow message, and the wait between them.
const PIECES: usize = 10;
const PIECE_WAIT: Duration = Duration::from_millis(100);

/// What goes wrong on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    LostReply,
    Duplicate,
    LateReversal,
    OutOfOrder,
    Slow,
    CutConnection,
}

/// One message and its answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) mti: String,
    pub(crate) answer_mti: String,
    pub(crate) response_code: String,
    pub(crate) authorization_code: String,
    pub(crate) answer_ms: i64,
    pub(crate) repeated: bool,
}

/// The network.
pub(crate) struct Network {
    profile: Profile,
    address: SocketAddr,
    clock: Arc<dyn Clock>,
    numbers: AtomicU32,
}

/// An answer with its bytes.
struct Heard {
    raw: Vec<u8>,
    said: Said,
}

impl Network {
    /// One that speaks `profile` with the listener at `address`.
    pub(crate) fn new(profile: Profile, address: SocketAddr, clock: Arc<dyn Clock>, seed: u32) -> Self {
        Self { profile, address, clock, numbers: AtomicU32::new(seed % 999_999) }
    }

    /// A reference that no other message has.
    pub(crate) fn reference(&self) -> NetworkReference {
        let number = 1 + self.numbers.fetch_add(1, Ordering::Relaxed) % 999_999;
        // 2026-01-02T03:04:05Z → 0102030405, and the last digit of the year, day and hour before the number.
        let digits: String =
            self.clock.now().to_rfc3339().chars().filter(char::is_ascii_digit).take(14).collect();
        let time = digits.get(4..14).unwrap_or("0101000000").to_owned();
        let rrn = format!("{}{number:06}", digits.get(3..9).unwrap_or("600101"));
        NetworkReference {
            acquirer_id: SANDBOX_ACQUIRER.to_owned(),
            stan: format!("{number:06}"),
            rrn,
            transmission_time: time,
        }
    }

    /// A shop asks, and what goes wrong goes wrong.
    pub(crate) async fn purchase(
        &self,
        card: &Card,
        purchase: &Purchase,
        capture: bool,
        fault: Fault,
    ) -> Result<Vec<Said>, SandboxError> {
        let maker = Maker { profile: &self.profile, card };
        let request = maker.purchase(purchase, capture).map_err(wrong)?;
        let taken_back = |network: NetworkReference| {
            let back = Purchase { merchant: purchase.merchant.clone(), network, ..*purchase };
            maker.reversal(&back, &purchase.network, capture, None).map_err(wrong)
        };
        // The retrieval reference is that of the purchase.
        let own = || NetworkReference { rrn: purchase.network.rrn.clone(), ..self.reference() };
        match fault {
            Fault::LateReversal => {
                let mut all = vec![self.leave(&request).await?];
                all.push(self.ask(&taken_back(own())?).await?.said);
                Ok(all)
            }
            Fault::OutOfOrder => {
                let first = self.ask(&taken_back(own())?).await?.said;
                Ok(vec![first, self.ask(&request).await?.said])
            }
            fault => self.carry(&request, fault).await,
        }
    }

    /// The network takes back.
    pub(crate) async fn reversal(
        &self,
        card: &Card,
        back: &Purchase,
        original: &NetworkReference,
        captured: bool,
        remaining: Option<u64>,
        fault: Fault,
    ) -> Result<Vec<Said>, SandboxError> {
        let maker = Maker { profile: &self.profile, card };
        let message = maker.reversal(back, original, captured, remaining).map_err(wrong)?;
        self.carry(&message, fault).await
    }

    /// The network clears, in one part or several.
    pub(crate) async fn clearing(
        &self,
        card: &Card,
        parts: &[Purchase],
        original: &NetworkReference,
        code: &str,
    ) -> Result<Vec<Said>, SandboxError> {
        let maker = Maker { profile: &self.profile, card };
        let mut all = Vec::with_capacity(parts.len());
        for (index, part) in parts.iter().enumerate() {
            let message = maker.clearing(part, original, code, index + 1 < parts.len()).map_err(wrong)?;
            all.push(self.ask(&message).await?.said);
        }
        Ok(all)
    }

    /// A shop gives back.
    pub(crate) async fn refund(&self, card: &Card, refund: &Purchase) -> Result<Vec<Said>, SandboxError> {
        let maker = Maker { profile: &self.profile, card };
        self.carry(&maker.refund(refund).map_err(wrong)?, Fault::None).await
    }

    async fn carry(&self, message: &Message, fault: Fault) -> Result<Vec<Said>, SandboxError> {
        match fault {
            Fault::Duplicate => {
                let (first, second) = tokio::try_join!(self.ask(message), self.ask(message))?;
                let repeated = first.raw == second.raw;
                Ok(vec![first.said, Said { repeated, ..second.said }])
            }
            Fault::LostReply => {
                let first = self.leave(message).await?;
                let mut again = message.clone();
                again.set_mti(message.mti().repeated());
                let (second, third) = (self.ask(&again).await?, self.ask(&again).await?);
                let repeated = second.raw == third.raw;
                Ok(vec![first, second.said, Said { repeated, ..third.said }])
            }
            Fault::CutConnection => {
                let framed = self.framed(message)?;
                let mut stream = self.connect().await?;
                let half = framed.get(..framed.len() / 2).unwrap_or_default();
                stream.write_all(half).await.map_err(broken)?;
                drop(stream);
                let first = Said { mti: message.mti().to_string(), ..Said::default() };
                Ok(vec![first, self.ask(message).await?.said])
            }
            Fault::Slow => {
                let framed = self.framed(message)?;
                let mut stream = self.connect().await?;
                let began = Instant::now();
                for piece in framed.chunks(framed.len().div_ceil(PIECES).max(1)) {
                    stream.write_all(piece).await.map_err(broken)?;
                    tokio::time::sleep(PIECE_WAIT).await;
                }
                Ok(vec![self.hear(&mut stream, message, began).await?.said])
            }
            Fault::None | Fault::LateReversal | Fault::OutOfOrder => Ok(vec![self.ask(message).await?.said]),
        }
    }

    /// Sends a message and does not read the answer.
    async fn leave(&self, message: &Message) -> Result<Said, SandboxError> {
        let framed = self.framed(message)?;
        let mut stream = self.connect().await?;
        stream.write_all(&framed).await.map_err(broken)?;
        stream.shutdown().await.map_err(broken)?;
        Ok(Said { mti: message.mti().to_string(), ..Said::default() })
    }

    async fn ask(&self, message: &Message) -> Result<Heard, SandboxError> {
        let framed = self.framed(message)?;
        let mut stream = self.connect().await?;
        let began = Instant::now();
        stream.write_all(&framed).await.map_err(broken)?;
        self.hear(&mut stream, message, began).await
    }

    async fn hear(
        &self,
        stream: &mut TcpStream,
        message: &Message,
        began: Instant,
    ) -> Result<Heard, SandboxError> {
        let raw = tokio::time::timeout(ANSWER_MAX, self.read(stream)).await;
        let raw = raw.map_err(|_| SandboxError("no answer in time".into()))??;
        let reply =
            self.profile.decode(&raw).into_result().map_err(|error| SandboxError(error.to_string()))?;
        let text = |field: u8| reply.text(field).unwrap_or_default().to_owned();
        let said = Said {
            mti: message.mti().to_string(),
            answer_mti: reply.mti().to_string(),
            response_code: text(39),
            authorization_code: text(38),
            answer_ms: i64::try_from(began.elapsed().as_millis()).unwrap_or(i64::MAX).max(1),
            repeated: false,
        };
        Ok(Heard { raw, said })
    }

    async fn read(&self, stream: &mut TcpStream) -> Result<Vec<u8>, SandboxError> {
        let mut decoder = FrameDecoder::new(self.profile.framing());
        let mut buffer = [0_u8; 2048];
        loop {
            let count = stream.read(&mut buffer).await.map_err(broken)?;
            let mut input = buffer.get(..count).unwrap_or_default();
            if input.is_empty() {
                return Err(SandboxError("the connection ended without an answer".into()));
            }
            let frame = decoder.next(&mut input).map_err(|error| SandboxError(error.to_string()))?;
            if let Some(frame) = frame {
                return Ok(frame.message().to_vec());
            }
        }
    }

    async fn connect(&self) -> Result<TcpStream, SandboxError> {
        let stream = TcpStream::connect(self.address).await.map_err(broken)?;
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }

    fn framed(&self, message: &Message) -> Result<SecretBytes, SandboxError> {
        let bytes = self.profile.encode(message).map_err(wrong)?;
        let mut framed = SecretBytes::default();
        let written = self.profile.framing().write_plain(&bytes, &mut framed);
        written.map_err(|error| SandboxError(error.to_string())).map(|()| framed)
    }
}

#[allow(clippy::needless_pass_by_value)] // the shape of map_err
fn broken(error: std::io::Error) -> SandboxError {
    SandboxError(error.to_string())
}

fn wrong(error: bursar_iso8583::EncodeError) -> SandboxError {
    SandboxError(error.to_string())
}
