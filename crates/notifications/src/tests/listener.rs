//! A merchant's HTTP listener on this machine: answers as told, and keeps what it got.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bursar_service::Supervisor;
use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A request that came.
#[derive(Clone, Debug)]
pub(super) struct Received {
    pub(super) path: String,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

impl Received {
    pub(super) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

/// What it answers the request with this number (from 0) to this path.
type Answer = dyn Fn(usize, &str) -> Response<Full<Bytes>> + Send + Sync;

pub(super) struct Listener {
    address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
    count: watch::Receiver<usize>,
}

impl Listener {
    /// Answers each request.
    pub(super) async fn answering(
        supervisor: &Supervisor,
        answer: impl Fn(usize, &str) -> Response<Full<Bytes>> + Send + Sync + 'static,
    ) -> Self {
        let answer: Arc<Answer> = Arc::new(answer);
        Self::serve(supervisor, move |stream, received, count| {
            let answer = answer.clone();
            async move { speak(stream, answer, received, count).await }
        })
        .await
    }

    /// Answers every request with this status.
    pub(super) async fn status(supervisor: &Supervisor, status: u16) -> Self {
        Self::answering(supervisor, move |_, _| reply(status)).await
    }

    /// Takes requests and never answers.
    pub(super) async fn silent(supervisor: &Supervisor) -> Self {
        Self::serve(supervisor, |stream, _, count| async move {
            count.send_modify(|n| *n += 1);
            let _open = stream;
            std::future::pending::<()>().await;
        })
        .await
    }

    /// Answers with these bytes, over and over, until the connection breaks.
    pub(super) async fn endless(supervisor: &Supervisor, head: &'static str, chunk: &'static str) -> Self {
        Self::serve(supervisor, move |mut stream, _, count| async move {
            let mut request = [0_u8; 4096];
            let _ = tokio::io::AsyncReadExt::read(&mut stream, &mut request).await;
            let mut open = stream.write_all(head.as_bytes()).await.is_ok();
            while open {
                open = stream.write_all(chunk.as_bytes()).await.is_ok();
            }
            count.send_modify(|n| *n += 1);
        })
        .await
    }

    async fn serve<F, W>(supervisor: &Supervisor, work: W) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
        W: Fn(TcpStream, Arc<Mutex<Vec<Received>>>, watch::Sender<usize>) -> F + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Mutex::new(Vec::new()));
        let (sender, count) = watch::channel(0);
        let (kept, tasks) = (received.clone(), supervisor.clone());
        let shutdown = supervisor.shutdown();
        supervisor.spawn("listener", async move {
            loop {
                let accepted = tokio::select! {
                    accepted = listener.accept() => accepted,
                    () = shutdown.cancelled() => return,
                };
                let (stream, _) = accepted.unwrap();
                let connection = work(stream, kept.clone(), sender.clone());
                let shutdown = shutdown.clone();
                tasks.spawn_once("connection", async move {
                    tokio::select! {
                        () = connection => {}
                        () = shutdown.cancelled() => {}
                    }
                });
            }
        });
        Self { address, received, count }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) fn port(&self) -> u16 {
        self.address.port()
    }

    /// How many came by now, also to a listener that keeps nothing.
    pub(super) fn count(&self) -> usize {
        *self.count.borrow()
    }

    /// What came by now.
    pub(super) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// Waits until this many came.
    pub(super) async fn wait_for(&self, number: usize, patience: Duration) -> Vec<Received> {
        let mut count = self.count.clone();
        let waited = tokio::time::timeout(patience, count.wait_for(|count| *count >= number)).await;
        assert!(waited.is_ok(), "{} requests came, not {number}", self.received().len());
        self.received()
    }
}

async fn speak(
    stream: TcpStream,
    answer: Arc<Answer>,
    received: Arc<Mutex<Vec<Received>>>,
    count: watch::Sender<usize>,
) {
    let service = service_fn(move |request: Request<Incoming>| {
        let (answer, received, count) = (answer.clone(), received.clone(), count.clone());
        async move {
            let (head, body) = request.into_parts();
            let body = body.collect().await?.to_bytes();
            let path = head.uri.path().to_owned();
            let number = {
                let mut received = received.lock().unwrap();
                received.push(Received { path: path.clone(), headers: head.headers, body });
                received.len() - 1
            };
            count.send_modify(|n| *n += 1);
            Ok::<_, hyper::Error>(answer(number, &path))
        }
    });
    // A client that goes away is no failure of the listener.
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

/// An answer with this status.
pub(super) fn reply(status: u16) -> Response<Full<Bytes>> {
    Response::builder().status(status).body(Full::new(Bytes::from_static(b"noted"))).unwrap()
}
