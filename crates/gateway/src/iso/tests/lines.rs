//! Connections of each kind: signing on, TLS, calls of our own, message authentication.

use std::sync::Arc;
use std::time::Duration;

use bursar_iso8583::{FrameDecoder, Message, Profile, SecretBytes};
use bursar_testkit::TestDatabase;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsConnector;

use super::super::listener::call;
use super::super::mac::Mac;
use super::super::partner::{Partner, Way, partners};
use super::world::{Line, Traits, WAIT, World, purchase};
use crate::config::Iso8583Config;

fn manage(line: &Line, code: &str) -> Message {
    let mut message = line.profile.message("0800".parse().unwrap());
    for (field, value) in [(7, "0102030405"), (11, "000009"), (70, code)] {
        message.set(field, value).unwrap();
    }
    message
}

#[tokio::test]
async fn a_partner_that_must_sign_on_is_served_while_it_is() {
    let traits = Traits { sign_on: true, ..Traits::default() };
    let world = World::with(&TestDatabase::sqlite(), Arc::default(), traits).await;
    let mut line = world.connect().await;
    assert_eq!(line.code(&purchase(&line, "0100", 1, 100)).await, "58");
    for (code, answer) in [("301", "00"), ("161", "00"), ("201", "00"), ("999", "12"), ("001", "00")] {
        let reply = line.ask(&manage(&line, code)).await;
        assert_eq!(
            (reply.mti().to_string().as_str(), reply.response_code()),
            ("0810", Some(answer)),
            "{code}"
        );
        assert_eq!((reply.text(70), reply.text(11)), (Some(code), Some("000009")));
    }
    assert_eq!(line.code(&purchase(&line, "0100", 2, 100)).await, "00");
    // It holds for this connection alone.
    let mut other = world.connect().await;
    assert_eq!(other.code(&purchase(&other, "0100", 3, 100)).await, "58");
    assert_eq!(line.code(&manage(&line, "002")).await, "00");
    assert_eq!(line.code(&purchase(&line, "0100", 4, 100)).await, "58");
}

#[tokio::test]
async fn a_message_without_the_right_code_is_refused_and_answers_carry_theirs() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mac.key");
    private(&file, &"5a".repeat(16));
    let profile = Profile::builtin("iso87-ascii").unwrap();
    let open = || Mac::open(&file, &profile).unwrap();
    let traits = Traits { mac: Some(open()), ..Traits::default() };
    let world = World::with(&TestDatabase::sqlite(), Arc::default(), traits).await;
    let mut line = world.connect().await;
    let mac = open();
    assert_eq!(line.code(&purchase(&line, "0100", 1, 100)).await, "63", "no code");
    let mut request = purchase(&line, "0100", 2, 100);
    let bytes = mac.encode(&profile, &mut request).unwrap();
    line.send_raw(&bytes).await;
    let raw = line.hear().await.unwrap();
    let reply = profile.decode(&raw).into_result().unwrap();
    assert_eq!(reply.response_code(), Some("00"));
    assert!(mac.holds(&raw, &reply), "the answer has its code");
    let mut changed = bytes.to_vec();
    let last = changed.len() - 20;
    changed[last] = b'9';
    line.send_raw(&changed).await;
    let raw = line.hear().await.unwrap();
    assert_eq!(profile.decode(&raw).message.unwrap().response_code(), Some("63"));
}

fn private(path: &std::path::Path, text: &str) {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

/// Certificates of an authority of the test's own.
struct Papers {
    folder: tempfile::TempDir,
}

impl Papers {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        bursar_service::tls::install_provider();
        let authority_key = rcgen::KeyPair::generate().unwrap();
        let mut authority = rcgen::CertificateParams::new(Vec::<String>::new()).unwrap();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let issued = authority.self_signed(&authority_key).unwrap();
        let issuer = rcgen::Issuer::new(authority, authority_key);
        std::fs::write(folder.path().join("ca.pem"), issued.pem()).unwrap();
        for name in ["gateway", "switch"] {
            let key = rcgen::KeyPair::generate().unwrap();
            let leaf = rcgen::CertificateParams::new(vec![format!("{name}.test")]).unwrap();
            let leaf = leaf.signed_by(&key, &issuer).unwrap();
            std::fs::write(folder.path().join(format!("{name}.pem")), leaf.pem()).unwrap();
            private(&folder.path().join(format!("{name}.key")), &key.serialize_pem());
        }
        Self { folder }
    }

    /// A partner as it is configured.
    fn partner(&self, world: &World, role: &str, address: &str, name: &str) -> Partner {
        let path = |file: &str| self.folder.path().join(file).display().to_string();
        let text = format!(
            r#"
            listen = "127.0.0.1:0"
            profile = "iso87-ascii"
            connections_max = 10
            in_flight_max = 10
            idle_s_max = 10
            answer_ms_max = 1800
            message_s_max = 5
            [partners.network]
            role = "{role}"
            address = "{address}"
            profile = "iso87-bcd"
            echo_s = 1
            tls = {{ ca = "{}", cert = "{}", key = "{}", name = "{name}" }}
            "#,
            path("ca.pem"),
            path("gateway.pem"),
            path("gateway.key")
        );
        let config: Iso8583Config = toml::from_str(&text).unwrap();
        partners(&config, &world.partner.exchange.desk).unwrap().remove(1)
    }

    fn switch(&self) -> Partner2 {
        Partner2 { folder: self.folder.path().to_owned() }
    }
}

