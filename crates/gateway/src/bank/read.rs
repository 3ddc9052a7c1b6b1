//! A bank's file as movements to book. Pure.

use bursar_iso20022::{BalanceCheck, CamtReader, Event, FileError, FileHeader, FileKind, Movement};
use bursar_types::{Failure, Reason};

use crate::derived;

/// Most movements of one file: what one transaction stores.
const MOVEMENTS_MAX: usize = 20_000;
/// Longest reference that the ledger keeps, in characters.
const REFERENCE_MAX: usize = 35;

/// Why a bank file cannot be imported.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub(crate) struct BankFileError(#[from] pub(crate) FileError);

impl Failure for BankFileError {
    fn reason(&self) -> Reason {
        Reason::BankFileInvalid
    }

    fn metadata(&self) -> Vec<(&'static str, String)> {
        vec![("offset", self.0.offset.to_string()), ("problem", self.0.problem.clone())]
    }
}

/// What a file says.
#[derive(Clone, Debug)]
pub(crate) struct ReadFile {
    pub(crate) header: FileHeader,
    pub(crate) movements: Vec<ReadMovement>,
}

/// A movement and what it is known by.
#[derive(Clone, Debug)]
pub(crate) struct ReadMovement {
    pub(crate) movement: Movement,
    pub(crate) name: Name,
}

/// What tells a movement from every other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Name {
    /// The bank's own reference.
    Given(String),
    /// The bank gave none: all that the movement says. Equal ones are told apart by their number, and the same ones of a
    /// statement and of a notification have the same numbers.
    Content([u8; 32]),
}

impl ReadFile {
    /// Number of the kind of file, for the store.
    pub(crate) fn kind(&self) -> i64 {
        match self.header.kind {
            FileKind::Statement => 53,
            FileKind::Notification => 54,
        }
    }
}

/// Reads a file.
pub(crate) fn read(content: &[u8]) -> Result<ReadFile, BankFileError> {
    let mut reader = CamtReader::new(content);
    let mut header = None;
    let mut account = String::new();
    let mut movements = Vec::new();
    let wrong = |problem: String| BankFileError(FileError { offset: 0, problem });
    while let Some(event) = reader.next()? {
        match event {
            Event::File(file) => header = Some(file),
            Event::Statement(statement) => account = statement.account,
            Event::Entry(entry) => {
                for movement in entry.movements() {
                    if movements.len() >= MOVEMENTS_MAX {
                        return Err(wrong(format!("it has more than {MOVEMENTS_MAX} movements: split it")));
                    }
                    let name = name(&account, &movement);
                    movements.push(ReadMovement { movement, name });
                }
            }
            Event::End(end) => {
                if let BalanceCheck::Differs { expected, given } = end.check {
                    return Err(wrong(format!(
                        "its booked entries lead to {expected}, its closing balance is {given}: entries are missing, or there are too many"
                    )));
                }
            }
        }
    }
    let header = header.ok_or_else(|| wrong("it has no GrpHdr".into()))?;
    Ok(ReadFile { header, movements })
}

fn name(account: &str, movement: &Movement) -> Name {
    match movement.bank_reference.as_deref().filter(|reference| is_reference(reference)) {
        Some(reference) => Name::Given(reference.to_owned()),
        None => {
            let Movement { amount, direction, booking_date, value_date, remittance, debtor_name, .. } =
                movement;
            Name::Content(derived::digest(&[
                b"bank movement",
                account.as_bytes(),
                movement.bank_reference.as_deref().unwrap_or_default().as_bytes(),
                movement.foreign_reference.as_deref().unwrap_or_default().as_bytes(),
                amount.asset.code().as_bytes(),
                &amount.minor_units.to_be_bytes(),
                format!("{direction:?}").as_bytes(),
                booking_date.as_bytes(),
                value_date.as_bytes(),
                remittance.as_bytes(),
                debtor_name.as_bytes(),
            ]))
        }
    }
}

