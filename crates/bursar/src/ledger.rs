//! `bursar ledger …`: the operator's view of a running ledger, and what anyone checks without one.

mod check;
mod fetch;
mod kept;

use std::time::Duration;

use bursar_proto::access::Identity;
use bursar_proto::ledger::v1::VerifyJournalRequest;
use bursar_proto::ledger::v1::books_service_client::BooksServiceClient;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use tonic::Status;

use crate::cli::Verify;
use crate::exit::Exit;
use crate::platform::Endpoints;

pub(crate) use check::run as check;
pub(crate) use fetch::{checkpoint, receipt};

/// How often the progress moves.
const TICK: Duration = Duration::from_millis(100);

#[derive(Debug, Serialize)]
struct Finding {
    ok: bool,
    position: i64,
    findings: Vec<String>,
}

/// Has the journal replayed, and tells what was found.
pub(crate) async fn verify(arguments: &Verify) -> Result<(), Exit> {
    let endpoints = Endpoints::read(&arguments.place.data)?;
    let mut books = BooksServiceClient::new(endpoints.channel(Identity::Ledger, Identity::Operator)?);
    let away =
        |status: Status| Exit::unavailable(format!("the ledger does not answer: {}", status.message()));
    let request = VerifyJournalRequest { from_checkpoint: arguments.from_checkpoint };
    let mut stream = books.verify_journal(request).await.map_err(away)?.into_inner();
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("verifying {bar:40} {pos} of {len} ({eta})") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(TICK);
    let mut last = None;
    while let Some(message) = stream.message().await.map_err(away)? {
        bar.set_length(u64::try_from(message.head_position).unwrap_or(0));
        bar.set_position(u64::try_from(message.position).unwrap_or(0));
        last = Some(message);
    }
    bar.finish_and_clear();
    let Some(message) = last.filter(|message| message.done) else {
        return Err(Exit::unavailable("the ledger ended the verification early: try again"));
    };
    let ok = message.findings.is_empty();
    let finding = Finding { ok, position: message.position, findings: message.findings };
    if arguments.json {
        out(&serde_json::to_string(&finding).unwrap_or_default());
    } else if ok {
        let what =
            if arguments.from_checkpoint { "hashes, outcomes" } else { "hashes, outcomes, projections" };
        out(&format!("the journal holds up to position {}: {what}", finding.position));
    } else {
        finding.findings.iter().for_each(|line| out(line));
    }
    if ok { Ok(()) } else { Err(Exit::software(format!("{} findings", finding.findings.len()))) }
}

#[allow(clippy::print_stdout)] // the finding is the output
fn out(line: &str) {
    println!("{line}");
}
