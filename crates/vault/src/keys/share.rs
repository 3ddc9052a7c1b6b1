//! The root key in shares, one for each of n custodians: full-length components whose sum modulo 2 is the key.
//!
//! All n are needed. Of fewer, any number says nothing at all about the key, whatever is computed from them: each is
//! random by itself, also all but one together (PCI DSS 3.7.6 asks for split knowledge; a key that is cut in pieces is
//! none). Nothing about it is arithmetic that could be done wrong.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

use crate::crypto::mac::sha256;
use crate::crypto::secret::{Key256, SecretBytes};

/// Least number of shares: with one there would be no split.
pub(crate) const SHARES_MIN: u8 = 2;
/// Most.
pub(crate) const SHARES_MAX: u8 = 16;

/// Begins a share's text.
const PREFIX: &str = "bursar-share";
/// Bytes of a share's check, against slips of the pen.
const CHECK_BYTES: usize = 4;

/// The text is no share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a share as it was told: bursar-share-N-of-M-…, with nothing missing")]
pub(crate) struct NotAShare;

/// One custodian's part.
#[derive(Debug)]
pub(crate) struct Share {
    /// Which of them, from 1.
    pub(crate) number: u8,
    /// How many there are.
    pub(crate) of: u8,
    bytes: Key256,
}

impl Share {
    /// The share in a text.
    pub(crate) fn parse(text: &str) -> Result<Self, NotAShare> {
        let rest =
            text.trim().strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix('-')).ok_or(NotAShare)?;
        let mut parts = rest.split('-');
        let (Some(number), Some("of"), Some(of), Some(bytes), Some(check), None) =
            (parts.next(), parts.next(), parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(NotAShare);
        };
        let (number, of) = (number.parse().map_err(|_| NotAShare)?, of.parse().map_err(|_| NotAShare)?);
        if !(SHARES_MIN..=SHARES_MAX).contains(&of) || !(1..=of).contains(&number) || bytes.len() != 64 {
            return Err(NotAShare);
        }
        let bytes = SecretBytes::try_fill(|out| match HEXLOWER.decode_mut(bytes.as_bytes(), out) {
            Ok(32) => Ok(()),
            _ => Err(NotAShare),
        })?;
        let share = Self { number, of, bytes };
        let told = HEXLOWER.decode(check.as_bytes()).map_err(|_| NotAShare)?;
        if bool::from(share.check().as_slice().ct_eq(&told)) { Ok(share) } else { Err(NotAShare) }
    }

    /// The text that is told to its custodian.
    pub(crate) fn text(&self) -> Zeroizing<String> {
        let bytes = Zeroizing::new(HEXLOWER.encode(self.bytes.expose()));
        let check = HEXLOWER.encode(&self.check());
        Zeroizing::new(format!("{PREFIX}-{}-of-{}-{}-{check}", self.number, self.of, *bytes))
    }

    /// Of 256 random bits a digest tells nothing.
    fn check(&self) -> [u8; CHECK_BYTES] {
        let hash = sha256(&[b"bursar/share-check/v1", &[self.number, self.of], self.bytes.expose()]);
        let mut check = [0; CHECK_BYTES];
        check.copy_from_slice(&hash[..CHECK_BYTES]);
        check
    }
}

fn add(into: &mut [u8; 32], other: &[u8; 32]) {
    into.iter_mut().zip(other).for_each(|(byte, other)| *byte ^= other);
}

/// Splits a key among `of` custodians; `of` is within the bounds.
pub(crate) fn split(key: &Key256, of: u8) -> Vec<Share> {
    let mut last = Zeroizing::new(*key.expose());
    let mut shares: Vec<Share> = (1..of)
        .map(|number| {
            let bytes = Key256::generate();
            add(&mut last, bytes.expose());
            Share { number, of, bytes }
        })
        .collect();
    shares.push(Share { number: of, of, bytes: filled(&last) });
    shares
}

fn filled(bytes: &[u8; 32]) -> Key256 {
    let filled = SecretBytes::try_fill(|out| -> Result<(), std::convert::Infallible> {
        out.copy_from_slice(bytes);
        Ok(())
    });
    match filled {
        Ok(key) => key,
        Err(never) => match never {},
    }
}

/// Shares that were given, until all are there.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    of: u8,
    shares: BTreeMap<u8, Key256>,
}

impl Gathered {
    /// How many there are, and of how many.
    pub(crate) fn count(&self) -> (u8, u8) {
        (u8::try_from(self.shares.len()).unwrap_or(u8::MAX), self.of)
    }

    /// Takes a share: the same one again is the same; one of another set begins anew. The key, if that was the last.
    pub(crate) fn take(&mut self, share: Share) -> Option<Key256> {
        if self.of != share.of {
            *self = Self { of: share.of, shares: BTreeMap::new() };
        }
        self.shares.insert(share.number, share.bytes);
        if self.shares.len() < usize::from(self.of) {
            return None;
        }
        let mut key = Zeroizing::new([0; 32]);
        self.shares.values().for_each(|bytes| add(&mut key, bytes.expose()));
        *self = Self::default();
        Some(filled(&key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_shares_make_the_key_in_any_order_and_one_less_does_not() {
        let key = Key256::generate();
        for of in [2, 3, 5, 16] {
            let texts: Vec<_> = split(&key, of).iter().map(Share::text).collect();
            let mut gathered = Gathered::default();
            for text in texts.iter().rev().skip(1) {
                assert!(gathered.take(Share::parse(text).unwrap()).is_none());
                // The same custodian twice is one custodian.
                assert!(gathered.take(Share::parse(text).unwrap()).is_none());
            }
            assert_eq!(gathered.count(), (of - 1, of));
            let found = gathered.take(Share::parse(&texts[usize::from(of) - 1]).unwrap()).unwrap();
            assert_eq!(found.expose(), key.expose());
            assert_eq!(gathered.count(), (0, 0));
        }
    }

    /// All but one share of keys that are all zero look like all but one share of random keys: each bit is set in half of
    /// them.
    #[test]
    fn all_shares_but_one_say_nothing_about_the_key() {
        let zero = filled(&[0; 32]);
        let mut set = [0_u32; 256];
        for round in 0..2_000 {
            let shares = split(&zero, 3);
            let mut sum = [0; 32];
            shares
                .iter()
                .enumerate()
                .filter(|(n, _)| *n != round % 3)
                .for_each(|(_, s)| add(&mut sum, s.bytes.expose()));
            for (bit, count) in set.iter_mut().enumerate() {
                *count += u32::from(sum[bit / 8] >> (bit % 8) & 1);
            }
        }
        // Seven standard deviations (√500 ≈ 22) around the half.
        assert!(set.iter().all(|count| (844..=1_156).contains(count)), "{set:?}");
    }

    #[test]
    fn a_slip_of_the_pen_is_seen() {
        let text = split(&Key256::generate(), 3)[1].text();
        for (index, _) in text.char_indices() {
            let mut changed: Vec<char> = text.chars().collect();
            changed[index] = if changed[index] == '7' { '8' } else { '7' };
            let changed: String = changed.into_iter().collect();
            assert!(Share::parse(&changed).is_err(), "{index}");
        }
        for bad in
            ["", "bursar-share", "bursar-share-1-of-1-00-00", "bursar-share-0-of-3", &format!("{}-", *text)]
        {
            assert!(Share::parse(bad).is_err(), "{bad}");
        }
        assert!(Share::parse(&format!(" {}\n", *text)).is_ok());
    }
}
