//! What can be found in the memory of a vault's process.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use bursar_proto::vault::v1::*;
use bursar_service::Identity;
use bursar_service::client::operator_channel;
use bursar_service::tls::TlsFiles;

use super::support::*;

/// Largest piece of memory that is read at once.
const PIECE: usize = 1 << 20;

/// A page that was never used: most of what an allocator keeps.
static NOTHING: [u8; PAGE] = [0; PAGE];
const PAGE: usize = 4_096;

/// How often each of `needles` stands in the writable memory of the process.
fn occurrences(pid: u32, needles: &[Vec<u8>]) -> Vec<usize> {
    let maps = BufReader::new(File::open(format!("/proc/{pid}/maps")).unwrap());
    let memory = File::open(format!("/proc/{pid}/mem")).unwrap();
    let mut counts = vec![0; needles.len()];
    let mut begins = [false; 256];
    needles.iter().for_each(|needle| begins[usize::from(needle[0])] = true);
    let longest = needles.iter().map(Vec::len).max().unwrap_or(0);
    let mut piece = vec![0_u8; PIECE + longest];
    for line in maps.lines() {
        let line = line.unwrap();
        let mut words = line.split_whitespace();
        let (range, rights) = (words.next().unwrap(), words.next().unwrap());
        if !rights.starts_with("rw") {
            continue;
        }
        let (from, to) = range.split_once('-').unwrap();
        let (mut at, to) = (u64::from_str_radix(from, 16).unwrap(), u64::from_str_radix(to, 16).unwrap());
        while at < to {
            let want = usize::try_from(to - at).unwrap().min(piece.len());
            let Ok(read) = memory.read_at(&mut piece[..want], at) else { break };
            let found = &piece[..read];
            for page in (0..read.min(PIECE)).step_by(PAGE) {
                let end = read.min(PIECE).min(page + PAGE);
                if found[page..end] == NOTHING[..end - page] {
                    continue;
                }
                for start in page..end {
                    if !begins[usize::from(found[start])] {
                        continue;
                    }
                    for (count, needle) in counts.iter_mut().zip(needles) {
                        *count += usize::from(found[start..].starts_with(needle));
                    }
                }
            }
            at += PIECE as u64;
        }
    }
    counts
}

/// A vault as a process of its own; ended when it is dropped.
struct Process {
    child: Child,
    url: String,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn spawn(place: &Place, log: &Path) -> Process {
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

/// Root may read the memory of a process that has made itself undumpable; nobody else may.
fn may_read(pid: u32) -> bool {
    File::open(format!("/proc/{pid}/mem")).is_ok()
}

#[tokio::test]
async fn neither_shown_numbers_nor_a_sealed_vaults_root_key_are_left_in_memory() {
    let database = bursar_testkit::TestDatabase::sqlite();
    let place = Place::new(&database);
    // In this process: the range, the cards, and what each phone sees of them.
    let here = place.start().await;
    let cards = here.issue_many(20, RANGE).await;
    here.stop().await;

    let process = spawn(&place, &place.folder.path().join("vault.log"));
    let files: TlsFiles = place.authority.leaf(Identity::Operator).unwrap();
    let channel = operator_channel(&process.url, Identity::Vault, &files).unwrap();
    let mut custodian = seal_service_client::SealServiceClient::new(channel);
    let status = loop {
        match custodian.get_seal_status(GetSealStatusRequest {}).await {
            Ok(status) => break status.into_inner().status.unwrap(),
            Err(_) => tokio::task::yield_now().await,
        }
    };
    assert_eq!(status.state(), SealState::Unsealed);
    let pid = process.child.id();
    if !may_read(pid) {
        // Which is what the vault wants; the search needs root.
        eprintln!("NOT RUN: only root can search the vault's memory");
        return;
    }
    let there = place.beside(&process.url);
    let mut pans = Vec::new();
    for round in 0..5 {
        for card in &cards {
            let pan = there.reveal(card).await.unwrap().pan;
            if round == 0 {
                pans.push(pan);
            }
        }
        place.age_tickets().await;
    }
    // A control: what is known to lie there is found.
    let marker = format!("marker-{}", request_id());
    let request = SealVaultRequest { reason: marker.clone() };
    let root =
        data_encoding::HEXLOWER.decode(std::fs::read(place.root_file()).unwrap().trim_ascii()).unwrap();
    let mut needles: Vec<Vec<u8>> = pans.iter().map(|pan| pan.clone().into_bytes()).collect();
    needles.push(root.clone());
    let open = occurrences(pid, &needles);
    assert!(*open.last().unwrap() > 0, "the root key is in use, and the search finds it");
    assert_eq!(open[..pans.len()].iter().sum::<usize>(), 0, "numbers that were shown are left: {open:?}");

    custodian.seal_vault(request).await.unwrap();
    let sealed = occurrences(pid, &[root, marker.into_bytes()]);
    assert!(sealed[1] > 0, "the search finds what was just sent");
    assert_eq!(sealed[0], 0, "the root key is left in a sealed vault");
}
