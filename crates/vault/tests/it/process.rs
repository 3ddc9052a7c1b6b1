//! A vault as a process of its own, so that it can be looked into and killed.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use bursar_proto::vault::v1::seal_service_client::SealServiceClient;
use bursar_proto::vault::v1::{GetSealStatusRequest, SealState};
use bursar_service::client::operator_channel;
use bursar_service::{Identity, PeerChannel};

use super::support::*;

/// A vault as a process of its own; ended when it is dropped.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) url: String,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Process {
    pub(crate) fn channel(&self, place: &Place, caller: Identity) -> PeerChannel {
        let files = place.authority.leaf(caller).unwrap();
        operator_channel(&self.url, Identity::Vault, &files).unwrap()
    }

    /// Waits until it is open.
    pub(crate) async fn serves(&self, place: &Place) {
        let mut custodian = SealServiceClient::new(self.channel(place, Identity::Operator));
        loop {
            let answer = custodian.get_seal_status(GetSealStatusRequest {}).await;
            match answer {
                Ok(answer) => {
                    assert_eq!(answer.into_inner().status.unwrap().state(), SealState::Unsealed);
                    return;
                }
                Err(_) => tokio::task::yield_now().await,
            }
        }
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

pub(crate) fn spawn(place: &Place, log: &Path) -> Process {
    let tls = place.authority.leaf(Identity::Vault).unwrap();
    let signing = place.authority.signing(Identity::Vault).unwrap();
    let (grpc, admin) = (free_port(), free_port());
    let sets = [
        format!("service.grpc_listen=127.0.0.1:{grpc}"),
        format!("service.admin_listen=127.0.0.1:{admin}"),
        "service.sandbox=true".to_owned(),
        format!("tls.ca={}", tls.ca.display()),
        format!("tls.cert={}", tls.cert.display()),
        format!("tls.key={}", tls.key.display()),
        format!("signing.cert={}", signing.cert.display()),
        format!("signing.key={}", signing.key.display()),
        format!("database.url={}", place.url),
        format!("keys.root_file={}", place.root_file().display()),
    ];
    let mut command = Command::new(env!("CARGO_BIN_EXE_bursar-vault"));
    for set in &sets {
        command.args(["--set", set]);
    }
    let log = File::create(log).unwrap();
    let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
    Process { child, url: format!("https://127.0.0.1:{grpc}") }
}
