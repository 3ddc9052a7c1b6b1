//! The scenario book against real processes: every step comes to what its file says, on both databases.

use std::time::Duration;

use bursar_testkit::{Databases, Platform, bursar};
use serde_json::Value;
use tokio::io::AsyncReadExt as _;

/// Longest time the book may take; it is a matter of seconds on a machine that does nothing else.
const BOOK_MAX: Duration = Duration::from_secs(240);
/// Scenarios there are at least.
const SCENARIOS_MIN: usize = 40;

async fn the_book_holds(databases: Databases) {
    let folder = tempfile::tempdir().unwrap();
    let mut command = bursar(["scenario", "run", "all", "--json", "--data"]);
    let mut child = command.arg(folder.path()).args(databases.flags()).spawn().unwrap();
    let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let (mut output, mut said) = (String::new(), String::new());
    let played = tokio::time::timeout(BOOK_MAX, async {
        let (out, err) = tokio::join!(stdout.read_to_string(&mut output), stderr.read_to_string(&mut said));
        out.unwrap();
        err.unwrap();
        child.wait().await.unwrap()
    });
    let status = played.await.expect("the book ends in time");

    let lines: Vec<Value> = output
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}")))
        .collect();
    let broken: Vec<String> = lines
        .iter()
        .filter(|line| line["ok"] == false && line["scenario"].is_string() && !line["does"].is_string())
        .map(|line| format!("{}: {}", line["scenario"], line["detail"]))
        .collect();
    assert!(broken.is_empty(), "{broken:#?}");
    assert!(status.success(), "{status}: {said}");
    let end = lines.last().expect("a run tells how it ended");
    let scenarios = end["scenarios"].as_u64().unwrap() as usize;
    assert!(scenarios >= SCENARIOS_MIN && end["ok"] == true, "{end}");
    let steps = lines.iter().filter(|line| line["step"].is_number()).count();
    assert!(steps > 4 * SCENARIOS_MIN, "{steps} steps");
}

#[tokio::test]
async fn every_scenario_of_the_book_holds_on_sqlite() {
    the_book_holds(Databases::Embedded).await;
}

#[tokio::test]
async fn every_scenario_of_the_book_holds_on_postgres() {
    the_book_holds(Databases::private_postgres().await).await;
}

#[tokio::test]
async fn the_time_of_a_sandbox_is_moved_by_command_and_stays_where_a_killed_process_comes_back() {
    use bursar_proto::access::Identity;
    use bursar_proto::sandbox::v1::GetTimeRequest;
    use bursar_proto::sandbox::v1::clock_service_client::ClockServiceClient;

    const WEEK: i64 = 7 * 86_400;
    let folder = tempfile::tempdir().unwrap();
    let platform = Platform::up(folder.path(), &Databases::Embedded, &[]).await;
    let moved = bursar(["clock", "--advance", "7d", "--data"]).arg(folder.path()).output().await.unwrap();
    assert!(moved.status.success(), "{}", String::from_utf8_lossy(&moved.stderr));
    let before = platform.kill(Identity::Ledger).await;
    platform.back(Identity::Ledger, before).await;
    for service in
        [Identity::Identity, Identity::Vault, Identity::Ledger, Identity::Notifications, Identity::Gateway]
    {
        let mut clock = ClockServiceClient::new(platform.channel(service, Identity::Operator));
        let late = std::time::Instant::now() + Duration::from_secs(60);
        let ahead = loop {
            match clock.get_time(GetTimeRequest {}).await {
                Ok(answer) => break answer.into_inner().ahead.unwrap().seconds,
                Err(status) => assert!(std::time::Instant::now() < late, "{service}: {status}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        assert!((WEEK - 1..=WEEK).contains(&ahead), "{service} is {ahead} s ahead");
    }
    // The ledger owns its shard again although its lease was taken in another time.
    let mut program = bursar_proto::ledger::v1::books_service_client::BooksServiceClient::new(
        platform.channel(Identity::Ledger, Identity::Operator),
    );
    let balance = program.get_trial_balance(bursar_proto::ledger::v1::GetTrialBalanceRequest {}).await;
    assert!(balance.unwrap().into_inner().balanced);
    assert!(platform.stop().await.success());
}
