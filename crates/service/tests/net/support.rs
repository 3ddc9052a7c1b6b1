//! Services in this process whose handlers do what the request says.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, LazyLock, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bursar_service::cert::Authority;
use bursar_service::config::{self, LoadOptions};
use bursar_service::run::{self, Running, Sources, Spec};
use bursar_service::telemetry::trace;
use bursar_service::{
    CallContext, Chassis, Deadline, Identity, Invalid, Parts, PeerChannel, StartError, client,
};
use bursar_types::SystemClock;
use futures::future::BoxFuture;
use tempfile::TempDir;
use tokio::sync::Notify;
use tonic::body::Body;
use tonic::codegen::http;
use tonic::server::{NamedService, UnaryService};
use tonic::service::Routes;
use tonic::{Request, Response, Status};
use tonic_prost::ProstCodec;

/// Nothing on loopback takes so long: what does, hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Methods of the contract that the probes stand in for.
pub(crate) const VERIFY_CARD: &str = "/bursar.vault.v1.VerificationService/VerifyCard";
pub(crate) const REDEEM_TICKET: &str = "/bursar.vault.v1.CardholderService/RedeemRevealTicket";
pub(crate) const SET_CARD_PASSWORD: &str = "/bursar.vault.v1.CardholderService/SetCardPassword";
pub(crate) const READ_MAILBOX: &str = "/bursar.notifications.v1.MailboxService/ReadMailbox";
pub(crate) const LIST_BANK_FILES: &str = "/bursar.gateway.v1.BankFileService/ListBankFiles";
pub(crate) const CLEAR_PAYMENT: &str = "/bursar.ledger.v1.PaymentService/ClearPayment";
pub(crate) const GET_ACCOUNT: &str = "/bursar.ledger.v1.AccountService/GetAccount";

/// A point that a handler reached, by the key in its request.
pub(crate) fn point(key: &str) -> Arc<Notify> {
    static POINTS: LazyLock<Mutex<HashMap<String, Arc<Notify>>>> = LazyLock::new(Mutex::default);
    Arc::clone(POINTS.lock().unwrap().entry(key.to_owned()).or_default())
}

struct Fallen(String);

impl Drop for Fallen {
    fn drop(&mut self) {
        point(&format!("{}-dropped", self.0)).notify_one();
    }
}

async fn act(chassis: Chassis, request: Request<String>) -> Result<Response<String>, Status> {
    let context = CallContext::of(&request).clone();
    let (verb, rest) = request.get_ref().split_once(' ').unwrap_or((request.get_ref(), ""));
    let answer = match verb {
        "echo" => rest.to_owned(),
        "length" => rest.len().to_string(),
        "principal" => context.principal(),
        "second-factor" => format!("{:?}", context.customer.and_then(|claims| claims.second_factor_at)),
        "trace" => trace::TraceContext::current().expect("each call has a trace").trace_id(),
        "remaining-ms" => Deadline::current().expect("a deadline").remaining().as_millis().to_string(),
        "panic" => panic!("as asked"),
        "invalid" => {
            return Err(Invalid::new()
                .field("amount", "must be above zero")
                .field("name", "is required")
                .into());
        }
        "hang" => {
            let _fallen = Fallen(rest.to_owned());
            point(rest).notify_one();
            point(&format!("{rest}-go")).notified().await;
            "went on".to_owned()
        }
        "hop" => {
            let peer = chassis.peer(Identity::Ledger).map_err(|error| Status::internal(error.to_string()))?;
            call(&peer, CLEAR_PAYMENT, rest).await?
        }
        _ => return Err(Status::internal("the test asks for what no probe does")),
    };
    Ok(Response::new(answer))
}

#[derive(Clone)]
struct Act(Chassis);

impl UnaryService<String> for Act {
    type Response = String;
    type Future = BoxFuture<'static, Result<Response<String>, Status>>;
    fn call(&mut self, request: Request<String>) -> Self::Future {
        Box::pin(act(self.0.clone(), request))
    }
}

