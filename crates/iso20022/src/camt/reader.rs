//! From places and texts to entries, one at a time.

use std::io::BufRead;

use bursar_types::{Asset, Money};

use super::entry::{Direction, Entry, EntryStatus, TRANSACTIONS_MAX, Transaction};
use super::place::Camt;
use super::{Balance, BalanceCheck, Event, FileHeader, FileKind, StatementEnd, StatementHeader};
use crate::amount;
use crate::error::FileError;
use crate::pull::{Pull, Step};

/// Versions whose elements are where this reader looks for them.
const VERSIONS: std::ops::RangeInclusive<u32> = 2..=8;
/// Most balances of one statement.
const BALANCES_MAX: usize = 100;

/// Reads a file as a stream of [`Event`]s. Holds one entry at a time.
pub struct CamtReader<R> {
    pull: Pull<R, Camt>,
    file: FileHeader,
    header: StatementHeader,
    /// The head of the statement has been told.
    told: bool,
    balance: BalanceDraft,
    balances: Vec<Balance>,
    entry: Draft,
    entries: u64,
    booked: i128,
    /// Of `booked`, what has a value date after the closing balance's day.
    forward: i128,
    asset: Option<Asset>,
    mixed: bool,
}

#[derive(Default)]
struct BalanceDraft {
    code: String,
    amount: Option<Money>,
    direction: Option<Direction>,
    date: String,
}

/// What is known of an entry so far.
#[derive(Default)]
struct Draft {
    amount: Option<Money>,
    direction: Option<Direction>,
    reversal: bool,
    status: EntryStatus,
    reference: String,
    servicer_reference: String,
    booking_date: String,
    value_date: String,
    transactions: Vec<Transaction>,
}

impl<R: BufRead> CamtReader<R> {
    /// Reads from `input`; nothing is read before [`CamtReader::next`] asks for it.
    pub fn new(input: R) -> Self {
        Self {
            pull: Pull::new(input),
            file: FileHeader {
                kind: FileKind::Statement,
                document_type: String::new(),
                message_id: String::new(),
            },
            header: StatementHeader::default(),
            told: false,
            balance: BalanceDraft::default(),
            balances: Vec::new(),
            entry: Draft::default(),
            entries: 0,
            booked: 0,
            forward: 0,
            asset: None,
            mixed: false,
        }
    }

    /// What the file says next; `None` at its end.
    ///
    /// # Errors
    /// [`FileError`] if it is not well formed, not camt.053 or camt.054 of a version that is known, cut short, or if an
    /// amount would lose money. What came before was read well, but is not to be trusted as the whole.
    #[allow(clippy::should_implement_trait)] // an iterator goes on after an error; a file does not
    pub fn next(&mut self) -> Result<Option<Event>, FileError> {
        while let Some(step) = self.pull.next()? {
            let event = match step {
                Step::Begin(place) => self.begin(place),
                Step::End(place) => self.end(place),
            };
            if let Some(event) = event.map_err(|problem| self.pull.wrong(problem))? {
                return Ok(Some(event));
            }
        }
        Ok(None)
    }

    fn begin(&mut self, place: Camt) -> Result<Option<Event>, String> {
        match place {
            Camt::Document => self.kind()?,
            Camt::Statements | Camt::Notifications
                if (place == Camt::Statements) != (self.file.kind == FileKind::Statement) =>
            {
                return Err(format!("its content is not that of {}", self.file.document_type));
            }
            Camt::Statement => {
                if self.file.message_id.is_empty() {
                    return Err("GrpHdr/MsgId is missing".into());
                }
                self.header = StatementHeader::default();
                self.told = false;
                self.balances.clear();
                (self.entries, self.booked, self.forward, self.asset, self.mixed) = (0, 0, 0, None, false);
            }
            Camt::Balance => self.balance = BalanceDraft::default(),
            Camt::Entry => {
                self.entry = Draft::default();
                return Ok(self.tell());
            }
            Camt::Transaction => {
                if self.entry.transactions.len() >= TRANSACTIONS_MAX {
                    return Err(format!("an entry has more than {TRANSACTIONS_MAX} transactions"));
                }
                self.entry.transactions.push(Transaction::default());
            }
            _ => {}
        }
        Ok(None)
    }

    fn kind(&mut self) -> Result<(), String> {
        let message = self.pull.message();
        let found = [("camt.053.001.", FileKind::Statement), ("camt.054.001.", FileKind::Notification)]
            .into_iter()
            .find_map(|(start, kind)| {
                let version = message.strip_prefix(start).filter(|version| version.len() == 2)?;
                let known = version.parse().is_ok_and(|version| VERSIONS.contains(&version));
                known.then_some(kind)
            });
        let wanted = || format!("it is {message}; give camt.053 or camt.054, version 02 to 08");
        self.file.kind = found.ok_or_else(wanted)?;
        self.file.document_type = message.to_owned();
        Ok(())
    }

