//! What needs programs of others: clients and codecs in Python, the linters of our contract and our dependencies, the
//! checker of our alerts. Each is pinned; what cannot be installed is said, and fails.

use crate::install;
use crate::run::{command, say, step};

/// Our contract is checked with this version of buf.
const BUF: &str = "@bufbuild/buf@1.75.0";
/// Python packages of the partner example, of the ISO 8583 peer, and of the webhooks' and mails'.
const PYTHON: [&str; 6] = [
    "grpcio==1.85.1",
    "grpcio-tools==1.85.1",
    "pyiso8583==4.0.1",
    "standardwebhooks==1.1.0",
    "aiosmtpd==1.4.6",
    "cryptography==50.0.2",
];
/// The payment cryptography in Python.
const PSEC: &str = "psec==1.3.0";
/// cargo-deny checks licences, bans and sources.
const CARGO_DENY: &str = "0.20.2";

/// Everything with foreign peers.
pub(crate) fn all() -> Result<(), String> {
    let mut failed = Vec::new();
    type Check = fn() -> Result<(), String>;
    let checks: [(&str, Check); 5] = [
        ("contract", contract),
        ("python", python),
        ("vault", vault),
        ("alerts", alerts),
        ("dependencies", dependencies),
    ];
    for (name, check) in checks {
        if let Err(problem) = check() {
            say(&format!("✗ {name}: {problem}"));
            failed.push(name);
        }
    }
    if failed.is_empty() { Ok(()) } else { Err(format!("peers that did not pass: {}", failed.join(", "))) }
}

/// `buf lint` and `buf format` over `proto/`.
fn contract() -> Result<(), String> {
    let buf = install::npm(BUF, "buf")?;
    let buf = buf.to_string_lossy();
    step("buf lint", command(&buf, &["lint"]))?;
    step("buf format", command(&buf, &["format", "--diff", "--exit-code"]))
}

/// The bank partner's example client against a running platform, and the independent ISO 8583 codec against ours.
fn python() -> Result<(), String> {
    let interpreter = install::python(&PYTHON)?;
    let program = interpreter.to_string_lossy();
    step(
        "the codec's example, which the peer drives",
        command("cargo", &["build", "--quiet", "--package", "bursar-iso8583", "--examples"]),
    )?;
    step("the bursar binary", command("cargo", &["build", "--quiet", "--package", "bursar"]))?;
    step("pyiso8583 agrees with us", command(&program, &["tests/peers/iso8583_differential.py"]))?;
    step(
        "the notifications' example, which the peer drives",
        command("cargo", &["build", "--quiet", "--package", "bursar-notifications", "--examples"]),
    )?;
    step(
        "standardwebhooks and an SMTP server agree with us",
        command(&program, &["tests/peers/notifications.py"]),
    )?;
    step("a bank partner in Python", command(&program, &["tests/peers/bank_partner.py"]))
}

/// The root key in SoftHSM, and card verification values against an implementation in Python.
fn vault() -> Result<(), String> {
    const MODULE: &str = "/usr/lib/softhsm/libsofthsm2.so";
    if !std::path::Path::new(MODULE).exists() {
        install::debian(&["softhsm2"])?;
    }
    step(
        "the root key in SoftHSM",
        command("cargo", &["test", "--quiet", "--package", "bursar-vault", "--test", "it", "hsm"]),
    )?;
    let interpreter = install::python(&[PSEC])?;
    let program = interpreter.to_string_lossy();
    step(
        "the vault's example, which the peer drives",
        command("cargo", &["build", "--quiet", "--package", "bursar-vault", "--examples"]),
    )?;
    step("psec agrees with us", command(&program, &["tests/peers/cvv_differential.py"]))
}

/// Prometheus' own checker over our alert rules.
fn alerts() -> Result<(), String> {
    if !crate::run::exists("promtool") {
        install::debian(&["prometheus"])?;
    }
    step("promtool check rules", command("promtool", &["check", "rules", "deploy/prometheus/alerts.yaml"]))?;
    step(
        "promtool test rules",
        command("promtool", &["test", "rules", "deploy/prometheus/alerts_test.yaml"]),
    )?;
    step(
        "promtool check config",
        command("promtool", &["check", "config", "--syntax-only", "deploy/prometheus/prometheus.yaml"]),
    )
}

fn deny(checks: &[&str]) -> Result<(), String> {
    install::cargo("cargo-deny", CARGO_DENY)?;
    let mut arguments = vec!["deny", "check", "--hide-inclusion-graph"];
    arguments.extend_from_slice(checks);
    step(&format!("cargo deny: {}", checks.join(", ")), command("cargo", &arguments))
}

/// Licences, bans and sources of every dependency.
fn dependencies() -> Result<(), String> {
    deny(&["licenses", "bans", "sources"])
}

/// The advisory database too: it is fetched from the open internet.
pub(crate) fn advisories() -> Result<(), String> {
    install::cargo("cargo-deny", CARGO_DENY)?;
    step("cargo deny check", command("cargo", &["deny", "check"]))
}
