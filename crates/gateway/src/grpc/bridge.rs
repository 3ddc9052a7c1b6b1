//! From JSON to a method of this process and back, by the descriptors of the contract.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use bursar_proto::FILE_DESCRIPTOR_SET;
use bursar_proto::access::Identity;
use bursar_service::error::{reason_of, retry_after_of, violations_of};
use bursar_service::{CallContext, Door};
use bytes::{Buf as _, BufMut as _, Bytes};
use http::uri::PathAndQuery;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor, SerializeOptions};
use serde_json::Value;
use tonic::client::Grpc;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::service::Routes;
use tonic::{Code, Request, Status};

use crate::http::table::Entry;

/// The contract.
pub(crate) static CONTRACT: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("the set was made by the compiler of the contract")
});

/// What goes wrong, for RFC 9457.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) status: u16,
    pub(crate) reason: String,
    pub(crate) detail: String,
    pub(crate) violations: Vec<(String, String)>,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) retry_after: Option<Duration>,
}

impl Problem {
    /// One without details.
    pub(crate) fn plain(status: u16, reason: &str, detail: &str) -> Self {
        Self {
            status,
            reason: reason.to_owned(),
            detail: detail.to_owned(),
            violations: Vec::new(),
            metadata: BTreeMap::new(),
            retry_after: None,
        }
    }

    /// A field is wrong.
    pub(crate) fn field(field: &str, description: &str) -> Self {
        let violations = vec![(field.to_owned(), description.to_owned())];
        Self { violations, ..Self::plain(400, "INVALID_FIELD", &format!("{field}: {description}")) }
    }

    fn of(status: &Status) -> Self {
        let number = match status.code() {
            Code::InvalidArgument | Code::OutOfRange => 400,
            Code::Unauthenticated => 401,
            Code::PermissionDenied => 403,
            Code::NotFound => 404,
            Code::AlreadyExists | Code::Aborted | Code::FailedPrecondition => 409,
            Code::ResourceExhausted => 429,
            Code::Unimplemented => 501,
            Code::Unavailable | Code::Cancelled => 503,
            Code::DeadlineExceeded => 504,
            _ => 500,
        };
        let known = reason_of(status);
        let reason = known.as_ref().map_or("INTERNAL", |(reason, _)| reason.as_str());
        let violations = violations_of(status).into_iter().map(|it| (it.field, it.description)).collect();
        let metadata = known.map(|(_, metadata)| metadata.into_iter().collect()).unwrap_or_default();
        let retry_after = retry_after_of(status);
        Self { violations, metadata, retry_after, ..Self::plain(number, reason, status.message()) }
    }
}

/// Calls methods of this process.
#[derive(Clone)]
pub(crate) struct Bridge {
    routes: Routes,
}

impl Bridge {
    pub(super) fn new(routes: Routes) -> Self {
        Self { routes }
    }

    /// Whether `caller` may call, and for which customer.
    pub(crate) fn admit(
        &self,
        door: &Door,
        entry: &Entry,
        caller: Identity,
        headers: &http::HeaderMap,
    ) -> Result<CallContext, Problem> {
        door.admit(&entry.path(), caller, headers).map_err(|status| Problem::of(&status))
    }

    /// Calls the method with a request message in JSON; gives the response message in JSON.
    pub(crate) async fn call(
        &self,
        entry: &Entry,
        context: CallContext,
        json: String,
    ) -> Result<Value, Problem> {
        let method = method(entry)
            .ok_or_else(|| Problem::plain(500, "INTERNAL", "the contract has no such method"))?;
        let mut reader = serde_json::Deserializer::from_str(&json);
        let read =
            DynamicMessage::deserialize(method.input(), &mut reader).and_then(|it| reader.end().map(|()| it));
        // The reader's own words may repeat what was sent, and that may be a secret.
        let message = read.map_err(|error| {
            let place = format!("line {}, column {}", error.line(), error.column());
            let name = method.input().name().to_owned();
            Problem::field("body", &format!("is not a {name} in JSON ({place}); see /openapi.json"))
        })?;
        let path = PathAndQuery::try_from(entry.path());
        let path = path.map_err(|_| Problem::plain(500, "INTERNAL", "the path is none"))?;
        let mut request = Request::new(Bytes::from(message.encode_to_vec()));
        let deadline = context.deadline;
        request.extensions_mut().insert(context);
        let mut client = Grpc::new(self.routes.clone());
        let calling = client.unary(request, path, Raw);
        let answered = match deadline {
            Some(deadline) => deadline
                .bound(calling)
                .await
                .map_err(|expired| Problem::of(&bursar_service::status(&expired)))?,
            None => calling.await,
        };
        let bytes = answered.map_err(|status| Problem::of(&status))?.into_inner();
        let unreadable = |_| Problem::plain(500, "INTERNAL", "the answer cannot be read");
        let message = DynamicMessage::decode(method.output(), bytes).map_err(unreadable)?;
        let options = SerializeOptions::new().skip_default_fields(false);
        let value = message.serialize_with_options(serde_json::value::Serializer, &options);
        value.map_err(|_| Problem::plain(500, "INTERNAL", "the answer cannot be written"))
    }
}

/// The method of an entry.
pub(crate) fn method(entry: &Entry) -> Option<MethodDescriptor> {
    CONTRACT.get_service_by_name(entry.service)?.methods().find(|method| method.name() == entry.method)
}

/// Messages as the bytes they are.
#[derive(Clone, Copy, Debug)]
struct Raw;

impl Codec for Raw {
    type Encode = Bytes;
    type Decode = Bytes;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn encode(&mut self, item: Bytes, out: &mut EncodeBuf<'_>) -> Result<(), Status> {
        out.put(item);
        Ok(())
    }
}

impl Decoder for Raw {
    type Item = Bytes;
    type Error = Status;

    fn decode(&mut self, from: &mut DecodeBuf<'_>) -> Result<Option<Bytes>, Status> {
        Ok(Some(from.copy_to_bytes(from.remaining())))
    }
}
