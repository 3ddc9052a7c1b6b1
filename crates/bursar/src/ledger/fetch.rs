//! Fetching receipts and checkpoints from a running ledger.

use std::fs;
use std::path::Path;
use std::time::Duration;

use bursar_proto::access::Identity;
use bursar_proto::ledger::v1::books_service_client::BooksServiceClient;
use bursar_proto::ledger::v1::{
    GetCheckpointRequest, GetConsistencyProofRequest, GetConsistencyProofResponse, GetReceiptRequest,
};
use bursar_service::client::PeerChannel;
use bursar_service::error::reason_of;
use bursar_types::Reason;
use bursar_types::id::TransferId;
use tonic::{Request, Status};

use super::kept::Kept;
use super::out;
use crate::cli::{FetchCheckpoint, FetchReceipt};
use crate::exit::Exit;
use crate::platform::Endpoints;

/// Longest wait for an answer: the ledger answers once what is asked for is signed.
const ANSWER_MAX: Duration = Duration::from_secs(30);

fn books(data: &Path) -> Result<BooksServiceClient<PeerChannel>, Exit> {
    let endpoints = Endpoints::read(data)?;
    Ok(BooksServiceClient::new(endpoints.channel(Identity::Ledger, Identity::Operator)?))
}

fn ask<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.set_timeout(ANSWER_MAX);
    request
}

fn refused(what: &str, status: &Status) -> Exit {
    match reason_of(status).map(|(reason, _)| reason) {
        Some(Reason::NotFound | Reason::InvalidField) => {
            Exit::usage(format!("{what}: {}; ask for something this ledger has", status.message()))
        }
        Some(Reason::DataCorrupt) => Exit::software(format!(
            "{what}: the ledger's stored data does not hold together; stop changes to its database and look into its \
             log, which names the place"
        )),
        _ => {
            Exit::unavailable(format!("{what}: the ledger does not answer: {}; try again", status.message()))
        }
    }
}

/// A proof that the log of `old_size` positions is the beginning of that of `new_size`.
pub(super) async fn consistency(
    data: &Path,
    old_size: i64,
    new_size: i64,
) -> Result<GetConsistencyProofResponse, Exit> {
    let request = ask(GetConsistencyProofRequest { old_size, new_size });
    let answer = books(data)?.get_consistency_proof(request).await;
    let what = format!("no proof from {old_size} to {new_size} positions");
    Ok(answer.map_err(|status| refused(&what, &status))?.into_inner())
}

/// `bursar ledger receipt`
pub(crate) async fn receipt(arguments: &FetchReceipt) -> Result<(), Exit> {
    let id = &arguments.transfer_id;
    id.parse::<TransferId>().map_err(|error| Exit::usage(format!("{id} is no transfer's id: {error}")))?;
    let request = ask(GetReceiptRequest { transfer_id: id.clone() });
    let answer = books(&arguments.place.data)?.get_receipt(request).await;
    let answer = answer.map_err(|status| refused(&format!("no receipt for {id}"), &status))?.into_inner();
    let kept = Kept { receipt: answer.receipt, ..Kept::default() };
    keep(&kept, arguments.output.as_deref(), &arguments.place.data)
}

/// `bursar ledger checkpoint`
pub(crate) async fn checkpoint(arguments: &FetchCheckpoint) -> Result<(), Exit> {
    let data = &arguments.place.data;
    let old = arguments.since.as_deref().map(Kept::read).transpose()?;
    let old_size = old.as_ref().and_then(Kept::log).map(|old| old.size);
    // What is asked for must go on from the old one.
    let request = ask(GetCheckpointRequest { at_least_size: old_size.unwrap_or(0) });
    let answer = books(data)?.get_checkpoint(request).await;
    let answer = answer.map_err(|status| refused("no checkpoint", &status))?.into_inner();
    let size = answer.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size);
    let consistency = match old_size {
        Some(old_size) => Some(consistency(data, old_size, size).await?),
        None => None,
    };
    keep(
        &Kept { receipt: None, checkpoint: answer.checkpoint, consistency },
        arguments.output.as_deref(),
        data,
    )
}

fn keep(kept: &Kept, output: Option<&Path>, data: &Path) -> Result<(), Exit> {
    let text = kept.text()?;
    let Some(path) = output else {
        out(&text);
        return Ok(());
    };
    fs::write(path, format!("{text}\n")).map_err(|error| {
        Exit::usage(format!("cannot write {}: {error}; name another file with -o", path.display()))
    })?;
    let ca = data.join("tls").join("ca.pem");
    out(&format!(
        "wrote {}; anyone checks it with `bursar ledger check {} --ca {}`",
        path.display(),
        path.display(),
        ca.display()
    ));
    Ok(())
}