    /// The head of the statement, before the first that follows it.
    fn tell(&mut self) -> Option<Event> {
        if self.told {
            return None;
        }
        self.told = true;
        Some(Event::Statement(self.header.clone()))
    }

    fn end(&mut self, place: Camt) -> Result<Option<Event>, String> {
        match place {
            Camt::MessageId => self.file.message_id = self.bounded("MsgId", 35)?,
            Camt::GroupHeader => {
                if self.file.message_id.is_empty() {
                    return Err("GrpHdr/MsgId is missing".into());
                }
                return Ok(Some(Event::File(self.file.clone())));
            }
            Camt::StatementId => self.header.id = self.bounded("Id", 35)?,
            Camt::Sequence => self.header.sequence = self.pull.text().parse().ok(),
            Camt::Iban => self.header.account = self.bounded("IBAN", 34)?,
            Camt::OtherAccountId if self.header.account.is_empty() => {
                self.header.account = self.bounded("Id", 34)?;
            }
            Camt::BalanceCode => self.balance.code = self.bounded("Cd", 4)?,
            Camt::BalanceAmount => self.balance.amount = Some(self.money()?),
            Camt::BalanceDirection => self.balance.direction = Some(direction(self.pull.text())?),
            Camt::BalanceDate => self.balance.date = self.date()?,
            Camt::Balance => self.end_of_balance()?,
            Camt::Entry => return self.end_of_entry().map(|entry| Some(Event::Entry(entry))),
            Camt::Statement => {
                // One without entries has told nothing yet: its head comes first.
                if let Some(event) = self.tell() {
                    self.pull.again(Camt::Statement);
                    return Ok(Some(event));
                }
                return Ok(Some(Event::End(self.end_of_statement())));
            }
            _ => self.end_in_entry(place)?,
        }
        Ok(None)
    }

    fn end_in_entry(&mut self, place: Camt) -> Result<(), String> {
        match place {
            Camt::EntryReference => self.entry.reference = self.bounded("NtryRef", 35)?,
            Camt::EntryAmount => self.entry.amount = Some(self.money()?),
            Camt::EntryDirection => self.entry.direction = Some(direction(self.pull.text())?),
            Camt::Reversal => {
                self.entry.reversal = match self.pull.text() {
                    "true" | "1" => true,
                    "false" | "0" => false,
                    _ => return Err("<RvslInd> is neither true nor false".into()),
                };
            }
            Camt::Status => {
                self.entry.status = match self.pull.text() {
                    "BOOK" => EntryStatus::Booked,
                    "PDNG" => EntryStatus::Pending,
                    _ => EntryStatus::Other,
                };
            }
            Camt::BookingDate => self.entry.booking_date = self.date()?,
            Camt::ValueDate => self.entry.value_date = self.date()?,
            Camt::EntryServicer => self.entry.servicer_reference = self.bounded("AcctSvcrRef", 35)?,
            _ => return self.end_in_transaction(place),
        }
        Ok(())
    }

    fn end_in_transaction(&mut self, place: Camt) -> Result<(), String> {
        let text = match place {
            Camt::Servicer => self.bounded("AcctSvcrRef", 35)?,
            Camt::TransactionId => self.bounded("TxId", 35)?,
            Camt::EndToEndId => self.bounded("EndToEndId", 35)?,
            Camt::CreditorReference => self.bounded("Ref", 35)?,
            Camt::DebtorName => self.bounded("Nm", 140)?,
            Camt::Unstructured => self.pull.text().chars().take(35).collect(),
            _ => String::new(),
        };
        let money = match place {
            Camt::TransactionAmount | Camt::DetailAmount => Some(self.money()?),
            _ => None,
        };
        let way = match place {
            Camt::TransactionDirection => Some(direction(self.pull.text())?),
            _ => None,
        };
        let Some(transaction) = self.entry.transactions.last_mut() else { return Ok(()) };
        match place {
            Camt::TransactionAmount => transaction.amount = money,
            Camt::DetailAmount => transaction.amount = transaction.amount.or(money),
            Camt::TransactionDirection => transaction.direction = way,
            Camt::Servicer => transaction.servicer_reference = text,
            Camt::TransactionId => transaction.transaction_id = text,
            Camt::EndToEndId => transaction.end_to_end_id = text,
            Camt::CreditorReference => transaction.creditor_reference = text,
            Camt::DebtorName => transaction.debtor_name = text,
            Camt::Unstructured if transaction.remittance.is_empty() => transaction.remittance = text,
            _ => {}
        }
        Ok(())
    }

