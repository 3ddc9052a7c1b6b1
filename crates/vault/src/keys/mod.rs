//! The keys of the vault.
//!
//! ```text
//! root key (a file, custodians' shares, or in an HSM)
//! ├─ KEKs                wrap the data key of each sealed record
//! ├─ pan-index           fingerprints card numbers for look-up
//! ├─ password-pepper     keys the verifiers of card passwords
//! ├─ reveal-ticket       makes the secrets of tickets
//! ├─ request-digest      keys the digests by which a reused request id is seen
//! └─ cvk/<BIN range>     computes CVV2s, one pair for each range
//! ```
//!
//! Every key but the root lies in the database, wrapped by the root (RFC 3394), with a check value that names purpose,
//! scope and version: a wrapped key moved to another row opens, and is refused by its check value.
//!
//! The keys of one purpose are a set: one is primary and protects what is new, those before it open what is old, until
//! nothing is under them and they are retired, which destroys them.

mod file;
mod held;
pub(crate) mod hsm;
mod ring;
mod root;
mod share;
mod stored;

pub(crate) use held::Keys;
pub(crate) use ring::{Fingerprint, KeyRing, first_set};
pub(crate) use root::{Root, RootKey};
pub(crate) use share::{Gathered, SHARES_MAX, SHARES_MIN, Share, split};
pub(crate) use stored::{KeyState, Purpose, StoredKey};

/// Why the keys are not usable. The texts name purposes and files, never key bytes.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyError {
    /// The vault is sealed.
    #[error("the vault is sealed")]
    Sealed,
    /// The file of the root key cannot be used.
    #[error("keys.root_file: {0}")]
    RootFile(String),
    /// The hardware security module cannot be used.
    #[error("pkcs11: {0}")]
    Hsm(String),
    /// There are keys in the database and the root key is not the one that wrapped them, or a row was changed.
    #[error(
        "key {purpose} version {version} in the database does not open under the root key: keys.root_file is another vault's, or the row was changed"
    )]
    Wrapped {
        /// Its purpose, and scope if it has one.
        purpose: String,
        /// Its version.
        version: u32,
    },
    /// A key that must exist does not.
    #[error("there is no primary {purpose} key in the database: restore a backup of the table vault_key")]
    Missing {
        /// Its purpose.
        purpose: String,
    },
}
