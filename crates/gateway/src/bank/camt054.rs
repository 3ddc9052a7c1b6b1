//! ISO 20022 camt.054, bank-to-customer debit/credit notification, versions 02 to 08: the booked credits in it.

use bursar_types::{Asset, Money};

use super::amount;
use super::xml::{Camt054Error, Visitor, walk};

/// Namespaces of the document's versions start so.
const NAMESPACE: &str = "urn:iso:std:iso:20022:tech:xsd:camt.054.001.";
/// Versions whose elements are where this reader looks for them.
const VERSIONS: std::ops::RangeInclusive<u32> = 2..=8;
/// Most entries of one file: what a call may take to book.
const ENTRIES_MAX: usize = 1_000;
/// Elements that networks wrap around header and document.
const ENVELOPES: [&str; 2] = ["Envelope", "BizMsgEnvlp"];
/// The business application header (head.001) beside the document.
const HEADER: &str = "AppHdr";
/// What a bank writes where the debtor gave no reference.
const NOT_PROVIDED: &str = "NOTPROVIDED";

/// What a notification says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Notification {
    /// `GrpHdr/MsgId`.
    pub(crate) message_id: String,
    /// `camt.054.001.08`.
    pub(crate) document_type: String,
    /// Movements in order.
    pub(crate) entries: Vec<Entry>,
}

/// One movement.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// Money came in, and the bank has booked it.
    Credit(Credit),
    /// A debit, a reversal, or something not booked yet: nothing to book here.
    Other {
        /// The bank's id of it.
        bank_transaction_id: String,
        /// Its amount.
        amount: Money,
    },
}

/// Money that came in.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Credit {
    /// The bank's id of it.
    pub(crate) bank_transaction_id: String,
    /// Its amount.
    pub(crate) amount: Money,
    /// Structured creditor reference, else the first unstructured line; empty: none.
    pub(crate) funding_reference: String,
    /// `YYYY-MM-DD`; empty: not given.
    pub(crate) value_date: String,
    /// Empty: not given.
    pub(crate) debtor_name: String,
}

/// Reads a notification.
pub(crate) fn parse(document: &[u8]) -> Result<Notification, Camt054Error> {
    let mut reader = Reader::default();
    walk(document, &mut reader)?;
    let missing = |problem: &str| Camt054Error { offset: 0, problem: problem.to_owned() };
    if reader.message_id.is_empty() {
        return Err(missing("GrpHdr/MsgId is missing"));
    }
    Ok(Notification {
        message_id: reader.message_id,
        document_type: reader.document_type,
        entries: reader.entries,
    })
}

/// What is known of an amount-bearing element so far: an entry, or one transaction in it.
#[derive(Debug, Default)]
struct Draft {
    amount: Option<Money>,
    credit: Option<bool>,
    reversal: bool,
    servicer_reference: String,
    transaction_id: String,
    end_to_end_id: String,
    creditor_reference: String,
    remittance: String,
    debtor_name: String,
}

impl Draft {
    /// The reference that the account's bank gave: unique at that bank.
    fn servicer_reference(&self) -> Option<&str> {
        Some(self.servicer_reference.as_str()).filter(|id| !id.is_empty() && *id != NOT_PROVIDED)
    }

    /// A reference that others gave; the payer may use it again.
    fn foreign_reference(&self) -> Option<&str> {
        [&self.transaction_id, &self.end_to_end_id]
            .into_iter()
            .map(String::as_str)
            .find(|id| !id.is_empty() && *id != NOT_PROVIDED)
    }

    fn reference(&self) -> &str {
        if self.creditor_reference.is_empty() { &self.remittance } else { &self.creditor_reference }
    }
}

#[derive(Debug, Default)]
struct Reader {
    message_id: String,
    document_type: String,
    entries: Vec<Entry>,
    entry: Draft,
    booked: bool,
    value_date: String,
    transactions: Vec<Draft>,
    currency: Option<String>,
}

