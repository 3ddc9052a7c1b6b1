//! After a whole journey no secret of it lies in the open: not in the databases, logs, traces, events or metrics.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bursar_proto::access::Identity;
use bursar_proto::event::v1::FetchRequest;
use bursar_proto::event::v1::event_service_client::EventServiceClient;
use bursar_testkit::{Databases, Platform};
use data_encoding::{BASE64, HEXLOWER, HEXUPPER};
use http_body_util::BodyExt as _;
use serde_json::Value;
use sqlx::postgres::PgPoolCopyExt as _;
use tonic::codegen::tokio_stream::StreamExt as _;

use crate::story::Demo;

/// A stand-in for a trace collector: keeps every byte it is sent.
struct Collector {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<u8>>>,
    _serving: tokio::task::JoinSet<()>,
}

impl Collector {
    async fn open() -> Self {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let mut serving = tokio::task::JoinSet::new();
        let kept = Arc::clone(&seen);
        serving.spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let kept = Arc::clone(&kept);
                connections.spawn(async move {
                    let service =
                        hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                            let kept = Arc::clone(&kept);
                            async move {
                                let body = request.into_body().collect().await?.to_bytes();
                                kept.lock().unwrap().extend_from_slice(&body);
                                let mut answer = hyper::Response::new(http_body_util::Full::new(
                                    bytes::Bytes::from_static(&[0, 0, 0, 0, 0]),
                                ));
                                answer
                                    .headers_mut()
                                    .insert("content-type", "application/grpc".parse().unwrap());
                                answer.headers_mut().insert("grpc-status", "0".parse().unwrap());
                                Ok::<_, hyper::Error>(answer)
                            }
                        });
                    let io = hyper_util::rt::TokioIo::new(stream);
                    let executor = hyper_util::rt::TokioExecutor::new();
                    let _ = hyper::server::conn::http2::Builder::new(executor)
                        .serve_connection(io, service)
                        .await;
                });
            }
        });
        Self { address, seen, _serving: serving }
    }
}

/// A number that must not stand alone anywhere: digits beside it would make it part of another number.
fn stands_alone(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = find(&haystack[from..], needle).map(|at| at + from) {
        let before = at.checked_sub(1).map(|index| haystack[index]);
        let after = haystack.get(at + needle.len()).copied();
        let part = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
        if !part(before) && !part(after) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// The ways in which a long secret could have been written down.
fn long_forms(secret: &str) -> Vec<Vec<u8>> {
    let bytes = secret.as_bytes();
    let mut forms = vec![
        bytes.to_vec(),
        HEXLOWER.encode(bytes).into_bytes(),
        HEXUPPER.encode(bytes).into_bytes(),
        // Without the last group, which depends on what follows.
        BASE64.encode(&bytes[..bytes.len() / 3 * 3]).into_bytes(),
    ];
    if bytes.len().is_multiple_of(2) && bytes.iter().all(u8::is_ascii_digit) {
        forms.push(bytes.chunks(2).map(|pair| (pair[0] - b'0') << 4 | (pair[1] - b'0')).collect());
    }
    forms
}

/// The ways in which three digits would be written down as a CVV2: in a message, a structure, a log line, a field 48.
fn cvv2_forms(cvv2: &str) -> Vec<Vec<u8>> {
    [
        format!("\"cvv2\":\"{cvv2}\""),
        format!("cvv2={cvv2}"),
        format!("cvv2: \"{cvv2}\""),
        format!("9203{cvv2}"),
        format!("\x1a\x03{cvv2}"),
    ]
    .map(String::into_bytes)
    .to_vec()
}

/// What was found where, in words that do not repeat it.
fn search(place: &str, bytes: &[u8], secrets: &Value, found: &mut Vec<String>) {
    for (name, value) in secrets.as_object().unwrap() {
        for secret in value.as_array().unwrap().iter().map(|value| value.as_str().unwrap()) {
            let hit = match name.as_str() {
                "cvv2" => cvv2_forms(secret).iter().any(|form| find(bytes, form).is_some()),
                _ if secret.len() <= 6 => stands_alone(bytes, secret.as_bytes()).is_some(),
                _ => long_forms(secret).iter().any(|form| find(bytes, form).is_some()),
            };
            if hit {
                found.push(format!("a {name} in {place}"));
            }
        }
    }
}

fn files(folder: &Path, all: &mut BTreeMap<String, Vec<u8>>) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            files(&path, all);
        } else {
            all.insert(path.display().to_string(), std::fs::read(&path).unwrap());
        }
    }
}

