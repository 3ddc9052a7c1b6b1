//! The receivers: one listener that answers at once, and one that never does, on a thread of their own.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc as std_mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use bursar_loadgen::Histogram;
use bursar_types::{Clock as _, SystemClock, Timestamp};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::exit::Exit;

/// What came.
#[derive(Debug, Default)]
struct Seen {
    count: AtomicU64,
    /// How long each event took from when it was published, where that is wanted.
    latencies: Mutex<Option<Histogram>>,
}

/// The receivers.
pub(super) struct Listener {
    address: SocketAddr,
    dead: SocketAddr,
    seen: Arc<Seen>,
    stop: CancellationToken,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Starts them on free ports.
    pub(super) fn start() -> Result<Self, Exit> {
        let (seen, stop) = (Arc::new(Seen::default()), CancellationToken::new());
        let (started, wait) = std_mpsc::channel();
        let (kept, stopping) = (Arc::clone(&seen), stop.clone());
        let thread = thread::spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
                return;
            };
            runtime.block_on(async {
                let bound = (TcpListener::bind("127.0.0.1:0").await, TcpListener::bind("127.0.0.1:0").await);
                let (Ok(answering), Ok(dead)) = bound else { return };
                let (Ok(address), Ok(dead_address)) = (answering.local_addr(), dead.local_addr()) else {
                    return;
                };
                let _ = started.send((address, dead_address));
                tokio::select! {
                    () = answer(answering, kept) => {}
                    () = hold(dead) => {}
                    () = stopping.cancelled() => {}
                }
            });
        });
        let (address, dead) = wait.recv().map_err(|_| Exit::software("no port for the listener"))?;
        Ok(Self { address, dead, seen, stop, thread: Some(thread) })
    }

    /// An address that answers 200 at once.
    pub(super) fn url(&self, path: usize) -> String {
        format!("http://{}/{path}", self.address)
    }

    /// An address that takes connections and never answers.
    pub(super) fn dead_url(&self, path: usize) -> String {
        format!("http://{}/{path}", self.dead)
    }

    /// Requests that were answered.
    pub(super) fn count(&self) -> u64 {
        self.seen.count.load(Ordering::Relaxed)
    }

    /// Measures, from now on, how long events take to arrive.
    pub(super) fn watch(&self) {
        *self.seen.latencies.lock().unwrap_or_else(PoisonError::into_inner) = Some(Histogram::default());
    }

    /// What was measured, in nanoseconds.
    pub(super) fn watched(&self) -> Histogram {
        self.seen.latencies.lock().unwrap_or_else(PoisonError::into_inner).take().unwrap_or_default()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn answer(listener: TcpListener, seen: Arc<Seen>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    let _ = stream.set_nodelay(true);
                    connections.spawn(speak(stream, Arc::clone(&seen)));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn speak(stream: TcpStream, seen: Arc<Seen>) {
    let service = service_fn(|request: Request<Incoming>| {
        let seen = Arc::clone(&seen);
        async move {
            let body = request.into_body().collect().await?.to_bytes();
            seen.note(&body);
            let mut answer = Response::new(Empty::<Bytes>::new());
            *answer.status_mut() = StatusCode::NO_CONTENT;
            Ok::<_, hyper::Error>(answer)
        }
    });
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

impl Seen {
    fn note(&self, body: &[u8]) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let mut latencies = self.latencies.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(latencies), Some(began)) = (latencies.as_mut(), published_at(body)) {
            let latency: Duration = SystemClock.now().since(began);
            latencies.record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
        }
    }
}

/// When the event of this webhook was published: its `timestamp`.
fn published_at(body: &[u8]) -> Option<Timestamp> {
    let body: serde_json::Value = serde_json::from_slice(body).ok()?;
    let moment: jiff::Timestamp = body.get("timestamp")?.as_str()?.parse().ok()?;
    Some(Timestamp::from_micros(moment.as_microsecond()))
}

async fn hold(listener: TcpListener) {
    let mut held = Vec::new();
    while let Ok((stream, _)) = listener.accept().await {
        held.push(stream);
    }
}
