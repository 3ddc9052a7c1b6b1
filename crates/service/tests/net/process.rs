//! A service as a process of its own: this test binary, told to be one.

use std::ffi::OsString;
use std::process::{ExitCode, Output, Stdio};
use std::sync::{Arc, Mutex};

use bursar_service::Identity;
use bursar_service::run;
use http_body_util::{BodyExt as _, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::support::*;

/// Flags of the process, one a line. Absent in ordinary runs of the test below.
const FLAGS: &str = "BURSAR_TEST_PROCESS_FLAGS";

/// Not a test of its own: the service that the tests below start.
#[test]

fn be_the_process() {
    let Ok(flags) = std::env::var(FLAGS) else { return };
    let args = std::iter::once("test").chain(flags.lines()).map(OsString::from);
    let code = run::service(spec(Identity::Vault), args);
    let known = [0, run::EXIT_CONFIGURATION, run::EXIT_UNAVAILABLE, run::EXIT_INTERNAL];
    let code = known.into_iter().find(|known| ExitCode::from(*known) == code).unwrap_or(1);
    std::process::exit(code.into());
}

fn process(flags: &[String]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "net::process::be_the_process", "--nocapture"]).env(FLAGS, flags.join("\n"));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    command
}

async fn run_to_end(flags: &[String]) -> (i32, String, String) {
    let output = tokio::time::timeout(PATIENCE, process(flags).output()).await.expect("it ends").unwrap();
    let Output { status, stdout, stderr } = output;
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (status.code().unwrap_or(-1), text(stdout), text(stderr))
}

fn flags(place: &Place, more: &[&str]) -> Vec<String> {
    let sets = place.settings(Identity::Vault).into_iter().chain(more.iter().map(ToString::to_string));
    sets.flat_map(|set| ["--set".to_owned(), set]).collect()
}

/// Reads log lines until one has `text`.
async fn line_with(lines: &mut (impl tokio::io::AsyncBufRead + Unpin), text: &str) -> String {
    let found = async {
        loop {
            let mut line = String::new();
            assert!(lines.read_line(&mut line).await.unwrap() > 0, "the process ended before `{text}`");
            if line.contains(text) {
                return line;
            }
        }
    };
    tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("no line with `{text}`"))
}

fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(child.id().unwrap().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

#[tokio::test]
async fn check_config_prints_all_but_the_secrets_and_opens_nothing() {
    let place = Place::new();
    let mut args = flags(
        &place,
        &["database.url=postgres://u:hunter2@127.0.0.1:1/d", "service.grpc_listen=127.0.0.1:1"],
    );
    args.push("--check-config".to_owned());
    let (code, out, err) = run_to_end(&args).await;
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("grpc_listen = \"127.0.0.1:1\"") && out.contains("url = \"<hidden>\""), "{out}");
    assert!(!out.contains("hunter2") && !err.contains("hunter2"));
}

#[tokio::test]
async fn what_keeps_a_process_from_starting_is_one_line_and_an_exit_code() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = format!("service.admin_listen={}", taken.local_addr().unwrap());
    let inside_a_file = format!("database.url=sqlite://{}/ca.pem/x.db", place.folder.path().display());
    let cases: [(&str, i32, &str); 5] = [
        ("service.sandbox=perhaps", 64, "service.sandbox"),
        ("service.typo=1", 64, "service.typo"),
        (&port, 64, "in use"),
        (&inside_a_file, 64, "ca.pem"),
        ("database.url=postgres://u:hunter2@127.0.0.1:1/d", 69, "unavailable"),
    ];
    for (set, wanted, text) in cases {
        let (code, out, err) = run_to_end(&flags(&place, &[set])).await;
        assert_eq!(code, wanted, "{set}: {err}");
        let said: Vec<&str> = err.lines().filter(|line| line.starts_with("bursar vault:")).collect();
        assert_eq!(said.len(), 1, "{set}: {err}");
        assert!(said[0].contains(text), "{set}: {err}");
        assert!(!err.contains("hunter2") && !out.contains("hunter2"), "{set}: {err}");
    }
    let (code, _, err) = run_to_end(&["--frobnicate".to_owned()]).await;
    assert_eq!(code, 64, "{err}");
}

