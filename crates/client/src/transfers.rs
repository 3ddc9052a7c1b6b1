//! The client itself.

use std::sync::Arc;
use std::time::Duration;

use bursar_proto::ledger::v1 as proto;
use bursar_proto::ledger::v1::stream_transfers_request::Command;
use bursar_proto::ledger::v1::stream_transfers_response::Result as Outcome;
use bursar_proto::ledger::v1::transfer_service_client::TransferServiceClient;
use bursar_types::{IdSource, OsEntropy, Reason, RequestId, RequestIdError, SystemClock};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::client::GrpcService;
use tonic::codegen::{Body as HttpBody, Bytes, StdError};

use crate::calls::Ask;
use crate::driver::Driver;
use crate::options::FRAME_BYTES;
use crate::{ClientError, Failure, Options};

/// Asks the ledger for transfers. Clones share the stream, and any number of tasks may use it at once. It connects when
/// it is first used; with its last clone the stream ends.
#[derive(Clone, Debug)]
pub struct TransferClient {
    shared: Arc<Shared>,
    deadline: Duration,
}

#[derive(Debug)]
struct Shared {
    asks: mpsc::Sender<Ask>,
    ids: IdSource,
    message_bytes_max: usize,
    /// Aborted when dropped.
    _driver: JoinSet<()>,
}

macro_rules! methods {
    ($($(#[$doc:meta])+ $method:ident($variant:ident: $request:ident) -> $response:ident;)+) => {$(
        $(#[$doc])+
        ///
        /// # Errors
        /// [`ClientError`] with the request id, which is safe to be used again with the same request.
        pub async fn $method(
            &self,
            mut request: proto::$request,
        ) -> Result<proto::$response, ClientError> {
            let id = self.id(&mut request.request_id)?;
            match self.ask(id, Command::$variant(request)).await {
                Ok(Outcome::$variant(response)) => Ok(response),
                // Our stream answers each command with its own result.
                Ok(_) => Err(Failure::Ended),
                Err(failure) => Err(failure),
            }
            .map_err(|failure| ClientError { request_id: id.to_string(), failure })
        }
    )+};
}

impl TransferClient {
    /// A client over `channel`: a [`tonic::transport::Channel`], or bursar-service's `PeerChannel`, which brings mutual
    /// TLS.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn new<S>(channel: S, options: Options) -> Self
    where
        S: GrpcService<Body> + Clone + Send + Sync + 'static,
        S::Error: Into<StdError>,
        S::Future: Send,
        S::ResponseBody: HttpBody<Data = Bytes> + Send + 'static,
        <S::ResponseBody as HttpBody>::Error: Into<StdError> + Send,
    {
        let (asks, queue) = mpsc::channel(options.queue_max.max(1));
        let mut driver = JoinSet::new();
        driver.spawn(Driver::new(options).run(TransferServiceClient::new(channel), queue));
        let ids = IdSource::new(Arc::new(SystemClock), Arc::new(OsEntropy));
        let shared = Shared { asks, ids, message_bytes_max: options.message_bytes_max, _driver: driver };
        Self { shared: Arc::new(shared), deadline: options.deadline }
    }

    /// The same client with another deadline for each call.
    #[must_use]
    pub fn with_deadline(&self, deadline: Duration) -> Self {
        Self { shared: Arc::clone(&self.shared), deadline }
    }

    methods! {
        /// Posts a transfer, or places a hold for one.
        create_transfer(CreateTransfer: CreateTransferRequest) -> CreateTransferResponse;
        /// Posts or holds many at once, in order: each by itself, or all or none. What became of each stands in the
        /// response: a refused order is no error of the call.
        batch(BatchCreateTransfers: BatchCreateTransfersRequest) -> BatchCreateTransfersResponse;
        /// Captures a part or all of a hold; as often as something is left.
        capture(CaptureHold: CaptureHoldRequest) -> CaptureHoldResponse;
        /// Raises a hold.
        increment(IncrementHold: IncrementHoldRequest) -> IncrementHoldResponse;
        /// Gives back a part or all of a hold.
        void(VoidHold: VoidHoldRequest) -> VoidHoldResponse;
        /// Posts the opposite of a posted transfer, linked to it; once.
        reverse(ReverseTransfer: ReverseTransferRequest) -> ReverseTransferResponse;
    }

    /// The request id of a command; it gets one if it comes without.
    fn id(&self, text: &mut String) -> Result<RequestId, ClientError> {
        if text.is_empty() {
            let id = RequestId::from_uuid(self.shared.ids.next_uuid());
            *text = id.to_string();
            return Ok(id);
        }
        text.parse().map_err(|wrong: RequestIdError| {
            let failure = invalid(Reason::RequestIdMalformed, wrong.to_string(), "request_id");
            ClientError { request_id: text.clone(), failure }
        })
    }

    async fn ask(&self, id: RequestId, command: Command) -> Result<Outcome, Failure> {
        let most = self.shared.message_bytes_max;
        if command.encoded_len() + FRAME_BYTES > most {
            return Err(invalid(Reason::MessageTooLarge, format!("larger than {most} bytes"), ""));
        }
        let deadline = Instant::now() + self.deadline;
        let (reply, answer) = oneshot::channel();
        match self.shared.asks.try_send(Ask { id, command, deadline, reply }) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(ask)) => {
                let sent = tokio::time::timeout_at(deadline, self.shared.asks.send(ask)).await;
                sent.map_err(|_| Failure::late(""))?.map_err(|_| Failure::Ended)?;
            }
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(Failure::Ended),
        }
        // The driver ends every call at its deadline.
        answer.await.unwrap_or(Err(Failure::Ended))
    }
}

/// What the ledger would say to a message that need not be sent for it.
fn invalid(reason: Reason, message: String, field: &str) -> Failure {
    let reason = reason.as_str().to_owned();
    Failure::Refused { code: tonic::Code::InvalidArgument, reason, message, field: field.to_owned() }
}
