//! J1: the encrypted card, from sign-up to a paid purchase, on both databases.

use std::collections::BTreeSet;

use bursar_testkit::{Databases, eventually, service_processes};

use crate::story::{Demo, names};

/// Steps of the journey that every run must have shown.
const JOURNEY: [&str; 22] = [
    "platform",
    "card_product",
    "sign_up",
    "log_in",
    "kyc_apply",
    "screening",
    "review",
    "account",
    "top_up",
    "card",
    "activate",
    "card_password",
    "pay_in_app",
    "merchant_told",
    "reveal",
    "pay_iso8583",
    "over_limit",
    "freeze",
    "unfreeze",
    "history",
    "inbox",
    "inbox_en",
];
/// What is checked after it.
const BOOKS: [&str; 6] = ["balance", "trial_balance", "balances", "events", "journal", "receipt"];

async fn twice_in_one_folder(databases: Databases) {
    let folder = tempfile::tempdir().unwrap();
    let mut first = Demo::start(folder.path(), &databases, &[]);
    let platform = first.next().await.expect("the first step is told");
    assert_eq!(platform["step"], "platform");
    let demo = first.pid();
    let processes =
        eventually("five processes", || Some(service_processes(demo)).filter(|all| all.len() == 5)).await;
    let distinct: BTreeSet<u32> = processes.values().copied().chain([demo]).collect();
    assert_eq!(distinct.len(), 6, "five services and the demo are processes of their own");
    let (_, steps) = first.finish().await;
    let seen = names(&steps);
    for step in JOURNEY.iter().chain(&BOOKS) {
        assert!(seen.contains(step), "{step} was not played: {seen:?}");
    }
    for pid in processes.values() {
        assert!(!std::fs::exists(format!("/proc/{pid}")).unwrap(), "process {pid} outlived the demo");
    }

    let (_, steps) = Demo::start(folder.path(), &databases, &[]).finish().await;
    assert!(names(&steps).contains(&"earlier_runs"), "the second run finds what the first left");
}

#[tokio::test]
async fn a_customer_gets_from_sign_up_to_a_paid_purchase_twice_in_one_folder_on_sqlite() {
    twice_in_one_folder(Databases::Embedded).await;
}

#[tokio::test]
async fn a_customer_gets_from_sign_up_to_a_paid_purchase_twice_in_one_folder_on_postgres() {
    twice_in_one_folder(Databases::private_postgres().await).await;
}
