//! What a client does in the background: it keeps the stream open while calls wait, sends what is asked, and hands out
//! what is answered.

use bursar_proto::ledger::v1::transfer_service_client::TransferServiceClient;
use bursar_types::{Entropy as _, OsEntropy};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codegen::{Body as HttpBody, Bytes, StdError};

use crate::calls::{Ask, Calls};
use crate::error::is_passing;
use crate::link::{Link, News};
use crate::{Failure, Options};

/// The background of one client.
pub(crate) struct Driver {
    options: Options,
    calls: Calls,
    link: Link,
    /// Tries to connect that failed, one after another.
    failures: u32,
}

impl Driver {
    pub(crate) fn new(options: Options) -> Self {
        Self { options, calls: Calls::default(), link: Link::Idle, failures: 0 }
    }

    /// Works until no client is left.
    pub(crate) async fn run<S>(mut self, client: TransferServiceClient<S>, mut queue: mpsc::Receiver<Ask>)
    where
        S: GrpcService<Body> + Clone + Send + Sync + 'static,
        S::Error: Into<StdError>,
        S::Future: Send,
        S::ResponseBody: HttpBody<Data = Bytes> + Send + 'static,
        <S::ResponseBody as HttpBody>::Error: Into<StdError> + Send,
    {
        let mut asks = Vec::new();
        loop {
            if matches!(self.link, Link::Idle) && self.calls.len() > 0 {
                self.link = Link::open(&client, self.options.connect_max);
            }
            let (room, alarm) = (self.calls.room(&self.options), self.calls.alarm());
            tokio::select! {
                biased;
                news = self.link.next() => self.hear(news),
                count = queue.recv_many(&mut asks, room), if room > 0 => {
                    if count == 0 {
                        return;
                    }
                    let now = Instant::now();
                    for ask in asks.drain(..) {
                        if let Some(message) = self.calls.take(ask, now) {
                            self.link.send(message);
                        }
                    }
                }
                () = ring(alarm), if alarm.is_some() => {
                    for message in self.calls.ring(Instant::now()) {
                        self.link.send(message);
                    }
                }
            }
        }
    }

    fn hear(&mut self, news: News) {
        let now = Instant::now();
        match news {
            News::TryNow => self.link = Link::Idle,
            News::Opened => {
                for message in self.calls.all(now) {
                    self.link.send(message);
                }
            }
            News::Answers(answers) => {
                self.failures = 0;
                for answer in answers {
                    if let Some(message) = self.calls.answered(answer, now) {
                        self.link.send(message);
                    }
                }
            }
            News::Lost(status, answered) => self.lost(status.as_ref(), answered, now),
        }
    }

    fn lost(&mut self, status: Option<&Status>, answered: bool, now: Instant) {
        if let Some(status) = status
            && !is_passing(status)
        {
            self.calls.end_all(&Failure::from(status));
        }
        tracing::debug!(status = status.map(Status::message), waiting = self.calls.len(), "the stream ended");
        if !answered {
            self.failures = self.failures.saturating_add(1);
        }
        let mut random = [0];
        OsEntropy.fill(&mut random);
        let wait = self.options.backoff(self.failures.saturating_sub(1), random[0]);
        self.link = Link::Waiting(now + wait);
    }
}

async fn ring(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
