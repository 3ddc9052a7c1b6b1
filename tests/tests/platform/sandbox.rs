//! Card payments with all that goes wrong on a network, through real connections, the vault and the ledger; and the bank.

use std::time::{Duration, Instant};

use bursar_proto::access::Identity;
use bursar_proto::common::v1::Money;
use bursar_proto::gateway::v1::sandbox_service_client::SandboxServiceClient;
use bursar_proto::gateway::v1::{
    BankEntryOutcome, SandboxCard, SandboxFault, SendBankCreditRequest, SendClearingRequest,
    SendPurchaseRequest, SendPurchaseResponse, SendRefundRequest, SendReversalRequest,
};
use bursar_proto::ledger::v1::payment_service_client::PaymentServiceClient;
use bursar_proto::ledger::v1::{GetPaymentRequest, NetworkReference, Payment, PaymentState};
use bursar_service::PeerChannel;
use bursar_testkit::{Databases, Platform, bursar};
use serde_json::Value;
use tonic::Code;

use crate::story::Demo;

/// Longest wait for what is told to the ledger afterwards.
const TOLD_MAX: Duration = Duration::from_secs(60);

struct World {
    platform: Platform,
    folder: tempfile::TempDir,
    sandbox: SandboxServiceClient<PeerChannel>,
    payments: PaymentServiceClient<PeerChannel>,
    card: SandboxCard,
}

fn yuan(minor_units: i64) -> Option<Money> {
    Some(Money { minor_units, asset: "CNY".into() })
}

