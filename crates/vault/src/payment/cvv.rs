//! CVV2 by the method of the card networks: triple DES under a pair of card verification keys, decimalised.
//!
//! DES is what the networks define it on; its key is random, stays in the vault, and each card has five guesses a day,
//! so the cipher's age is not what an attacker would work on.

use bursar_card_data::{Cvv2, ExpiryYymm, Pan};
use des::cipher::{BlockCipherEncrypt as _, KeyInit as _};
use des::{Des, TdesEde2};
use zeroize::Zeroizing;

use crate::crypto::secret::SecretBytes;

/// Service code of a CVV2: it is printed, not on a stripe or chip, and so has none.
const CVV2_SERVICE_CODE: &str = "000";
/// Digits the method works on: two DES blocks of packed digits.
const INPUT_DIGITS: usize = 32;
const CVV_DIGITS: usize = 3;
const BLOCK: usize = 8;

/// A pair of card verification keys, A then B, 8 bytes each.
pub(crate) type CvkBytes = SecretBytes<16>;

/// The pair, ready for use. The key schedules wipe themselves.
pub(crate) struct Cvk(Box<Schedules>);

struct Schedules {
    a: Des,
    a_b_a: TdesEde2,
}

/// A fresh pair with odd parity, of which neither half is one of DES's weak keys and the two differ.
pub(crate) fn generate() -> CvkBytes {
    loop {
        let drawn = SecretBytes::<16>::generate();
        let pair = SecretBytes::try_fill(|out| {
            for (out, byte) in out.iter_mut().zip(drawn.expose()) {
                let high = byte & 0xfe;
                *out = high | u8::from(high.count_ones().is_multiple_of(2));
            }
            des::weak_key_test(out)
        });
        // Four in 2^56 are weak: the loop practically never turns.
        if let Ok(pair) = pair {
            return pair;
        }
    }
}

impl Cvk {
    pub(crate) fn new(pair: &CvkBytes) -> Self {
        let a = Des::new_from_slice(&pair.expose()[..BLOCK]).expect("half of 16 bytes is a DES key's 8");
        let a_b_a = TdesEde2::new_from_slice(pair.expose()).expect("16 bytes are a two-key triple DES key");
        Self(Box::new(Schedules { a, a_b_a }))
    }

    /// The CVV2 of the card with this number and expiry.
    pub(crate) fn cvv2(&self, pan: &Pan, expiry: ExpiryYymm) -> Cvv2 {
        self.cvv(pan, expiry, CVV2_SERVICE_CODE)
    }

    fn cvv(&self, pan: &Pan, expiry: ExpiryYymm, service_code: &str) -> Cvv2 {
        let mut packed = Zeroizing::new([0_u8; INPUT_DIGITS / 2]);
        let expiry = expiry.to_string();
        let digits = pan.expose().bytes().chain(expiry.bytes()).chain(service_code.bytes());
        for (index, digit) in digits.enumerate() {
            packed[index / 2] |= (digit - b'0') << if index % 2 == 0 { 4 } else { 0 };
        }
        self.of_packed(&packed)
    }

    /// The method itself, on 32 packed digits: DES under A of the first block, the second added, triple DES.
    fn of_packed(&self, packed: &[u8; INPUT_DIGITS / 2]) -> Cvv2 {
        let mut block = Zeroizing::new([0_u8; BLOCK]);
        block.copy_from_slice(&packed[..BLOCK]);
        self.0.a.encrypt_block((&mut *block).into());
        for (byte, second) in block.iter_mut().zip(&packed[BLOCK..]) {
            *byte ^= second;
        }
        self.0.a_b_a.encrypt_block((&mut *block).into());
        decimalise(&block)
    }
}

/// The first three of: the decimal digits of the block's hexadecimal form, then its letters less ten.
fn decimalise(block: &[u8; BLOCK]) -> Cvv2 {
    let nibbles = || block.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    let digits = nibbles().filter(|n| *n < 10).chain(nibbles().filter(|n| *n >= 10).map(|n| n - 10));
    let mut text = Zeroizing::new([0_u8; CVV_DIGITS]);
    for (slot, digit) in text.iter_mut().zip(digits) {
        *slot = b'0' + digit;
    }
    let text = std::str::from_utf8(text.as_slice()).expect("ASCII digits are UTF-8");
    Cvv2::parse(text).expect("16 nibbles give at least three digits")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(hex: &[u8]) -> CvkBytes {
        let bytes = data_encoding::HEXUPPER.decode(hex).unwrap();
        SecretBytes::try_fill(|out| -> Result<(), ()> {
            out.copy_from_slice(&bytes);
            Ok(())
        })
        .unwrap()
    }

    fn cvv(key: &[u8], pan: &str, expiry: &str, service_code: &str) -> String {
        let (pan, expiry) = (Pan::parse(pan).unwrap(), ExpiryYymm::parse(expiry).unwrap());
        Cvk::new(&pair(key)).cvv(&pan, expiry, service_code).expose().to_owned()
    }

    const KEY: &[u8] = b"0123456789ABCDEFFEDCBA9876543210";
    const OTHER_KEY: &[u8] = b"89B07B35A1B3F47E89B07B35A1B3F488";

    /// The first is the textbook example of the method; the others were computed with the Python package psec 1.3.
    #[test]
    fn vectors_made_elsewhere() {
        // The textbook's number fails Luhn and cannot be a `Pan`.
        assert_eq!(textbook("4123456789012345", "8701", "101"), "561");
        assert_eq!(textbook("4123456789012345", "8701", "000"), "636");
        assert_eq!(cvv(KEY, "9900001234567899", "2912", "000"), "269");
        assert_eq!(cvv(KEY, "9900001234567899", "3001", "000"), "078");
        assert_eq!(cvv(KEY, "990000123457", "2501", "000"), "676");
        assert_eq!(cvv(KEY, "9900001234567890120", "3006", "000"), "796");
        assert_eq!(cvv(OTHER_KEY, "9900001234567899", "2912", "000"), "839");
    }

    fn textbook(pan: &str, expiry: &str, service_code: &str) -> String {
        let digits = format!("{pan}{expiry}{service_code}");
        let mut packed = [0_u8; INPUT_DIGITS / 2];
        for (index, digit) in digits.bytes().enumerate() {
            packed[index / 2] |= (digit - b'0') << if index % 2 == 0 { 4 } else { 0 };
        }
        Cvk::new(&pair(KEY)).of_packed(&packed).expose().to_owned()
    }

    #[test]
    fn digits_come_first_and_letters_follow() {
        assert_eq!(decimalise(&[0xab, 0xc1, 0xd2, 0xe3, 0xff, 0xff, 0xff, 0xff]).expose(), "123");
        assert_eq!(decimalise(&[0xab, 0xcd, 0xef, 0xff, 0xff, 0xff, 0xff, 0xf4]).expose(), "401");
        assert_eq!(decimalise(&[0xff; 8]).expose(), "555");
    }

    #[test]
    fn fresh_pairs_have_odd_parity_and_differ() {
        let (one, two) = (generate(), generate());
        assert_ne!(one.expose(), two.expose());
        assert!(one.expose().iter().all(|byte| byte.count_ones() % 2 == 1));
    }
}
