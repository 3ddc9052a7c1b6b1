//! A key as it lies in the database.

use std::str::FromStr;

use bursar_types::Timestamp;
use subtle::ConstantTimeEq as _;

use super::{KeyError, Root};
use crate::crypto::mac::MacKey;
use crate::crypto::secret::{Key256, SecretBytes};

/// Bytes of a check value: enough to see a mix-up, too few to help a search for the key.
const CHECK_BYTES: usize = 8;

/// What a key is for. A key serves one purpose only. The texts are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Purpose {
    /// Wraps data keys.
    Kek,
    /// Fingerprints card numbers.
    PanIndex,
    /// Keys the verifiers of card passwords.
    PasswordPepper,
    /// Makes secrets of reveal tickets.
    RevealTicket,
    /// Keys digests of requests.
    RequestDigest,
    /// Computes CVV2s; its scope is the BIN range.
    Cvk,
}

impl Purpose {
    /// Those that can be rotated by themselves: what is under the others would have to be made anew with the numbers in
    /// hand.
    pub(crate) const ROTATABLE: [Self; 3] = [Self::Kek, Self::PasswordPepper, Self::RevealTicket];
    /// Those of which a version can be destroyed: it is known what is under it.
    pub(crate) const RETIRABLE: [Self; 2] = [Self::Kek, Self::PasswordPepper];

    /// The purposes of which a vault has exactly one primary key.
    pub(crate) const SINGLE: [Self; 5] =
        [Self::Kek, Self::PanIndex, Self::PasswordPepper, Self::RevealTicket, Self::RequestDigest];

    /// As it is stored.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Kek => "kek",
            Self::PanIndex => "pan-index",
            Self::PasswordPepper => "password-pepper",
            Self::RevealTicket => "reveal-ticket",
            Self::RequestDigest => "request-digest",
            Self::Cvk => "cvk",
        }
    }
}

impl FromStr for Purpose {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = Self::SINGLE.into_iter().chain([Self::Cvk]);
        all.into_iter()
            .find(|purpose| purpose.as_str() == text)
            .ok_or_else(|| format!("unknown purpose `{text}`"))
    }
}

/// Where a key is in its life (NIST SP 800-57 part 1, §7). The texts are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyState {
    /// Protects what is new.
    Primary,
    /// Opens and verifies what is old.
    Active,
    /// Destroyed: its bytes are nowhere any more.
    Retired,
}

impl KeyState {
    /// As it is stored.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Active => "active",
            Self::Retired => "retired",
        }
    }
}

impl FromStr for KeyState {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::Primary, Self::Active, Self::Retired]
            .into_iter()
            .find(|state| state.as_str() == text)
            .ok_or_else(|| format!("unknown key state `{text}`"))
    }
}

/// A wrapped key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredKey {
    pub(crate) purpose: Purpose,
    /// The BIN range of a CVK; empty for all others.
    pub(crate) scope: String,
    pub(crate) version: u32,
    pub(crate) state: KeyState,
    pub(crate) wrapped: Vec<u8>,
    pub(crate) check_value: Vec<u8>,
    pub(crate) created_at: Timestamp,
}

impl StoredKey {
    /// A fresh key of 256 bits for `purpose`, wrapped by `root`, as its primary key.
    pub(crate) fn fresh(
        root: &Root,
        purpose: Purpose,
        version: u32,
        now: Timestamp,
    ) -> Result<Self, KeyError> {
        Self::wrap(root, purpose, "", version, &Key256::generate(), now)
    }

    /// `key` wrapped by `root`, as the primary key of its purpose.
    pub(crate) fn wrap<const N: usize>(
        root: &Root,
        purpose: Purpose,
        scope: &str,
        version: u32,
        key: &SecretBytes<N>,
        now: Timestamp,
    ) -> Result<Self, KeyError> {
        Ok(Self {
            purpose,
            scope: scope.to_owned(),
            version,
            state: KeyState::Primary,
            wrapped: root.wrap(key)?,
            check_value: check_value(purpose, scope, version, key).to_vec(),
            created_at: now,
        })
    }

    /// The same key wrapped by another root; `None` of one that is destroyed.
    pub(crate) fn rewrapped(&self, old: &Root, new: &Root) -> Result<Option<Self>, KeyError> {
        let wrapped = match (self.state, self.purpose) {
            (KeyState::Retired, _) => return Ok(None),
            (_, Purpose::Cvk) => new.wrap(&self.open::<16>(old)?)?,
            _ => new.wrap(&self.open::<32>(old)?)?,
        };
        Ok(Some(Self { wrapped, ..self.clone() }))
    }

    /// The key, if it opens and is the one that this row says.
    pub(crate) fn open<const N: usize>(&self, root: &Root) -> Result<SecretBytes<N>, KeyError> {
        let refused = || {
            let purpose = match self.scope.as_str() {
                "" => self.purpose.as_str().to_owned(),
                scope => format!("{}/{scope}", self.purpose.as_str()),
            };
            KeyError::Wrapped { purpose, version: self.version }
        };
        let key: SecretBytes<N> = root.unwrap(&self.wrapped).map_err(|_| refused())?;
        let expected = check_value(self.purpose, &self.scope, self.version, &key);
        if bool::from(expected.as_slice().ct_eq(&self.check_value)) { Ok(key) } else { Err(refused()) }
    }
}

fn check_value<const N: usize>(
    purpose: Purpose,
    scope: &str,
    version: u32,
    key: &SecretBytes<N>,
) -> [u8; CHECK_BYTES] {
    let parts: [&[u8]; 3] = [purpose.as_str().as_bytes(), scope.as_bytes(), &version.to_be_bytes()];
    let value = MacKey::new(key).sign("bursar/key-check/v1", &parts);
    let mut short = [0_u8; CHECK_BYTES];
    short.copy_from_slice(&value[..CHECK_BYTES]);
    short
}
