//! Webhooks: signed, tried again, given up, fair, and sure to go out.

use std::time::Duration;

use bursar_proto::access::Identity;
use bursar_proto::notifications::v1::webhook_service_server::WebhookService as _;
use bursar_proto::notifications::v1::{
    CreateWebhookEndpointRequest, CreateWebhookEndpointResponse, DeleteWebhookEndpointRequest, DeliveryState,
    GetWebhookDeliveryRequest, ListWebhookDeliveriesRequest, ListWebhookEndpointsRequest, WebhookAttempt,
    WebhookDelivered, WebhookDelivery,
};
use bursar_service::reason_of;
use bursar_testkit::on_both_databases;
use bursar_types::id::Uuid;
use bursar_types::{Reason, RequestId};
use tonic::Status;

use super::listener::{Listener, reply};
use super::support::{CAPS, PATIENCE, World, call, eventually, fresh, request_id};
use crate::grpc::webhooks::Webhooks;
use crate::people::facts::payload;
use crate::samples;
use crate::store::dump::{dump, holds};
use crate::webhooks::dispatcher::Caps;
use crate::webhooks::schedule::ATTEMPTS_MAX;

/// A declared endpoint.
pub(super) struct Declared {
    pub(super) id: String,
    pub(super) secret: String,
}

pub(super) fn service(world: &World) -> Webhooks {
    Webhooks::new(world.core.clone())
}

pub(super) fn wish(
    request_id: String,
    url: &str,
    types: &[&str],
    merchant: &str,
) -> CreateWebhookEndpointRequest {
    CreateWebhookEndpointRequest {
        request_id,
        url: url.into(),
        event_types: types.iter().map(|&text| text.to_owned()).collect(),
        merchant_id: merchant.into(),
        ..Default::default()
    }
}

pub(super) async fn create(
    world: &World,
    url: &str,
    types: &[&str],
    merchant: &str,
) -> Result<CreateWebhookEndpointResponse, Status> {
    let request_id = RequestId::from_uuid(world.core.ids.next_uuid()).to_string();
    let request = call(Identity::Backend, wish(request_id, url, types, merchant));
    service(world).create_webhook_endpoint(request).await.map(tonic::Response::into_inner)
}

pub(super) async fn declare(world: &World, url: &str, types: &[&str], merchant: &str) -> Declared {
    let created = create(world, url, types, merchant).await.unwrap();
    Declared { id: created.webhook_endpoint.unwrap().webhook_endpoint_id, secret: created.secret }
}

pub(super) async fn deliveries(world: &World, endpoint: &str) -> Vec<WebhookDelivery> {
    let request = ListWebhookDeliveriesRequest { webhook_endpoint_id: endpoint.into(), ..Default::default() };
    let request = call(Identity::Backend, request);
    service(world).list_webhook_deliveries(request).await.unwrap().into_inner().deliveries
}

pub(super) async fn attempts(world: &World, endpoint: &str) -> Vec<WebhookAttempt> {
    let mut all = Vec::new();
    for delivery in deliveries(world, endpoint).await {
        let request = GetWebhookDeliveryRequest {
            webhook_endpoint_id: endpoint.into(),
            delivery_id: delivery.delivery_id,
        };
        let request = call(Identity::Backend, request);
        all.extend(service(world).get_webhook_delivery(request).await.unwrap().into_inner().attempts);
    }
    all
}

pub(super) async fn wait_for_state(world: &World, endpoint: &str, state: DeliveryState) -> WebhookDelivery {
    eventually(async || {
        let all = deliveries(world, endpoint).await;
        all.into_iter().find(|delivery| delivery.state == i32::from(state))
    })
    .await
}

