//! From start to stop, with events that come before, during and after.

use std::sync::Arc;
use std::time::Duration;

use bursar_notifications::spec;
use bursar_proto::common::v1::Money;
use bursar_proto::ledger::v1::{Merchant, Payment, PaymentChanged};
use bursar_proto::notifications::v1::mailbox_service_client::MailboxServiceClient;
use bursar_proto::notifications::v1::message_service_client::MessageServiceClient;
use bursar_proto::notifications::v1::webhook_service_client::WebhookServiceClient;
use bursar_proto::notifications::v1::{
    CreateWebhookEndpointRequest, ListInboxRequest, MailboxMessage, PutRecipientRequest, ReadMailboxRequest,
    SendOneTimeCodeRequest,
};
use bursar_service::cert::Authority;
use bursar_service::client::{self, with_token};
use bursar_service::config::{self, LoadOptions};
use bursar_service::db::DbError;
use bursar_service::events::NewEvent;
use bursar_service::run::{self, Running, Sources};
use bursar_service::token::TokenSigner;
use bursar_service::{
    Chassis, CustomerClaims, Identity, Parts, PeerChannel, Spec, StartError, Supervisor, parse,
};
use bursar_testkit::{TestDatabase, on_both_databases};
use bursar_types::id::{CustomerId, SessionId};
use bursar_types::{Clock as _, IdSource, OsEntropy, SystemClock};
use bytes::Bytes;
use futures::future::BoxFuture;
use http_body_util::{BodyExt as _, Empty};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tonic::Request;
use tonic::service::Routes;

const PATIENCE: Duration = Duration::from_secs(20);
const PHONE: &str = "+8613800138000";

/// A service that serves nothing but its event log.
fn publisher(identity: Identity) -> Spec<serde_json::Map<String, serde_json::Value>> {
    fn start(
        _: Chassis,
        _: serde_json::Map<String, serde_json::Value>,
    ) -> BoxFuture<'static, Result<Parts, StartError>> {
        Box::pin(async { Ok(Parts::new(Routes::default())) })
    }
    Spec { identity, defaults: "", migrations: &[], start }
}

pub(super) struct Place {
    pub(super) folder: TempDir,
    pub(super) authority: Authority,
}

impl Place {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::open(folder.path(), Arc::new(SystemClock)).unwrap();
        Self { folder, authority }
    }

    pub(super) fn settings(&self, identity: Identity, database_url: &str) -> Vec<String> {
        let files = self.authority.leaf(identity).unwrap();
        vec![
            format!("tls.ca={}", files.ca.display()),
            format!("tls.cert={}", files.cert.display()),
            format!("tls.key={}", files.key.display()),
            format!("database.url={database_url}"),
        ]
    }

    pub(super) async fn publisher(&self, identity: Identity) -> Running {
        let url = format!("sqlite://{}/{identity}.db", self.folder.path().display());
        let options = LoadOptions { sets: self.settings(identity, &url), ..LoadOptions::default() };
        let spec = publisher(identity);
        run::start(spec, config::load(spec.defaults, &options).unwrap(), Sources::default()).await.unwrap()
    }

    async fn notifications(
        &self,
        database: &TestDatabase,
        peers: &[Running],
        more: &[&str],
    ) -> Result<Running, StartError> {
        let mut sets = self.settings(Identity::Notifications, database.url());
        sets.push(format!("keys.master_file={}/master.key", self.folder.path().display()));
        for peer in peers {
            sets.push(format!("peers.{}={}", peer.chassis().identity, peer.grpc_url()));
        }
        sets.extend(more.iter().map(ToString::to_string));
        let options = LoadOptions { sets, ..LoadOptions::default() };
        let spec = spec();
        run::start(spec, config::load(spec.defaults, &options)?, Sources::default()).await
    }

    fn channel(&self, running: &Running, caller: Identity) -> PeerChannel {
        let files = self.authority.leaf(caller).unwrap();
        client::operator_channel(&running.grpc_url(), running.chassis().identity, &files).unwrap()
    }
}

