//! Cards as payment instruments. The number and the secrets are the vault's; here lie state and history.

use bursar_types::id::{AccountId, CardId, CardProductId, CustomerId};
use bursar_types::{RequestId, Timestamp};

use crate::{Actor, FreezeHolder, Name, Note, Reference, Text};

/// Why a card is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CloseReason {
    /// Reported lost.
    Lost,
    /// Reported stolen.
    Stolen,
    /// Its data are known to others.
    Compromised,
    /// A new card took its place.
    Replaced,
    /// Past its date.
    Expired,
    /// The customer wanted it.
    CustomerRequest,
    /// The issuer wanted it.
    IssuerRequest,
    /// The vault could not make it.
    IssueFailed,
    /// Its one payment was made.
    SingleUse,
}

/// Where a card is in its life. A freeze lies over it: see [`Card::status`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CardStage {
    /// Asked for; the vault has not answered yet.
    Issuing,
    /// There, not yet activated by the customer.
    PendingActivation,
    /// Activated.
    Active,
    /// Ended.
    Closed(CloseReason),
}

/// The state a card shows: [`CardStage`], with FROZEN for an active card under any freeze.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CardStatus {
    /// Asked for; the vault has not answered yet.
    Issuing,
    /// There, not yet activated.
    PendingActivation,
    /// May pay.
    Active,
    /// Active, under at least one freeze.
    Frozen,
    /// Ended.
    Closed(CloseReason),
}

/// One freeze on a card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardFreeze {
    /// Whose it is.
    pub holder: FreezeHolder,
    /// Why.
    pub reason: Note,
    /// Since when.
    pub at: Timestamp,
}

/// The month a card is good through, the last day included, in the program's zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CardExpiry {
    year: u16,
    month: u8,
}

impl CardExpiry {
    /// The month, 1 to 12, of a year from 2000 to 2199.
    pub const fn new(year: u16, month: u8) -> Option<Self> {
        if year >= 2000 && year <= 2199 && month >= 1 && month <= 12 {
            Some(Self { year, month })
        } else {
            None
        }
    }

    /// Four digits of year.
    pub const fn year(self) -> u16 {
        self.year
    }

    /// 1 to 12.
    pub const fn month(self) -> u8 {
        self.month
    }
}

/// The masked number: first six and last four digits, the rest covered.
pub type MaskedPan = Text<23>;

/// A card.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// Its id: the vault's token for its number.
    pub id: CardId,
    /// The product.
    pub product: CardProductId,
    /// The version of the product it was issued under.
    pub product_version: u32,
    /// The account it pays from.
    pub account: AccountId,
    /// Whose it is.
    pub customer: CustomerId,
    /// Where it is in its life.
    pub stage: CardStage,
    /// Freezes in force, sorted by holder.
    pub freezes: Vec<CardFreeze>,
    /// The masked number, once the vault made it.
    pub masked_pan: Option<MaskedPan>,
    /// Good through, once the vault made it.
    pub expiry: Option<CardExpiry>,
    /// Closes after its first approved payment.
    pub single_use: bool,
    /// The only merchant it may be used at.
    pub merchant_lock: Option<Reference>,
    /// When it was asked for.
    pub requested_at: Timestamp,
    /// How many transitions it made.
    pub transitions: u32,
    /// The first card of the chain of replacements it belongs to, whose controls and counters it has; `None`: itself.
    pub root: Option<CardId>,
    /// The card whose place it takes.
    pub replaces: Option<CardId>,
    /// The card that takes its place.
    pub replaced_by: Option<CardId>,
}

impl Card {
    /// The card whose slot holds its controls and counters.
    pub fn chain(&self) -> CardId {
        self.root.unwrap_or(self.id)
    }

    /// The state it shows.
    pub fn status(&self) -> CardStatus {
        match self.stage {
            CardStage::Issuing => CardStatus::Issuing,
            CardStage::PendingActivation => CardStatus::PendingActivation,
            CardStage::Active if !self.freezes.is_empty() => CardStatus::Frozen,
            CardStage::Active => CardStatus::Active,
            CardStage::Closed(reason) => CardStatus::Closed(reason),
        }
    }
}

/// A step in a card's life, kept for ever. The journal's position is the process's to add.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardTransition {
    /// Which card.
    pub card: CardId,
    /// 1, 2, 3 … for this card.
    pub sequence: u32,
    /// From; `None` for the first.
    pub from: Option<CardStatus>,
    /// To; may equal `from` when one of several freezes is placed or lifted.
    pub to: CardStatus,
    /// The freeze placed or lifted, if that was the step.
    pub freeze: Option<FreezeHolder>,
    /// Why.
    pub reason: Note,
    /// Through what: app, console, network, timer …
    pub channel: Name,
    /// Who.
    pub actor: Actor,
    /// When.
    pub at: Timestamp,
    /// The command.
    pub request_id: RequestId,
}

/// What begins the issue of a card: the first step of the saga with the vault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestCard {
    /// Its id, new.
    pub card: CardId,
    /// An active product.
    pub product: CardProductId,
    /// The customer's account, of the product's asset.
    pub account: AccountId,
    /// Whose it is; must own the account.
    pub customer: CustomerId,
    /// The customer's KYC level as identity says now.
    pub kyc_level: u8,
    /// Closes after its first approved payment.
    pub single_use: bool,
    /// The only merchant it may be used at.
    pub merchant_lock: Option<Reference>,
    /// Through what it was asked for.
    pub channel: Name,
    /// The card whose place it takes: of the same product, account and customer.
    pub replaces: Option<Replaces>,
}

/// What a card replaces, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replaces {
    /// The card: active, or closed as lost, stolen, compromised or expired.
    pub card: CardId,
    /// Lost, stolen or compromised: a card that is open is closed at once. Replaced: it pays until its successor is
    /// activated.
    pub reason: CloseReason,
}
