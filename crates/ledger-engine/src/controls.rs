//! Controls: what a card may be used for and how much, and the counters behind the limits.

use bursar_types::RequestId;
use bursar_types::id::{AccountId, CardId, CardProductId};

use crate::{EntryMode, Reference, ZoneOffset};

/// A merchant category code (ISO 18245), 0 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mcc(u16);

impl Mcc {
    /// The category with this number, if it has at most four digits.
    pub const fn new(number: u16) -> Option<Self> {
        if number <= 9999 { Some(Self(number)) } else { None }
    }

    /// The number.
    pub const fn number(self) -> u16 {
        self.0
    }
}

/// Categories from `first` to `last`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MccRange {
    /// The first.
    pub first: Mcc,
    /// The last.
    pub last: Mcc,
}

impl MccRange {
    /// The range between two numbers known to be categories.
    pub(crate) const fn of(first: u16, last: u16) -> Self {
        Self { first: Mcc(first), last: Mcc(last) }
    }

    /// Whether `mcc` lies within.
    pub fn holds(self, mcc: Mcc) -> bool {
        self.first <= mcc && mcc <= self.last
    }
}

/// A country by its ISO 3166-1 alpha-2 code.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

impl Country {
    /// The country with this code of two upper-case letters.
    pub fn new(code: &str) -> Option<Self> {
        match code.as_bytes() {
            [a @ b'A'..=b'Z', b @ b'A'..=b'Z'] => Some(Self([*a, *b])),
            _ => None,
        }
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl std::fmt::Debug for Country {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Through what a payment comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Channel {
    /// A terminal at a merchant, the card there.
    Pos,
    /// A cash machine.
    Atm,
    /// A merchant's web page over the network: number, expiry and CVV2 are keyed.
    Online,
    /// The platform's own in-app or online payment with the card password.
    InApp,
    /// Mail or telephone order.
    Moto,
    /// A stored credential, initiated by the merchant.
    Recurring,
}

impl Channel {
    /// Every channel.
    pub const ALL: &'static [Self] =
        &[Self::Pos, Self::Atm, Self::Online, Self::InApp, Self::Moto, Self::Recurring];

    /// Whether the card is there.
    pub const fn card_present(self) -> bool {
        matches!(self, Self::Pos | Self::Atm)
    }
}

/// Which payments a control looks at: every dimension that is not empty must fit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Match {
    /// Channels.
    pub channels: Vec<Channel>,
    /// Merchant categories.
    pub mccs: Vec<MccRange>,
    /// Countries of the merchant.
    pub countries: Vec<Country>,
    /// Merchants by the id the network knows them by.
    pub merchants: Vec<Reference>,
    /// Whether the merchant is in another country than the program's.
    pub cross_border: Option<bool>,
    /// How the card's data came.
    pub entry_modes: Vec<EntryMode>,
    /// When; `None`: always.
    pub hours: Option<Hours>,
}

/// Days of the week and a stretch of the day, in the control's zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hours {
    /// The days on which the stretch begins: bit 0 is Monday, bit 6 Sunday.
    pub days: u8,
    /// First minute of the day, 0 to 1439.
    pub from: u16,
    /// The minute it ends at, 1 to 1440; at or before `from`, the stretch goes over midnight.
    pub until: u16,
}

impl Hours {
    /// Whether a moment lies within: `day` of the week (0: Monday) and `minute` of the day.
    pub(crate) fn holds(self, day: u8, minute: u16) -> bool {
        let begins = |day: u8| self.days & (1 << day) != 0;
        if self.from < self.until {
            return begins(day) && (self.from..self.until).contains(&minute);
        }
        // Over midnight: the evening of its own day, or the morning after the day before.
        (begins(day) && minute >= self.from) || (begins((day + 6) % 7) && minute < self.until)
    }

