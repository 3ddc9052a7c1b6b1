//! What webhooks are not sent to: declared or discovered.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bursar_testkit::TestDatabase;
use bursar_types::Reason;

use super::listener::Listener;
use super::support::{CAPS, FakeResolver, World, fresh, local};
use super::webhooks::{attempts, create, declare, deliveries};
use crate::samples;
use crate::webhooks::address::Policy;

fn strict() -> Policy {
    Policy::Vetted { allowed: Vec::new(), plain_http: false }
}

#[tokio::test]
async fn endpoints_inside_are_refused_however_they_are_written() {
    let resolver = FakeResolver(|host: &str| match host {
        "inside.example" => vec!["10.0.0.7".parse::<IpAddr>().unwrap()],
        "both.example" => vec!["8.8.8.8".parse().unwrap(), "169.254.169.254".parse().unwrap()],
        "public.example" => vec!["8.8.8.8".parse().unwrap()],
        _ => Vec::new(),
    });
    let world = World::with(TestDatabase::sqlite(), strict(), Arc::new(resolver)).await;
    let inside = [
        "https://127.0.0.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0x7f.1/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://0/",
        "https://0.0.0.0/",
        "https://169.254.169.254/latest/meta-data/",
        "https://10.1.2.3/",
        "https://100.64.0.1/",
        "https://192.168.0.1/",
        "https://[::1]/",
        "https://[::]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[fc00::1]/",
        "https://[fe80::1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[2002:7f00:1::]/",
        "https://inside.example/",
        "https://both.example/",
        "http://public.example/",
        "http://8.8.8.8/",
        "http://unknown.example/",
    ];
    for url in inside {
        let refused = create(&world, url, &["ledger.*"], "").await.unwrap_err();
        let (reason, _) = bursar_service::reason_of(&refused).unwrap();
        assert_eq!(reason, Reason::WebhookAddressRefused, "{url}");
    }
    for url in ["https://public.example/hook", "https://8.8.8.8/", "https://unknown.example/"] {
        create(&world, url, &["ledger.*"], "").await.unwrap();
    }
}

#[tokio::test]
async fn a_name_that_turns_inside_after_it_was_declared_is_not_called() {
    let supervisor = bursar_service::Supervisor::new();
    let listener = Listener::status(&supervisor, 200).await;
    // Public when it is declared, this machine afterwards.
    let asked = AtomicUsize::new(0);
    let resolver = FakeResolver(move |_: &str| match asked.fetch_add(1, Ordering::SeqCst) {
        0 => vec!["8.8.8.8".parse::<IpAddr>().unwrap()],
        _ => vec!["127.0.0.1".parse().unwrap()],
    });
    let world = World::with(TestDatabase::sqlite(), strict(), Arc::new(resolver)).await;
    let url = format!("https://rebound.example:{}/", listener.port());
    let endpoint = declare(&world, &url, &["ledger.*"], "").await;
    world.run_dispatcher(CAPS);
    world.apply(&[fresh(&world, samples::event("ledger.card.frozen"))]).await.unwrap();
    let problem = super::support::eventually(async || {
        attempts(&world, &endpoint.id).await.into_iter().next().map(|attempt| attempt.problem)
    })
    .await;
    assert_eq!(problem, "the host has an address outside the public internet");
    assert!(listener.received().is_empty());
    assert_eq!(deliveries(&world, &endpoint.id).await[0].attempts, 1);
    world.supervisor.stop().await;
    supervisor.stop().await;
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    let world =
        World::with(TestDatabase::sqlite(), local(), Arc::new(crate::webhooks::client::SystemResolver)).await;
    let listener = Listener::answering(&world.supervisor, |_, _| {
        let mut answer = super::listener::reply(302);
        answer.headers_mut().insert("location", "/elsewhere".parse().unwrap());
        answer
    })
    .await;
    let endpoint = declare(&world, &listener.url("/hook"), &["ledger.*"], "").await;
    world.run_dispatcher(CAPS);
    world.apply(&[fresh(&world, samples::event("ledger.card.frozen"))]).await.unwrap();
    let delivery = super::support::eventually(async || {
        deliveries(&world, &endpoint.id).await.into_iter().find(|delivery| delivery.last_status == 302)
    })
    .await;
    assert_eq!(delivery.attempts, 1);
    assert_eq!(listener.received().iter().map(|got| got.path.as_str()).collect::<Vec<_>>(), ["/hook"]);
    world.supervisor.stop().await;
}
