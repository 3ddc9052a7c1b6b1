//! The service as its process starts it: chassis, mutual TLS, policy, loops.

use std::sync::Arc;

use bursar_proto::identity::v1 as proto;
use bursar_proto::identity::v1::auth_service_client::AuthServiceClient;
use bursar_proto::identity::v1::kyc_service_client::KycServiceClient;
use bursar_service::cert::Authority;
use bursar_service::config::{LoadOptions, load};
use bursar_service::run::{self, Sources};
use bursar_service::{Identity, client, reason_of};
use bursar_types::{Reason, SystemClock};

use crate::world::{PASSWORD, PHONE, folder, request};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_starts_serves_and_stops() {
    let folder = folder();
    let authority = Authority::open(folder.path(), Arc::new(SystemClock)).unwrap();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let sets = vec![
        "service.sandbox=true".to_owned(),
        format!("keys.master_file={}", path("master.key")),
        format!("signing.cert={}", path("identity-signing.pem")),
        format!("signing.key={}", path("identity-signing.key")),
        format!("tls.ca={}", path("ca.pem")),
        format!("tls.cert={}", path("identity.pem")),
        format!("tls.key={}", path("identity.key")),
        format!("database.url=sqlite://{}", path("identity.db")),
        // Nobody listens there.
        "peers.notifications=https://127.0.0.1:1".to_owned(),
        "password.memory_kib=64".to_owned(),
    ];
    let options = LoadOptions { file: None, sets, variables: Vec::new() };
    let spec = bursar_identity::spec();
    let loaded = load(spec.defaults, &options).unwrap();
    let running = run::start(spec, loaded, Sources::default()).await.unwrap();
    let call_as = |caller| {
        let files = authority.leaf(caller).unwrap();
        client::operator_channel(&running.grpc_url(), Identity::Identity, &files).unwrap()
    };

    let mut auth = AuthServiceClient::new(call_as(Identity::Backend));
    let log_in = proto::LogInRequest {
        request_id: request().to_string(),
        phone: PHONE.into(),
        password: PASSWORD.into(),
    };
    let wrong = auth.log_in(log_in).await.unwrap_err();
    assert_eq!(reason_of(&wrong).unwrap().0, Reason::CredentialsWrong);
    let sign_up = proto::SignUpRequest {
        request_id: request().to_string(),
        phone: PHONE.into(),
        password: PASSWORD.into(),
        locale: 0,
    };
    let away = auth.sign_up(sign_up).await.unwrap_err();
    assert_eq!(reason_of(&away).unwrap().0, Reason::PeerUnavailable);

    let list = proto::ListCasesRequest::default();
    let refused =
        KycServiceClient::new(call_as(Identity::Backend)).list_cases(list.clone()).await.unwrap_err();
    assert_eq!(reason_of(&refused).unwrap().0, Reason::CallerNotAllowed);
    let cases = KycServiceClient::new(call_as(Identity::Operator)).list_cases(list).await.unwrap();
    assert!(cases.into_inner().cases.is_empty());
    running.stop().await;
}
