use std::path::Path;
use std::sync::{Arc, Mutex};

use bursar_service::cert::Authority;
use bursar_service::tls::{Tls, TlsFiles};
use bursar_service::{Identity, PeerChannel, client};
use bursar_types::{Clock as _, SystemClock, Timestamp};
use rcgen::{CertificateParams, DnType, Issuer, KeyPair, SanType};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tonic::Code;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

use super::support::*;

/// Counts log lines with a text, on this thread, which is the only one of these tests.
struct Lines(&'static str, Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Lines {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        struct Text(String);
        impl tracing::field::Visit for Text {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0.push_str(&format!("{}={value:?} ", field.name()));
            }
        }
        let mut text = Text(String::new());
        event.record(&mut text);
        if text.0.contains(self.0) {
            self.1.lock().unwrap().push(text.0);
        }
    }
}

fn pem_chain(path: &Path) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(path).unwrap().collect::<Result<_, _>>().unwrap()
}

fn roots(files: &TlsFiles) -> rustls::RootCertStore {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(pem_chain(&files.ca).remove(0)).unwrap();
    roots
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// What a plain TLS client sees until the server hangs up.
async fn knock(address: std::net::SocketAddr, config: rustls::ClientConfig) -> Result<usize, std::io::Error> {
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    // In TLS 1.3 a client believes itself connected before the server has looked at its certificate.
    let mut all = Vec::new();
    tokio::time::timeout(PATIENCE, stream.read_to_end(&mut all)).await.expect("the server says something")
}

/// A certificate under the place's own authority with these URI names.
fn with_names(place: &Place, uris: &[&str], not_after: Option<Timestamp>) -> TlsFiles {
    let folder = place.folder.path();
    let ca_key = KeyPair::from_pem(&std::fs::read_to_string(folder.join("ca.key")).unwrap()).unwrap();
    let mut ca = CertificateParams::default();
    ca.distinguished_name.push(DnType::CommonName, "Bursar local authority");
    let mut params = CertificateParams::default();
    params.subject_alt_names = uris.iter().map(|uri| SanType::URI((*uri).try_into().unwrap())).collect();
    if let Some(end) = not_after {
        let end = u64::try_from(end.as_seconds()).unwrap();
        params.not_after = rcgen::date_time_ymd(1970, 1, 1) + std::time::Duration::from_secs(end);
    }
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &Issuer::new(ca, ca_key)).unwrap();
    let files =
        TlsFiles { ca: folder.join("ca.pem"), cert: folder.join("odd.pem"), key: folder.join("odd.key") };
    std::fs::write(&files.cert, certificate.pem()).unwrap();
    write_private(&files.key, &key.serialize_pem());
    files
}

fn write_private(path: &Path, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// A client that shows a certificate which our own loader would refuse to load.
fn odd_client(files: &TlsFiles) -> rustls::ClientConfig {
    let mut config = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots(files))
        .with_client_auth_cert(pem_chain(&files.cert), PrivateKeyDer::from_pem_file(&files.key).unwrap())
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    config
}

#[tokio::test]
async fn who_has_no_good_certificate_is_refused_in_the_handshake_and_logged_once() {
    let place = Place::new();
    let vault = place.start(Identity::Vault, &[]).await;
    let address = vault.grpc_address();
    let files = place.authority.leaf(Identity::Gateway).unwrap();
    let yesterday = SystemClock.now().minus(std::time::Duration::from_secs(86_400));
    let signing = place.authority.signing(Identity::Gateway).unwrap();

    let anonymous = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots(&files))
        .with_no_client_auth();
    let old_protocol = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .with_root_certificates(roots(&files))
        .with_client_auth_cert(pem_chain(&files.cert), PrivateKeyDer::from_pem_file(&files.key).unwrap())
        .unwrap();
    let foreign = Place::new();
    let foreign = TlsFiles { ca: files.ca.clone(), ..foreign.authority.leaf(Identity::Gateway).unwrap() };
    let gateway = "spiffe://bursar/gateway";
    let cases = [
        ("no certificate", anonymous),
        ("TLS 1.2", old_protocol),
        ("another authority", odd_client(&foreign)),
        ("two names", odd_client(&with_names(&place, &[gateway, "spiffe://bursar/ledger"], None))),
        ("no name", odd_client(&with_names(&place, &[], None))),
        ("another domain", odd_client(&with_names(&place, &["spiffe://elsewhere/gateway"], None))),
        ("an unknown service", odd_client(&with_names(&place, &["spiffe://bursar/treasury"], None))),
        ("expired", odd_client(&with_names(&place, &[gateway], Some(yesterday)))),
        ("for signing", odd_client(&TlsFiles { ca: files.ca.clone(), cert: signing.cert, key: signing.key })),
    ];
    for (case, config) in cases {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let layer = Lines("TLS handshake refused", Arc::clone(&lines));
        let logged = tracing::subscriber::set_default(tracing_subscriber::registry().with(layer));
        let seen = knock(address, config).await;
        assert!(seen.is_err(), "{case}: let in");
        drop(logged);
        let lines = lines.lock().unwrap();
        assert_eq!(lines.len(), 1, "{case}: {lines:?}");
        assert!(lines[0].contains("127.0.0.1:"), "{case}: {lines:?}");
    }
    // The same door opens for one who may.
    let one_name = odd_client(&with_names(&place, &[gateway], None));
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream =
        tokio_rustls::TlsConnector::from(Arc::new(one_name)).connect(name, stream).await.unwrap();
    // The server's HTTP/2 settings come at once: a frame head of 9 bytes, type 4.
    let mut head = [0; 9];
    tokio::time::timeout(PATIENCE, stream.read_exact(&mut head)).await.unwrap().unwrap();
    assert_eq!(head[3], 4);
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    drop(stream);
    vault.stop().await;
}