impl Visitor for Reader {
    fn begin(&mut self, path: &[String], namespace: &str, currency: Option<String>) -> Result<(), String> {
        let path = without_envelope(path);
        match path {
            [first, ..] if first == HEADER => return Ok(()),
            [root] => {
                let version = namespace.strip_prefix(NAMESPACE).and_then(|rest| rest.parse::<u32>().ok());
                match version {
                    Some(version) if root == "Document" && VERSIONS.contains(&version) => {
                        self.document_type = format!("camt.054.001.{version:02}");
                    }
                    _ => return Err(format!("it is <{root}> of `{namespace}`; give camt.054.001.02 to .08")),
                }
            }
            [_, second] if second != "BkToCstmrDbtCdtNtfctn" => {
                return Err(format!("<{second}> is not <BkToCstmrDbtCdtNtfctn>"));
            }
            _ => {}
        }
        match inside_entry(path) {
            Some([]) => {
                self.entry = Draft::default();
                self.booked = false;
                self.value_date.clear();
                self.transactions.clear();
            }
            Some([details, transaction]) if details == "NtryDtls" && transaction == "TxDtls" => {
                if self.entries.len() + self.transactions.len() >= ENTRIES_MAX {
                    return Err(format!("it has more than {ENTRIES_MAX} movements: split it"));
                }
                self.transactions.push(Draft::default());
            }
            _ => {}
        }
        if path.last().is_some_and(|name| name == "Amt") && currency.is_some() {
            self.currency = currency;
        }
        Ok(())
    }

    fn end(&mut self, path: &[String], text: &str) -> Result<(), String> {
        let path = without_envelope(path);
        if let [_, _, header, id] = path
            && header == "GrpHdr"
            && id == "MsgId"
        {
            self.message_id = bounded("MsgId", text, 35)?;
        }
        match inside_entry(path) {
            None => Ok(()),
            Some([]) => self.finish_entry(),
            Some([first, rest @ ..]) if first == "NtryDtls" => match rest {
                [transaction, inner @ ..] if transaction == "TxDtls" => self.transaction_field(inner, text),
                _ => Ok(()),
            },
            Some(field) => self.entry_field(field, text),
        }
    }
}

/// Networks put the document into an envelope of their own, beside a header.
fn without_envelope(path: &[String]) -> &[String] {
    match path {
        [first, rest @ ..] if ENVELOPES.contains(&first.as_str()) => rest,
        _ => path,
    }
}

/// What follows `Document/BkToCstmrDbtCdtNtfctn/Ntfctn/Ntry` in the path.
fn inside_entry(path: &[String]) -> Option<&[String]> {
    match path {
        [_, _, notification, entry, rest @ ..] if notification == "Ntfctn" && entry == "Ntry" => Some(rest),
        _ => None,
    }
}

fn bounded(name: &str, text: &str, max: usize) -> Result<String, String> {
    if text.chars().count() > max {
        return Err(format!("<{name}> is longer than {max} characters"));
    }
    Ok(text.to_owned())
}

fn names(path: &[String]) -> Vec<&str> {
    path.iter().map(String::as_str).collect()
}

impl Reader {
    fn money(&mut self, text: &str) -> Result<Money, String> {
        let code = self.currency.take().ok_or("an amount has no currency (attribute Ccy)")?;
        let asset = Asset::from_code(&code).map_err(|error| error.to_string())?;
        let shown: String = text.chars().take(24).collect();
        amount::parse(text, asset).ok_or_else(|| format!("`{shown}` is no amount of {code}"))
    }

    fn entry_field(&mut self, field: &[String], text: &str) -> Result<(), String> {
        match names(field).as_slice() {
            ["Amt"] => self.entry.amount = Some(self.money(text)?),
            ["CdtDbtInd"] => self.entry.credit = Some(direction(text)?),
            ["RvslInd"] => self.entry.reversal = text == "true" || text == "1",
            // Up to version 05 the status is the element's own text, later a code in it.
            ["Sts"] | ["Sts", "Cd"] if !text.is_empty() => self.booked = text == "BOOK",
            ["ValDt", "Dt"] => self.value_date = text.chars().take(10).collect(),
            ["ValDt", "DtTm"] => self.value_date = text.chars().take(10).collect(),
            ["AcctSvcrRef"] => self.entry.servicer_reference = bounded("AcctSvcrRef", text, 35)?,
            _ => {}
        }
        Ok(())
    }