/// The partner's own papers.
struct Partner2 {
    folder: std::path::PathBuf,
}

impl Partner2 {
    fn read(
        &self,
    ) -> (
        rustls::RootCertStore,
        Vec<rustls::pki_types::CertificateDer<'static>>,
        rustls::pki_types::PrivateKeyDer<'static>,
    ) {
        use rustls::pki_types::pem::PemObject as _;
        let file = |name: &str| self.folder.join(name);
        let all = |name: &str| -> Vec<_> {
            rustls::pki_types::CertificateDer::pem_file_iter(file(name))
                .unwrap()
                .map(Result::unwrap)
                .collect()
        };
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(all("ca.pem"));
        let key = rustls::pki_types::PrivateKeyDer::from_pem_file(file("switch.key")).unwrap();
        (roots, all("switch.pem"), key)
    }
}

async fn speak(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), profile: &Profile, message: &Message) {
    let mut framed = SecretBytes::default();
    profile.framing().write_plain(&profile.encode(message).unwrap(), &mut framed).unwrap();
    stream.write_all(&framed).await.unwrap();
    stream.flush().await.unwrap();
}

async fn listen(stream: &mut (impl AsyncRead + Unpin), profile: &Profile) -> Option<Message> {
    let mut decoder = FrameDecoder::new(profile.framing());
    let mut byte = [0_u8; 1];
    loop {
        let read = tokio::time::timeout(WAIT, stream.read(&mut byte)).await.expect("heard in time");
        if read.unwrap_or(0) == 0 {
            return None;
        }
        let mut input = &byte[..];
        if let Some(frame) = decoder.next(&mut input).unwrap() {
            return Some(profile.decode(frame.message()).into_result().unwrap());
        }
    }
}

#[tokio::test]
async fn a_partner_under_tls_shows_its_certificate() {
    let papers = Papers::new();
    let world = World::new(&TestDatabase::sqlite()).await;
    let partner = papers.partner(&world, "server", "127.0.0.1:0", "");
    let traits = Traits { profile: "iso87-bcd", way: partner.way, ..Traits::default() };
    let world = World::with(&TestDatabase::sqlite(), Arc::default(), traits).await;
    let (roots, chain, key) = papers.switch().read();
    let builder = rustls::ClientConfig::builder().with_root_certificates(roots);
    let known = builder.clone().with_client_auth_cert(chain, key).unwrap();
    let name = || rustls::pki_types::ServerName::try_from("gateway.test").unwrap();
    let stream = world.connect().await.stream;
    let mut tls = TlsConnector::from(Arc::new(known)).connect(name(), stream).await.unwrap();
    let profile = Profile::builtin("iso87-bcd").unwrap();
    let line = world.connect().await;
    speak(&mut tls, &profile, &purchase(&line, "0100", 1, 100)).await;
    assert_eq!(listen(&mut tls, &profile).await.unwrap().response_code(), Some("00"));
    // Without one, nothing is served.
    let unknown = TlsConnector::from(Arc::new(builder.with_no_client_auth()));
    let stream = world.connect().await.stream;
    let refused = match unknown.connect(name(), stream).await {
        // TLS 1.3 tells it with the first answer.
        Ok(mut tls) => tls.read_u8().await.is_err(),
        Err(_) => true,
    };
    assert!(refused);
}

#[tokio::test]
async fn a_partner_that_we_call_hears_us_sign_on_and_ask_and_is_called_again() {
    let papers = Papers::new();
    let switch = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = switch.local_addr().unwrap().to_string();
    let mut world = World::new(&TestDatabase::sqlite()).await;
    let mut partner = papers.partner(&world, "client", &address, "switch.test");
    if let Way::Call { echo, .. } = &mut partner.way {
        *echo = Duration::from_millis(50);
    }
    world.tasks.spawn(call(partner, world.limits.clone(), world.stop.clone()));
    let (_, chain, key) = papers.switch().read();
    let config = rustls::ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let profile = Profile::builtin("iso87-bcd").unwrap();
    for round in 0..2_u32 {
        let (stream, _) = tokio::time::timeout(WAIT, switch.accept()).await.expect("we call").unwrap();
        let mut tls = acceptor.accept(stream).await.unwrap();
        for code in ["001", "301"] {
            let message = listen(&mut tls, &profile).await.unwrap();
            assert_eq!((message.mti().to_string().as_str(), message.text(70)), ("0800", Some(code)));
            let mut reply = profile.reply_to(&message).unwrap();
            reply.set(39, "00").unwrap();
            speak(&mut tls, &profile, &reply).await;
        }
        // Requests come over the same line.
        let line = world.connect().await;
        speak(&mut tls, &profile, &purchase(&line, "0100", 1 + round, 100)).await;
        let reply = loop {
            let heard = listen(&mut tls, &profile).await.unwrap();
            if heard.mti().to_string() == "0110" {
                break heard;
            }
            let mut answer = profile.reply_to(&heard).unwrap();
            answer.set(39, "00").unwrap();
            speak(&mut tls, &profile, &answer).await;
        };
        assert_eq!(reply.response_code(), Some("00"));
        // The line is cut: it is called again.
        drop(tls);
    }
}
