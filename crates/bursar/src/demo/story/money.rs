//! The account: opened, topped up by the bank, and its history.

use bursar_proto::gateway::v1::{BankEntryOutcome, ImportBankFileRequest};
use bursar_proto::ledger::v1::{
    Account, DeclineReason, GetAccountRequest, ListPaymentsRequest, OpenAccountRequest, PaymentState,
};

use super::customer::Customer;
use super::{AFTER, ASSET, AT_POS, IN_APP, TOO_MUCH, TOP_UP, WHILE_FROZEN, yuan};
use crate::demo::callers::{Callers, ask, request_id};
use crate::demo::report::Report;

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
    // At most 35 characters, and never the same again.
    let transaction = format!("D{}", request_id().replace('-', ""));
    let content = credit_notification(&account.funding_reference, &transaction).into_bytes();
    let request = ImportBankFileRequest { request_id: request_id(), content: content.clone() };
    let answer = ask!(callers.bank_files, import_bank_file, request)?;
    match answer.entries.as_slice() {
        [entry] if entry.outcome() == BankEntryOutcome::Booked => {}
        entries => return Err(format!("the bank's file gave {entries:?}")),
    }
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
        yuan(TOP_UP)
    ));
    Ok(())
}

/// A bank-to-customer debit/credit notification with one credit (ISO 20022 camt.054.001.08).
fn credit_notification(reference: &str, transaction: &str) -> String {
    let amount = yuan(TOP_UP);
    let now = jiff::Timestamp::now();
    let (moment, day) = (now.strftime("%Y-%m-%dT%H:%M:%SZ"), now.strftime("%Y-%m-%d"));
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<Document xmlns="urn:iso:std:iso:20022:tech:xsd:camt.054.001.08">
  <BkToCstmrDbtCdtNtfctn>
    <GrpHdr><MsgId>{transaction}</MsgId><CreDtTm>{moment}</CreDtTm></GrpHdr>
    <Ntfctn>
      <Id>{transaction}</Id>
      <CreDtTm>{moment}</CreDtTm>
      <Acct><Id><Othr><Id>DEMO-ISSUER-1</Id></Othr></Id><Ccy>{ASSET}</Ccy></Acct>
      <Ntry>
        <Amt Ccy="{ASSET}">{amount}</Amt>
        <CdtDbtInd>CRDT</CdtDbtInd>
        <Sts><Cd>BOOK</Cd></Sts>
        <BookgDt><Dt>{day}</Dt></BookgDt>
        <ValDt><Dt>{day}</Dt></ValDt>
        <AcctSvcrRef>{transaction}</AcctSvcrRef>
        <BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>DMCT</SubFmlyCd></Fmly></Domn></BkTxCd>
        <NtryDtls>
          <TxDtls>
            <Refs><AcctSvcrRef>{transaction}</AcctSvcrRef><EndToEndId>NOTPROVIDED</EndToEndId></Refs>
            <Amt Ccy="{ASSET}">{amount}</Amt>
            <CdtDbtInd>CRDT</CdtDbtInd>
            <RltdPties><Dbtr><Pty><Nm>Demo Payer</Nm></Pty></Dbtr></RltdPties>
            <RmtInf><Strd><CdtrRefInf><Tp><CdOrPrtry><Cd>SCOR</Cd></CdOrPrtry></Tp><Ref>{reference}</Ref></CdtrRefInf></Strd></RmtInf>
          </TxDtls>
        </NtryDtls>
      </Ntry>
    </Ntfctn>
  </BkToCstmrDbtCdtNtfctn>
</Document>
"#
    )
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
