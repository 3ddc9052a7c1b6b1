//! One connection: frames become messages, messages are answered in whatever order they are ready.

use std::sync::Arc;
use std::time::Duration;

use bursar_iso8583::{Decoded, Envelope, FrameDecoder, SecretBytes};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use super::exchange::{Arrived, Exchange};
use super::network::{Link, Wish};
use super::partner::Partner;

/// Bytes read from a socket at once.
const READ_BYTES: usize = 16 * 1024;
/// Longest wait for a partner to take a reply; one that does not read is cut off.
const WRITE_MAX: Duration = Duration::from_secs(10);
/// Longest wait for a partner to answer a sign-on or an echo of ours.
const MANAGED_MAX: Duration = Duration::from_secs(10);

/// An open connection, plain or under TLS.
pub(super) type Opened = Box<dyn Duplex>;

/// What can be read from and written to.
pub(super) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// What a connection may take.
#[derive(Clone, Debug)]
pub(super) struct Limits {
    pub(super) connections: Arc<Semaphore>,
    pub(super) in_flight_max: usize,
    pub(super) idle_max: Duration,
    pub(super) message_max: Duration,
}

/// Serves one connection until it ends, breaks, falls silent or the process stops. With `echo` it is one of ours: we sign
/// on, and ask after so much silence whether the partner is there.
pub(super) async fn serve_connection(
    stream: Opened,
    partner: &Partner,
    link: Arc<Link>,
    limits: &Limits,
    stop: &CancellationToken,
    echo: Option<Duration>,
) {
    tracing::debug!(partner = %partner.name, "connected");
    let (reading, writing) = tokio::io::split(stream);
    let (replies, outgoing) = mpsc::channel(limits.in_flight_max);
    let mut writer = JoinSet::new();
    writer.spawn(write(writing, outgoing));
    let exchange = &partner.exchange;
    let ended = tokio::select! {
        ended = read(reading, exchange, &link, limits, &replies, stop) => ended,
        _ = writer.join_next() => "replies cannot be sent",
        ended = ours(exchange, &link, &replies, echo) => ended,
    };
    // Waits for the replies under way: each holds a sender.
    drop(replies);
    while writer.join_next().await.is_some() {}
    tracing::debug!(partner = %partner.name, ended, "disconnected");
}

/// Signs on and asks whether the partner is there; does nothing where it called us.
async fn ours(
    exchange: &Exchange,
    link: &Link,
    replies: &mpsc::Sender<SecretBytes>,
    echo: Option<Duration>,
) -> &'static str {
    let Some(every) = echo else { return std::future::pending().await };
    let mut wish = Wish::SignOn;
    loop {
        let Some(framed) = exchange.wish(wish) else { return "our own message cannot be made" };
        if replies.send(framed).await.is_err() {
            return "messages cannot be sent";
        }
        if tokio::time::timeout(MANAGED_MAX, link.managed()).await.is_err() {
            return "the partner did not answer";
        }
        link.sign(true);
        wish = Wish::Echo;
        tokio::time::sleep(every).await;
    }
}

async fn read(
    mut stream: impl AsyncRead + Unpin,
    exchange: &Arc<Exchange>,
    link: &Arc<Link>,
    limits: &Limits,
    replies: &mpsc::Sender<SecretBytes>,
    stop: &CancellationToken,
) -> &'static str {
    let mut decoder = FrameDecoder::new(exchange.profile.framing());
    let mut buffer = Zeroizing::new(vec![0_u8; READ_BYTES]);
    let in_flight = Arc::new(Semaphore::new(limits.in_flight_max));
    let mut working = JoinSet::new();
    // When the message that has begun must be complete: a byte now and then does not keep a connection.
    let mut complete_by = None;
    let ended = loop {
        let idle = Instant::now() + limits.idle_max;
        let until = complete_by.map_or(idle, |by: Instant| by.min(idle));
        let arrived = tokio::select! {
            arrived = tokio::time::timeout_at(until, stream.read(&mut buffer)) => arrived,
            () = stop.cancelled() => break "the process stops",
        };
        let count = match arrived {
            Err(_) if complete_by.is_some() => break "a message took too long",
            Err(_) => break "it was silent for too long",
            Ok(Err(_)) => break "it broke",
            Ok(Ok(0)) if decoder.is_between_frames() => break "it was closed",
            Ok(Ok(0)) => break "it was closed in a message",
            Ok(Ok(count)) => count,
        };
        let mut input = &buffer[..count];
        let mut complete = 0;
        loop {
            let (arrived, envelope) = match decoder.next(&mut input) {
                Ok(None) => break,
                // A frame without a message keeps the connection alive.
                Ok(Some(frame)) if frame.message().is_empty() => {
                    complete += 1;
                    continue;
                }
                Ok(Some(frame)) => (exchange.read(frame.message()), frame.envelope().reply()),
                Err(error) => {
                    tracing::warn!(%error, "a stream that cannot be understood is closed");
                    return drained(working, "it cannot be understood").await;
                }
            };
            complete += 1;
            let Ok(place) = Arc::clone(&in_flight).acquire_owned().await else { break };
            while working.try_join_next().is_some() {}
            let (exchange, link, replies) = (Arc::clone(exchange), Arc::clone(link), replies.clone());
            working.spawn(async move {
                answer(&exchange, &link, arrived, &envelope, &replies).await;
                drop(place);
            });
        }
        complete_by = match (decoder.is_between_frames(), complete, complete_by) {
            (true, ..) => None,
            (false, 0, Some(by)) => Some(by),
            (false, ..) => Some(Instant::now() + limits.message_max),
        };
    };
    drained(working, ended).await
}

/// Lets the decisions under way come to their replies.
async fn drained(mut working: JoinSet<()>, ended: &'static str) -> &'static str {
    while working.join_next().await.is_some() {}
    ended
}

async fn answer(
    exchange: &Exchange,
    link: &Link,
    arrived: Arrived,
    envelope: &Envelope,
    replies: &mpsc::Sender<SecretBytes>,
) {
    let started = Instant::now();
    let signed = arrived.has_mac;
    let Some(mut reply) = exchange.answer(link, arrived).await else { return };
    let code = reply.response_code().unwrap_or_default().to_owned();
    metrics::histogram!("bursar_iso8583_answer_seconds", "code" => code)
        .record(started.elapsed().as_secs_f64());
    tracing::info!(reply = %reply, "answered");
    match exchange.frame(&mut reply, envelope, signed) {
        // The partner may have gone: then nobody waits for it.
        Some(framed) => drop(replies.send(framed).await),
        None => tracing::error!("a reply cannot be encoded"),
    }
}

async fn write(mut stream: impl AsyncWrite + Unpin, mut outgoing: mpsc::Receiver<SecretBytes>) {
    while let Some(reply) = outgoing.recv().await {
        let written = async {
            stream.write_all(&reply).await?;
            // Under TLS what is written waits for it.
            stream.flush().await
        };
        match tokio::time::timeout(WRITE_MAX, written).await {
            Ok(Ok(())) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
    let _ = stream.shutdown().await;
}

impl Exchange {
    /// A message as it came.
    fn read(&self, raw: &[u8]) -> Arrived {
        let Decoded { message, error } = self.profile.decode(raw);
        let has_mac = message.as_ref().is_some_and(|it| it.has(64) || it.has(128));
        let authentic = match (&self.mac, &message) {
            (Some(mac), Some(message)) => mac.holds(raw, message),
            _ => true,
        };
        Arrived { decoded: Decoded { message, error }, has_mac, authentic }
    }
}
