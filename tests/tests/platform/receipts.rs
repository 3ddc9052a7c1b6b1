//! Receipts and checkpoints on the command line: fetched from a platform, checked long after it is gone.

use std::path::Path;

use bursar_proto::access::Identity;
use bursar_proto::ledger::v1::account_service_client::AccountServiceClient;
use bursar_proto::ledger::v1::{ListAccountsRequest, ListEntriesRequest};
use bursar_testkit::{Databases, Platform, bursar};
use serde_json::Value;

use crate::story::Demo;

struct Answer {
    code: i32,
    out: String,
    said: String,
}

/// Runs `bursar ledger …` in `folder`.
async fn ledger(folder: &Path, arguments: &[&str]) -> Answer {
    let mut command = bursar([&["ledger"], arguments].concat());
    let output = command.current_dir(folder).output().await.unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Answer { code: output.status.code().unwrap_or(-1), out: text(&output.stdout), said: text(&output.stderr) }
}

/// As [`ledger`], and all is well.
async fn good(folder: &Path, arguments: &[&str]) -> String {
    let Answer { code, out, said } = ledger(folder, arguments).await;
    assert_eq!(code, 0, "{arguments:?}: {out}{said}");
    out
}

/// As [`ledger`], and it ends with `code` and one line that says `word`.
async fn refused(folder: &Path, arguments: &[&str], code: i32, word: &str) {
    let answer = ledger(folder, arguments).await;
    assert_eq!(answer.code, code, "{arguments:?}: {}{}", answer.out, answer.said);
    assert!(answer.said.contains(word) && answer.said.trim_end().lines().count() == 1, "{}", answer.said);
}

async fn a_transfer(platform: &Platform) -> String {
    let mut accounts = AccountServiceClient::new(platform.channel(Identity::Ledger, Identity::Operator));
    let all = accounts.list_accounts(ListAccountsRequest::default()).await.unwrap().into_inner().accounts;
    for account in all.into_iter().filter(|account| !account.customer_id.is_empty()) {
        let request = ListEntriesRequest { account_id: account.account_id, ..ListEntriesRequest::default() };
        let entries = accounts.list_entries(request).await.unwrap().into_inner().entries;
        if let Some(entry) = entries.first() {
            return entry.transfer_id.clone();
        }
    }
    panic!("the demo made no transfer");
}

#[tokio::test]
async fn what_was_fetched_is_checked_without_the_platform() {
    let (data, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let place = place.path();
    let platform = Platform::up(data.path(), &Databases::Embedded, &[]).await;
    let folder = data.path().display().to_string();
    let at = ["--data", &folder];
    good(place, &["checkpoint", at[0], at[1], "-o", "monday.json"]).await;
    Demo::attach(data.path(), &[]).finish().await;
    let transfer = a_transfer(&platform).await;
    let wrote = good(place, &["receipt", &transfer, at[0], at[1], "-o", "receipt.json"]).await;
    assert!(wrote.contains("bursar ledger check receipt.json --ca"), "{wrote}");
    good(place, &["checkpoint", "--since", "monday.json", at[0], at[1], "-o", "friday.json"]).await;
    std::fs::copy(data.path().join("tls/ca.pem"), place.join("ca.pem")).unwrap();
    let ca = ["--ca", "ca.pem"];

    // The receipt holds no proof from Monday's checkpoint: the platform has it.
    let online = ["check", "receipt.json", "--since", "monday.json", ca[0], ca[1], at[0], at[1]];
    assert!(good(place, &online).await.contains("nothing in there was changed since"));
    refused(place, &online[..6], 64, "holds no proof from").await;
    let nobody = "tran_00000000000000000000000001";
    refused(place, &["receipt", nobody, at[0], at[1]], 64, "there is no such transfer").await;
    assert!(platform.stop().await.success());

    refused(place, &online, 69, "bursar up --data").await;
    let told = good(place, &["check", "receipt.json", ca[0], ca[1]]).await;
    assert!(told.starts_with(&format!("The receipt is good: transfer {transfer}")), "{told}");
    assert!(told.contains(" asked, with request "), "{told}");
    let told: Value =
        serde_json::from_str(&good(place, &["check", "receipt.json", "--json", ca[0], ca[1]]).await).unwrap();
    assert_eq!((&told["ok"], &told["transfer_id"]), (&Value::Bool(true), &Value::String(transfer)));
    let since = ["check", "friday.json", "--since", "monday.json", ca[0], ca[1]];
    assert!(good(place, &since).await.contains("nothing in there was changed since"));
    good(place, &["check", "monday.json", "--since", "monday.json", ca[0], ca[1]]).await;
    let backwards = ["check", "monday.json", "--since", "friday.json", ca[0], ca[1]];
    refused(place, &backwards, 64, "name the newer one first").await;

    // A changed file, and the certificate of somebody else.
    let text = std::fs::read_to_string(place.join("receipt.json")).unwrap();
    let mut receipt: Value = serde_json::from_str(&text).unwrap();
    let position: i64 = receipt["receipt"]["position"].as_str().unwrap().parse().unwrap();
    receipt["receipt"]["position"] = (position - 1).to_string().into();
    std::fs::write(place.join("forged.json"), receipt.to_string()).unwrap();
    refused(place, &["check", "forged.json", ca[0], ca[1]], 70, "is not good").await;
    let mut proof: Value =
        serde_json::from_str(&std::fs::read_to_string(place.join("friday.json")).unwrap()).unwrap();
    proof["consistency"]["path"][0] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=".into();
    std::fs::write(place.join("friday.json"), proof.to_string()).unwrap();
    refused(place, &since, 70, "does not go on from").await;
    let other = rcgen::generate_simple_self_signed(vec!["other".to_owned()]).unwrap();
    std::fs::write(place.join("other.pem"), other.cert.pem()).unwrap();
    refused(place, &["check", "receipt.json", "--ca", "other.pem"], 70, "is not good").await;
    refused(place, &["check", "receipt.json", "--ca", "receipt.json"], 64, "--ca").await;
}
