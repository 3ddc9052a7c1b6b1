//! What an endpoint's owner can do: rotate, order, bound, retry, recover, replay, test; and what is done by itself.

use std::sync::Arc;
use std::time::Duration;

use bursar_proto::access::Identity;
use bursar_proto::event::v1::Event;
use bursar_proto::notifications::v1::webhook_service_server::WebhookService as _;
use bursar_proto::notifications::v1::{
    CreateWebhookEndpointRequest, CreateWebhookEndpointResponse, DeliveryState, EnableWebhookEndpointRequest,
    ListWebhookDeliveriesRequest, ListWebhookEndpointsRequest, RecoverWebhookEndpointRequest,
    ReplayMissingWebhooksRequest, RetryWebhookDeliveryRequest, RotateWebhookSecretRequest,
    SendTestWebhookRequest, SignatureScheme, WebhookEndpoint, WebhookEndpointTroubled,
};
use bursar_service::{parse, reason_of};
use bursar_testkit::on_both_databases;
use bursar_types::{Clock as _, Reason, RequestId};
use data_encoding::BASE64;
use ring::signature::{ED25519, UnparsedPublicKey};

use super::listener::{Listener, Received, reply};
use super::support::{CAPS, PATIENCE, World, call, eventually, fresh, request_id};
use super::webhooks::{attempts, declare, deliveries, service, wait_for_state, wish};
use crate::people::facts::payload;
use crate::samples;

async fn create(world: &World, request: CreateWebhookEndpointRequest) -> CreateWebhookEndpointResponse {
    service(world).create_webhook_endpoint(call(Identity::Backend, request)).await.unwrap().into_inner()
}

fn fresh_request(world: &World) -> String {
    RequestId::from_uuid(world.core.ids.next_uuid()).to_string()
}

async fn endpoint(world: &World, id: &str) -> WebhookEndpoint {
    let request = call(Identity::Operator, ListWebhookEndpointsRequest::default());
    let all = service(world).list_webhook_endpoints(request).await.unwrap().into_inner();
    all.webhook_endpoints.into_iter().find(|endpoint| endpoint.webhook_endpoint_id == id).unwrap()
}

async fn frozen(world: &World, number: usize) -> Vec<Event> {
    let events: Vec<_> = (0..number).map(|_| fresh(world, samples::event("ledger.card.frozen"))).collect();
    world.apply(&events).await.unwrap();
    events
}

fn verifies(got: &Received, secret: &str) -> bool {
    standardwebhooks::Webhook::new(secret).unwrap().verify(&got.body, &got.headers).is_ok()
}

/// Whether one of the `v1a` signatures is that of the key.
fn verifies_ed25519(got: &Received, public_key: &str) -> bool {
    let key = BASE64.decode(public_key.strip_prefix("whpk_").unwrap().as_bytes()).unwrap();
    let key = UnparsedPublicKey::new(&ED25519, key);
    let mut signed =
        format!("{}.{}.", got.header("webhook-id"), got.header("webhook-timestamp")).into_bytes();
    signed.extend_from_slice(&got.body);
    let mut signatures =
        got.header("webhook-signature").split(' ').filter_map(|one| one.strip_prefix("v1a,"));
    signatures.any(|one| key.verify(&signed, &BASE64.decode(one.as_bytes()).unwrap()).is_ok())
}