on_both_databases! {
    async fn a_payment_reaches_the_merchant_signed_and_nobody_else(database: TestDatabase) {
        let world = World::new(database).await;
        let listener = Listener::status(&world.supervisor, 204).await;
        let shop = declare(&world, &listener.url("/shop"), &["ledger.payment.*"], "SHOP-1").await;
        let other = declare(&world, &listener.url("/other"), &["ledger.payment.*"], "SHOP-2").await;
        let issuer = declare(&world, &listener.url("/issuer"), &["ledger.payment.approved"], "").await;
        world.run_dispatcher(CAPS);
        let event = fresh(&world, samples::event("ledger.payment.approved"));
        // Applied twice, as after a crash of the consumer before its cursor was durable.
        world.apply(&[event.clone(), event.clone()]).await.unwrap();
        wait_for_state(&world, &shop.id, DeliveryState::Delivered).await;
        wait_for_state(&world, &issuer.id, DeliveryState::Delivered).await;
        let received = listener.received();
        assert_eq!(received.len(), 2);
        for (path, declared) in [("/shop", &shop), ("/issuer", &issuer)] {
            let got = received.iter().find(|got| got.path == path).unwrap();
            assert_eq!(got.header("webhook-id"), event.id);
            assert_eq!(got.header("content-type"), "application/json");
            let library = standardwebhooks::Webhook::new(&declared.secret).unwrap();
            library.verify(&got.body, &got.headers).unwrap();
            let json: serde_json::Value = serde_json::from_slice(&got.body).unwrap();
            assert_eq!(json["type"], "ledger.payment.approved");
            assert_eq!(json["data"]["payment"]["customerId"].is_null(), path == "/shop");
        }
        assert!(standardwebhooks::Webhook::new(&other.secret).unwrap()
            .verify(&received[0].body, &received[0].headers).is_err());
        assert!(deliveries(&world, &other.id).await.is_empty());
        let log = attempts(&world, &shop.id).await;
        assert_eq!((log.len(), log[0].status, log[0].response.as_slice()), (1, 204, &b""[..]));
        world.supervisor.stop().await;
    }

    async fn a_failure_is_tried_again_with_the_same_id_when_its_time_has_come(database: TestDatabase) {
        let world = World::new(database).await;
        let listener = Listener::answering(&world.supervisor, |number, _| reply(if number < 2 { 500 } else { 200 })).await;
        let endpoint = declare(&world, &listener.url("/"), &["ledger.*"], "").await;
        world.run_dispatcher(CAPS);
        world.apply(&[fresh(&world, samples::event("ledger.card.frozen"))]).await.unwrap();
        eventually(async || {
            let all = deliveries(&world, &endpoint.id).await;
            (all.first()?.last_status == 500).then_some(())
        }).await;
        let waiting = deliveries(&world, &endpoint.id).await.remove(0);
        assert_eq!((waiting.state(), waiting.attempts), (DeliveryState::Pending, 1));
        let wait = waiting.next_attempt_time.unwrap().seconds - 1_795_336_200;
        assert!((5..=6).contains(&wait), "{wait}");
        world.advance(Duration::from_secs(7));
        listener.wait_for(2, PATIENCE).await;
        eventually(async || {
            let log = attempts(&world, &endpoint.id).await;
            (log.len() == 2).then_some(())
        }).await;
        world.advance(Duration::from_secs(361));
        let delivered = wait_for_state(&world, &endpoint.id, DeliveryState::Delivered).await;
        assert_eq!((delivered.attempts, delivered.last_status, delivered.next_attempt_time), (3, 200, None));
        let received = listener.received();
        assert_eq!(received.len(), 3);
        assert!(received.iter().all(|got| got.header("webhook-id") == delivered.event_id));
        assert!(received.iter().all(|got| got.body == received[0].body));
        world.supervisor.stop().await;
    }

    async fn after_the_last_attempt_a_delivery_is_dead(database: TestDatabase) {
        let world = World::new(database).await;
        let listener = Listener::status(&world.supervisor, 503).await;
        let endpoint = declare(&world, &listener.url("/"), &["ledger.*"], "").await;
        world.run_dispatcher(Caps { disable_after: Duration::from_secs(1_000 * 3600), ..CAPS });
        world.apply(&[fresh(&world, samples::event("ledger.card.frozen"))]).await.unwrap();
        for attempt in 1..=usize::try_from(ATTEMPTS_MAX).unwrap() {
            listener.wait_for(attempt, PATIENCE).await;
            eventually(async || (attempts(&world, &endpoint.id).await.len() == attempt).then_some(())).await;
            world.advance(Duration::from_secs(30 * 3600));
        }
        let dead = wait_for_state(&world, &endpoint.id, DeliveryState::Dead).await;
        assert_eq!((i64::from(dead.attempts), dead.last_status, dead.next_attempt_time), (ATTEMPTS_MAX, 503, None));
        let told = world.published("notifications.webhook.dead").await;
        assert_eq!(told.len(), 1);
        let told: WebhookDelivered = payload(&told[0]).unwrap();
        assert_eq!((told.event_id, i64::from(told.attempts)), (dead.event_id, ATTEMPTS_MAX));
        world.supervisor.stop().await;
    }

    async fn an_endpoint_that_is_gone_is_disabled_and_what_waits_is_held(database: TestDatabase) {
        let world = World::new(database).await;
        let listener = Listener::status(&world.supervisor, 410).await;
        let endpoint = declare(&world, &listener.url("/"), &["ledger.*"], "").await;
        let events: Vec<_> = (0..6).map(|_| fresh(&world, samples::event("ledger.card.frozen"))).collect();
        world.apply(&events).await.unwrap();
        world.run_dispatcher(Caps { per_endpoint: 1, ..CAPS });
        wait_for_state(&world, &endpoint.id, DeliveryState::Dead).await;
        let held = |all: &[WebhookDelivery]| all.iter().filter(|d| d.state() == DeliveryState::Held).count();
        assert_eq!(held(&deliveries(&world, &endpoint.id).await), 5);
        let list = service(&world)
            .list_webhook_endpoints(call(Identity::Operator, ListWebhookEndpointsRequest::default()))
            .await.unwrap().into_inner();
        assert!(list.webhook_endpoints[0].disabled);
        world.apply(&[fresh(&world, samples::event("ledger.card.frozen"))]).await.unwrap();
        assert_eq!(held(&deliveries(&world, &endpoint.id).await), 6, "it gets nothing new");
        assert_eq!(list.webhook_endpoints[0].disable_reason, "gone");
        assert_eq!(world.published("notifications.webhook_endpoint.disabled").await.len(), 1);
        assert_eq!(listener.received().len(), 1);
        world.supervisor.stop().await;
    }

    async fn dead_endpoints_do_not_delay_a_healthy_one(database: TestDatabase) {
        let world = World::new(database).await;
        let silent = Listener::silent(&world.supervisor).await;
        let healthy = Listener::status(&world.supervisor, 200).await;
        for _ in 0..3 {
            declare(&world, &silent.url("/"), &["ledger.*"], "").await;
        }
        declare(&world, &healthy.url("/"), &["ledger.*"], "").await;
        let events: Vec<_> = (0..40).map(|_| fresh(&world, samples::event("ledger.card.frozen"))).collect();
        world.apply(&events).await.unwrap();
        let began = tokio::time::Instant::now();
        // The dead ones hold 3 × 2 of 8 places until their attempts end, which takes the client 15 s.
        world.run_dispatcher(Caps { total: 8, per_endpoint: 2, ..CAPS });
        healthy.wait_for(40, Duration::from_secs(12)).await;
        assert!(began.elapsed() < Duration::from_secs(12));
        silent.wait_for(6, PATIENCE).await;
        world.supervisor.stop().await;
    }

    async fn a_dispatcher_that_dies_loses_nothing(database: TestDatabase) {
        let world = World::new(database).await;
        let silent = Listener::silent(&world.supervisor).await;
        let endpoint = declare(&world, &silent.url("/"), &["ledger.*"], "").await;
        world.apply(&[fresh(&world, samples::event("ledger.card.frozen"))]).await.unwrap();
        {
            // Killed while its attempt is under way: the future is dropped at whatever line it is.
            let dying = world.dispatcher(CAPS).run(world.supervisor.shutdown());
            tokio::select! {
                () = dying => unreachable!("it runs until it is killed"),
                _ = silent.wait_for(1, PATIENCE) => {}
            }
        }
        let waiting = deliveries(&world, &endpoint.id).await.remove(0);
        assert_eq!((waiting.state(), waiting.attempts), (DeliveryState::Pending, 0));
        // Its lease ends by the machine's clock.
        world.run_dispatcher(CAPS);
        silent.wait_for(2, PATIENCE).await;
        world.supervisor.stop().await;
    }

    async fn a_hostile_answer_is_cut(database: TestDatabase) {
        let world = World::new(database).await;
        let body = Listener::endless(&world.supervisor, "HTTP/1.1 200 OK\r\n\r\n", "xxxxxxxxxxxxxxxx").await;
        let head = Listener::endless(&world.supervisor, "HTTP/1.1 200 OK\r\n", "x-more: yes\r\n").await;
        let long = declare(&world, &body.url("/"), &["ledger.*"], "").await;
        let never = declare(&world, &head.url("/"), &["ledger.*"], "").await;
        world.run_dispatcher(CAPS);
        world.apply(&[fresh(&world, samples::event("ledger.card.frozen"))]).await.unwrap();
        wait_for_state(&world, &long.id, DeliveryState::Delivered).await;
        assert_eq!(attempts(&world, &long.id).await[0].response, vec![b'x'; 4096]);
        let failed = eventually(async || attempts(&world, &never.id).await.into_iter().next()).await;
        assert_eq!(failed.status, 0);
        assert!(!failed.problem.is_empty());
        world.supervisor.stop().await;
    }

    async fn a_secret_is_told_to_its_caller_and_kept_sealed(database: TestDatabase) {
        let world = World::new(database).await;
        let url = "http://127.0.0.1:9/hook";
        let first = wish(request_id(1), url, &["ledger.payment.*", "ledger.payment.*"], "SHOP-1");
        let created = service(&world).create_webhook_endpoint(call(Identity::Backend, first.clone())).await.unwrap().into_inner();
        let endpoint = created.webhook_endpoint.clone().unwrap();
        assert_eq!(endpoint.event_types, ["ledger.payment.*"]);
        assert!(created.secret.starts_with("whsec_") && !format!("{created:?}").contains(&created.secret));
        let again = service(&world).create_webhook_endpoint(call(Identity::Backend, first.clone())).await.unwrap().into_inner();
        assert_eq!(again, created, "the same call, the same answer");
        let another = service(&world).create_webhook_endpoint(call(Identity::Operator, first.clone())).await.unwrap().into_inner();
        assert_ne!(another.secret, created.secret, "request ids of two callers never meet");
        let other = CreateWebhookEndpointRequest { merchant_id: "SHOP-2".into(), ..first.clone() };
        let refused = service(&world).create_webhook_endpoint(call(Identity::Backend, other)).await.unwrap_err();
        assert_eq!(reason_of(&refused).unwrap().0, Reason::RequestIdReused);
        let dump = dump(world.db(), &world.database).await;
        assert!(holds(&dump, &endpoint.webhook_endpoint_id), "the dump shows what is there");
        assert!(!holds(&dump, created.secret.trim_start_matches("whsec_")));
        let raw = data_encoding::BASE64.decode(created.secret.trim_start_matches("whsec_").as_bytes()).unwrap();
        assert!(!dump.windows(32).any(|bytes| bytes == raw.as_slice()));
        assert!(!holds(&dump, &data_encoding::HEXLOWER.encode(&raw)));

        let delete = DeleteWebhookEndpointRequest {
            request_id: request_id(2),
            webhook_endpoint_id: endpoint.webhook_endpoint_id.clone(),
        };
        for _ in 0..2 {
            service(&world).delete_webhook_endpoint(call(Identity::Backend, delete.clone())).await.unwrap();
        }
        for refused in [
            service(&world).create_webhook_endpoint(call(Identity::Backend, first)).await.unwrap_err(),
            service(&world).delete_webhook_endpoint(call(Identity::Operator, delete)).await.unwrap_err(),
        ] {
            assert_eq!(reason_of(&refused).unwrap().0, Reason::NotFound);
        }
    }

    async fn endpoints_and_deliveries_are_paged(database: TestDatabase) {
        let world = World::new(database).await;
        let mut declared = Vec::new();
        for _ in 0..5 {
            world.advance(Duration::from_millis(1));
            declared.push(declare(&world, "http://127.0.0.1:9/", &["ledger.*"], "").await.id);
        }
        let mut events = Vec::new();
        for _ in 0..5 {
            world.advance(Duration::from_millis(1));
            events.push(fresh(&world, samples::event("ledger.card.frozen")));
            world.apply(&events[events.len() - 1..]).await.unwrap();
        }
        let (mut seen, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = call(Identity::Operator, ListWebhookEndpointsRequest { page_size: 2, page_token });
            let page = service(&world).list_webhook_endpoints(request).await.unwrap().into_inner();
            seen.extend(page.webhook_endpoints.into_iter().map(|endpoint| endpoint.webhook_endpoint_id));
            page_token = page.next_page_token;
            if page_token.is_empty() { break; }
        }
        assert_eq!(seen, declared);
        let (mut seen, mut page_token) = (Vec::new(), String::new());
        loop {
            let webhook_endpoint_id = declared[0].clone();
            let request = ListWebhookDeliveriesRequest { webhook_endpoint_id, page_size: 2, page_token, state: 0 };
            let page = service(&world).list_webhook_deliveries(call(Identity::Operator, request)).await.unwrap().into_inner();
            seen.extend(page.deliveries.into_iter().map(|delivery| delivery.event_id));
            page_token = page.next_page_token;
            if page_token.is_empty() { break; }
        }
        let newest_first: Vec<_> = events.iter().rev().map(|event| event.id.clone()).collect();
        assert_eq!(seen, newest_first);
        let request = ListWebhookDeliveriesRequest { webhook_endpoint_id: "whe_1".into(), ..Default::default() };
        let refused = service(&world).list_webhook_deliveries(call(Identity::Operator, request)).await.unwrap_err();
        assert_eq!(reason_of(&refused).unwrap().0, Reason::InvalidField);
    }

    async fn a_wrong_endpoint_is_refused_naming_the_fields(database: TestDatabase) {
        let world = World::new(database).await;
        let bad = CreateWebhookEndpointRequest {
            request_id: "x".into(),
            url: "https://user:secret@shop.example/".into(),
            event_types: vec!["ledger.*".into(), "*".into()],
            merchant_id: "a merchant id that is too long".into(),
            ..Default::default()
        };
        let refused = service(&world).create_webhook_endpoint(call(Identity::Backend, bad)).await.unwrap_err();
        let fields: Vec<_> = bursar_service::error::violations_of(&refused).into_iter().map(|v| v.field).collect();
        assert_eq!(fields, ["request_id", "event_types[1]", "merchant_id", "url"]);
        for types in [&[][..], &["ledger.a"; 65][..]] {
            let request = wish(RequestId::from_uuid(Uuid::from_bytes([3; 16])).to_string(), "http://127.0.0.1/", types, "");
            let refused = service(&world).create_webhook_endpoint(call(Identity::Backend, request)).await.unwrap_err();
            assert_eq!(reason_of(&refused).unwrap().0, Reason::InvalidField);
        }
        let list = service(&world)
            .list_webhook_endpoints(call(Identity::Operator, ListWebhookEndpointsRequest::default()))
            .await.unwrap().into_inner();
        assert!(list.webhook_endpoints.is_empty());
    }
}
