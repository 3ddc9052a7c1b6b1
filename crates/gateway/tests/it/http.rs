//! The interface in JSON: who may call, what comes back, and what it says of itself.

use std::net::SocketAddr;
use std::sync::Arc;

use bursar_service::cert::Authority;
use bursar_service::config::{LoadOptions, load};
use bursar_service::run::{self, Running, Sources};
use bursar_service::{Identity, tls};
use bursar_types::SystemClock;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsConnector;

struct World {
    folder: TempDir,
    authority: Authority,
    api: SocketAddr,
    _running: Running,
}

struct Answer {
    status: u16,
    head: String,
    body: Value,
}

impl World {
    async fn new() -> Self {
        tls::install_provider();
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::open(folder.path(), Arc::new(SystemClock)).unwrap();
        authority.leaf(Identity::Gateway).unwrap();
        // Free a moment ago; nothing else of this test takes it.
        let api = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let sets = vec![
            "service.grpc_listen=127.0.0.1:0".to_owned(),
            "service.admin_listen=127.0.0.1:0".to_owned(),
            "iso8583.listen=127.0.0.1:0".to_owned(),
            "http.listen=127.0.0.1:0".to_owned(),
            format!("http.api_listen={api}"),
            format!("tls.ca={}", path("ca.pem")),
            format!("tls.cert={}", path("gateway.pem")),
            format!("tls.key={}", path("gateway.key")),
            format!("database.url=sqlite://{}", path("gateway.db")),
            // Nobody listens there.
            "peers.vault=https://127.0.0.1:1".to_owned(),
            "peers.ledger=https://127.0.0.1:1".to_owned(),
        ];
        let options = LoadOptions { file: None, sets, variables: Vec::new() };
        let spec = bursar_gateway::spec();
        let loaded = load(spec.defaults, &options).unwrap();
        let running = run::start(spec, loaded, Sources::default()).await.unwrap();
        Self { folder, authority, api, _running: running }
    }

