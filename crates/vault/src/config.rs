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
}

/// `[keys]`
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct KeysConfig {
    /// File of the root key.
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
