//! `bursar doctor`: what is amiss with a platform, and what to do about it.

use std::time::Duration;

use bursar_proto::access::Identity;
use rustix::fs::statvfs;
use serde::Serialize;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::cli::Doctor;
use crate::exit::Exit;
use crate::platform::{Endpoints, SERVICES};

/// Longest wait for one service to answer.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// Less free space than this, in bytes, is told: a journal must never meet a full disk.
const FREE_MIN: u64 = 1 << 30;

#[derive(Debug, Serialize)]
struct Check {
    check: String,
    ok: bool,
    detail: String,
}

/// Looks, tells, and ends with 70 if something is amiss.
pub(crate) async fn run(arguments: &Doctor) -> Result<(), Exit> {
    let mut checks = vec![space(arguments)];
    match Endpoints::read(&arguments.place.data) {
        Err(exit) => checks.push(Check { check: "endpoints".into(), ok: false, detail: exit.line }),
        Ok(endpoints) => {
            checks.push(Check { check: "endpoints".into(), ok: true, detail: endpoints.summary() });
            for service in SERVICES {
                checks.push(health(&endpoints, service).await);
            }
        }
    }
    let amiss = checks.iter().filter(|check| !check.ok).count();
    for check in checks {
        if arguments.json {
            out(&serde_json::to_string(&check).unwrap_or_default());
        } else {
            out(&format!("{} {:<14} {}", if check.ok { '✓' } else { '✗' }, check.check, check.detail));
        }
    }
    if amiss == 0 { Ok(()) } else { Err(Exit::software(format!("{amiss} checks did not hold"))) }
}

fn space(arguments: &Doctor) -> Check {
    let data = &arguments.place.data;
    let (ok, detail) = match statvfs(data) {
        Err(error) => (
            false,
            format!("{}: {error}; start a platform there, or name another with --data", data.display()),
        ),
        Ok(found) => {
            let free = found.f_bavail.saturating_mul(found.f_frsize);
            let told = format!("{} MiB free in {}", free >> 20, data.display());
            if free >= FREE_MIN {
                (true, told)
            } else {
                (false, format!("{told}: make room, or move the folder"))
            }
        }
    };
    Check { check: "space".into(), ok, detail }
}

async fn health(endpoints: &Endpoints, service: Identity) -> Check {
    let answer = async {
        let channel = endpoints.channel(service, Identity::Operator).map_err(|exit| exit.line)?;
        let asked = HealthClient::new(channel).check(HealthCheckRequest::default()).await;
        let status = asked.map_err(|status| status.message().to_owned())?.get_ref().status();
        if status == ServingStatus::Serving { Ok(()) } else { Err(status.as_str_name().to_owned()) }
    };
    let (ok, detail) = match tokio::time::timeout(ANSWER_MAX, answer).await {
        Ok(Ok(())) => (true, format!("serves on {}", endpoints.of(service).grpc)),
        Ok(Err(problem)) => (false, format!("{problem}; look into log/{service}.log")),
        Err(_) => {
            (false, format!("no answer within {} s; look into log/{service}.log", ANSWER_MAX.as_secs()))
        }
    };
    Check { check: service.name().to_owned(), ok, detail }
}

#[allow(clippy::print_stdout)] // what was found is the output
fn out(line: &str) {
    println!("{line}");
}
