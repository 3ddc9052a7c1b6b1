//! The books: every asset sums to zero, every balance holds together, the journal verifies, and
//! every event reached whom it is for.

use std::path::Path;
use std::time::Duration;

use bursar_ledger::receipt::check_receipt;
use bursar_proto::access::Identity;
use bursar_proto::event::v1::ListConsumersRequest;
use bursar_proto::ledger::v1::{
    GetReceiptRequest, GetTrialBalanceRequest, ListAccountsRequest, ListEntriesRequest, VerifyJournalRequest,
    VerifyJournalResponse,
};
use bursar_service::token::Trust;
use tonic::Status;

use super::callers::{Callers, ask, dressed, explain, until};

/// Longest wait until the readers of the event logs have caught up.
const CATCH_UP: Duration = Duration::from_secs(60);

/// Who reads whose log: a reader that is not registered would lose events without anybody knowing.
const READERS: [(Identity, &str); 5] = [
    (Identity::Identity, "ledger"),
    (Identity::Identity, "notifications"),
    (Identity::Vault, "notifications"),
    (Identity::Ledger, "notifications"),
    (Identity::Gateway, "notifications"),
];

/// Debits equal credits in every asset, posted and pending.
pub(crate) async fn trial_balance(callers: &Callers) -> Result<String, String> {
    let answer = ask!(callers.books, get_trial_balance, GetTrialBalanceRequest {})?;
    if answer.lines.is_empty() {
        return Err("the trial balance is empty".into());
    }
    let mut told = Vec::new();
    for line in &answer.lines {
        if line.posted_debits != line.posted_credits || line.pending_debits != line.pending_credits {
            return Err(format!("{} does not balance: {line:?}", line.asset));
        }
        told.push(format!(
            "{} {} = {} over {} accounts",
            line.asset, line.posted_debits, line.posted_credits, line.accounts
        ));
    }
    if answer.balanced { Ok(told.join("; ")) } else { Err("the ledger says that it does not balance".into()) }
}

/// On every account, what is available is what is posted less what is held.
pub(crate) async fn balances(callers: &Callers) -> Result<usize, String> {
    let mut page_token = String::new();
    let mut seen = 0;
    loop {
        let request = ListAccountsRequest { customer_id: String::new(), page_size: 1000, page_token };
        let page = ask!(callers.desk, list_accounts, request)?;
        for account in &page.accounts {
            if account.posted.checked_sub(account.held) != Some(account.available) {
                return Err(format!(
                    "{}: available {} is not posted {} less held {}",
                    account.account_id, account.available, account.posted, account.held
                ));
            }
        }
        seen += page.accounts.len();
        if page.next_page_token.is_empty() {
            return Ok(seen);
        }
        page_token = page.next_page_token;
    }
}

/// Replays the journal; `progress` is told how far it is.
pub(crate) async fn verify(callers: &Callers, mut progress: impl FnMut(i64, i64)) -> Result<i64, String> {
    let told = |status: &Status| format!("verify_journal: {}", explain(status));
    let mut request = dressed(VerifyJournalRequest::default(), None).map_err(|status| told(&status))?;
    request.metadata_mut().remove("grpc-timeout");
    let mut books = callers.books.clone();
    let mut stream = books.verify_journal(request).await.map_err(|status| told(&status))?.into_inner();
    while let Some(message) = stream.message().await.map_err(|status| told(&status))? {
        let VerifyJournalResponse { position, head_position, done, findings } = message;
        progress(position, head_position);
        if done {
            return match findings.first() {
                None => Ok(position),
                Some(first) => Err(format!("{} findings, the first: {first}", findings.len())),
            };
        }
    }
    Err("the verification ended without a finding".into())
}

/// The top-up's receipt, checked with the CA certificate and nothing else.
pub(crate) async fn receipt(callers: &Callers, ca: &Path, account_id: &str) -> Result<String, String> {
    let request = ListEntriesRequest {
        account_id: account_id.to_owned(),
        page_size: 1000,
        ..ListEntriesRequest::default()
    };
    let entries = ask!(callers.desk, list_entries, request)?.entries;
    let top_up = entries.iter().find(|entry| entry.r#type == "top_up").ok_or("there is no top-up")?;
    let request = GetReceiptRequest { transfer_id: top_up.transfer_id.clone() };
    let receipt = ask!(callers.books, get_receipt, request)?.receipt.unwrap_or_default();
    let trust = Trust::load(ca).map_err(|error| error.to_string())?;
    let checked =
        check_receipt(&receipt, &trust).map_err(|error| format!("the receipt is not good: {error}"))?;
    if checked.transfer.to_string() != top_up.transfer_id || checked.position != top_up.position {
        return Err(format!("the receipt is of position {}, not {}", checked.position, top_up.position));
    }
    Ok(format!(
        "the top-up, position {}, is proven under the signed checkpoint of {} positions with nothing but the CA certificate",
        checked.position, checked.log.size
    ))
}

/// Every registered reader has taken every event, and all that should be registered are.
pub(crate) async fn consumers(callers: &Callers) -> Result<String, String> {
    let mut told = Vec::new();
    for (service, client) in &callers.events {
        let expected: Vec<&str> =
            READERS.iter().filter(|(source, _)| source == service).map(|(_, reader)| *reader).collect();
        let what = format!("events of {service}");
        let head = until(CATCH_UP, &what, || {
            let (mut client, expected) = (client.clone(), expected.clone());
            async move {
                let request = ListConsumersRequest { page_size: 0, page_token: String::new() };
                let answer = client.list_consumers(dressed(request, None)?).await?.into_inner();
                let behind = answer.consumers.iter().find(|consumer| consumer.lag != 0);
                let absent = expected.iter().find(|name| !answer.consumers.iter().any(|c| c.name == **name));
                Ok(match (absent, behind) {
                    (Some(name), _) => Err(format!("{name} is not registered")),
                    (None, Some(consumer)) => Err(format!("{} is {} behind", consumer.name, consumer.lag)),
                    (None, None) => Ok(answer.head_position),
                })
            }
        })
        .await?;
        told.push(format!("{service} {head}"));
    }
    Ok(told.join(", "))
}