    /// Sends a request as `caller`, whose certificate it shows.
    async fn ask(&self, caller: Option<Identity>, request: &str) -> std::io::Result<Answer> {
        let all = |name: &str| -> Vec<_> {
            let read = CertificateDer::pem_file_iter(self.folder.path().join(name)).unwrap();
            read.map(Result::unwrap).collect()
        };
        let mut roots = rustls::RootCertStore::empty();
        roots.add_parsable_certificates(all("ca.pem"));
        let builder = rustls::ClientConfig::builder().with_root_certificates(roots);
        let mut config = match caller {
            Some(caller) => {
                let files = self.authority.leaf(caller).unwrap();
                let key = PrivateKeyDer::from_pem_file(&files.key).unwrap();
                let chain = CertificateDer::pem_file_iter(&files.cert).unwrap().map(Result::unwrap).collect();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let stream = TcpStream::connect(self.api).await?;
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut text = Vec::new();
        stream.read_to_end(&mut text).await?;
        let text = String::from_utf8(text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|it| it.parse().ok());
        let status = status.ok_or_else(|| std::io::Error::other("no answer"))?;
        Ok(Answer {
            status,
            head: head.to_lowercase(),
            body: serde_json::from_str(body).unwrap_or(Value::Null),
        })
    }

    async fn get(&self, caller: Identity, path: &str) -> Answer {
        let request = format!("GET {path} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n\r\n");
        self.ask(Some(caller), &request).await.unwrap()
    }

    async fn post(&self, caller: Identity, path: &str, headers: &str, body: &str) -> Answer {
        let request = format!(
            "POST {path} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: {}\r\n{headers}\r\n{body}",
            body.len()
        );
        self.ask(Some(caller), &request).await.unwrap()
    }
}

fn told(answer: &Answer, status: u16, reason: &str) {
    assert_eq!((answer.status, answer.body["reason"].as_str()), (status, Some(reason)), "{}", answer.body);
    assert!(answer.head.contains("content-type: application/problem+json"), "{}", answer.head);
    assert_eq!(answer.body["status"], status);
    assert_eq!(answer.body["type"], format!("urn:bursar:problem:{reason}"));
    assert!(!answer.body["detail"].as_str().unwrap().is_empty());
}

const KEY: &str = "0198c0de-0000-7000-8000-000000000001";

fn file(entries: &str) -> String {
    let text = format!(
        "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:camt.054.001.08\"><BkToCstmrDbtCdtNtfctn><GrpHdr><MsgId>M-1</MsgId></GrpHdr><Ntfctn><Id>1</Id>{entries}</Ntfctn></BkToCstmrDbtCdtNtfctn></Document>"
    );
    data_encoding::BASE64.encode(text.as_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn methods_are_called_under_the_same_rules_and_tell_the_same_reasons() {
    let world = World::new().await;
    let partner = Identity::Partner;
    // A pending entry is none of a booked credit: it needs no ledger.
    let pending = "<Ntry><Amt Ccy=\"CNY\">1.50</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>PDNG</Cd></Sts><AcctSvcrRef>B-1</AcctSvcrRef></Ntry>";
    let body = json!({ "content": file(pending) }).to_string();
    let key = format!("idempotency-key: {KEY}\r\n");
    let first = world.post(partner, "/v1/bank-files", &key, &body).await;
    assert_eq!(first.status, 200, "{}", first.body);
    assert_eq!(first.body["entries"][0]["amount"]["minorUnits"], "150");
    assert_eq!(first.body["entries"][0]["outcome"], "BANK_ENTRY_OUTCOME_IGNORED");
    // The same key, the same answer; another body, a conflict.
    assert_eq!(world.post(partner, "/v1/bank-files", &key, &body).await.body, first.body);
    let other = json!({ "content": file("") }).to_string();
    told(&world.post(partner, "/v1/bank-files", &key, &other).await, 409, "REQUEST_ID_REUSED");
    told(&world.post(partner, "/v1/bank-files", "", &body).await, 400, "REQUEST_ID_MISSING");
    let two = json!({ "content": file(""), "requestId": "0198c0de-0000-7000-8000-000000000002" }).to_string();
    told(&world.post(partner, "/v1/bank-files", &key, &two).await, 400, "INVALID_FIELD");
    let listed = world.get(partner, "/v1/bank-files?page_size=10").await;
    assert_eq!(
        (listed.status, listed.body["bankFiles"].as_array().unwrap().len()),
        (200, 1),
        "{}",
        listed.body
    );
    told(&world.get(partner, "/v1/bank-files?page_size=ten").await, 400, "INVALID_FIELD");
    told(&world.get(partner, "/v1/bank-files?page_size=1&page_size=2").await, 400, "INVALID_FIELD");
    told(&world.get(partner, "/v1/bank-files?page_token=x").await, 400, "PAGE_TOKEN_INVALID");

    // Who may not, and who is nobody.
    told(&world.get(Identity::Backend, "/v1/bank-files").await, 403, "CALLER_NOT_ALLOWED");
    told(&world.post(Identity::Backend, "/v1/payments", "", "{}").await, 401, "TOKEN_MISSING");
    let forged = "authorization: Bearer forged\r\n";
    told(&world.post(Identity::Backend, "/v1/payments", forged, "{}").await, 401, "TOKEN_INVALID");
    assert!(world.ask(None, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.is_err(), "no certificate, no answer");

    // A credit needs the ledger, which is away: the file is stored, and the caller comes again.
    let booked = pending.replace("PDNG", "BOOK");
    let body = json!({ "content": file(&booked), "requestId": "0198c0de-0000-7000-8000-000000000003" });
    told(&world.post(partner, "/v1/bank-files", "", &body.to_string()).await, 503, "PEER_UNAVAILABLE");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_read_is_told_without_repeating_it() {
    let world = World::new().await;
    let partner = Identity::Partner;
    for body in ["", "{", "[]", "{\"content\": 7}", "{\"secret\": \"123456\"}", "{} {}", "nonsense 123456"] {
        let answer = world.post(partner, "/v1/bank-files", "", body).await;
        told(&answer, 400, "INVALID_FIELD");
        assert!(!answer.body.to_string().contains("123456"), "{}", answer.body);
        assert_eq!(answer.body["violations"][0]["field"], "body");
    }
    told(&world.get(partner, "/v1/nothing").await, 404, "NOT_SERVED");
    let delete = "DELETE /v1/bank-files HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    told(&world.ask(Some(partner), delete).await.unwrap(), 405, "METHOD_NOT_ALLOWED");
    let xml = "POST /v1/bank-files HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: text/xml\r\ncontent-length: 4\r\n\r\n<a/>";
    told(&world.ask(Some(partner), xml).await.unwrap(), 415, "UNSUPPORTED_MEDIA_TYPE");
    let described = world.get(partner, "/openapi.json").await;
    assert_eq!((described.status, described.body["openapi"].as_str()), (200, Some("3.1.0")));
    assert!(described.body["paths"]["/v1/bank-files"]["get"].is_object());
}
