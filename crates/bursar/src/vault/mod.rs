//! `bursar vault …`: the seal, the keys and the audit log of a running vault, and what anyone checks without one.

mod audit;

use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use bursar_proto::access::Identity;
use bursar_proto::vault::v1::key_service_client::KeyServiceClient;
use bursar_proto::vault::v1::seal_service_client::SealServiceClient;
use bursar_proto::vault::v1::{
    GetRewrapRequest, GetSealStatusRequest, InitializeVaultRequest, KeyState, ListKeysRequest,
    RekeyVaultRequest, RetireKeyRequest, Rewrap, RotateKeyRequest, SealState, SealStatus, SealVaultRequest,
    StartRewrapRequest, UnsealRequest,
};
use bursar_service::client::PeerChannel;
use bursar_service::error::reason_of;
use bursar_types::{Reason, Severity};
use indicatif::{ProgressBar, ProgressStyle};
use tonic::Status;
use uuid::Uuid;

use crate::cli::{self, Vault};
use crate::exit::Exit;
use crate::platform::Endpoints;

/// Longest share that is read.
const SHARE_BYTES_MAX: u64 = 256;
/// How often the progress is asked for.
const TICK: Duration = Duration::from_millis(200);

/// Runs one of them.
pub(crate) async fn run(command: &Vault) -> Result<(), Exit> {
    match command {
        Vault::Status(place) => status(&place.data).await,
        Vault::Init(arguments) => init(arguments).await,
        Vault::Unseal(arguments) => unseal(arguments).await,
        Vault::Seal(arguments) => seal(arguments).await,
        Vault::Rekey(arguments) => rekey(arguments).await,
        Vault::Keys(place) => keys(&place.data).await,
        Vault::Rotate(arguments) => rotate(arguments).await,
        Vault::Rewrap(place) => rewrap(&place.data).await,
        Vault::Retire(arguments) => retire(arguments).await,
        Vault::Audit(cli::VaultAudit::Export(arguments)) => audit::export(arguments).await,
        Vault::Audit(cli::VaultAudit::Verify(arguments)) => audit::verify(arguments),
    }
}

fn channel(data: &Path) -> Result<PeerChannel, Exit> {
    Endpoints::read(data)?.channel(Identity::Vault, Identity::Operator)
}

fn custodian(data: &Path) -> Result<SealServiceClient<PeerChannel>, Exit> {
    channel(data).map(SealServiceClient::new)
}

fn keeper(data: &Path) -> Result<KeyServiceClient<PeerChannel>, Exit> {
    channel(data).map(KeyServiceClient::new)
}

#[allow(clippy::needless_pass_by_value)] // for map_err
fn refused(status: Status) -> Exit {
    match reason_of(&status).map(|(reason, _)| reason) {
        Some(Reason::VaultSealed) => Exit::unavailable(
            "the vault is sealed; its custodians open it with `bursar vault unseal`".to_owned(),
        ),
        Some(reason) if reason.severity() == Severity::Caller => {
            Exit::usage(format!("the vault refused: {}", status.message()))
        }
        _ => Exit::unavailable(format!("the vault does not answer: {}", status.message())),
    }
}

fn told(status: Option<SealStatus>) -> String {
    let status = status.unwrap_or_default();
    match status.state() {
        SealState::Unsealed => format!("the vault is open; its root key comes from: {}", status.root),
        SealState::Uninitialized => {
            "the vault has no keys yet: make them with `bursar vault init --shares N`".into()
        }
        _ if status.shares_total > 0 => format!(
            "the vault is sealed; {} of {} shares were given",
            status.shares_given, status.shares_total
        ),
        _ => "the vault is sealed".into(),
    }
}

async fn status(data: &Path) -> Result<(), Exit> {
    let answer = custodian(data)?.get_seal_status(GetSealStatusRequest {}).await.map_err(refused)?;
    out(&told(answer.into_inner().status));
    Ok(())
}

fn tell_shares(shares: &[String]) {
    out("One share for each custodian. They are told now and never again:");
    shares.iter().for_each(|share| out(share));
}

async fn init(arguments: &cli::VaultInit) -> Result<(), Exit> {
    let request = InitializeVaultRequest { shares: arguments.shares };
    let answer = custodian(&arguments.place.data)?.initialize_vault(request).await.map_err(refused)?;
    tell_shares(&answer.into_inner().shares);
    Ok(())
}

