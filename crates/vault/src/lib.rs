//! The card vault: the only process that ever sees a full card number, CVV2 or card password.
//!
//! It calls nobody. What goes in as a card number comes out as a card id; what goes in as a CVV2 or card password
//! comes out as a signed statement whether it was right. The one way for a number to leave is encrypted to the
//! cardholder's own device ([`CardholderService`](bursar_proto::vault::v1::cardholder_service_server)).
//!
//! | module | |
//! | --- | --- |
//! | `cases` | what the vault does, one use case a file |
//! | `payment` | the card industry's rules: numbers, CVV2, weak passwords; pure |
//! | `crypto` | sealing, wrapping, keyed values, HPKE; no I/O |
//! | `keys` | the key hierarchy and its root |
//! | `store` | all SQL |
//! | `grpc` | translation |
//! | `group` | what is committed together |
//! | `audit` | who did what, as a log that can be proven |
//!
//! A card number is decrypted in one function (`cases::reveal`), and nothing on the way of a payment decrypts at all:
//! numbers are found by a keyed fingerprint.

pub mod audit;
mod cases;
mod config;
mod crypto;
mod error;
mod group;
mod grpc;
mod harden;
mod keys;
pub mod measure;
mod password_hash;
mod payment;
mod proof;
mod start;
mod store;

pub use config::{
    Config, KeysConfig, Pkcs11Config, PurgeConfig, RewrapConfig, RootKind, SealConfig, SigningConfig,
};

use bursar_service::{Identity, Spec};

/// The vault as a service of the chassis.
pub fn spec() -> Spec<Config> {
    Spec {
        identity: Identity::Vault,
        defaults: config::DEFAULTS,
        migrations: store::schema::MIGRATIONS,
        start: |chassis, config| Box::pin(start::start(chassis, config)),
    }
}
