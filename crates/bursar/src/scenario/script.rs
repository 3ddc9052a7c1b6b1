//! What a scenario's file says. `scenarios/README.md` is its reference.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use toml::{Table, Value};

use super::rules::{Controls, Product};
use crate::outside::decimal;

/// An amount of CNY as people write it, `88.50`, in minor units.
#[derive(Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Amount(pub(crate) i64);

impl TryFrom<String> for Amount {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no amount: write it like \"88.50\"");
        let (sign, digits) = match text.strip_prefix('-') {
            Some(digits) => (-1, digits),
            None => (1, text.as_str()),
        };
        let (units, cents) = digits.split_once('.').ok_or_else(wrong)?;
        let figures = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if !figures(units) || !figures(cents) || cents.len() != 2 {
            return Err(wrong());
        }
        let (units, cents): (i64, i64) =
            (units.parse().map_err(|_| wrong())?, cents.parse().map_err(|_| wrong())?);
        let minor = units.checked_mul(100).and_then(|units| units.checked_add(cents)).ok_or_else(wrong)?;
        Ok(Self(sign * minor))
    }
}

impl fmt::Debug for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&decimal(self.0))
    }
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&decimal(self.0))
    }
}

/// A scenario.
#[derive(Debug)]
pub(crate) struct Script {
    /// In a few words.
    pub(crate) title: String,
    /// What a reader learns from it.
    pub(crate) shows: String,
    pub(crate) setup: Setup,
    pub(crate) steps: Vec<Step>,
}

/// What there is before the first step.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Setup {
    /// Topped up by the bank.
    pub(crate) balance: Amount,
    /// Controls of the card.
    pub(crate) controls: Option<Controls>,
    /// A card product of its own; without it the book's, which has the platform's usual terms and no limits.
    pub(crate) product: Option<Product>,
    /// Moment the first step begins at, as `advance.to`.
    pub(crate) at: Option<String>,
}

/// One step: what is done, and what comes of it.
#[derive(Debug)]
pub(crate) struct Step {
    /// Why it is done, for the reader.
    pub(crate) note: Option<String>,
    /// The step as it is written, on one line.
    pub(crate) text: String,
    pub(crate) act: Act,
    pub(crate) gives: Gives,
}

/// How an authorization reaches the platform.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Via {
    /// The acquirer's 0100 over TCP.
    #[default]
    Iso8583,
    /// The customer's wallet, with the card password; posted at once.
    Wallet,
    /// The ledger's own interface, in the gateway's name, with the vault's proof.
    Ledger,
}

/// How what follows an authorization reaches the platform.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Line {
    /// The ledger's own interface, in the gateway's name.
    #[default]
    Ledger,
    /// The acquirer's messages over TCP.
    Iso8583,
}

/// What is sent of something that only the card's holder should know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Sent {
    #[default]
    Right,
    Wrong,
    Absent,
}

