//! The ledger as its process starts it: chassis, mutual TLS, policy, background work.
#![allow(clippy::unwrap_used)] // helpers of tests are tests

use std::sync::Arc;

use bursar_proto::event::v1::FetchRequest;
use bursar_proto::event::v1::event_service_client::EventServiceClient;
use bursar_proto::ledger::v1 as proto;
use bursar_proto::ledger::v1::books_service_client::BooksServiceClient;
use bursar_proto::ledger::v1::program_service_client::ProgramServiceClient;
use bursar_proto::ledger::v1::top_up_service_client::TopUpServiceClient;
use bursar_service::cert::Authority;
use bursar_service::config::{LoadOptions, load};
use bursar_service::run::{self, Running, Sources};
use bursar_service::{Identity, client, reason_of};
use bursar_types::{IdSource, OsEntropy, Reason, SystemClock};

async fn start(folder: &std::path::Path) -> Running {
    let path = |name: &str| folder.join(name).display().to_string();
    let sets = vec![
        "service.grpc_listen=127.0.0.1:0".to_owned(),
        "service.admin_listen=127.0.0.1:0".to_owned(),
        format!("tls.ca={}", path("ca.pem")),
        format!("tls.cert={}", path("ledger.pem")),
        format!("tls.key={}", path("ledger.key")),
        format!("signing.cert={}", path("ledger-signing.pem")),
        format!("signing.key={}", path("ledger-signing.key")),
        format!("database.url=sqlite://{}", path("ledger.db")),
        // Nobody listens there.
        "peers.identity=https://127.0.0.1:1".to_owned(),
        "peers.vault=https://127.0.0.1:1".to_owned(),
    ];
    let options = LoadOptions { file: None, sets, variables: Vec::new() };
    let spec = bursar_ledger::spec();
    let loaded = load(spec.defaults, &options).unwrap();
    run::start(spec, loaded, Sources::default()).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_starts_serves_stops_and_starts_again() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::open(folder.path(), Arc::new(SystemClock)).unwrap();
    authority.leaf(Identity::Ledger).unwrap();
    authority.signing(Identity::Ledger).unwrap();
    let ids = IdSource::new(Arc::new(SystemClock), Arc::new(OsEntropy));

    let running = start(folder.path()).await;
    let call_as = |running: &Running, caller| {
        let files = authority.leaf(caller).unwrap();
        client::operator_channel(&running.grpc_url(), Identity::Ledger, &files).unwrap()
    };
    let mut program = ProgramServiceClient::new(call_as(&running, Identity::Operator));
    let told = program.get_program(proto::GetProgramRequest {}).await.unwrap().into_inner().program.unwrap();
    assert_eq!(told.program_id, "prog_00000000000000000000000001");

    let credit = proto::BookBankCreditRequest {
        request_id: ids.next_uuid().to_string(),
        funding_reference: "RF00NOBODY".into(),
        amount: Some(bursar_proto::common::v1::Money { minor_units: 500, asset: "CNY".into() }),
        bank_transaction_id: "bank-1".into(),
        ..Default::default()
    };
    let refused =
        TopUpServiceClient::new(call_as(&running, Identity::Backend)).book_bank_credit(credit.clone()).await;
    assert_eq!(reason_of(&refused.unwrap_err()).unwrap().0, Reason::CallerNotAllowed);
    let mut top_ups = TopUpServiceClient::new(call_as(&running, Identity::Gateway));
    let booked = top_ups.book_bank_credit(credit.clone()).await.unwrap().into_inner();
    assert_eq!(booked.top_up.as_ref().unwrap().state(), proto::TopUpState::Unmatched);
    running.stop().await;

    let running = start(folder.path()).await;
    let mut top_ups = TopUpServiceClient::new(call_as(&running, Identity::Gateway));
    assert_eq!(top_ups.book_bank_credit(credit).await.unwrap().into_inner(), booked);

    let mut events = EventServiceClient::new(call_as(&running, Identity::Notifications));
    let page = events.fetch(FetchRequest::default()).await.unwrap().into_inner();
    let last = page.events.last().unwrap();
    assert_eq!((last.r#type.as_str(), last.source.as_str()), ("ledger.top_up.unmatched", "bursar/ledger"));
    assert_eq!(last.position, page.head_position);

    let mut books = BooksServiceClient::new(call_as(&running, Identity::Operator));
    let mut told = books.verify_journal(proto::VerifyJournalRequest::default()).await.unwrap().into_inner();
    let mut end = None;
    while let Some(progress) = told.message().await.unwrap() {
        assert_eq!(progress.findings, Vec::<String>::new());
        end = Some(progress);
    }
    let end = end.unwrap();
    assert!(end.done && end.position == end.head_position && end.position > 0);
    running.stop().await;
}
