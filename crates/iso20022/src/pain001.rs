//! Payment orders to the bank: pain.001.001.09, customer credit transfer initiation.

use std::collections::HashSet;

use bursar_types::Money;
use quick_xml::escape::escape;

use crate::amount;

/// Most transfers of one order.
const TRANSFERS_MAX: usize = 100_000;
/// Decimals that sums are written with at most: every ISO 4217 exponent is below.
const SUM_DECIMALS: u32 = 4;

/// An order to pay out of one account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// `MsgId`, unique for ever at the bank: 1 to 35 characters.
    pub message_id: String,
    /// Moment it is made, `YYYY-MM-DDThh:mm:ssZ`.
    pub created: String,
    /// `PmtInfId`: 1 to 35 characters.
    pub payment_id: String,
    /// Day the bank is to pay, `YYYY-MM-DD`.
    pub execution_date: String,
    /// Name of who pays: 1 to 140 characters.
    pub debtor_name: String,
    /// The account that is paid from.
    pub debtor_account: Account,
    /// Its bank.
    pub debtor_agent: Agent,
    /// What is paid: at least one.
    pub transfers: Vec<Transfer>,
}

/// One payment of an order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// `InstrId`, ours, unique in the order: 1 to 35 characters.
    pub instruction_id: String,
    /// `EndToEndId`, which goes to the payee and comes back in statements: 1 to 35 characters.
    pub end_to_end_id: String,
    /// Amount, above zero, of an ISO 4217 currency.
    pub amount: Money,
    /// Name of who is paid: 1 to 140 characters.
    pub creditor_name: String,
    /// The account that is paid to.
    pub creditor_account: Account,
    /// Its bank, if known.
    pub creditor_agent: Option<Agent>,
    /// What it is for: at most 140 characters; empty: nothing is said.
    pub remittance: String,
}

/// An account at a bank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Account {
    /// ISO 13616.
    Iban(String),
    /// The number that the bank has given it: 1 to 34 characters.
    Other(String),
}

/// A bank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Agent {
    /// ISO 9362.
    Bic(String),
    /// Number in a country's clearing system, with the system's code (`CNAPS`: `CNAPS`, 12 digits).
    Clearing {
        /// Code of the system, such as `CNAPS`: at most 5 characters.
        system: String,
        /// The bank's number in it: at most 35 characters.
        member: String,
    },
}

/// An order that no bank could carry out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {problem}")]
pub struct BadOrder {
    /// Which part: `transfers[2].amount`.
    pub field: String,
    /// What is wrong.
    pub problem: String,
}

/// Writes an order. What it gives is valid by the schema.
///
/// # Errors
/// [`BadOrder`] with the part that is wrong.
pub fn write_pain001(order: &Order) -> Result<String, BadOrder> {
    check(order)?;
    let mut out = Writer::default();
    out.raw("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    out.raw("<Document xmlns=\"urn:iso:std:iso:20022:tech:xsd:pain.001.001.09\"><CstmrCdtTrfInitn>");
    let count = order.transfers.len().to_string();
    let sum = sum(&order.transfers)?;
    out.within("GrpHdr", |out| {
        out.text("MsgId", &order.message_id);
        out.text("CreDtTm", &order.created);
        out.text("NbOfTxs", &count);
        out.text("CtrlSum", &sum);
        out.within("InitgPty", |out| out.text("Nm", &order.debtor_name));
    });
    out.within("PmtInf", |out| {
        out.text("PmtInfId", &order.payment_id);
        out.text("PmtMtd", "TRF");
        // Each comes back in the statement by itself, to be matched with what it pays out.
        out.text("BtchBookg", "false");
        out.text("NbOfTxs", &count);
        out.text("CtrlSum", &sum);
        out.within("ReqdExctnDt", |out| out.text("Dt", &order.execution_date));
        out.within("Dbtr", |out| out.text("Nm", &order.debtor_name));
        out.within("DbtrAcct", |out| out.account(&order.debtor_account));
        out.within("DbtrAgt", |out| out.agent(&order.debtor_agent));
        for transfer in &order.transfers {
            out.within("CdtTrfTxInf", |out| out.transfer(transfer));
        }
    });
    out.raw("</CstmrCdtTrfInitn></Document>\n");
    Ok(out.0)
}