async fn events(platform: &Platform, service: Identity) -> Vec<u8> {
    let mut client = EventServiceClient::new(platform.channel(service, Identity::Operator));
    let mut bytes = Vec::new();
    let mut cursor = None;
    loop {
        let request = FetchRequest { cursor: cursor.clone(), types: Vec::new(), page_size: 1000 };
        let page = client.fetch(request).await.unwrap().into_inner();
        if page.events.is_empty() {
            return bytes;
        }
        for event in page.events {
            bytes.extend_from_slice(format!("{event:?}").as_bytes());
            bytes.extend_from_slice(&event.data.unwrap_or_default().value);
        }
        cursor = page.cursor;
    }
}

async fn metrics(platform: &Platform, service: Identity) -> Vec<u8> {
    let address = platform.endpoints[service.name()]["admin"].as_str().unwrap();
    let uri: http::Uri = format!("{address}/metrics").parse().unwrap();
    let client =
        hyper_util::client::legacy::Client::builder(hyper_util::rt::TokioExecutor::new()).build_http();
    let request = http::Request::get(uri).body(http_body_util::Empty::<bytes::Bytes>::new()).unwrap();
    client.request(request).await.unwrap().into_body().collect().await.unwrap().to_bytes().to_vec()
}

/// Every column of every table of every database of the platform, as PostgreSQL writes it to a file.
async fn dump(url: &str, prefix: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for service in ["identity", "vault", "ledger", "notifications", "gateway"] {
        let options: sqlx::postgres::PgConnectOptions = url.parse().unwrap();
        let pool =
            sqlx::PgPool::connect_with(options.database(&format!("{prefix}_{service}"))).await.unwrap();
        let tables: Vec<String> = sqlx::query_scalar(
            "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public'",
        )
        .fetch_all(&pool)
        .await
        .unwrap();
        assert!(tables.len() > 4, "{service} has tables: {tables:?}");
        for table in tables {
            let statement = format!("COPY \"{table}\" TO STDOUT (FORMAT binary)");
            let mut rows = pool.copy_out_raw(statement.as_str()).await.unwrap();
            while let Some(piece) = rows.next().await {
                bytes.extend_from_slice(&piece.unwrap());
            }
        }
        pool.close().await;
    }
    bytes
}

async fn nothing_lies_in_the_open(databases: Databases) {
    let collector = Collector::open().await;
    let endpoint = format!("http://{}", collector.address);
    let environment =
        [("BURSAR_TELEMETRY__OTLP_ENDPOINT", endpoint.as_str()), ("BURSAR_TELEMETRY__LEVEL", "debug")];
    let folder = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let platform = Platform::up(folder.path(), &databases, &environment).await;

    let told = outside.path().join("secrets.json");
    Demo::attach(folder.path(), &["--tell-secrets", told.to_str().unwrap()]).finish().await;
    let secrets: Value = serde_json::from_slice(&std::fs::read(&told).unwrap()).unwrap();
    for name in ["pan", "cvv2", "card_password", "one_time_code", "password"] {
        let count = secrets[name].as_array().map_or(0, Vec::len);
        assert!(count > 0, "the demo used a {name}");
    }

    let mut places = BTreeMap::new();
    for service in
        [Identity::Identity, Identity::Vault, Identity::Ledger, Identity::Notifications, Identity::Gateway]
    {
        places.insert(format!("events of {service}"), events(&platform, service).await);
        places.insert(format!("metrics of {service}"), metrics(&platform, service).await);
    }
    assert!(platform.stop().await.success());
    files(folder.path(), &mut places);
    if let Databases::Postgres { url, prefix } = &databases {
        places.insert("the databases".into(), dump(url, prefix).await);
    }
    let traces = collector.seen.lock().unwrap().clone();
    assert!(find(&traces, b"ledger").is_some(), "traces were sent: {} bytes", traces.len());
    places.insert("traces".into(), traces);

    let mut found = Vec::new();
    for (place, bytes) in &places {
        search(place, bytes, &secrets, &mut found);
    }
    assert!(found.is_empty(), "{found:#?}");

    // The control: the search finds what is there.
    let mut control = Vec::new();
    for (name, value) in secrets.as_object().unwrap() {
        let secret = value[0].as_str().unwrap();
        search("the control", format!("x {name}={secret} y").as_bytes(), &secrets, &mut control);
    }
    for name in ["pan", "cvv2", "card_password", "one_time_code", "password"] {
        assert!(
            control.iter().any(|hit| hit.starts_with(&format!("a {name} "))),
            "{name} would not be found"
        );
    }
}

#[tokio::test]
async fn no_secret_of_the_journey_lies_in_the_open_on_sqlite() {
    nothing_lies_in_the_open(Databases::Embedded).await;
}

#[tokio::test]
async fn no_secret_of_the_journey_lies_in_the_open_on_postgres() {
    nothing_lies_in_the_open(Databases::private_postgres().await).await;
}