    fn transaction_field(&mut self, field: &[String], text: &str) -> Result<(), String> {
        let names = names(field);
        let is_amount = matches!(names.as_slice(), ["Amt"] | ["AmtDtls", "TxAmt", "Amt"]);
        let money = if is_amount { Some(self.money(text)?) } else { None };
        let Some(draft) = self.transactions.last_mut() else { return Ok(()) };
        match names.as_slice() {
            ["Amt"] => draft.amount = money,
            ["AmtDtls", "TxAmt", "Amt"] => draft.amount = draft.amount.or(money),
            ["CdtDbtInd"] => draft.credit = Some(direction(text)?),
            ["Refs", "AcctSvcrRef"] => draft.servicer_reference = bounded("AcctSvcrRef", text, 35)?,
            ["Refs", "TxId"] => draft.transaction_id = bounded("TxId", text, 35)?,
            ["Refs", "EndToEndId"] => draft.end_to_end_id = bounded("EndToEndId", text, 35)?,
            ["RmtInf", "Strd", "CdtrRefInf", "Ref"] => draft.creditor_reference = bounded("Ref", text, 35)?,
            ["RmtInf", "Ustrd"] if draft.remittance.is_empty() => {
                draft.remittance = text.chars().take(35).collect();
            }
            ["RltdPties", "Dbtr", "Nm"] | ["RltdPties", "Dbtr", "Pty", "Nm"] => {
                draft.debtor_name = bounded("Nm", text, 140)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn finish_entry(&mut self) -> Result<(), String> {
        let total = self.entry.amount.ok_or("<Ntry> has no <Amt>")?;
        let credit = self.entry.credit.ok_or("<Ntry> has no <CdtDbtInd>")?;
        let mut drafts = std::mem::take(&mut self.transactions);
        // Each is booked apart only if their amounts make up the entry's; else the entry is booked as a whole, and of
        // several payers none is the one it is from: it has no reference then, and waits in suspense.
        if drafts.len() < 2 || !make_up(&drafts, total, credit) {
            let mut whole = if drafts.len() == 1 { drafts.swap_remove(0) } else { Draft::default() };
            whole.amount = Some(total);
            whole.credit = Some(credit);
            drafts = vec![whole];
        }
        let count = drafts.len();
        for (index, draft) in drafts.into_iter().enumerate() {
            self.push(draft, index, count, total, credit)?;
        }
        Ok(())
    }

    fn push(
        &mut self,
        draft: Draft,
        index: usize,
        count: usize,
        total: Money,
        credit: bool,
    ) -> Result<(), String> {
        if self.entries.len() >= ENTRIES_MAX {
            return Err(format!("it has more than {ENTRIES_MAX} movements: split it"));
        }
        let amount = draft.amount.unwrap_or(total);
        let bank_transaction_id = match (draft.servicer_reference(), self.entry.servicer_reference()) {
            (Some(own), _) => own.to_owned(),
            (None, Some(entry)) if count == 1 => entry.to_owned(),
            (None, Some(entry)) => format!("{entry}/{}", index + 1),
            // Not unique by itself: payers repeat it month by month, so the bank's message is named with it.
            (None, None) => match draft.foreign_reference() {
                Some(_) => format!("{}#{}", self.message_id, self.entries.len() + 1),
                None => return Err("a movement has no reference (AcctSvcrRef, TxId, EndToEndId)".into()),
            },
        };
        let incoming = draft.credit.unwrap_or(credit) && !self.entry.reversal && self.booked;
        self.entries.push(if incoming && amount.minor_units > 0 {
            Entry::Credit(Credit {
                bank_transaction_id,
                amount,
                funding_reference: draft.reference().replace(' ', ""),
                value_date: self.value_date.clone(),
                debtor_name: draft.debtor_name,
            })
        } else {
            Entry::Other { bank_transaction_id, amount }
        });
        Ok(())
    }
}

/// Whether the transactions' amounts, each in its direction, add up to the entry's.
fn make_up(drafts: &[Draft], total: Money, credit: bool) -> bool {
    let sum = drafts.iter().try_fold(Money::zero(total.asset), |sum, draft| {
        let amount = draft.amount?;
        let same_direction = draft.credit.unwrap_or(credit) == credit;
        if same_direction { sum.checked_add(amount).ok() } else { sum.checked_sub(amount).ok() }
    });
    sum == Some(total)
}

fn direction(text: &str) -> Result<bool, String> {
    match text {
        "CRDT" => Ok(true),
        "DBIT" => Ok(false),
        _ => Err("<CdtDbtInd> is neither CRDT nor DBIT".into()),
    }
}

#[cfg(test)]
mod tests;
