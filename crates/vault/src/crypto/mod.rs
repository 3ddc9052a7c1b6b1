//! Cryptography without I/O: how a key is wrapped, a record sealed, a value fingerprinted, a reveal encrypted.
//!
//! All keys at rest go through aws-lc-rs, which wipes what it is given; nothing here implements a cipher mode, a key
//! derivation or a comparison itself.

pub(crate) mod mac;
pub(crate) mod record;
pub(crate) mod reveal;
pub(crate) mod secret;
pub(crate) mod wrap;
