//! Processes that are killed in the middle of the journey: it goes on to its end, and the books balance.

use bursar_proto::access::Identity;
use bursar_testkit::{Databases, Platform};

use crate::story::{Demo, names};

/// After which steps whom to kill: each while the next step needs it.
const KILLS: [(&str, Identity); 5] = [
    ("log_in", Identity::Identity),
    ("top_up", Identity::Ledger),
    ("activate", Identity::Vault),
    ("card_password", Identity::Notifications),
    ("reveal", Identity::Gateway),
];

/// How often the journey is played; more with `cargo xtask soak`.
#[allow(clippy::disallowed_methods)] // a switch of the test run, not configuration of the platform
fn rounds() -> usize {
    std::env::var("BURSAR_SOAK_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

async fn each_is_killed_in_turn(databases: Databases) {
    let folder = tempfile::tempdir().unwrap();
    let platform = Platform::up(folder.path(), &databases, &[]).await;
    let rounds = rounds();
    for round in 0..rounds {
        let mut killed = Vec::new();
        let mut demo = Demo::attach(folder.path(), &[]);
        while let Some(step) = demo.next().await {
            let name = step["step"].as_str().unwrap_or_default();
            // Each round kills another service at each place.
            if let Some(place) = KILLS.iter().position(|(after, _)| *after == name) {
                let (_, service) = KILLS[(place + round) % KILLS.len()];
                killed.push((service, platform.kill(service).await));
            }
        }
        let (_, steps) = demo.finish().await;
        assert_eq!(killed.len(), KILLS.len(), "every kill happened: {:?}", names(&steps));
        for (service, before) in killed {
            platform.back(service, before).await;
        }
        let seen = names(&steps);
        assert!(
            seen.contains(&"trial_balance") && seen.contains(&"journal"),
            "the books were checked: {seen:?}"
        );
        if rounds > 1 {
            println!("round {} of {rounds} held", round + 1);
        }
    }
    assert!(platform.stop().await.success(), "the platform stops with exit code 0");
}

#[tokio::test]
async fn the_journey_outlives_the_death_of_each_service_on_sqlite() {
    each_is_killed_in_turn(Databases::Embedded).await;
}

#[tokio::test]
async fn the_journey_outlives_the_death_of_each_service_on_postgres() {
    each_is_killed_in_turn(Databases::private_postgres().await).await;
}