#[derive(Default)]
struct Writer(String);

impl Writer {
    fn raw(&mut self, text: &str) {
        self.0.push_str(text);
    }

    fn within(&mut self, name: &str, write: impl FnOnce(&mut Self)) {
        self.0.extend(["<", name, ">"]);
        write(self);
        self.0.extend(["</", name, ">"]);
    }

    fn text(&mut self, name: &str, text: &str) {
        self.within(name, |out| out.raw(&escape(text)));
    }

    fn account(&mut self, account: &Account) {
        self.within("Id", |out| match account {
            Account::Iban(iban) => out.text("IBAN", iban),
            Account::Other(number) => out.within("Othr", |out| out.text("Id", number)),
        });
    }

    fn agent(&mut self, agent: &Agent) {
        self.within("FinInstnId", |out| match agent {
            Agent::Bic(bic) => out.text("BICFI", bic),
            Agent::Clearing { system, member } => out.within("ClrSysMmbId", |out| {
                out.within("ClrSysId", |out| out.text("Cd", system));
                out.text("MmbId", member);
            }),
        });
    }

    fn transfer(&mut self, transfer: &Transfer) {
        self.within("PmtId", |out| {
            out.text("InstrId", &transfer.instruction_id);
            out.text("EndToEndId", &transfer.end_to_end_id);
        });
        let amount = amount::format(transfer.amount).unwrap_or_default();
        self.within("Amt", |out| {
            out.0.extend(["<InstdAmt Ccy=\"", transfer.amount.asset.code(), "\">", &amount, "</InstdAmt>"]);
        });
        if let Some(agent) = &transfer.creditor_agent {
            self.within("CdtrAgt", |out| out.agent(agent));
        }
        self.within("Cdtr", |out| out.text("Nm", &transfer.creditor_name));
        self.within("CdtrAcct", |out| out.account(&transfer.creditor_account));
        if !transfer.remittance.is_empty() {
            self.within("RmtInf", |out| out.text("Ustrd", &transfer.remittance));
        }
    }
}

fn bad(field: &str, problem: &str) -> BadOrder {
    BadOrder { field: field.to_owned(), problem: problem.to_owned() }
}

fn check(order: &Order) -> Result<(), BadOrder> {
    text("message_id", &order.message_id, 35)?;
    text("payment_id", &order.payment_id, 35)?;
    text("debtor_name", &order.debtor_name, 140)?;
    if !shaped(&order.created, "dddd-dd-ddTdd:dd:ddZ") {
        return Err(bad("created", "must be YYYY-MM-DDThh:mm:ssZ"));
    }
    if !shaped(&order.execution_date, "dddd-dd-dd") {
        return Err(bad("execution_date", "must be YYYY-MM-DD"));
    }
    account("debtor_account", &order.debtor_account)?;
    agent("debtor_agent", &order.debtor_agent)?;
    if order.transfers.is_empty() || order.transfers.len() > TRANSFERS_MAX {
        return Err(bad("transfers", "must be 1 to 100000"));
    }
    let mut seen = HashSet::with_capacity(order.transfers.len());
    for (index, transfer) in order.transfers.iter().enumerate() {
        let inside =
            |error: BadOrder| BadOrder { field: format!("transfers[{index}].{}", error.field), ..error };
        check_transfer(transfer).map_err(inside)?;
        if !seen.insert(transfer.instruction_id.as_str()) {
            return Err(inside(bad("instruction_id", "is that of another transfer of the order")));
        }
    }
    Ok(())
}

fn check_transfer(transfer: &Transfer) -> Result<(), BadOrder> {
    text("instruction_id", &transfer.instruction_id, 35)?;
    text("end_to_end_id", &transfer.end_to_end_id, 35)?;
    text("creditor_name", &transfer.creditor_name, 140)?;
    if !transfer.remittance.is_empty() {
        text("remittance", &transfer.remittance, 140)?;
    }
    if transfer.amount.minor_units <= 0 {
        return Err(bad("amount", "must be above zero"));
    }
    if transfer.amount.asset.numeric().is_none() {
        return Err(bad("amount", "must be of an ISO 4217 currency: no bank transfers another asset"));
    }
    account("creditor_account", &transfer.creditor_account)?;
    transfer.creditor_agent.as_ref().map_or(Ok(()), |it| agent("creditor_agent", it))
}