/// What is done.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Act {
    Authorize(Authorize),
    Increment(Increment),
    Reverse(Reverse),
    Clear(Clear),
    Present(Present),
    Refund(Refund),
    Quote(Quote),
    Freeze(CardAct),
    Unfreeze(CardAct),
    Close(CardAct),
    Replace(CardAct),
    Issue(Issue),
    Activate(CardAct),
    Controls(SetControls),
    Product(Product),
    FreezeAccount(AccountAct),
    UnfreezeAccount(AccountAct),
    TopUp(TopUp),
    Advance(Advance),
    Race(Race),
    /// Nothing: only what is there is looked at.
    Look(Look),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Authorize {
    /// Name of the payment for later steps.
    #[serde(rename = "as")]
    pub(crate) name: Option<String>,
    /// Card by name; without it the last one.
    pub(crate) card: Option<String>,
    pub(crate) amount: Option<Amount>,
    /// Merchant by name.
    pub(crate) at: Option<String>,
    pub(crate) via: Via,
    /// `online`, `chip` or `cash`.
    pub(crate) used: Option<String>,
    /// Whether the terminal can take less than it asked for.
    pub(crate) partial: bool,
    pub(crate) cvv2: Sent,
    pub(crate) expiry: Sent,
    /// The card number: `wrong` is one that no card has.
    pub(crate) number: Sent,
    /// The card password, in the wallet.
    pub(crate) password: Sent,
    /// The message of an earlier payment once more, with what else is given here changed.
    pub(crate) again: Option<String>,
    /// Approved in the ledger's place: an advice.
    pub(crate) stand_in: bool,
    /// Authorization code that was given in the ledger's place.
    pub(crate) code: Option<String>,
    /// Asked for and paid in one (0200), or posted at once through the ledger's own interface.
    pub(crate) capture: bool,
    /// The proof of an earlier payment, instead of one of its own.
    pub(crate) proof_of: Option<String>,
    /// Fields of the 0100, by number, over those that follow from the rest.
    pub(crate) fields: BTreeMap<String, String>,
    /// Fields of the 0100 that are left out.
    pub(crate) without: Vec<u8>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Increment {
    pub(crate) amount: Amount,
    #[serde(default)]
    pub(crate) payment: Option<String>,
    /// Names the payment by its message, not by its id.
    #[serde(default)]
    pub(crate) by_message: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Reverse {
    /// `iso8583`: the acquirer's 0400; else through the ledger's own interface.
    pub(crate) via: Line,
    /// Times that the acquirer sends it.
    pub(crate) times: Option<u32>,
    /// Without it: all that is held.
    pub(crate) amount: Option<Amount>,
    pub(crate) payment: Option<String>,
    /// Names the payment by its message, not by its id.
    pub(crate) by_message: bool,
    /// Name of a payment that has not come yet.
    pub(crate) before: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Clear {
    pub(crate) amount: Amount,
    #[serde(default)]
    pub(crate) payment: Option<String>,
    /// Whether more will come.
    #[serde(default)]
    pub(crate) more: bool,
}

/// How a clearing file names the payment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum By {
    /// By its message on the network.
    #[default]
    Network,
    /// By card and authorization code.
    Code,
    /// By card, merchant and amount alone.
    Merchant,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Present {
    pub(crate) amount: Amount,
    #[serde(default)]
    pub(crate) payment: Option<String>,
    #[serde(default)]
    pub(crate) by: By,
    /// Merchant by name; without it the payment's.
    #[serde(default)]
    pub(crate) at: Option<String>,
    /// Whether more will come.
    #[serde(default)]
    pub(crate) more: bool,
    /// `iso8583`: the acquirer's 0220; else through the ledger's own interface, as a clearing file's line.
    #[serde(default)]
    pub(crate) via: Line,
    /// Whether the card is one that nobody has.
    #[serde(default)]
    pub(crate) unknown_card: bool,
    #[serde(rename = "as", default)]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Refund {
    pub(crate) amount: Amount,
    #[serde(default)]
    pub(crate) payment: Option<String>,
    /// Merchant by name, of a refund that belongs to no payment.
    #[serde(default)]
    pub(crate) unlinked_at: Option<String>,
    /// `iso8583`: the acquirer's 0200 that pays back; else through the ledger's own interface.
    #[serde(default)]
    pub(crate) via: Line,
    #[serde(default)]
    pub(crate) card: Option<String>,
    #[serde(rename = "as", default)]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Quote {
    pub(crate) amount: Amount,
    #[serde(default)]
    pub(crate) at: Option<String>,
    #[serde(default)]
    pub(crate) used: Option<String>,
}

/// A step of a card's life.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct CardAct {
    /// Card by name; without it the last one.
    pub(crate) card: Option<String>,
    /// `customer` (as if left out) or `operator`.
    pub(crate) by: Option<String>,
    /// Why it is closed or replaced: `lost`, `stolen` …
    pub(crate) because: Option<String>,
    /// Name of the new card.
    #[serde(rename = "as")]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Issue {
    #[serde(rename = "as")]
    pub(crate) name: Option<String>,
    pub(crate) single_use: bool,
    /// Merchant by name.
    pub(crate) locked_to: Option<String>,
    /// Whether it stays PENDING_ACTIVATION.
    pub(crate) inactive: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SetControls {
    /// `card` (as if left out), `account` or `program`.
    #[serde(default)]
    pub(crate) on: Option<String>,
    /// What replaces the controls there are.
    pub(crate) set: Controls,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AccountAct {
    /// Whose freeze: `customer`, `issuer`, `fraud`, `loss`, `legal`.
    pub(crate) holder: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TopUp {
    pub(crate) amount: Amount,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Advance {
    /// `8d`, `26h`, `90m`, `45s`.
    pub(crate) by: Option<String>,
    /// The next such moment in the program's time: `23:59:30`, `sunday 23:59:30`, `12-31 23:59:30`.
    pub(crate) to: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Race {
    /// Amount of each payment.
    pub(crate) amount: Amount,
    /// Acquirers that send at the same time.
    pub(crate) acquirers: u32,
    /// Payments that each sends before and after the freeze.
    pub(crate) payments: u32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Look {}

/// Running sums of a payment; what is left out is zero.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Sums {
    pub(crate) authorized: Amount,
    pub(crate) incremented: Amount,
    pub(crate) reversed: Amount,
    pub(crate) cleared: Amount,
    pub(crate) shortfall: Amount,
    pub(crate) released: Amount,
    pub(crate) expired: Amount,
    pub(crate) refunded: Amount,
    pub(crate) fees: Amount,
    pub(crate) outstanding: Amount,
}

/// What comes of a step. `posted`, `available` and `entries` are always compared: left out, nothing has changed.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Gives {
    /// The payment that is looked at; without it, the step's own or else the last one.
    pub(crate) payment: Option<String>,
    /// Field 39 of the reply.
    pub(crate) code: Option<String>,
    /// State of the payment. An authorization without it leaves no payment behind.
    pub(crate) state: Option<String>,
    /// Every reason of a decline, the one that answers first.
    pub(crate) reasons: Vec<String>,
    /// What was approved of it, if not all.
    pub(crate) approved: Option<Amount>,
    pub(crate) sums: Option<Sums>,
    /// What is posted on the account.
    pub(crate) posted: Option<Amount>,
    /// What can be spent.
    pub(crate) available: Option<Amount>,
    /// What was posted to the account by the step, oldest first: `payment -88.50`.
    pub(crate) entries: Vec<String>,
    /// How a presentment found its payment.
    pub(crate) found: Option<String>,
    /// Whether a quote would be approved.
    pub(crate) would: Option<bool>,
    /// Fees of a quote, in all.
    pub(crate) fee: Option<Amount>,
    /// Days the amount would be held.
    pub(crate) hold_days: Option<i32>,
    /// State of the card.
    pub(crate) card: Option<String>,
    /// Which card, by name, if not the last one.
    pub(crate) of: Option<String>,
    /// Why the card is closed.
    pub(crate) closed_as: Option<String>,
    /// The smallest changes that would have approved a decline.
    pub(crate) changes: Option<Vec<String>>,
    /// What the customer is told of a decline.
    pub(crate) tells: Option<String>,
    /// Tries of the card password that are left.
    pub(crate) tries_left: Option<i32>,
    /// Whether a reversal is kept for a payment that has not come yet.
    pub(crate) remembered: bool,
    /// The step is refused with this reason, and nothing changes.
    pub(crate) refused: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    title: String,
    shows: String,
    #[serde(default)]
    setup: Setup,
    step: Vec<Table>,
}

impl Script {
    /// Reads a file.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let File { title, shows, setup, step } = toml::from_str(text).map_err(|error| error.to_string())?;
        let steps = step
            .into_iter()
            .enumerate()
            .map(|(at, table)| Step::read(table).map_err(|problem| format!("step {}: {problem}", at + 1)));
        let shows = shows.split_whitespace().collect::<Vec<_>>().join(" ");
        Ok(Self { title, shows, setup, steps: steps.collect::<Result<_, _>>()? })
    }
}

impl Step {
    fn read(mut table: Table) -> Result<Self, String> {
        let told = |error: toml::de::Error| error.message().to_owned();
        let gives = match table.remove("gives") {
            Some(gives) => gives.try_into().map_err(told)?,
            None => Gives::default(),
        };
        let note = match table.remove("note") {
            Some(Value::String(note)) => Some(note),
            Some(_) => return Err("a note is a text".into()),
            None => None,
        };
        let [(verb, arguments)] = table.iter().collect::<Vec<_>>()[..] else {
            let keys: Vec<_> = table.keys().map(String::as_str).collect();
            return Err(format!("does one thing, and has {}", keys.join(", ")));
        };
        let text = one_line(verb, arguments);
        let act = Value::Table(table).try_into().map_err(told)?;
        Ok(Self { note, text, act, gives })
    }
}

/// `authorize amount=88.50 at=shop`.
fn one_line(verb: &str, arguments: &Value) -> String {
    let Value::Table(arguments) = arguments else { return verb.to_owned() };
    let word = |(key, value): (&String, &Value)| match value {
        Value::String(text) => format!(" {key}={text}"),
        Value::Boolean(true) => format!(" {key}"),
        other => format!(" {key}={}", other.to_string().replace('\n', " ")),
    };
    arguments.iter().map(word).fold(verb.to_owned(), |text, word| text + &word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(step: &str) -> Result<Script, String> {
        Script::parse(&format!("title = 'T'\nshows = 'S'\n[[step]]\n{step}"))
    }

    #[test]
    fn amounts_have_two_decimals() {
        let amount = |text: &str| Amount::try_from(text.to_owned()).map(|amount| amount.0);
        assert_eq!([amount("88.50"), amount("0.01"), amount("-3.00")], [Ok(8_850), Ok(1), Ok(-300)]);
        for wrong in ["88", "88.5", "8a.00", "", "1.000", ".50", "--1.00"] {
            assert!(amount(wrong).unwrap_err().contains("88.50"), "{wrong}");
        }
        assert_eq!(Amount(-305).to_string(), "-3.05");
    }

    #[test]
    fn a_step_does_one_thing_and_what_it_gives_is_known() {
        let good = script("authorize = { amount = '1.00' }\ngives = { state = 'approved' }").unwrap();
        assert_eq!(good.steps[0].text, "authorize amount=1.00");
        for (wrong, hint) in [
            ("authorize = { amount = '1.00' }\nfreeze = {}", "one thing"),
            ("authorise = { amount = '1.00' }", "authorise"),
            ("authorize = { amuont = '1.00' }", "amuont"),
            ("freeze = {}\ngives = { stat = 'x' }", "stat"),
            ("clear = {}", "amount"),
        ] {
            let problem = script(wrong).unwrap_err();
            assert!(problem.contains(hint) && problem.starts_with("step 1"), "{wrong}: {problem}");
        }
    }
}
