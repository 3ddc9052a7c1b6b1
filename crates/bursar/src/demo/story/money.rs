//! The account: opened, topped up by the bank, and its history.

use bursar_proto::gateway::v1::ImportBankFileRequest;
use bursar_proto::ledger::v1::{
    Account, DeclineReason, GetAccountRequest, ListPaymentsRequest, OpenAccountRequest, PaymentState,
};

use super::{AFTER, ASSET, AT_POS, IN_APP, TOO_MUCH, TOP_UP, WHILE_FROZEN};
use crate::demo::report::Report;
use crate::outside::callers::{Callers, ask, request_id};
use crate::outside::customer::Customer;
use crate::outside::{bank, decimal};

/// Opens the customer's account.
pub(super) async fn open_account(
    report: &mut Report,
    callers: &Callers,
    customer: &Customer,
) -> Result<Account, String> {
    report.begin("account", "opening an account");
    let request = OpenAccountRequest { request_id: request_id(), asset: ASSET.into() };
    let account = ask!(callers.accounts, open_account, request, &customer.token)?.account.unwrap_or_default();
    report.held(&format!(
        "{} in {ASSET}, bank credits reach it by {}",
        account.account_id, account.funding_reference
    ));
    Ok(account)
}

/// The bank reports a credit with the account's reference.
pub(super) async fn top_up(
    report: &mut Report,
    callers: &Callers,
    customer: &Customer,
    account: &Account,
) -> Result<(), String> {
    report.begin("top_up", "the bank reports a credit");
    let content = bank::file(&account.funding_reference, TOP_UP);
    bank::send(callers, content.clone()).await?;
    // The bank sends it again: nothing may be booked twice.
    let again = ImportBankFileRequest { request_id: request_id(), content };
    let answer = ask!(callers.bank_files, import_bank_file, again)?;
    if !answer.duplicate {
        return Err("the same file sent twice was not told apart".into());
    }
    let request = GetAccountRequest { account_id: account.account_id.clone(), at_least_position: 0 };
    let after = ask!(callers.accounts, get_account, request, &customer.token)?.account.unwrap_or_default();
    if after.available != TOP_UP {
        return Err(format!("{} are available after the top-up of {TOP_UP}", after.available));
    }
    report.held(&format!(
        "camt.054 imported: {} {ASSET} available; the same file again books nothing",
        decimal(TOP_UP)
    ));
    Ok(())
}

/// The history shows every payment with its reason; gives how many there are.
pub(super) async fn history(
    report: &mut Report,
    callers: &Callers,
    customer: &Customer,
    card_id: &str,
) -> Result<usize, String> {
    report.begin("history", "reading the history");
    let account = GetAccountRequest {
        account_id: ask!(
            callers.cards,
            get_card,
            bursar_proto::ledger::v1::GetCardRequest { card_id: card_id.to_owned() },
            &customer.token
        )?
        .card
        .unwrap_or_default()
        .account_id,
        at_least_position: 0,
    };
    let position = ask!(callers.accounts, get_account, account, &customer.token)?.position;
    let request = ListPaymentsRequest {
        at_least_position: position,
        page_size: 1000,
        ..ListPaymentsRequest::default()
    };
    let payments = ask!(callers.payments, list_payments, request, &customer.token)?.payments;
    // Newest first.
    let expected: [(i64, PaymentState, DeclineReason); 6] = [
        (AFTER, PaymentState::Approved, DeclineReason::Unspecified),
        (WHILE_FROZEN, PaymentState::Declined, DeclineReason::CardFrozen),
        (WHILE_FROZEN, PaymentState::Declined, DeclineReason::CardFrozen),
        (TOO_MUCH, PaymentState::Declined, DeclineReason::AmountLimitExceeded),
        (AT_POS, PaymentState::Approved, DeclineReason::Unspecified),
        (IN_APP, PaymentState::Cleared, DeclineReason::Unspecified),
    ];
    let seen: Vec<(i64, PaymentState, DeclineReason)> = payments
        .iter()
        .map(|payment| {
            (
                payment.amount.clone().unwrap_or_default().minor_units,
                payment.state(),
                payment.decline_reason(),
            )
        })
        .collect();
    if seen != expected {
        return Err(format!("the history is {seen:?}"));
    }
    let declined =
        payments.iter().find(|payment| payment.decline_reason() == DeclineReason::AmountLimitExceeded);
    let words = declined.map(|payment| payment.customer_message_en.clone()).unwrap_or_default();
    if words.is_empty() {
        return Err("the decline over the limit tells the customer nothing".into());
    }
    report.held(&format!("{} payments; of the one over the limit it says: “{words}”", payments.len()));
    Ok(payments.len())
}