on_both_databases! {
    async fn both_schemes_sign_and_a_rotation_overlaps(database: TestDatabase) {
        let world = World::new(database).await;
        let listener = Listener::status(&world.supervisor, 200).await;
        let both = vec![SignatureScheme::V1a.into(), SignatureScheme::V1.into()];
        let request = CreateWebhookEndpointRequest {
            schemes: both,
            ..wish(request_id(1), &listener.url("/"), &["ledger.*"], "")
        };
        let created = create(&world, request.clone()).await;
        assert_eq!(create(&world, request).await, created);
        let id = created.webhook_endpoint.unwrap().webhook_endpoint_id;
        world.run_dispatcher(CAPS);
        frozen(&world, 1).await;
        let first = listener.wait_for(1, PATIENCE).await.remove(0);
        assert!(verifies(&first, &created.secret) && verifies_ed25519(&first, &created.public_key));
        assert_eq!(first.header("webhook-signature").split(' ').count(), 2);

        let rotate = |request, overlap_seconds| RotateWebhookSecretRequest {
            request_id: request,
            webhook_endpoint_id: id.clone(),
            overlap_seconds,
        };
        let request = rotate(request_id(2), 3_600);
        let rotated = service(&world).rotate_webhook_secret(call(Identity::Backend, request.clone())).await.unwrap().into_inner();
        assert!(rotated.secret != created.secret && rotated.public_key != created.public_key);
        let again = service(&world).rotate_webhook_secret(call(Identity::Backend, request)).await.unwrap().into_inner();
        assert_eq!(again, rotated, "the same call, the same keys");
        frozen(&world, 1).await;
        let during = listener.wait_for(2, PATIENCE).await.remove(1);
        assert_eq!(during.header("webhook-signature").split(' ').count(), 4);
        for (secret, key) in [(&created.secret, &created.public_key), (&rotated.secret, &rotated.public_key)] {
            assert!(verifies(&during, secret) && verifies_ed25519(&during, key));
        }

        world.advance(Duration::from_secs(3_601));
        frozen(&world, 1).await;
        let after = listener.wait_for(3, PATIENCE).await.remove(2);
        assert_eq!(after.header("webhook-signature").split(' ').count(), 2);
        assert!(verifies(&after, &rotated.secret) && !verifies(&after, &created.secret));
        assert!(verifies_ed25519(&after, &rotated.public_key) && !verifies_ed25519(&after, &created.public_key));

        // At once: the old secret is out.
        let request = rotate(request_id(3), 0);
        let out = service(&world).rotate_webhook_secret(call(Identity::Backend, request)).await.unwrap().into_inner();
        frozen(&world, 1).await;
        let last = listener.wait_for(4, PATIENCE).await.remove(3);
        assert!(verifies(&last, &out.secret) && !verifies(&last, &rotated.secret));
        world.supervisor.stop().await;
    }

    async fn an_ordered_endpoint_gets_each_subject_in_order_whatever_fails(database: TestDatabase) {
        let world = World::new(database).await;
        // The first to the third request fail, whichever they are.
        let listener = Listener::answering(&world.supervisor, |number, _| reply(if number < 3 { 500 } else { 200 })).await;
        let request = CreateWebhookEndpointRequest {
            ordered: true,
            ..wish(request_id(1), &listener.url("/"), &["ledger.*"], "")
        };
        let id = create(&world, request).await.webhook_endpoint.unwrap().webhook_endpoint_id;
        world.run_dispatcher(CAPS);
        let mut events = Vec::new();
        for version in 1..=6 {
            for subject in ["card_a", "card_b", "card_c"] {
                let mut event = fresh(&world, samples::event("ledger.card.frozen"));
                event.subject = subject.into();
                event.subject_version = version;
                events.push(event);
            }
        }
        world.apply(&events).await.unwrap();
        eventually(async || {
            let all = deliveries(&world, &id).await;
            let delivered = all.iter().filter(|delivery| delivery.state() == DeliveryState::Delivered).count();
            if delivered < 18 {
                world.advance(Duration::from_secs(1));
            }
            (delivered == 18).then_some(())
        })
        .await;
        let received = listener.received();
        for subject in ["card_a", "card_b", "card_c"] {
            let wanted: Vec<_> = events.iter().filter(|event| event.subject == subject).map(|event| event.id.clone()).collect();
            let mut got: Vec<_> =
                received.iter().map(|got| got.header("webhook-id").to_owned()).filter(|id| wanted.contains(id)).collect();
            // A failed attempt is followed by the same event again, and by nothing else of its subject.
            got.dedup();
            assert_eq!(got, wanted, "{subject}");
        }
        world.supervisor.stop().await;
    }

    async fn retry_after_is_honoured(database: TestDatabase) {
        let world = World::new(database).await;
        let listener = Listener::answering(&world.supervisor, |_, path| {
            let mut answer = reply(429);
            let asked = if path == "/soon" { "60" } else { "1000000" };
            answer.headers_mut().insert("retry-after", asked.parse().unwrap());
            answer
        })
        .await;
        let soon = declare(&world, &listener.url("/soon"), &["ledger.*"], "").await;
        let never = declare(&world, &listener.url("/never"), &["ledger.*"], "").await;
        world.run_dispatcher(CAPS);
        frozen(&world, 1).await;
        for (endpoint, least, most) in [(&soon, 60, 72), (&never, 3_600, 4_320)] {
            let wait = eventually(async || {
                let waiting = deliveries(&world, &endpoint.id).await.remove(0);
                (waiting.last_status == 429).then(|| waiting.next_attempt_time.unwrap().seconds - 1_795_336_200)
            })
            .await;
            assert!((least..=most).contains(&wait), "{wait}");
        }
        world.supervisor.stop().await;
    }

    async fn what_died_is_retried_and_what_was_missed_is_replayed(database: TestDatabase) {
        let world = World::new(database).await;
        let listener = Listener::answering(&world.supervisor, |number, _| reply(if number == 0 { 410 } else { 200 })).await;
        let endpoint_id = declare(&world, &listener.url("/"), &["ledger.*"], "").await.id;
        let collector = declare(&world, "http://127.0.0.1:9/", &["identity.*", "vault.*"], "").await.id;
        world.run_dispatcher(CAPS);
        let begun = world.clock.now();
        frozen(&world, 1).await;
        let dead = wait_for_state(&world, &endpoint_id, DeliveryState::Dead).await;
        frozen(&world, 3).await;
        let refuse = |status: &tonic::Status| reason_of(status).unwrap().0;
        let since_time = Some(parse::timestamp_message(begun));
        let retry = RetryWebhookDeliveryRequest {
            request_id: request_id(1),
            webhook_endpoint_id: endpoint_id.clone(),
            delivery_id: dead.delivery_id.clone(),
        };
        let refused = service(&world).retry_webhook_delivery(call(Identity::Backend, retry.clone())).await.unwrap_err();
        assert_eq!(refuse(&refused), Reason::WrongState, "it is disabled");
        let enable = EnableWebhookEndpointRequest { request_id: request_id(2), webhook_endpoint_id: endpoint_id.clone() };
        for _ in 0..2 {
            service(&world).enable_webhook_endpoint(call(Identity::Backend, enable.clone())).await.unwrap();
        }
        assert!(!endpoint(&world, &endpoint_id).await.disabled);
        service(&world).retry_webhook_delivery(call(Identity::Backend, retry)).await.unwrap();
        listener.wait_for(2, PATIENCE).await;
        let delivered = wait_for_state(&world, &endpoint_id, DeliveryState::Delivered).await;
        assert_eq!((delivered.delivery_id, delivered.attempts), (dead.delivery_id, 2));

        let recover = RecoverWebhookEndpointRequest {
            request_id: request_id(3),
            webhook_endpoint_id: endpoint_id.clone(),
            since_time,
        };
        let recovered = service(&world).recover_webhook_endpoint(call(Identity::Backend, recover.clone())).await.unwrap();
        assert_eq!(recovered.into_inner().deliveries, 3);
        let again = service(&world).recover_webhook_endpoint(call(Identity::Backend, recover)).await.unwrap();
        assert_eq!(again.into_inner().deliveries, 3, "the same call, the same answer");
        listener.wait_for(5, PATIENCE).await;

        // Declared later, it gets what others got before it, once.
        let late = declare(&world, &listener.url("/late"), &["ledger.card.*", "vault.*"], "").await.id;
        let mut revealed = fresh(&world, samples::event("vault.card.revealed"));
        revealed.subject_version = 1;
        world.apply(&[revealed]).await.unwrap();
        listener.wait_for(6, PATIENCE).await;
        let replay = |number| ReplayMissingWebhooksRequest {
            request_id: request_id(number),
            webhook_endpoint_id: late.clone(),
            since_time,
            until_time: None,
        };
        let replayed = service(&world).replay_missing_webhooks(call(Identity::Backend, replay(4))).await.unwrap().into_inner();
        assert_eq!((replayed.deliveries, replayed.more), (4, false));
        listener.wait_for(10, PATIENCE).await;
        let replayed = service(&world).replay_missing_webhooks(call(Identity::Backend, replay(5))).await.unwrap().into_inner();
        assert_eq!(replayed.deliveries, 0, "nothing is missing any more");
        let mut ids: Vec<_> = listener.received().iter().filter(|got| got.path == "/late").map(|got| got.header("webhook-id").to_owned()).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 5);
        let request = ListWebhookDeliveriesRequest {
            webhook_endpoint_id: collector,
            state: DeliveryState::Delivered.into(),
            ..Default::default()
        };
        let of_state = service(&world).list_webhook_deliveries(call(Identity::Backend, request)).await.unwrap().into_inner();
        assert!(of_state.deliveries.is_empty());
        world.supervisor.stop().await;
    }

    async fn an_endpoint_that_only_fails_is_warned_of_and_disabled_and_its_events_are_kept(database: TestDatabase) {
        let world = World::new(database).await;
        let listener = Listener::status(&world.supervisor, 503).await;
        let id = declare(&world, &listener.url("/"), &["ledger.*"], "").await.id;
        world.run_dispatcher(CAPS);
        let failing = "notifications.webhook_endpoint.failing";
        let disabled = "notifications.webhook_endpoint.disabled";
        let day = Duration::from_secs(24 * 3600);
        let mut seen = 0;
        for (days, warnings, ended) in [(0, 0, 0), (1, 1, 0), (1, 1, 0), (1, 1, 0), (1, 2, 0), (1, 2, 1)] {
            world.advance(day * days);
            frozen(&world, 1).await;
            eventually(async || {
                let all = attempts(&world, &id).await.len();
                let told = world.published(failing).await.len() == warnings && world.published(disabled).await.len() == ended;
                let moved = all > seen || ended == 1;
                (moved && told).then(|| seen = all)
            })
            .await;
        }
        let told: WebhookEndpointTroubled = payload(&world.published(failing).await[0]).unwrap();
        assert_eq!((told.webhook_endpoint_id.as_str(), told.reason.as_str()), (id.as_str(), "failing"));
        let until = told.disable_time.unwrap().seconds - told.failing_since_time.unwrap().seconds;
        assert_eq!(until, 5 * 24 * 3600);
        let state = endpoint(&world, &id).await;
        assert_eq!((state.disabled, state.disable_reason.as_str()), (true, "failing"));
        frozen(&world, 2).await;
        let held = deliveries(&world, &id).await.iter().filter(|d| d.state() == DeliveryState::Held).count();
        assert!(held >= 7, "{held} are held");
        world.supervisor.stop().await;
    }

    async fn a_success_begins_the_count_of_failures_anew(database: TestDatabase) {
        let world = World::new(database).await;
        let listener = Listener::answering(&world.supervisor, |number, _| reply(if number % 2 == 0 { 500 } else { 200 })).await;
        let id = declare(&world, &listener.url("/"), &["ledger.*"], "").await.id;
        world.run_dispatcher(CAPS);
        for day in 0..8 {
            frozen(&world, 1).await;
            listener.wait_for(2 * day + 1, PATIENCE).await;
            eventually(async || endpoint(&world, &id).await.failing_since_time.map(drop)).await;
            world.advance(Duration::from_secs(7));
            listener.wait_for(2 * day + 2, PATIENCE).await;
            eventually(async || endpoint(&world, &id).await.failing_since_time.is_none().then_some(())).await;
            world.advance(Duration::from_secs(24 * 3600));
        }
        assert!(!endpoint(&world, &id).await.disabled);
        assert!(world.published("notifications.webhook_endpoint.failing").await.is_empty());
        world.supervisor.stop().await;
    }

    async fn a_test_event_goes_to_its_endpoint_alone(database: TestDatabase) {
        let world = World::new(database).await;
        let listener = Listener::status(&world.supervisor, 200).await;
        let tested = declare(&world, &listener.url("/tested"), &["ledger.payment.*"], "SHOP-1").await;
        declare(&world, &listener.url("/other"), &["notifications.*", "ledger.*"], "").await;
        world.run_dispatcher(CAPS);
        let request = SendTestWebhookRequest { request_id: request_id(1), webhook_endpoint_id: tested.id.clone() };
        let sent = service(&world).send_test_webhook(call(Identity::Backend, request.clone())).await.unwrap().into_inner();
        let again = service(&world).send_test_webhook(call(Identity::Backend, request)).await.unwrap().into_inner();
        assert_eq!(sent, again);
        let got = listener.wait_for(1, PATIENCE).await.remove(0);
        let delivered = wait_for_state(&world, &tested.id, DeliveryState::Delivered).await;
        assert_eq!(delivered.delivery_id, sent.delivery_id);
        assert!(got.path == "/tested" && verifies(&got, &tested.secret));
        let body: serde_json::Value = serde_json::from_slice(&got.body).unwrap();
        assert_eq!((body["type"].as_str(), body["data"]["webhookEndpointId"].as_str()), (Some("notifications.webhook.test"), Some(tested.id.as_str())));
        assert_eq!(listener.received().len(), 1);
        world.supervisor.stop().await;
    }

    async fn two_dispatchers_never_deliver_side_by_side(database: TestDatabase) {
        let world = World::new(database).await;
        let listener = Arc::new(Listener::status(&world.supervisor, 200).await);
        declare(&world, &listener.url("/"), &["ledger.*"], "").await;
        for _ in 0..3 {
            world.run_dispatcher(CAPS);
        }
        for _ in 0..10 {
            frozen(&world, 20).await;
        }
        let received = listener.wait_for(200, PATIENCE).await;
        let mut ids: Vec<_> = received.iter().map(|got| got.header("webhook-id").to_owned()).collect();
        ids.sort();
        ids.dedup();
        assert_eq!((received.len(), ids.len()), (200, 200));
        world.supervisor.stop().await;
    }

    async fn an_endpoint_bounds_its_attempts_at_once(database: TestDatabase) {
        let world = World::new(database).await;
        let silent = Listener::silent(&world.supervisor).await;
        let healthy = Listener::status(&world.supervisor, 200).await;
        let bounded = CreateWebhookEndpointRequest {
            concurrency: 2,
            rate_per_second: 1_000,
            ..wish(fresh_request(&world), &silent.url("/"), &["ledger.*"], "")
        };
        create(&world, bounded).await;
        declare(&world, &healthy.url("/"), &["ledger.*"], "").await;
        world.run_dispatcher(CAPS);
        frozen(&world, 30).await;
        healthy.wait_for(30, PATIENCE).await;
        assert!(silent.count() <= 2, "{} at once", silent.count());
        for (field, change) in [
            ("rate_per_second", (|r| r.rate_per_second = 10_001) as fn(&mut CreateWebhookEndpointRequest)),
            ("concurrency", |r| r.concurrency = -1),
            ("schemes", |r| r.schemes = vec![7]),
        ] {
            let mut bad = wish(fresh_request(&world), &healthy.url("/"), &["ledger.*"], "");
            change(&mut bad);
            let refused = service(&world).create_webhook_endpoint(call(Identity::Backend, bad)).await.unwrap_err();
            let wrong = bursar_service::error::violations_of(&refused);
            assert_eq!(wrong.iter().map(|v| v.field.as_str()).collect::<Vec<_>>(), [field]);
        }
        world.supervisor.stop().await;
    }
}
