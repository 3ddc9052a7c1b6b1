//! Bad input at the public interface: a clear answer that names the field, and nothing changed.

use std::time::Duration;

use bursar_proto::access::Identity;
use bursar_proto::event::v1::FetchRequest;
use bursar_proto::event::v1::event_service_client::EventServiceClient;
use bursar_proto::gateway::v1::ImportBankFileRequest;
use bursar_proto::gateway::v1::bank_file_service_client::BankFileServiceClient;
use bursar_proto::identity::v1::SignUpRequest;
use bursar_proto::identity::v1::auth_service_client::AuthServiceClient;
use bursar_proto::vault::v1::card_vault_service_client::CardVaultServiceClient;
use bursar_proto::vault::v1::{CreateBinRangeRequest, ListBinRangesRequest};
use bursar_service::error::{reason_of, violations_of};
use bursar_testkit::{Databases, Platform};
use tonic::{Code, Request, Status};

fn told(status: &Status, code: Code, reason: &str) {
    let found = reason_of(status).map(|(reason, _)| reason.as_str());
    assert_eq!((status.code(), found), (code, Some(reason)), "{status:?}");
}

fn names_field(status: &Status, field: &str) {
    let violations = violations_of(status);
    assert!(violations.iter().any(|violation| violation.field == field), "{field}: {violations:?}");
}

fn id() -> String {
    uuid::Uuid::now_v7().to_string()
}

fn range(request_id: &str, bin: &str) -> CreateBinRangeRequest {
    CreateBinRangeRequest {
        request_id: request_id.into(),
        bin_range_id: "bad-input".into(),
        bin: bin.into(),
        pan_length: 16,
    }
}

#[tokio::test]
async fn bad_input_is_told_by_field_and_reason() {
    let folder = tempfile::tempdir().unwrap();
    let platform = Platform::up(folder.path(), &Databases::Embedded, &[]).await;
    request_ids(&platform).await;
    sizes(&platform).await;
    deadline(&platform).await;
    tokens(&platform).await;
    assert!(platform.stop().await.success());
}

async fn request_ids(platform: &Platform) {
    let mut vault = CardVaultServiceClient::new(platform.channel(Identity::Vault, Identity::Operator));
    let missing = vault.create_bin_range(range("", "990100")).await.unwrap_err();
    told(&missing, Code::InvalidArgument, "REQUEST_ID_MISSING");
    names_field(&missing, "request_id");
    let malformed = vault.create_bin_range(range("not-a-uuid", "990100")).await.unwrap_err();
    told(&malformed, Code::InvalidArgument, "REQUEST_ID_MALFORMED");

    let wrong = vault.create_bin_range(range(&id(), "99")).await.unwrap_err();
    told(&wrong, Code::InvalidArgument, "INVALID_FIELD");
    names_field(&wrong, "bin");

    let used = id();
    let first = vault.create_bin_range(range(&used, "990100")).await.unwrap().into_inner();
    let again = vault.create_bin_range(range(&used, "990100")).await.unwrap().into_inner();
    assert_eq!(first, again, "the same id and body give the same answer");
    let reused = vault.create_bin_range(range(&used, "990101")).await.unwrap_err();
    told(&reused, Code::AlreadyExists, "REQUEST_ID_REUSED");
    let ranges =
        vault.list_bin_ranges(ListBinRangesRequest::default()).await.unwrap().into_inner().bin_ranges;
    assert_eq!(ranges.len(), 1, "what was refused changed nothing: {ranges:?}");
}

async fn sizes(platform: &Platform) {
    let mut vault = CardVaultServiceClient::new(platform.channel(Identity::Vault, Identity::Operator));
    let too_many = ListBinRangesRequest { page_size: 1_000_000, page_token: String::new() };
    let status = vault.list_bin_ranges(too_many).await.unwrap_err();
    told(&status, Code::InvalidArgument, "INVALID_FIELD");
    names_field(&status, "page_size");
    let foreign = ListBinRangesRequest { page_size: 0, page_token: "bm90LW91cnM".into() };
    told(&vault.list_bin_ranges(foreign).await.unwrap_err(), Code::InvalidArgument, "PAGE_TOKEN_INVALID");

    let mut files = BankFileServiceClient::new(platform.channel(Identity::Gateway, Identity::Partner));
    let huge = ImportBankFileRequest { request_id: id(), content: vec![b' '; 12 * 1024 * 1024] };
    told(&files.import_bank_file(huge).await.unwrap_err(), Code::InvalidArgument, "MESSAGE_TOO_LARGE");
    let large = ImportBankFileRequest { request_id: id(), content: vec![b' '; 5 * 1024 * 1024] };
    let status = files.import_bank_file(large).await.unwrap_err();
    told(&status, Code::InvalidArgument, "INVALID_FIELD");
    names_field(&status, "content");
    let damaged = ImportBankFileRequest { request_id: id(), content: b"<Document>".to_vec() };
    told(&files.import_bank_file(damaged).await.unwrap_err(), Code::InvalidArgument, "BANK_FILE_INVALID");

    let mut events = EventServiceClient::new(platform.channel(Identity::Vault, Identity::Operator));
    let first = FetchRequest { cursor: None, types: Vec::new(), page_size: 1 };
    let epoch = events.fetch(first).await.unwrap().into_inner().cursor.unwrap().epoch;
    let beyond = bursar_proto::event::v1::Cursor { epoch, position: 1 << 60 };
    let request = FetchRequest { cursor: Some(beyond), types: Vec::new(), page_size: 0 };
    told(&events.fetch(request).await.unwrap_err(), Code::OutOfRange, "CURSOR_BEYOND_LOG");
}

async fn deadline(platform: &Platform) {
    let mut vault = CardVaultServiceClient::new(platform.channel(Identity::Vault, Identity::Operator));
    let mut request = Request::new(range(&id(), "990200"));
    request.get_mut().bin_range_id = "too-late".into();
    request.set_timeout(Duration::from_nanos(1));
    let status = vault.create_bin_range(request).await.unwrap_err();
    told(&status, Code::DeadlineExceeded, "DEADLINE_EXCEEDED");
    let ranges =
        vault.list_bin_ranges(ListBinRangesRequest::default()).await.unwrap().into_inner().bin_ranges;
    assert!(!ranges.iter().any(|range| range.bin_range_id == "too-late"), "nothing half done remains");
}

async fn tokens(platform: &Platform) {
    use bursar_proto::identity::v1::GetMeRequest;
    use bursar_proto::identity::v1::customer_service_client::CustomerServiceClient;
    let mut customers = CustomerServiceClient::new(platform.channel(Identity::Identity, Identity::Backend));
    told(&customers.get_me(GetMeRequest {}).await.unwrap_err(), Code::Unauthenticated, "TOKEN_MISSING");
    let forged = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJjdXN0XzEifQ.";
    let request = bursar_service::client::with_token(Request::new(GetMeRequest {}), forged).unwrap();
    told(&customers.get_me(request).await.unwrap_err(), Code::Unauthenticated, "TOKEN_INVALID");

    let mut auth = AuthServiceClient::new(platform.channel(Identity::Identity, Identity::Backend));
    let weak = SignUpRequest {
        request_id: id(),
        phone: "+8613900000001".into(),
        password: "password1".into(),
        locale: 0,
    };
    told(&auth.sign_up(weak.clone()).await.unwrap_err(), Code::InvalidArgument, "PASSWORD_WEAK");
    let odd = SignUpRequest { phone: "12".into(), ..weak };
    let status = auth.sign_up(odd).await.unwrap_err();
    names_field(&status, "phone");
}