async fn unseal(arguments: &cli::VaultUnseal) -> Result<(), Exit> {
    let mut share = String::new();
    let mut input: Box<dyn std::io::Read> = match &arguments.share_file {
        Some(path) => Box::new(
            std::fs::File::open(path)
                .map_err(|error| Exit::usage(format!("--share-file {}: {error}", path.display())))?,
        ),
        // Not an argument: those stand in the list of processes and in the shell's history.
        None => Box::new(std::io::stdin()),
    };
    let read = (&mut input).take(SHARE_BYTES_MAX).read_to_string(&mut share);
    read.map_err(|error| Exit::usage(format!("the share cannot be read: {error}")))?;
    let request = UnsealRequest { share };
    let answer = custodian(&arguments.place.data)?.unseal(request).await.map_err(refused)?;
    out(&told(answer.into_inner().status));
    Ok(())
}

async fn seal(arguments: &cli::VaultSeal) -> Result<(), Exit> {
    let request = SealVaultRequest { reason: arguments.reason.clone() };
    let answer = custodian(&arguments.place.data)?.seal_vault(request).await.map_err(refused)?;
    out(&told(answer.into_inner().status));
    Ok(())
}

async fn rekey(arguments: &cli::VaultRekey) -> Result<(), Exit> {
    let request = RekeyVaultRequest { shares: arguments.shares };
    let answer = custodian(&arguments.place.data)?.rekey_vault(request).await.map_err(refused)?;
    let shares = answer.into_inner().shares;
    if shares.is_empty() {
        out("all keys are wrapped under a new root key");
    } else {
        tell_shares(&shares);
    }
    Ok(())
}

async fn keys(data: &Path) -> Result<(), Exit> {
    let answer = keeper(data)?.list_keys(ListKeysRequest {}).await.map_err(refused)?;
    for key in answer.into_inner().keys {
        let state = match key.state() {
            KeyState::Primary => "primary",
            KeyState::Active => "active",
            _ => "retired",
        };
        let scope = if key.scope.is_empty() { String::new() } else { format!("/{}", key.scope) };
        let records = if key.records > 0 { format!(", {} records", key.records) } else { String::new() };
        out(&format!("{}{scope} version {}: {state}{records}", key.purpose, key.version));
    }
    Ok(())
}

async fn rotate(arguments: &cli::VaultRotate) -> Result<(), Exit> {
    let request =
        RotateKeyRequest { request_id: Uuid::now_v7().to_string(), purpose: arguments.purpose.clone() };
    let answer = keeper(&arguments.place.data)?.rotate_key(request).await.map_err(refused)?;
    out(&format!("{} version {} is primary", arguments.purpose, answer.into_inner().version));
    Ok(())
}

async fn rewrap(data: &Path) -> Result<(), Exit> {
    let mut keeper = keeper(data)?;
    let begun = keeper.start_rewrap(StartRewrapRequest {}).await.map_err(refused)?;
    let mut rewrap = begun.into_inner().rewrap.unwrap_or_default();
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("rewrapping {bar:40} {pos} of {len} ({eta})") {
        bar.set_style(style);
    }
    while rewrap.running {
        let Rewrap { done, left, .. } = rewrap;
        bar.set_length(u64::try_from(done + left).unwrap_or(0));
        bar.set_position(u64::try_from(done).unwrap_or(0));
        tokio::time::sleep(TICK).await;
        let answer = keeper.get_rewrap(GetRewrapRequest {}).await.map_err(refused)?;
        rewrap = answer.into_inner().rewrap.unwrap_or_default();
    }
    bar.finish_and_clear();
    out(&format!("every record is under kek version {}: {} were moved", rewrap.version, rewrap.done));
    Ok(())
}

async fn retire(arguments: &cli::VaultRetire) -> Result<(), Exit> {
    let request = RetireKeyRequest {
        request_id: Uuid::now_v7().to_string(),
        purpose: arguments.purpose.clone(),
        version: arguments.key_version,
    };
    keeper(&arguments.place.data)?.retire_key(request).await.map_err(refused)?;
    out(&format!("{} version {} is destroyed", arguments.purpose, arguments.key_version));
    Ok(())
}

#[allow(clippy::print_stdout)] // what was found is the output
fn out(line: &str) {
    println!("{line}");
}
