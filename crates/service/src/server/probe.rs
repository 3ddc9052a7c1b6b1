//! `bursar.probe.v1.ProbeService`: what transport, certificates, rules and limits cost by themselves. It is the measure
//! for every other method, so it does as little as the framework lets it.

use bursar_proto::probe::v1::probe_service_server::{ProbeService, ProbeServiceServer};
use bursar_proto::probe::v1::{EchoRequest, EchoResponse, PingRequest, PingResponse};
use futures::stream::{Map, StreamExt as _};
use tonic::{Request, Response, Status, Streaming};

/// One message and its answer: named, so that the stream of answers is neither boxed nor fed by a task.
type Answer = fn(Result<EchoRequest, Status>) -> Result<EchoResponse, Status>;

/// Answers at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Probe;

impl Probe {
    /// As a gRPC service to be mounted.
    pub(crate) fn into_service(self) -> ProbeServiceServer<Self> {
        ProbeServiceServer::new(self)
    }
}

#[tonic::async_trait]
impl ProbeService for Probe {
    type EchoStream = Map<Streaming<EchoRequest>, Answer>;

    async fn ping(&self, _: Request<PingRequest>) -> Result<Response<PingResponse>, Status> {
        Ok(Response::new(PingResponse {}))
    }

    async fn echo(
        &self,
        request: Request<Streaming<EchoRequest>>,
    ) -> Result<Response<Self::EchoStream>, Status> {
        let answer: Answer = |message| message.map(|EchoRequest { number }| EchoResponse { number });
        Ok(Response::new(request.into_inner().map(answer)))
    }
}