#[tokio::test]
async fn a_process_says_ready_logs_with_trace_ids_and_ends_with_0_when_told() {
    let place = Place::new();
    let mut child =
        process(&flags(&place, &["telemetry.log=json", "telemetry.level=debug"])).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let ready: serde_json::Value = serde_json::from_str(&line_with(&mut lines, "\"ready\"").await).unwrap();
    assert_eq!(ready["service"], "vault");

    let address = format!("https://{}", ready["grpc"].as_str().unwrap());
    let files = place.authority.leaf(Identity::Gateway).unwrap();
    let gateway = bursar_service::client::operator_channel(&address, Identity::Vault, &files).unwrap();
    let trace = call(&gateway, VERIFY_CARD, "trace").await.unwrap();
    assert_eq!(call(&gateway, VERIFY_CARD, "panic").await.unwrap_err().code(), tonic::Code::Internal);
    let answered = line_with(&mut lines, &trace).await;
    let answered: serde_json::Value = serde_json::from_str(&answered).unwrap();
    assert_eq!(answered["spans"][0]["trace_id"], trace.as_str());
    line_with(&mut lines, "\"panic\"").await;

    signal(&child, rustix::process::Signal::TERM);
    line_with(&mut lines, "\"stopped\"").await;
    let status = tokio::time::timeout(PATIENCE, child.wait()).await.expect("it ends").unwrap();
    assert_eq!(status.code(), Some(0));
}

/// A collector that keeps what it is sent.
async fn collector() -> (String, Arc<Mutex<Vec<u8>>>, Arc<tokio::sync::Notify>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (kept, arrived) = (Arc::new(Mutex::new(Vec::new())), Arc::new(tokio::sync::Notify::new()));
    let (keeping, telling) = (Arc::clone(&kept), Arc::clone(&arrived));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (kept, arrived) = (Arc::clone(&keeping), Arc::clone(&telling));
            let service = hyper::service::service_fn(move |request: http::Request<hyper::body::Incoming>| {
                let (kept, arrived) = (Arc::clone(&kept), Arc::clone(&arrived));
                async move {
                    let body = request.into_body().collect().await?.to_bytes();
                    kept.lock().unwrap().extend_from_slice(&body);
                    arrived.notify_one();
                    let answer = http::Response::builder()
                        .header("content-type", "application/grpc")
                        .header("grpc-status", "0")
                        .body(Empty::<bytes::Bytes>::new());
                    Ok::<_, hyper::Error>(answer.unwrap())
                }
            });
            let serving = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(serving.serve_connection(TokioIo::new(stream), service));
        }
    });
    (address, kept, arrived)
}

#[tokio::test]
async fn traces_go_to_the_collector_with_the_ids_that_calls_carry() {
    let place = Place::new();
    let (address, kept, arrived) = collector().await;
    let endpoint = format!("telemetry.otlp_endpoint={address}");
    let mut child = process(&flags(&place, &[&endpoint, "telemetry.log=json"])).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap());
    let ready: serde_json::Value = serde_json::from_str(&line_with(&mut lines, "\"ready\"").await).unwrap();
    let url = format!("https://{}", ready["grpc"].as_str().unwrap());
    let files = place.authority.leaf(Identity::Gateway).unwrap();
    let gateway = bursar_service::client::operator_channel(&url, Identity::Vault, &files).unwrap();
    let trace = call(&gateway, VERIFY_CARD, "trace").await.unwrap();

    // The stop sends what has not gone out.
    signal(&child, rustix::process::Signal::INT);
    tokio::time::timeout(PATIENCE, arrived.notified()).await.expect("traces arrive");
    let status = tokio::time::timeout(PATIENCE, child.wait()).await.expect("it ends").unwrap();
    let mut rest = String::new();
    lines.read_to_string(&mut rest).await.unwrap();
    assert_eq!(status.code(), Some(0), "{rest}");
    let id = data_encoding::HEXLOWER.decode(trace.as_bytes()).unwrap();
    let kept = kept.lock().unwrap();
    assert!(kept.windows(id.len()).any(|window| window == id), "the trace {trace} did not go out");
    let name = b"bursar.vault.v1.VerificationService";
    assert!(kept.windows(name.len()).any(|window| window == name));
}
