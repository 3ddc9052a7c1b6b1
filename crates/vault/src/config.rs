//! What can be configured; `default.toml` is the reference.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The commented defaults.
pub(crate) const DEFAULTS: &str = include_str!("../default.toml");

/// The vault's own sections.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Config {
    /// Where the root key is.
    pub keys: KeysConfig,
    /// What proofs are signed with.
    pub signing: SigningConfig,
    /// Where the root key comes from.
    pub seal: SealConfig,
    /// The hardware security module.
    pub pkcs11: Pkcs11Config,
    /// How fast records are moved to a new key.
    pub rewrap: RewrapConfig,
    /// When closed cards are purged.
    pub purge: PurgeConfig,
}

/// `[purge]`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PurgeConfig {
    /// Days after its end that a card's secrets are kept.
    pub retention_days: u32,
}

/// Where the root key comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RootKind {
    /// `keys.root_file`.
    File,
    /// Custodians.
    Shares,
    /// A hardware security module.
    Pkcs11,
}

/// `[seal]`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SealConfig {
    /// Which.
    pub root: RootKind,
}

/// `[pkcs11]`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pkcs11Config {
    /// The module's library.
    pub module: PathBuf,
    /// Label of the token.
    pub token: String,
    /// File with its user's PIN.
    pub pin_file: PathBuf,
}

/// `[rewrap]`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct RewrapConfig {
    /// Records a second at most.
    pub records_per_second: u32,
}

/// `[keys]`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeysConfig {
    /// File of the root key; empty where it does not come from a file.
    #[serde(default)]
    pub root_file: PathBuf,
}

/// `[signing]`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct SigningConfig {
    /// Signing certificate (PEM).
    pub cert: PathBuf,
    /// Its private key (PEM, PKCS #8).
    pub key: PathBuf,
}
