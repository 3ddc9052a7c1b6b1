//! The customer's bank and the issuer's: money on its way to an account, told in ISO 20022.

use bursar_proto::gateway::v1::{BankEntryOutcome, ImportBankFileRequest};

use super::callers::{Callers, ask, request_id};
use super::decimal;

/// The bank's file with one credit of CNY that carries `reference`.
pub(crate) fn file(reference: &str, minor_units: i64) -> Vec<u8> {
    // At most 35 characters, and never the same again.
    let transaction = format!("D{}", request_id().replace('-', ""));
    credit_notification(reference, &transaction, minor_units).into_bytes()
}

/// The bank sends its file: one credit that is booked.
pub(crate) async fn send(callers: &Callers, content: Vec<u8>) -> Result<(), String> {
    let request = ImportBankFileRequest { request_id: request_id(), content };
    let answer = ask!(callers.bank_files, import_bank_file, request)?;
    match answer.entries.as_slice() {
        [entry] if entry.outcome() == BankEntryOutcome::Booked => Ok(()),
        entries => Err(format!("the bank's file gave {entries:?}")),
    }
}

/// A bank-to-customer debit/credit notification with one credit (ISO 20022 camt.054.001.08).
fn credit_notification(reference: &str, transaction: &str, minor_units: i64) -> String {
    let amount = decimal(minor_units);
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
      <Acct><Id><Othr><Id>DEMO-ISSUER-1</Id></Othr></Id><Ccy>CNY</Ccy></Acct>
      <Ntry>
        <Amt Ccy="CNY">{amount}</Amt>
        <CdtDbtInd>CRDT</CdtDbtInd>
        <Sts><Cd>BOOK</Cd></Sts>
        <BookgDt><Dt>{day}</Dt></BookgDt>
        <ValDt><Dt>{day}</Dt></ValDt>
        <AcctSvcrRef>{transaction}</AcctSvcrRef>
        <BkTxCd><Domn><Cd>PMNT</Cd><Fmly><Cd>RCDT</Cd><SubFmlyCd>DMCT</SubFmlyCd></Fmly></Domn></BkTxCd>
        <NtryDtls>
          <TxDtls>
            <Refs><AcctSvcrRef>{transaction}</AcctSvcrRef><EndToEndId>NOTPROVIDED</EndToEndId></Refs>
            <Amt Ccy="CNY">{amount}</Amt>
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
