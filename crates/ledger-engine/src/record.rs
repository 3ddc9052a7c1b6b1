//! What a decision rests on, so that it can be taken again and explained for ever.

use bursar_types::id::{AccountId, CardId, CardProductId};
use bursar_types::{RequestId, Timestamp};

use crate::{
    Authorize, CardExpiry, CardStage, Control, Country, CustomerStatus, DeclineReason, ExchangeRate,
    FreezeHolder, ProductSpec, Reference, ZoneOffset,
};

/// Everything the state contributed to a decision. With the command, the product's version and the controls, which do
/// not change once they are set, it is all a decision looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionFacts {
    /// The moment of the decision.
    pub at: Timestamp,
    /// What was known to fail before the engine looked: what the command says, or that the message is a repetition.
    pub outside: Option<DeclineReason>,
    /// The program's zone.
    pub zone: ZoneOffset,
    /// The program's country.
    pub country: Option<Country>,
    /// Whether the program has its own accounts in the card's asset.
    pub bookable: bool,
    /// Whether the proof of the card password was used before.
    pub proof_spent: bool,
    /// The card; `None` if it is not known.
    pub card: Option<CardFacts>,
    /// The account; `None` if the card is not known.
    pub account: Option<AccountFacts>,
    /// How the customer stands, with KYC level; `None` if the ledger was never told.
    pub customer: Option<CustomerFacts>,
    /// What each counter held that the decision asked for, in the order it asked.
    pub used: Vec<Used>,
    /// The rate at which what was asked for was exchanged into the account's asset.
    pub rate: Option<ExchangeRate>,
    /// Whether an approval could be carried out; `false` where its sums did not fit.
    pub carried_out: bool,
}

/// A card as a decision saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CardFacts {
    /// The first card of its chain, which has its controls and counters.
    pub chain: CardId,
    /// Its product.
    pub product: CardProductId,
    /// The version that ruled.
    pub product_version: u32,
    /// Its account.
    pub account: AccountId,
    /// Where it was in its life.
    pub stage: CardStage,
    /// Whose freezes lay on it.
    pub freezes: Vec<FreezeHolder>,
    /// Good through.
    pub expiry: Option<CardExpiry>,
    /// The only merchant it may be used at.
    pub merchant_lock: Option<Reference>,
    /// What had set the program's controls.
    pub program_controls: Option<RequestId>,
    /// What had set the account's controls.
    pub account_controls: Option<RequestId>,
    /// What had set the card's controls.
    pub card_controls: Option<RequestId>,
}

/// An account as a decision saw it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccountFacts {
    /// What it could give, overdraft included, minor units; `None`: without limit.
    pub spendable: Option<i64>,
    /// Whose freezes lay on it.
    pub freezes: Vec<FreezeHolder>,
    /// Whether it was closed.
    pub closed: bool,
}

/// A customer as a decision saw them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CustomerFacts {
    /// Whether they may pay.
    pub status: CustomerStatus,
    /// KYC level.
    pub kyc_level: u8,
}

/// What a counter held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Minor units.
    pub amount: i64,
    /// Payments.
    pub count: i64,
}

/// A decision's whole record: it can be taken again from this alone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecisionRecord {
    /// What was asked for.
    pub ask: Authorize,
    /// What the state said.
    pub facts: DecisionFacts,
    /// What the product's version says; `None` if the card is not known.
    pub spec: Option<ProductSpec>,
    /// The program's controls.
    pub program_controls: Vec<Control>,
    /// The account's controls.
    pub account_controls: Vec<Control>,
    /// The card's controls.
    pub card_controls: Vec<Control>,
}
