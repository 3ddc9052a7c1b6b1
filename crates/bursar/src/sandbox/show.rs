//! What the sandbox answers, for people.

use bursar_proto::gateway::v1::{BankEntry, SandboxExchange};
use bursar_proto::ledger::v1::NetworkReference;
use tonic::{Code, Status};

use crate::exit::Exit;

/// A call failed.
pub(super) fn failed(status: &Status) -> Exit {
    let line = format!("the sandbox: {}", status.message());
    match status.code() {
        Code::InvalidArgument | Code::AlreadyExists => Exit::usage(line),
        Code::Unavailable | Code::DeadlineExceeded => Exit::unavailable(line),
        _ => Exit::software(line),
    }
}

/// A line for each message and its answer.
pub(super) fn exchanges(all: &[SandboxExchange]) {
    for it in all {
        let answer = match it.answer_mti.as_str() {
            "" => "no answer was read".to_owned(),
            mti => {
                let code = format!("{mti}  field 39 = {}", it.response_code);
                let approval = match it.authorization_code.as_str() {
                    "" => String::new(),
                    code => format!(", field 38 = {code}"),
                };
                let same = if it.repeated { ", the same bytes as before" } else { "" };
                format!("{code}{approval}, {} ms{same}", it.answer_ms)
            }
        };
        say(&format!("{} → {answer}", it.mti));
    }
}

/// What names a purchase.
pub(super) fn network(it: &NetworkReference) {
    say(&format!("network {}/{}/{}/{}", it.acquirer_id, it.stan, it.rrn, it.transmission_time));
}

/// A line for each entry of a bank's file.
pub(super) fn entries(all: &[BankEntry]) {
    for entry in all {
        let outcome = entry.outcome().as_str_name().trim_start_matches("BANK_ENTRY_OUTCOME_");
        say(&format!("{} {outcome} {}", entry.bank_transaction_id, entry.top_up_id));
    }
}

#[allow(clippy::print_stdout)] // what was answered is the output
fn say(line: &str) {
    println!("{line}");
}