macro_rules! probes {
    ($($name:ident $service:literal),+) => {
        $(
            #[derive(Clone)]
            struct $name(Chassis);
            impl NamedService for $name {
                const NAME: &'static str = $service;
            }
            impl tower::Service<http::Request<Body>> for $name {
                type Response = http::Response<Body>;
                type Error = Infallible;
                type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;
                fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
                    Poll::Ready(Ok(()))
                }
                fn call(&mut self, request: http::Request<Body>) -> Self::Future {
                    let act = Act(self.0.clone());
                    Box::pin(async move {
                        let mut grpc = tonic::server::Grpc::new(ProstCodec::<String, String>::default());
                        Ok(grpc.unary(act, request).await)
                    })
                }
            }
        )+
        fn probes(chassis: &Chassis) -> Routes {
            Routes::default()$(.add_service($name(chassis.clone())))+
        }
    };
}

probes! {
    Verification "bursar.vault.v1.VerificationService",
    Cardholder "bursar.vault.v1.CardholderService",
    Mailbox "bursar.notifications.v1.MailboxService",
    BankFiles "bursar.gateway.v1.BankFileService",
    Payments "bursar.ledger.v1.PaymentService",
    Accounts "bursar.ledger.v1.AccountService"
}

/// The tests' services have no configuration of their own.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Nothing {}

pub(crate) fn spec(identity: Identity) -> Spec<Nothing> {
    fn start(chassis: Chassis, _: Nothing) -> BoxFuture<'static, Result<Parts, StartError>> {
        Box::pin(async move { Ok(Parts::new(probes(&chassis))) })
    }
    Spec { identity, defaults: "", migrations: &[], start }
}

/// A folder with an authority and databases.
pub(crate) struct Place {
    pub(crate) folder: TempDir,
    pub(crate) authority: Authority,
}

impl Place {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::open(folder.path(), Arc::new(SystemClock)).unwrap();
        Self { folder, authority }
    }

    pub(crate) fn settings(&self, identity: Identity) -> Vec<String> {
        let files = self.authority.leaf(identity).unwrap();
        vec![
            format!("tls.ca={}", files.ca.display()),
            format!("tls.cert={}", files.cert.display()),
            format!("tls.key={}", files.key.display()),
            format!("database.url=sqlite://{}/{identity}.db", self.folder.path().display()),
        ]
    }

    pub(crate) async fn try_start(&self, identity: Identity, more: &[String]) -> Result<Running, StartError> {
        let mut sets = self.settings(identity);
        sets.extend_from_slice(more);
        let options = LoadOptions { sets, ..LoadOptions::default() };
        let spec = spec(identity);
        run::start(spec, config::load(spec.defaults, &options)?, Sources::default()).await
    }

    pub(crate) async fn start(&self, identity: Identity, more: &[&str]) -> Running {
        let more: Vec<String> = more.iter().map(ToString::to_string).collect();
        self.try_start(identity, &more).await.unwrap()
    }

    /// A connection of `caller`'s to a service that runs.
    pub(crate) fn channel(&self, running: &Running, caller: Identity) -> PeerChannel {
        let files = self.authority.leaf(caller).unwrap();
        client::operator_channel(&running.grpc_url(), running.chassis().identity, &files).unwrap()
    }
}

pub(crate) async fn send(
    channel: &PeerChannel,
    path: &'static str,
    request: Request<String>,
) -> Result<String, Status> {
    let mut grpc = tonic::client::Grpc::new(channel.clone());
    grpc.ready().await?;
    let path = http::uri::PathAndQuery::from_static(path);
    let codec = ProstCodec::<String, String>::default();
    let sent = tokio::time::timeout(PATIENCE, grpc.unary(request, path, codec));
    Ok(sent.await.expect("an answer within the test's patience")?.into_inner())
}

pub(crate) async fn call(channel: &PeerChannel, path: &'static str, text: &str) -> Result<String, Status> {
    send(channel, path, Request::new(text.to_owned())).await
}

pub(crate) async fn reached(key: &str) {
    tokio::time::timeout(PATIENCE, point(key).notified()).await.expect("the handler gets there");
}

/// The reason of a refusal.
pub(crate) fn reason(status: &Status) -> bursar_types::Reason {
    bursar_service::reason_of(status).unwrap_or_else(|| panic!("no reason in {status:?}")).0
}