fn text(field: &str, text: &str, max: usize) -> Result<(), BadOrder> {
    let length = text.chars().count();
    if length == 0 || length > max || text.trim() != text {
        return Err(bad(field, &format!("must be 1 to {max} characters, without space around them")));
    }
    // XML 1.0 can hold no control characters but three, and banks take none of those.
    if text.chars().any(|c| c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}')) {
        return Err(bad(field, "must have no control characters"));
    }
    Ok(())
}

/// Whether `text` is like `shape`, in which `d` stands for a digit.
fn shaped(text: &str, shape: &str) -> bool {
    text.len() == shape.len()
        && text.bytes().zip(shape.bytes()).all(|(have, want)| match want {
            b'd' => have.is_ascii_digit(),
            other => have == other,
        })
}

fn account(field: &str, account: &Account) -> Result<(), BadOrder> {
    match account {
        Account::Iban(iban) => match iban_holds(iban) {
            true => Ok(()),
            false => Err(bad(field, "must be an IBAN without spaces whose check digits hold (ISO 13616)")),
        },
        Account::Other(number) => text(field, number, 34),
    }
}

/// Length, letters and the check digits (ISO 7064, mod 97-10).
fn iban_holds(iban: &str) -> bool {
    let upper = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit();
    let country = iban.bytes().take(2).all(|byte| byte.is_ascii_uppercase());
    let digits = iban.bytes().skip(2).take(2).all(|byte| byte.is_ascii_digit());
    if !(15..=34).contains(&iban.len()) || !country || !digits || !iban.bytes().all(upper) {
        return false;
    }
    let turned = iban.bytes().skip(4).chain(iban.bytes().take(4));
    let rest = turned.fold(0_u32, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte - b'A') + 10) % 97,
    });
    rest == 1
}

fn agent(field: &str, agent: &Agent) -> Result<(), BadOrder> {
    match agent {
        Agent::Bic(bic) => {
            let bytes = bic.as_bytes();
            let good = matches!(bytes.len(), 8 | 11)
                && bytes.iter().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
                && bytes.iter().skip(4).take(2).all(u8::is_ascii_uppercase);
            if good { Ok(()) } else { Err(bad(field, "must be a BIC of 8 or 11 characters (ISO 9362)")) }
        }
        Agent::Clearing { system, member } => {
            text(field, system, 5)?;
            text(field, member, 35)
        }
    }
}

/// `CtrlSum`: the sum of all amounts, whatever their currencies.
fn sum(transfers: &[Transfer]) -> Result<String, BadOrder> {
    let too_much = || bad("transfers", "make up too much together");
    let scaled = transfers.iter().try_fold(0_u128, |sum, transfer| {
        let exponent = u32::from(transfer.amount.asset.exponent());
        let scale = 10_u128.checked_pow(SUM_DECIMALS.checked_sub(exponent)?)?;
        sum.checked_add(u128::try_from(transfer.amount.minor_units).ok()?.checked_mul(scale)?)
    });
    let scaled = scaled.ok_or_else(too_much)?;
    let scale = 10_u128.pow(SUM_DECIMALS);
    let text = format!("{}.{:04}", scaled / scale, scaled % scale);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    // DecimalNumber has 18 digits.
    if text.bytes().filter(u8::is_ascii_digit).count() > 18 { Err(too_much()) } else { Ok(text.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_of_accounts_are_checked() {
        for good in ["GB82WEST12345698765432", "CH9300762011623852957", "DE89370400440532013000"] {
            assert!(iban_holds(good), "{good}");
            assert!(!iban_holds(&good.replacen('2', "3", 1)), "{good} with another digit");
        }
        assert!(!iban_holds("GB82 WEST 1234 5698 7654 32"));
    }
}
