//! Key material that wipes itself.

use std::fmt;

use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use subtle::{Choice, ConstantTimeEq};
use zeroize::{Zeroize, ZeroizeOnDrop};

/// `N` bytes of key in a box of their own: moving them leaves no copy, dropping them leaves none either.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct SecretBytes<const N: usize>(Box<[u8; N]>);

/// A key of 256 bits.
pub(crate) type Key256 = SecretBytes<32>;

impl<const N: usize> SecretBytes<N> {
    /// Fresh random bytes from the cryptographic library's own generator.
    pub(crate) fn generate() -> Self {
        let mut bytes = Box::new([0_u8; N]);
        SystemRandom::new()
            .fill(bytes.as_mut_slice())
            .expect("the operating system's random generator works, or nothing here is safe");
        Self(bytes)
    }

    /// A box that `fill` writes its bytes into.
    ///
    /// # Errors
    /// What `fill` returns; the bytes are wiped then.
    pub(crate) fn try_fill<E>(fill: impl FnOnce(&mut [u8; N]) -> Result<(), E>) -> Result<Self, E> {
        let mut secret = Self(Box::new([0_u8; N]));
        fill(&mut secret.0)?;
        Ok(secret)
    }

    /// The bytes themselves.
    pub(crate) fn expose(&self) -> &[u8; N] {
        &self.0
    }
}

impl<const N: usize> ConstantTimeEq for SecretBytes<N> {
    fn ct_eq(&self, other: &Self) -> Choice {
        self.0.as_slice().ct_eq(other.0.as_slice())
    }
}

impl<const N: usize> fmt::Debug for SecretBytes<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretBytes<{N}>(<hidden>)")
    }
}

/// Random bytes that are no secret: nonces and salts.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0_u8; N];
    SystemRandom::new()
        .fill(&mut bytes)
        .expect("the operating system's random generator works, or nothing here is safe");
    bytes
}
