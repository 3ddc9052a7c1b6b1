//! The issuer's bank, which tells of money that came in.

use std::fmt::Write as _;

use bursar_iso20022::amount;
use bursar_types::Money;

/// Who pays if nobody is named.
const SOMEBODY: &str = "Sandbox Payer";

/// A notification (camt.054), or a statement with balances (camt.053), of one credit. The same arguments give the same
/// bytes.
pub(crate) fn file(reference: &str, credit: Money, funding: &str, debtor: &str, statement: bool) -> String {
    let (document, root, part) = match statement {
        true => ("camt.053.001.08", "BkToCstmrStmt", "Stmt"),
        false => ("camt.054.001.08", "BkToCstmrDbtCdtNtfctn", "Ntfctn"),
    };
    let code = credit.asset.code();
    let value = amount::format(credit).unwrap_or_default();
    let nothing = amount::format(Money::zero(credit.asset)).unwrap_or_default();
    let mut balances = String::new();
    if statement {
        for (kind, amount) in [("OPBD", &nothing), ("CLBD", &value)] {
            // Writing to a string cannot fail.
            let _ = write!(
                balances,
                "<Bal><Tp><CdOrPrtry><Cd>{kind}</Cd></CdOrPrtry></Tp><Amt Ccy=\"{code}\">{amount}</Amt><CdtDbtInd>CRDT</CdtDbtInd><Dt><Dt>2026-01-01</Dt></Dt></Bal>"
            );
        }
    }
    let debtor = escaped(if debtor.is_empty() { SOMEBODY } else { debtor });
    let funding = escaped(funding);
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:{document}\"><{root}>\n<GrpHdr><MsgId>{reference}</MsgId><CreDtTm>2026-01-01T00:00:00Z</CreDtTm></GrpHdr>\n<{part}><Id>{reference}</Id><CreDtTm>2026-01-01T00:00:00Z</CreDtTm><Acct><Id><Othr><Id>SANDBOX-ISSUER</Id></Othr></Id></Acct>{balances}\n<Ntry><Amt Ccy=\"{code}\">{value}</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts><Cd>BOOK</Cd></Sts><AcctSvcrRef>{reference}</AcctSvcrRef><BkTxCd><Prtry><Cd>SANDBOX</Cd></Prtry></BkTxCd>\n<NtryDtls><TxDtls><RltdPties><Dbtr><Pty><Nm>{debtor}</Nm></Pty></Dbtr></RltdPties><RmtInf><Strd><CdtrRefInf><Ref>{funding}</Ref></CdtrRefInf></Strd></RmtInf></TxDtls></NtryDtls></Ntry>\n</{part}></{root}></Document>\n"
    )
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use bursar_iso20022::{BalanceCheck, CamtReader, Event};
    use bursar_types::Asset;

    use super::*;

    #[test]
    fn the_banks_files_are_files() {
        let credit = Money::new(1_205, Asset::from_code("CNY").unwrap());
        for statement in [false, true] {
            let text = file("SB-1", credit, "RF18539007547034", "A & <B>", statement);
            let mut reader = CamtReader::new(text.as_bytes());
            let (mut movements, mut checks) = (Vec::new(), Vec::new());
            while let Some(event) = reader.next().unwrap() {
                match event {
                    Event::Entry(entry) => movements.extend(entry.movements()),
                    Event::End(end) => checks.push(end.check),
                    _ => {}
                }
            }
            assert_eq!((movements[0].amount, movements[0].debtor_name.as_str()), (credit, "A & <B>"));
            assert_eq!(movements[0].remittance, "RF18539007547034");
            assert!(movements[0].is_booked_credit());
            let check = if statement { BalanceCheck::Holds } else { BalanceCheck::NotGiven };
            assert_eq!(checks, [check]);
        }
    }
}