/// Whether the ledger takes it as a reference: visible ASCII, not too long. A movement split out of an entry has a number
/// after the entry's.
fn is_reference(text: &str) -> bool {
    !text.is_empty() && text.len() <= REFERENCE_MAX + 6 && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The funding reference to look an account up by; empty, so that the money waits in suspense, if what the payer wrote
/// cannot be one.
pub(crate) fn funding_reference(movement: &Movement) -> &str {
    let text = movement.remittance.as_str();
    if is_reference(text) && text.len() <= REFERENCE_MAX { text } else { "" }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(message: &str, entries: &[&str]) -> String {
        let entries: String = entries
            .iter()
            .map(|inside| format!("<Ntry><Amt Ccy=\"CNY\">1.00</Amt><CdtDbtInd>CRDT</CdtDbtInd><Sts>BOOK</Sts><BookgDt><Dt>2026-01-02</Dt></BookgDt>{inside}</Ntry>"))
            .collect();
        let (root, part) = match message {
            "camt.053.001.02" => ("BkToCstmrStmt", "Stmt"),
            _ => ("BkToCstmrDbtCdtNtfctn", "Ntfctn"),
        };
        format!(
            "<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:{message}\"><{root}><GrpHdr><MsgId>M</MsgId></GrpHdr><{part}><Id>1</Id><Acct><Id><IBAN>GB82WEST12345698765432</IBAN></Id></Acct>{entries}</{part}></{root}></Document>"
        )
    }

    #[test]
    fn the_banks_reference_is_the_name_and_without_one_it_is_the_content() {
        let given = "<AcctSvcrRef>BANK-7</AcctSvcrRef>";
        let rent = "<NtryDtls><TxDtls><RmtInf><Ustrd>Rent Jan</Ustrd></RmtInf></TxDtls></NtryDtls>";
        let names = |message: &str, entries: &[&str]| -> Vec<Name> {
            let read = read(file(message, entries).as_bytes()).unwrap();
            read.movements.into_iter().map(|it| it.name).collect()
        };
        let of_notification = names("camt.054.001.02", &[given, rent, ""]);
        assert_eq!(of_notification[0], Name::Given("BANK-7".into()));
        assert_ne!(of_notification[1], of_notification[2]);
        // The statement of the day tells of the same.
        assert_eq!(names("camt.053.001.02", &[given, rent, ""]), of_notification);
        // What the ledger could not keep is no name.
        let odd = names("camt.054.001.02", &["<AcctSvcrRef>Überweisung 7</AcctSvcrRef>"]);
        assert!(matches!(odd[..], [Name::Content(_)]));
    }

    #[test]
    fn a_statement_that_does_not_add_up_is_refused() {
        let balance = |code: &str, amount: &str| {
            format!(
                "<Bal><Tp><CdOrPrtry><Cd>{code}</Cd></CdOrPrtry></Tp><Amt Ccy=\"CNY\">{amount}</Amt><CdtDbtInd>CRDT</CdtDbtInd></Bal>"
            )
        };
        let with = |closing: &str| {
            let balances = balance("OPBD", "5.00") + &balance("CLBD", closing);
            read(
                file("camt.053.001.02", &[""]).replacen("<Ntry>", &format!("{balances}<Ntry>"), 1).as_bytes(),
            )
        };
        assert!(with("6.00").is_ok());
        let error = with("7.00").unwrap_err();
        assert!(error.to_string().contains("lead to 6.00 CNY, its closing balance is 7.00 CNY"), "{error}");
    }

    #[test]
    fn only_what_can_be_a_reference_is_looked_up() {
        let of = |text: &str| {
            let details =
                format!("<NtryDtls><TxDtls><RmtInf><Ustrd>{text}</Ustrd></RmtInf></TxDtls></NtryDtls>");
            let read = read(file("camt.054.001.02", &[&details]).as_bytes()).unwrap();
            funding_reference(&read.movements[0].movement).to_owned()
        };
        assert_eq!(of("RF18 5390 0754 7034"), "RF18539007547034");
        assert_eq!(of("für die Miete"), "");
    }
}
