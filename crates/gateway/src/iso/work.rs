//! What the ledger is still to be told, as it is stored.

use bursar_proto::common::v1::Money as MoneyMessage;
use bursar_proto::ledger::v1::{Merchant, NetworkReference};
use bursar_types::{Asset, Money};
use serde::{Deserialize, Serialize};

/// Something to do at the ledger, with all it takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Work {
    /// Under which id it is asked, however often.
    pub(crate) request_id: String,
    /// The card's token.
    pub(crate) card_id: String,
    /// The message that it is about.
    pub(crate) network: Reference,
    /// Key of the original among the answers (hexadecimal); empty: its own.
    pub(crate) original_key: String,
    /// What is to be done.
    pub(crate) task: Task,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Task {
    /// Take a payment back, or a part of it.
    Reverse {
        /// How much; `None`: all of it.
        amount: Option<Amount>,
        /// It was paid, not only held: what is posted is paid back.
        paid: bool,
    },
    /// Pay back without a payment.
    Refund { amount: Amount, merchant: Shop },
    /// Hold what was approved in the ledger's place.
    StandIn {
        amount: Amount,
        merchant: Shop,
        channel: i32,
        authorization_code: String,
        /// Card number and expiry, sealed: the vault must see them again.
        sealed_card: Vec<u8>,
    },
    /// Post what was paid.
    Present {
        amount: Amount,
        merchant: Shop,
        channel: i32,
        authorization_code: String,
        /// More will be presented for the same payment.
        more_to_come: bool,
    },
}

/// A message on its network.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reference {
    pub(crate) acquirer_id: String,
    pub(crate) stan: String,
    pub(crate) rrn: String,
    pub(crate) transmission_time: String,
}

/// An amount.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Amount {
    pub(crate) minor_units: i64,
    pub(crate) asset: Asset,
}

/// A merchant.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shop {
    pub(crate) merchant_id: String,
    pub(crate) name: String,
    pub(crate) mcc: String,
    pub(crate) country: String,
}

impl Work {
    /// Number of its kind, for whoever looks at the table.
    pub(crate) const fn kind(&self) -> i64 {
        match self.task {
            Task::Reverse { .. } => 1,
            Task::StandIn { .. } => 2,
            Task::Present { .. } => 3,
            Task::Refund { .. } => 4,
        }
    }

    /// As it is stored.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        // Strings and numbers: nothing in it can fail to be written.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// As it was stored.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    }
}

impl From<Money> for Amount {
    fn from(money: Money) -> Self {
        Self { minor_units: money.minor_units, asset: money.asset }
    }
}

impl From<Amount> for MoneyMessage {
    fn from(amount: Amount) -> Self {
        Self { minor_units: amount.minor_units, asset: amount.asset.code().to_owned() }
    }
}

impl From<NetworkReference> for Reference {
    fn from(it: NetworkReference) -> Self {
        let NetworkReference { acquirer_id, stan, rrn, transmission_time } = it;
        Self { acquirer_id, stan, rrn, transmission_time }
    }
}

impl From<Reference> for NetworkReference {
    fn from(it: Reference) -> Self {
        let Reference { acquirer_id, stan, rrn, transmission_time } = it;
        Self { acquirer_id, stan, rrn, transmission_time }
    }
}

impl From<Merchant> for Shop {
    fn from(it: Merchant) -> Self {
        let Merchant { merchant_id, name, mcc, country } = it;
        Self { merchant_id, name, mcc, country }
    }
}

impl From<Shop> for Merchant {
    fn from(it: Shop) -> Self {
        let Shop { merchant_id, name, mcc, country } = it;
        Self { merchant_id, name, mcc, country }
    }
}
