//! The allow-list: every method of every service, called by every identity, and by nobody.

use std::sync::Arc;

use bursar_proto::access::{Identity, METHODS};
use bursar_service::client::PeerChannel;
use bursar_testkit::{Databases, Platform};
use http_body_util::Full;
use tonic::body::Body;
use tonic::{Code, Status};
use tower::{Service as _, ServiceExt as _};

/// A gRPC message of no bytes: flag 0, length 0.
const EMPTY_MESSAGE: &[u8] = &[0, 0, 0, 0, 0];

/// Calls `path` with an empty message; gives the status of the answer.
async fn call(channel: &mut PeerChannel, path: &str) -> Status {
    let request = http::Request::post(format!("http://bursar{path}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("grpc-timeout", "5S")
        .body(Body::new(Full::new(bytes::Bytes::from_static(EMPTY_MESSAGE))))
        .unwrap();
    let answer = channel
        .ready()
        .await
        .unwrap()
        .call(request)
        .await
        .unwrap_or_else(|status| panic!("{path}: {status}"));
    match Status::from_header_map(answer.headers()) {
        Some(status) => status,
        // Not refused at once: what the method itself says comes in the trailers.
        None => Status::new(Code::Ok, "the call was let in"),
    }
}

fn refused_for_the_caller(status: &Status) -> bool {
    let reason = bursar_service::reason_of(status).map(|(reason, _)| reason.as_str());
    status.code() == Code::PermissionDenied && reason == Some("CALLER_NOT_ALLOWED")
}

/// The services that serve methods of a package: the event service, the probe and the clock are everybody's.
fn servers_of(service: &str) -> Vec<Identity> {
    let all =
        [Identity::Identity, Identity::Vault, Identity::Ledger, Identity::Notifications, Identity::Gateway];
    match service.strip_prefix("bursar.").and_then(|rest| rest.split('.').next()) {
        Some("event" | "probe" | "sandbox") => all.to_vec(),
        Some(name) => Identity::from_name(name).into_iter().collect(),
        None => Vec::new(),
    }
}

#[tokio::test]
async fn every_method_refuses_every_caller_that_is_not_on_its_list() {
    let folder = tempfile::tempdir().unwrap();
    let platform = Platform::up(folder.path(), &Databases::Embedded, &[]).await;
    let (mut refused, mut let_in) = (0, 0);
    for caller in Identity::ALL {
        for server in Identity::ALL {
            let methods: Vec<_> =
                METHODS.iter().filter(|m| servers_of(m.service).contains(&server)).collect();
            if methods.is_empty() {
                continue;
            }
            let mut channel = platform.channel(server, caller);
            for method in methods {
                let status = call(&mut channel, method.path).await;
                if method.callers.contains(&caller) {
                    assert!(
                        !refused_for_the_caller(&status),
                        "{caller} may call {} and is refused",
                        method.path
                    );
                    let_in += 1;
                } else {
                    assert!(
                        refused_for_the_caller(&status),
                        "{caller} may not call {}: {status:?}",
                        method.path
                    );
                    refused += 1;
                }
            }
            // A method that nobody wrote down is nobody's.
            let status = call(&mut channel, "/bursar.ledger.v1.AccountService/Nothing").await;
            assert!(refused_for_the_caller(&status), "{caller} at {server}: {status:?}");
        }
    }
    assert!(refused > 300 && let_in > 60, "{refused} refused, {let_in} let in: is the table whole?");
    assert!(platform.stop().await.success());
}

/// What a TLS client with this configuration gets when it says hello and waits for an answer.
async fn hello(platform: &Platform, config: rustls::ClientConfig) -> Result<usize, String> {
    use tokio::io::AsyncReadExt as _;
    let address = platform.endpoints["ledger"]["grpc"].as_str().unwrap().trim_start_matches("https://");
    let stream = tokio::net::TcpStream::connect(address).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
    let mut stream = connector.connect(name, stream).await.map_err(|error| error.to_string())?;
    // In TLS 1.3 a refusal of the client's certificate comes after the handshake, in place of the first bytes.
    let mut first = [0_u8; 9];
    stream.read(&mut first).await.map_err(|error| error.to_string())
}

fn roots(platform: &Platform) -> rustls::RootCertStore {
    use rustls::pki_types::pem::PemObject as _;
    let mut roots = rustls::RootCertStore::empty();
    let ca = rustls::pki_types::CertificateDer::from_pem_file(platform.certificate(Identity::Operator).ca)
        .unwrap();
    roots.add(ca).unwrap();
    roots
}

#[tokio::test]
async fn without_a_certificate_of_the_platforms_authority_there_is_no_connection() {
    use rustls::pki_types::pem::PemObject as _;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    bursar_service::tls::install_provider();
    let folder = tempfile::tempdir().unwrap();
    let platform = Platform::up(folder.path(), &Databases::Embedded, &[]).await;
    let builder = || rustls::ClientConfig::builder().with_root_certificates(roots(&platform));

    let nobody = hello(&platform, builder().with_no_client_auth()).await;
    assert!(nobody.as_ref().is_err_and(|problem| problem.contains("ertificate")), "{nobody:?}");

    // The right name, under another authority.
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
    params.subject_alt_names = vec![rcgen::SanType::URI("spiffe://bursar/operator".try_into().unwrap())];
    let forged = params.self_signed(&key).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = builder().with_client_auth_cert(vec![forged.der().clone()], key).unwrap();
    let foreign = hello(&platform, config).await;
    assert!(foreign.is_err(), "{foreign:?}");

    // The control: the operator's own certificate is let in (the server speaks first: its HTTP/2 settings).
    let files = platform.certificate(Identity::Operator);
    let chain = CertificateDer::pem_file_iter(&files.cert).unwrap().map(Result::unwrap).collect();
    let key = PrivateKeyDer::from_pem_file(&files.key).unwrap();
    let mut config = builder().with_client_auth_cert(chain, key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let operator = hello(&platform, config).await;
    assert!(operator.as_ref().is_ok_and(|count| *count > 0), "{operator:?}");
    assert!(platform.stop().await.success());
}