#[tokio::test]
async fn a_client_talks_to_the_service_it_means_and_to_nobody_else() {
    let place = Place::new();
    let vault = place.start(Identity::Vault, &[]).await;
    let files = place.authority.leaf(Identity::Gateway).unwrap();
    let meant: PeerChannel = client::operator_channel(&vault.grpc_url(), Identity::Ledger, &files).unwrap();
    let status = call(&meant, VERIFY_CARD, "echo").await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    assert!(status.message().contains("spiffe://bursar/vault"), "{status:?}");
    assert_eq!(reason(&status), bursar_types::Reason::PeerUnavailable);
    vault.stop().await;
}

#[tokio::test]
async fn changed_certificates_are_taken_up_and_bad_ones_are_not() {
    let place = Place::new();
    let files = place.authority.leaf(Identity::Gateway).unwrap();
    let tls = Tls::load(files.clone()).unwrap();
    assert!(!tls.reload_if_changed().unwrap());

    let good = std::fs::read(&files.cert).unwrap();
    let stale = std::fs::metadata(&files.cert).unwrap().modified().unwrap();
    let touch = |bytes: &[u8], seconds: u64| {
        std::fs::write(&files.cert, bytes).unwrap();
        let file = std::fs::File::options().write(true).open(&files.cert).unwrap();
        file.set_modified(stale + std::time::Duration::from_secs(seconds)).unwrap();
    };
    touch(b"not a certificate", 10);
    assert!(tls.reload_if_changed().is_err());
    // What was read before still serves.
    assert_eq!(tls.name().to_string(), "spiffe://bursar/gateway");
    touch(&good, 20);
    assert!(tls.reload_if_changed().unwrap());
    assert!(!tls.reload_if_changed().unwrap());
}

#[test]
fn an_authority_is_kept_and_its_leaves_are_renewed_before_they_end() {
    #[derive(Debug)]
    struct At(Mutex<Timestamp>);
    impl bursar_types::Clock for At {
        fn now(&self) -> Timestamp {
            *self.0.lock().unwrap()
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(At(Mutex::new(SystemClock.now())));
    let read = |path: &Path| std::fs::read(path).unwrap();
    let first = Authority::open(folder.path(), clock.clone()).unwrap();
    let leaf = first.leaf(Identity::Vault).unwrap();
    let (ca, cert, key) = (read(&leaf.ca), read(&leaf.cert), read(&leaf.key));
    for private in ["ca.key", "vault.key"] {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = std::fs::metadata(folder.path().join(private)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{private}");
    }

    let again = Authority::open(folder.path(), clock.clone()).unwrap();
    again.leaf(Identity::Vault).unwrap();
    assert_eq!((read(&leaf.ca), read(&leaf.cert)), (ca.clone(), cert.clone()), "nothing near its end");

    let later = clock.now().plus(bursar_service::cert::LEAF_LIFETIME);
    *clock.0.lock().unwrap() = later;
    let renewed = again.leaf(Identity::Vault).unwrap();
    assert_eq!(read(&renewed.ca), ca);
    assert_ne!(read(&renewed.cert), cert);
    assert_eq!(read(&renewed.key), key, "the key stays, so that the pair always fits");
}