    fn bounded(&self, name: &str, max: usize) -> Result<String, String> {
        let text = self.pull.text();
        if text.len() > max && text.chars().count() > max {
            return Err(format!("<{name}> is longer than {max} characters"));
        }
        Ok(text.to_owned())
    }

    /// The day of a date or of a date with a time.
    fn date(&self) -> Result<String, String> {
        let text = self.pull.text();
        let day = text.get(..10).filter(|day| {
            let digit = |(at, byte): (usize, u8)| {
                if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() }
            };
            day.bytes().enumerate().all(digit)
        });
        day.map(str::to_owned).ok_or_else(|| "a date does not begin with YYYY-MM-DD".into())
    }

    fn money(&self) -> Result<Money, String> {
        let code = self.pull.currency();
        if code.is_empty() {
            return Err("an amount has no currency (attribute Ccy)".into());
        }
        let asset = Asset::from_code(code).map_err(|error| error.to_string())?;
        amount::parse(self.pull.text(), asset).ok_or_else(|| {
            let shown: String = self.pull.text().chars().take(24).collect();
            format!("`{shown}` is no amount of {code}")
        })
    }

    fn end_of_balance(&mut self) -> Result<(), String> {
        let BalanceDraft { code, amount, direction, date } = std::mem::take(&mut self.balance);
        let amount = amount.ok_or("<Bal> has no <Amt>")?;
        if self.balances.len() >= BALANCES_MAX {
            return Err(format!("a statement has more than {BALANCES_MAX} balances"));
        }
        let minor = match direction.ok_or("<Bal> has no <CdtDbtInd>")? {
            Direction::Credit => amount.minor_units,
            Direction::Debit => -amount.minor_units,
        };
        self.balances.push(Balance { code, amount: Money::new(minor, amount.asset), date });
        Ok(())
    }

    fn end_of_entry(&mut self) -> Result<Entry, String> {
        let draft = std::mem::take(&mut self.entry);
        let amount = draft.amount.ok_or("<Ntry> has no <Amt>")?;
        let direction = draft.direction.ok_or("<Ntry> has no <CdtDbtInd>")?;
        self.entries += 1;
        if draft.status == EntryStatus::Booked {
            let (asset, amount) = (amount.asset, i128::from(amount.minor_units));
            let signed = if direction == Direction::Credit { amount } else { -amount };
            self.booked += signed;
            let closing = self.balances.iter().find(|balance| balance.code == "CLBD");
            if closing.is_some_and(|it| !it.date.is_empty() && draft.value_date > it.date) {
                self.forward += signed;
            }
            self.mixed |= *self.asset.get_or_insert(asset) != asset;
        }
        Ok(Entry {
            amount,
            direction,
            reversal: draft.reversal,
            status: draft.status,
            reference: draft.reference,
            servicer_reference: draft.servicer_reference,
            booking_date: draft.booking_date,
            value_date: draft.value_date,
            transactions: draft.transactions,
        })
    }

    fn end_of_statement(&mut self) -> StatementEnd {
        let check = self.check();
        StatementEnd { balances: std::mem::take(&mut self.balances), entries: self.entries, check }
    }

    /// Opening balance and booked entries against the closing balance. The opening one is also called the previous
    /// closing one; some banks give available balances only.
    fn check(&self) -> BalanceCheck {
        let find = |codes: &[&str]| {
            let found = codes.iter().find_map(|code| self.balances.iter().find(|it| it.code == *code));
            found.map(|balance| balance.amount)
        };
        let pair = match (find(&["OPBD", "PRCD"]), find(&["CLBD"])) {
            (Some(opening), Some(closing)) => Some((opening, closing)),
            _ => find(&["OPAV"]).zip(find(&["CLAV"])),
        };
        let Some((opening, given)) = pair else { return BalanceCheck::NotGiven };
        let same = opening.asset == given.asset && self.asset.is_none_or(|asset| asset == given.asset);
        if !same || self.mixed {
            return BalanceCheck::NotGiven;
        }
        let expected = i128::from(opening.minor_units) + self.booked;
        if [expected, expected - self.forward].contains(&i128::from(given.minor_units)) {
            return BalanceCheck::Holds;
        }
        let bound = if expected < 0 { i64::MIN } else { i64::MAX };
        let expected = Money::new(i64::try_from(expected).unwrap_or(bound), given.asset);
        BalanceCheck::Differs { expected, given }
    }
}

fn direction(text: &str) -> Result<Direction, String> {
    match text {
        "CRDT" => Ok(Direction::Credit),
        "DBIT" => Ok(Direction::Debit),
        _ => Err("<CdtDbtInd> is neither CRDT nor DBIT".into()),
    }
}
