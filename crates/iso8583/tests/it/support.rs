//! Messages made up for tests.

use std::sync::LazyLock;

use bursar_iso8583::profile::builtin_names;
use bursar_iso8583::{Class, FieldSpec, Message, Profile};
use proptest::prelude::*;

/// Every profile that is built in.
pub(crate) fn builtin() -> &'static [Profile] {
    static PROFILES: LazyLock<Vec<Profile>> = LazyLock::new(|| builtin_names().map(profile).collect());
    &PROFILES
}

pub(crate) fn profile(name: &str) -> Profile {
    Profile::builtin(name).expect("is built in")
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).expect("is hexadecimal")
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXUPPER.encode(bytes)
}

/// A small generator, so that a value follows from a number that proptest shrinks and prints.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// SplitMix64.
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: usize) -> usize {
        (self.roll() % end as u64) as usize
    }

    fn pick(&mut self, from: &[u8]) -> u8 {
        from[self.below(from.len())]
    }
}

/// A value that suits a field.
pub(crate) fn value(spec: FieldSpec<'_>, dice: &mut Dice) -> Vec<u8> {
    let max = spec.max_length();
    let length = if spec.length_indicator().is_some() { dice.below(max + 1) } else { max };
    let printable: Vec<u8> = (0x20..0x7f).collect();
    let track: Vec<u8> = (b'0'..=b'?').collect();
    let letters: Vec<u8> = (b'A'..=b'Z').chain(b'a'..=b'z').chain([b' ']).collect();
    let digits: Vec<u8> = (b'0'..=b'9').collect();
    let any: Vec<u8> = (0..=255).collect();
    let specials: Vec<u8> = printable.iter().copied().filter(u8::is_ascii_punctuation).collect();
    let from = match spec.class() {
        Class::Numeric | Class::Signed => digits,
        Class::Alpha => letters,
        Class::Alphanumeric => [letters, digits].concat(),
        Class::NumericSpecial => [digits, specials].concat(),
        Class::AlphaSpecial => [letters, specials].concat(),
        Class::Printable => printable,
        Class::Track => track,
        Class::Any | Class::Binary => any,
    };
    let mut value: Vec<u8> = (0..length).map(|_| dice.pick(&from)).collect();
    if spec.class() == Class::Signed
        && let Some(sign) = value.first_mut()
    {
        *sign = dice.pick(b"CD");
    }
    value
}

/// A message with the given fields and made-up values.
pub(crate) fn message(profile: &Profile, fields: &[u8], seed: u64) -> Message {
    let mut dice = Dice::new(seed);
    let mti = format!("{:04}", dice.below(10_000)).parse().expect("is an MTI");
    let mut message = profile.message(mti);
    for &field in fields {
        let spec = profile.field(field).expect("the profile has it");
        message.set(field, value(spec, &mut dice)).expect("sets");
    }
    message
}

/// A built-in profile, some of its fields, and the seed of their values.
pub(crate) fn any_message() -> impl Strategy<Value = (usize, Vec<u8>, u64)> {
    (0..builtin_names().count()).prop_flat_map(|at| {
        let fields: Vec<u8> = builtin()[at].fields().iter().collect();
        (Just(at), proptest::sample::subsequence(fields, 0..40), any::<u64>())
    })
}