impl World {
    async fn new(databases: &Databases) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let platform = Platform::up(folder.path(), databases, &[]).await;
        let told = folder.path().join("told.json");
        Demo::attach(folder.path(), &["--tell-secrets", told.to_str().unwrap()]).finish().await;
        let secrets: Value = serde_json::from_slice(&std::fs::read(&told).unwrap()).unwrap();
        let text = |name: &str| secrets[name][0].as_str().unwrap().to_owned();
        let card = SandboxCard { pan: text("pan"), expiry: String::new(), cvv2: text("cvv2") };
        let sandbox = SandboxServiceClient::new(platform.channel(Identity::Gateway, Identity::Operator));
        let payments = PaymentServiceClient::new(platform.channel(Identity::Ledger, Identity::Operator));
        Self { platform, folder, sandbox, payments, card }
    }

    async fn buy(
        &mut self,
        minor_units: i64,
        fault: SandboxFault,
    ) -> (NetworkReference, Vec<String>, Vec<bool>) {
        let request = SendPurchaseRequest {
            card: Some(self.card.clone()),
            amount: yuan(minor_units),
            fault: fault.into(),
            ..SendPurchaseRequest::default()
        };
        let answer: SendPurchaseResponse = self.sandbox.send_purchase(request).await.unwrap().into_inner();
        let codes = answer.exchanges.iter().map(|it| it.response_code.clone()).collect();
        let repeated = answer.exchanges.iter().map(|it| it.repeated).collect();
        (answer.network.unwrap(), codes, repeated)
    }

    async fn payment(&mut self, network: &NetworkReference) -> Option<Payment> {
        let request = GetPaymentRequest { network: Some(network.clone()), ..GetPaymentRequest::default() };
        match self.payments.get_payment(request).await {
            Ok(answer) => answer.into_inner().payment,
            Err(status) => {
                assert!(matches!(status.code(), Code::NotFound | Code::Unavailable), "{status}");
                None
            }
        }
    }

    /// Waits until the payment is as it should be.
    async fn until(
        &mut self,
        what: &str,
        network: &NetworkReference,
        is: impl Fn(&Payment) -> bool,
    ) -> Payment {
        let began = Instant::now();
        loop {
            let found = self.payment(network).await;
            if let Some(payment) = found.as_ref().filter(|payment| is(payment)) {
                return payment.clone();
            }
            assert!(began.elapsed() < TOLD_MAX, "{what}: {found:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    async fn reverse(
        &mut self,
        network: &NetworkReference,
        whole: i64,
        remaining: Option<i64>,
        captured: bool,
    ) {
        let request = SendReversalRequest {
            card: Some(self.card.clone()),
            network: Some(network.clone()),
            amount: yuan(whole),
            remaining_amount: remaining.and_then(yuan),
            captured,
            fault: SandboxFault::Duplicate.into(),
        };
        let answer = self.sandbox.send_reversal(request).await.unwrap().into_inner();
        let codes: Vec<&str> = answer.exchanges.iter().map(|it| it.response_code.as_str()).collect();
        assert_eq!(codes, ["00", "00"]);
        assert!(answer.exchanges[1].repeated, "the same bytes");
    }
}

fn held(payment: &Payment) -> i64 {
    payment.held.as_ref().map_or(0, |held| held.minor_units)
}

async fn the_world_plays(databases: Databases) {
    let mut world = World::new(&databases).await;
    // Approved, taken back in part, then whole.
    let (network, codes, _) = world.buy(1_000, SandboxFault::Unspecified).await;
    assert_eq!(codes, ["00"]);
    world.until("it is held", &network, |it| held(it) == 1_000).await;
    world.reverse(&network, 1_000, Some(400), false).await;
    world.until("a part is taken back", &network, |it| held(it) == 400).await;
    world.reverse(&network, 400, None, false).await;
    world.until("all is taken back", &network, |it| it.state() == PaymentState::Reversed).await;

    // Whatever happens to messages and answers, there is one payment, and one answer.
    let (network, codes, repeated) = world.buy(500, SandboxFault::LostReply).await;
    assert_eq!((codes.as_slice(), repeated[2]), (&["".to_owned(), "00".into(), "00".into()][..], true));
    world.until("it is held once", &network, |it| held(it) == 500).await;
    let (network, codes, repeated) = world.buy(600, SandboxFault::Duplicate).await;
    assert_eq!((codes.as_slice(), repeated[1]), (&["00".to_owned(), "00".into()][..], true));
    world.until("it is held once", &network, |it| held(it) == 600).await;
    for fault in [SandboxFault::Slow, SandboxFault::CutConnection] {
        let (network, codes, _) = world.buy(700, fault).await;
        assert_eq!(codes.last().map(String::as_str), Some("00"), "{fault:?}");
        world.until("it is held", &network, |it| held(it) == 700).await;
    }
    // Taken back too late or too early, nothing is held in the end.
    for fault in [SandboxFault::LateReversal, SandboxFault::OutOfOrder] {
        let (network, _, _) = world.buy(800, fault).await;
        let gone = |it: &Payment| {
            held(it) == 0 && matches!(it.state(), PaymentState::Reversed | PaymentState::Declined)
        };
        world.until("nothing is held", &network, gone).await;
    }

    // Cleared in parts.
    let (network, codes, _) = world.buy(900, SandboxFault::Unspecified).await;
    assert_eq!(codes, ["00"]);
    let clearing = SendClearingRequest {
        card: Some(world.card.clone()),
        network: Some(network.clone()),
        amount: yuan(900),
        parts: 3,
        ..SendClearingRequest::default()
    };
    let answer = world.sandbox.send_clearing(clearing).await.unwrap().into_inner();
    assert_eq!(answer.exchanges.len(), 3);
    let cleared = |it: &Payment| it.cleared.as_ref().is_some_and(|it| it.minor_units == 900) && held(it) == 0;
    let payment = world.until("it is cleared", &network, cleared).await;
    assert_eq!(payment.state(), PaymentState::Cleared);

    // Paid at once, and paid back when it is reversed.
    let request = SendPurchaseRequest {
        card: Some(world.card.clone()),
        amount: yuan(300),
        capture_now: true,
        ..SendPurchaseRequest::default()
    };
    let paid = world.sandbox.send_purchase(request).await.unwrap().into_inner();
    assert_eq!(paid.exchanges[0].response_code, "00");
    let network = paid.network.unwrap();
    world.reverse(&network, 300, None, true).await;
    world.until("it is paid back", &network, |it| it.state() == PaymentState::Refunded).await;
    let refund = SendRefundRequest { card: Some(world.card.clone()), amount: yuan(200), merchant: None };
    let answer = world.sandbox.send_refund(refund).await.unwrap().into_inner();
    assert_eq!(answer.exchanges[0].response_code, "00");

    // The bank.
    let credit = SendBankCreditRequest {
        request_id: uuid::Uuid::now_v7().to_string(),
        funding_reference: "RF18539007547034".into(),
        amount: yuan(250),
        statement: true,
        ..SendBankCreditRequest::default()
    };
    let first = world.sandbox.send_bank_credit(credit.clone()).await.unwrap().into_inner();
    assert_eq!(first.entries[0].outcome(), BankEntryOutcome::Suspense);
    assert_eq!(world.sandbox.send_bank_credit(credit).await.unwrap().into_inner(), first);

    // What cannot be is told, not played.
    let wrong = SendPurchaseRequest { card: None, amount: yuan(1), ..SendPurchaseRequest::default() };
    assert_eq!(world.sandbox.send_purchase(wrong).await.unwrap_err().code(), Code::InvalidArgument);

    let data = world.folder.path().to_str().unwrap();
    let proven = bursar(["ledger", "verify", "--data", data]).output().await.unwrap();
    assert!(proven.status.success(), "{}", String::from_utf8_lossy(&proven.stderr));
    assert!(world.platform.stop().await.success());
}

#[tokio::test]
async fn the_outside_world_plays_on_sqlite() {
    the_world_plays(Databases::Embedded).await;
}

#[tokio::test]
async fn the_outside_world_plays_on_postgres() {
    the_world_plays(Databases::private_postgres().await).await;
}

fn signal(pid: u32, name: &str) {
    let done = std::process::Command::new("kill").args([name, &pid.to_string()]).status().unwrap();
    assert!(done.success());
}

#[tokio::test]
async fn while_the_ledger_stands_still_every_request_is_answered_and_nothing_is_held_after() {
    let mut world = World::new(&Databases::Embedded).await;
    let ledger = world.platform.services()[&Identity::Ledger];
    signal(ledger, "-STOP");
    let mut asked = Vec::new();
    for _ in 0..4 {
        let began = Instant::now();
        let (network, codes, _) = world.buy(1_000, SandboxFault::Unspecified).await;
        assert_eq!(codes, ["91"]);
        assert!(began.elapsed() < Duration::from_millis(2_500), "answered in {:?}", began.elapsed());
        asked.push(network);
    }
    signal(ledger, "-CONT");
    // The next is decided again.
    let began = Instant::now();
    let after = loop {
        let (network, codes, _) = world.buy(1_000, SandboxFault::Unspecified).await;
        if codes == ["00"] {
            break network;
        }
        assert!(began.elapsed() < TOLD_MAX, "{codes:?}");
    };
    world.until("it is held", &after, |it| held(it) == 1_000).await;
    for network in &asked {
        // It never came, or it was declined or taken back.
        let began = Instant::now();
        while world.payment(network).await.is_some_and(|payment| held(&payment) > 0) {
            assert!(began.elapsed() < TOLD_MAX, "an orphan is held");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
    assert!(world.platform.stop().await.success());
}