    /// Whether its numbers are in range.
    pub(crate) fn is_sensible(self) -> bool {
        self.days != 0 && self.days < 1 << 7 && self.from < 1440 && (1..=1440).contains(&self.until)
    }
}

/// Over what time a limit counts. Calendar windows begin in the program's zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Window {
    /// One payment: nothing is counted.
    Payment,
    /// A calendar day.
    Day,
    /// A calendar week from Monday.
    Week,
    /// A calendar month.
    Month,
    /// A calendar year.
    Year,
    /// For ever.
    Lifetime,
    /// The last so many seconds, from 10 to 31 days of them. Counted in sixtieths of the window: a payment counts for
    /// the window and at most a sixtieth longer.
    Rolling {
        /// Length in seconds.
        seconds: u32,
    },
}

/// What a limit limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Minor units of the account's asset.
    Amount(i64),
    /// Payments.
    Count(u32),
}

/// Whose payments are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CountedPer {
    /// Each card by itself.
    Card,
    /// All cards of an account.
    Account,
    /// All cards of the product.
    Product,
    /// All cards of the program.
    Program,
}

/// What a control does with the payments it looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// Declines what fits.
    Deny,
    /// Declines what does not fit.
    AllowOnly,
    /// Limits what fits.
    Limit {
        /// How much.
        measure: Measure,
        /// Over what time.
        window: Window,
        /// Counted together.
        per: CountedPer,
    },
}

/// From this number on a product's counters count what its fees leave free.
pub const FEE_COUNTERS: u16 = 0x8000;

/// A control.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Control {
    /// Number within its scope, below [`FEE_COUNTERS`]; a changed control with the same number goes on with its counter.
    pub id: u16,
    /// Which payments.
    pub when: Match,
    /// What it does.
    pub rule: Rule,
    /// Whether the customer can change it: then its decline says so.
    pub customer_can_change: bool,
    /// Which payments it never looks at, even if they fit `when`; `None`: none.
    pub unless: Option<Box<Match>>,
    /// The products, accounts and cards it does not hold for.
    pub except: Vec<ControlScope>,
    /// Where its hours and calendar windows begin; `None`: the program's zone.
    pub zone: Option<ZoneOffset>,
}

impl Control {
    /// A control of the issuer's, without exceptions, in the program's zone.
    pub const fn new(id: u16, when: Match, rule: Rule) -> Self {
        Self { id, when, rule, customer_can_change: false, unless: None, except: Vec::new(), zone: None }
    }
}

/// The controls of one scope, and what set them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ControlSet {
    /// Whose.
    pub scope: ControlScope,
    /// All of them.
    pub controls: Vec<Control>,
    /// The request that set them, which names this version of them; `None`: it was not kept.
    pub set_by: Option<RequestId>,
}

/// To what controls are attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ControlScope {
    /// Every card of the program.
    Program,
    /// Every card of a product; its controls come with the product's version.
    Product(CardProductId),
    /// Every card of an account.
    Account(AccountId),
    /// One card: the first of a chain of replacements, whose controls and counters all of the chain have.
    Card(CardId),
}

/// Whose counter it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CounterOwner {
    /// A card's.
    Card(CardId),
    /// An account's.
    Account(AccountId),
    /// A product's.
    Product(CardProductId),
    /// The program's.
    Program,
}

/// Names a counter: the control, and whose payments it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CounterKey {
    /// Whose payments.
    pub owner: CounterOwner,
    /// Where the control is attached.
    pub scope: ControlScope,
    /// The control's number there.
    pub control: u16,
}

/// One stretch of a counter: a calendar window, or a sixtieth of a rolling one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot {
    /// Number of the stretch; its meaning follows from the window.
    pub number: i64,
    /// Minor units counted in it.
    pub amount: i64,
    /// Payments counted in it.
    pub count: i64,
}

/// A counter, named by its key and window together: one slot for a calendar window, up to 61 for a rolling one,
/// sorted by number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counter {
    /// Which.
    pub key: CounterKey,
    /// Over what time.
    pub window: Window,
    /// What is counted.
    pub slots: Vec<Slot>,
}
