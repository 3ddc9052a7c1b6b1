//! Card passwords that are refused because they are among the first an attacker tries.
//!
//! Five tries against a million passwords are little; against what people choose when they may, they are not.

use bursar_card_data::CardPassword;

/// What is weak about a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weakness {
    /// One digit six times.
    RepeatedDigit,
    /// Six digits up or down in equal steps: 123456, 987654, 246802.
    Run,
    /// A short pattern again and again: 121212, 123123, 112233.
    Pattern,
    /// One of those that leak most often.
    Common,
}

impl Weakness {
    /// The stable text for machines.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::RepeatedDigit => "REPEATED_DIGIT",
            Self::Run => "RUN",
            Self::Pattern => "PATTERN",
            Self::Common => "COMMON",
        }
    }

    /// For people.
    pub(crate) const fn description(self) -> &'static str {
        match self {
            Self::RepeatedDigit => "it is one digit repeated",
            Self::Run => "its digits go up or down in equal steps",
            Self::Pattern => "it repeats a short pattern",
            Self::Common => "it is one of the most common",
        }
    }
}

/// Frequent in leaked six-digit passwords and not covered by the rules: keyboard paths, wishes and dates.
const COMMON: &[&str] = &[
    "123321", "123654", "654321", "147258", "147852", "258369", "159357", "159753", "357159", "369258",
    "456123", "741852", "789456", "963852", "852963", "520131", "131452", "521131", "131420", "168888",
    "888168", "520530", "112358", "314159", "102030", "100200", "010203", "123789", "789123", "147369",
    "963741", "112211", "110110", "123400", "001234", "100000", "000001", "696969", "131400", "520000",
    "521000", "199999", "200000", "201314",
];

/// What is weak about `password`, if anything.
pub(crate) fn weakness(password: &CardPassword) -> Option<Weakness> {
    let text = password.expose();
    let digits = text.as_bytes();
    let steps: Vec<u8> = digits.windows(2).map(|pair| (pair[1] + 10 - pair[0]) % 10).collect();
    let all_steps = |step: u8| steps.iter().all(|s| *s == step);
    let period = |length: usize| digits.iter().zip(&digits[length..]).all(|(a, b)| a == b);
    let pairs = digits.chunks(2).all(|pair| pair[0] == pair[1]);
    if all_steps(0) {
        Some(Weakness::RepeatedDigit)
    } else if (1..10).any(all_steps) {
        Some(Weakness::Run)
    } else if period(2) || period(3) || pairs {
        Some(Weakness::Pattern)
    } else if COMMON.contains(&text) {
        Some(Weakness::Common)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(text: &str) -> Option<Weakness> {
        weakness(&CardPassword::parse(text).unwrap())
    }

    #[test]
    fn the_usual_ones_are_named() {
        for (text, expected) in [
            ("000000", Weakness::RepeatedDigit),
            ("888888", Weakness::RepeatedDigit),
            ("123456", Weakness::Run),
            ("654321", Weakness::Run),
            ("890123", Weakness::Run),
            ("135791", Weakness::Run),
            ("121212", Weakness::Pattern),
            ("520520", Weakness::Pattern),
            ("112233", Weakness::Pattern),
            ("147258", Weakness::Common),
        ] {
            assert_eq!(judge(text), Some(expected), "{text}");
        }
        for strong in ["493817", "204968", "771403"] {
            assert_eq!(judge(strong), None, "{strong}");
        }
    }

    #[test]
    fn few_of_the_million_are_refused() {
        let weak = (0..1_000_000).filter(|n| judge(&format!("{n:06}")).is_some()).count();
        assert!((1_000..5_000).contains(&weak), "{weak}: refusing many would help a guesser as well");
    }
}