async fn publish_payment(ledger: &Running, customer: CustomerId, minor_units: i64) {
    let money = || Some(Money { minor_units, asset: "CNY".into() });
    let payment = Payment {
        payment_id: "pay_01j9zq8m7x4v6k2w3h5t8n0p1r".into(),
        customer_id: customer.to_string(),
        amount: money(),
        approved: money(),
        merchant: Some(Merchant {
            merchant_id: "SHOP-1".into(),
            name: "Blue Bottle".into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let changed = &PaymentChanged {
        payment: Some(payment),
        masked_pan: "622848******1234".into(),
        available_after: money(),
    };
    let chassis = ledger.chassis();
    chassis
        .db
        .write(|tx| {
            Box::pin(async move {
                let event = NewEvent::new("ledger.payment.approved", customer, changed);
                chassis.events.publish(tx, event)?;
                Ok::<_, DbError>(())
            })
        })
        .await
        .unwrap();
}

async fn read(place: &Place, running: &Running, after: &str, event_type: &str) -> Vec<MailboxMessage> {
    let request = ReadMailboxRequest {
        address: PHONE.into(),
        after_message_id: after.into(),
        event_type: event_type.into(),
        wait_ms: 20_000,
    };
    let mut request = Request::new(request);
    request.set_timeout(PATIENCE);
    let mut mailbox = MailboxServiceClient::new(place.channel(running, Identity::Backend));
    mailbox.read_mailbox(request).await.unwrap().into_inner().messages
}

/// A merchant's listener: the headers and body of each request.
pub(super) async fn listener(
    supervisor: &Supervisor,
) -> (String, mpsc::UnboundedReceiver<(http::HeaderMap, Bytes)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let (sender, receiver) = mpsc::unbounded_channel();
    let tasks = supervisor.clone();
    let shutdown = supervisor.shutdown();
    supervisor.spawn("listener", async move {
        while let Some(Ok((stream, _))) = shutdown.run_until_cancelled(listener.accept()).await {
            let sender = sender.clone();
            let service = service_fn(move |request: http::Request<hyper::body::Incoming>| {
                let sender = sender.clone();
                async move {
                    let (head, body) = request.into_parts();
                    let body = body.collect().await?.to_bytes();
                    sender.send((head.headers, body)).unwrap();
                    Ok::<_, hyper::Error>(http::Response::new(Empty::<Bytes>::new()))
                }
            });
            let shutdown = shutdown.clone();
            tasks.spawn_once("connection", async move {
                let io = TokioIo::new(stream);
                let serving = hyper::server::conn::http1::Builder::new().serve_connection(io, service);
                let _ = shutdown.run_until_cancelled(serving).await;
            });
        }
    });
    (url, receiver)
}

on_both_databases! {
    async fn events_of_others_become_messages_and_webhooks_exactly_once_across_a_restart(database: TestDatabase) {
        let place = Place::new();
        let mut peers = Vec::new();
        for identity in [Identity::Identity, Identity::Vault, Identity::Ledger, Identity::Gateway] {
            peers.push(place.publisher(identity).await);
        }
        let ledger = &peers[2];
        let sandbox = ["service.sandbox=true"];
        let running = place.notifications(&database, &peers, &sandbox).await.unwrap();
        let ids = IdSource::new(Arc::new(SystemClock), Arc::new(OsEntropy));
        let customer: CustomerId = ids.next();

        let mut messages = MessageServiceClient::new(place.channel(&running, Identity::Identity));
        let code = SendOneTimeCodeRequest {
            request_id: ids.next_uuid().to_string(),
            phone: PHONE.into(),
            locale: "zh-CN".into(),
            purpose: "sign_up".into(),
            code: "493817".into(),
            expire_time: Some(parse::timestamp_message(SystemClock.now().plus(Duration::from_secs(300)))),
        };
        messages.send_one_time_code(code).await.unwrap();
        let codes = read(&place, &running, "", "one_time_code").await;
        assert_eq!(codes[0].one_time_code, "493817");

        let supervisor = Supervisor::new();
        let (url, mut received) = listener(&supervisor).await;
        let mut webhooks = WebhookServiceClient::new(place.channel(&running, Identity::Backend));
        let endpoint = CreateWebhookEndpointRequest {
            request_id: ids.next_uuid().to_string(),
            url,
            event_types: vec!["ledger.payment.*".into()],
            merchant_id: "SHOP-1".into(),
            ..Default::default()
        };
        let secret = webhooks.create_webhook_endpoint(endpoint).await.unwrap().into_inner().secret;

        // The event comes before identity has told where the customer can be reached.
        publish_payment(ledger, customer, 31_240).await;
        let (headers, body) = tokio::time::timeout(PATIENCE, received.recv()).await.unwrap().unwrap();
        standardwebhooks::Webhook::new(&secret).unwrap().verify(&body, &headers).unwrap();
        let recipient = PutRecipientRequest {
            request_id: ids.next_uuid().to_string(),
            customer_id: customer.to_string(),
            phone: PHONE.into(),
            locale: "zh-CN".into(),
            ..Default::default()
        };
        messages.put_recipient(recipient).await.unwrap();
        let first = read(&place, &running, "", "ledger.payment.approved").await;
        assert_eq!(first.len(), 1);
        assert_eq!(first[0].body, "【Bursar】您尾号1234的卡在Blue Bottle消费312.40 CNY。可用余额312.40 CNY。");
        running.stop().await;

        // What happens meanwhile is not lost; what was applied is not applied again.
        publish_payment(ledger, customer, 100).await;
        let running = place.notifications(&database, &peers, &sandbox).await.unwrap();
        let second = read(&place, &running, &first[0].message_id, "ledger.payment.approved").await;
        assert_eq!(second.len(), 1);
        assert!(second[0].body.contains("消费1.00 CNY"), "{}", second[0].body);
        let (again, _) = tokio::time::timeout(PATIENCE, received.recv()).await.unwrap().unwrap();
        assert_ne!(again["webhook-id"], headers["webhook-id"]);
        assert!(received.try_recv().is_err(), "each event went out once");

        let signing = place.authority.signing(Identity::Identity).unwrap();
        let claims = CustomerClaims {
            customer_id: customer,
            session_id: ids.next::<SessionId>(),
            issued_at: SystemClock.now(),
            second_factor_at: None,
            device: None,
        };
        let signer = TokenSigner::load(&signing.cert, &signing.key).unwrap();
        let token = signer.sign_customer(&claims, Duration::from_secs(600)).unwrap();
        let mut inbox = MessageServiceClient::new(place.channel(&running, Identity::Backend));
        let request = with_token(Request::new(ListInboxRequest::default()), &token).unwrap();
        let page = inbox.list_inbox(request).await.unwrap().into_inner();
        assert_eq!((page.messages.len(), page.unread), (2, 2));
        assert_eq!(page.messages[0].title, "消费1.00 CNY");

        running.stop().await;
        for peer in peers {
            peer.stop().await;
        }
        supervisor.stop().await;
    }
}

#[tokio::test]
async fn a_configuration_that_cannot_work_is_told_in_one_line() {
    let place = Place::new();
    let database = TestDatabase::sqlite();
    let production = place.notifications(&database, &[], &[]).await.unwrap_err();
    assert!(matches!(production, StartError::Configuration(_)), "{production:?}");
    assert!(production.to_string().contains("keys.master_file"), "{production}");
    for (setting, told) in [
        ("webhooks.allow_networks=[\"10.0.0.1/8\"]", "webhooks.allow_networks"),
        ("webhooks.concurrency=0", "webhooks.concurrency"),
        ("sms.provider=http", "sms.url"),
        ("service.sandbox=true", "peers.identity"),
    ] {
        let refused =
            place.notifications(&database, &[], &["service.sandbox=true", setting]).await.unwrap_err();
        assert!(matches!(refused, StartError::Configuration(_)), "{refused:?}");
        assert!(refused.to_string().contains(told), "{refused}");
        assert!(!refused.to_string().contains('\n'), "{refused}");
    }
    // The key was made by the sandbox starts above; the mailbox is still the sandbox's alone.
    let production = place.notifications(&database, &[], &[]).await.unwrap_err();
    assert!(production.to_string().contains("sms.provider"), "{production}");
}
