//! The connection to the ledger: none, being made, or a stream.

use std::time::Duration;

use bursar_proto::ledger::v1 as proto;
use bursar_proto::ledger::v1::transfer_service_client::TransferServiceClient;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::ReadyChunks;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::Instant;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codegen::{Body as HttpBody, Bytes, StdError};
use tonic::{Status, Streaming};

/// Answers that are taken at once.
const ANSWERS_MAX: usize = 1_024;

/// A stream that is open.
pub(crate) struct Open {
    /// Not bounded: what is on its way is.
    messages: UnboundedSender<proto::StreamTransfersRequest>,
    answers: ReadyChunks<Streaming<proto::StreamTransfersResponse>>,
    /// Whether it ever answered: then the ledger is well.
    answered: bool,
}

/// The connection.
pub(crate) enum Link {
    /// Nothing is to be sent.
    Idle,
    /// Wait until then before the next try.
    Waiting(Instant),
    /// A stream is being opened.
    Opening(BoxFuture<'static, Result<Open, Status>>),
    /// A stream is open.
    Up(Box<Open>),
}

/// What happened to the connection.
pub(crate) enum News {
    /// It is time to try again.
    TryNow,
    /// The stream is open.
    Opened,
    /// Answers came.
    Answers(Vec<proto::StreamTransfersResponse>),
    /// It is no more: why, and whether it ever answered.
    Lost(Option<Status>, bool),
}

impl Link {
    /// Begins to open a stream.
    pub(crate) fn open<S>(client: &TransferServiceClient<S>, longest: Duration) -> Self
    where
        S: GrpcService<Body> + Clone + Send + Sync + 'static,
        S::Error: Into<StdError>,
        S::Future: Send,
        S::ResponseBody: HttpBody<Data = Bytes> + Send + 'static,
        <S::ResponseBody as HttpBody>::Error: Into<StdError> + Send,
    {
        let mut client = client.clone();
        Self::Opening(Box::pin(async move {
            let (messages, outgoing) = unbounded_channel();
            let opening = client.stream_transfers(UnboundedReceiverStream::new(outgoing));
            let opened = tokio::time::timeout(longest, opening).await;
            let answers = opened.map_err(|_| Status::unavailable("the stream did not open in time"))??;
            let answers = answers.into_inner().ready_chunks(ANSWERS_MAX);
            Ok(Open { messages, answers, answered: false })
        }))
    }

    /// Sends, if there is a stream; what is not sent now is sent on the next one.
    pub(crate) fn send(&self, message: proto::StreamTransfersRequest) {
        if let Self::Up(open) = self {
            // A stream that broke is noticed by its answers.
            let _ = open.messages.send(message);
        }
    }

    /// What happens next. May be dropped and called again.
    pub(crate) async fn next(&mut self) -> News {
        match self {
            Self::Idle => std::future::pending().await,
            Self::Waiting(until) => {
                tokio::time::sleep_until(*until).await;
                News::TryNow
            }
            Self::Opening(opening) => match opening.await {
                Ok(open) => {
                    *self = Self::Up(Box::new(open));
                    News::Opened
                }
                Err(status) => News::Lost(Some(status), false),
            },
            Self::Up(open) => open.next().await,
        }
    }
}

impl Open {
    async fn next(&mut self) -> News {
        let Some(chunk) = self.answers.next().await else { return News::Lost(None, self.answered) };
        let mut answers = Vec::with_capacity(chunk.len());
        for answer in chunk {
            match answer {
                Ok(answer) => answers.push(answer),
                // Told by itself once what came before it is taken.
                Err(status) if answers.is_empty() => return News::Lost(Some(status), self.answered),
                Err(_) => break,
            }
        }
        self.answered = true;
        News::Answers(answers)
    }
}
