//! Which passwords are accepted: 8 to 256 characters of any script, and hard enough to guess (NIST SP 800-63B-4:
//! length and a guess estimate, no rules of composition).

use std::fmt;

use unicode_normalization::UnicodeNormalization as _;
use zeroize::Zeroizing;
use zxcvbn::feedback::Warning;
use zxcvbn::{Score, zxcvbn};

/// Fewest characters after normalisation.
const CHARS_MIN: usize = 8;

/// Most characters after normalisation: more is an attack on the hash, not a password.
const CHARS_MAX: usize = 256;

/// Most bytes before normalisation; NFKC of one character can be 18, so this bounds the work.
const INPUT_BYTES_MAX: usize = 4 * CHARS_MAX;

/// The least score of zxcvbn (0 to 4) that is accepted: some 10^8 guesses and more.
const SCORE_MIN: Score = Score::Three;

/// Why a password is easy to guess; the stable text goes to the caller, who tells it in the person's language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weakness {
    /// Among the most used, or nearly.
    Common,
    /// One word or one name.
    WordOrName,
    /// Keys that lie beside each other.
    Keyboard,
    /// `aaa`, `abcabc`.
    Repeat,
    /// `abc`, `6543`.
    Sequence,
    /// A date or a year.
    Date,
    /// The phone number, or a part of it.
    Phone,
    /// Short for how it is made.
    TooSimple,
}

impl Weakness {
    /// The stable text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Common => "common",
            Self::WordOrName => "word_or_name",
            Self::Keyboard => "keyboard_pattern",
            Self::Repeat => "repeat",
            Self::Sequence => "sequence",
            Self::Date => "date",
            Self::Phone => "phone_number",
            Self::TooSimple => "too_simple",
        }
    }

    /// What is wrong and what would be right, in English.
    const fn advice(self) -> &'static str {
        match self {
            Self::Common => "it is one of the most used; choose another",
            Self::WordOrName => "one word or name is guessed first; put several words together",
            Self::Keyboard => "neighbouring keys are guessed first",
            Self::Repeat => "repetitions add little; put several words together",
            Self::Sequence => "sequences such as abc or 6543 are guessed first",
            Self::Date => "dates and years are guessed first",
            Self::Phone => "it holds your phone number",
            Self::TooSimple => "make it longer, or put several words together",
        }
    }
}

impl From<Option<Warning>> for Weakness {
    fn from(warning: Option<Warning>) -> Self {
        match warning {
            Some(
                Warning::ThisIsATop10Password
                | Warning::ThisIsATop100Password
                | Warning::ThisIsACommonPassword
                | Warning::ThisIsSimilarToACommonlyUsedPassword,
            ) => Self::Common,
            Some(
                Warning::AWordByItselfIsEasyToGuess
                | Warning::NamesAndSurnamesByThemselvesAreEasyToGuess
                | Warning::CommonNamesAndSurnamesAreEasyToGuess,
            ) => Self::WordOrName,
            Some(
                Warning::StraightRowsOfKeysAreEasyToGuess | Warning::ShortKeyboardPatternsAreEasyToGuess,
            ) => Self::Keyboard,
            Some(
                Warning::RepeatsLikeAaaAreEasyToGuess
                | Warning::RepeatsLikeAbcAbcAreOnlySlightlyHarderToGuess,
            ) => Self::Repeat,
            Some(Warning::SequencesLikeAbcAreEasyToGuess) => Self::Sequence,
            Some(Warning::RecentYearsAreEasyToGuess | Warning::DatesAreOftenEasyToGuess) => Self::Date,
            None => Self::TooSimple,
        }
    }
}

/// Why a text is not taken as a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordProblem {
    /// Too short or too long.
    #[error("must be {CHARS_MIN} to {CHARS_MAX} characters long")]
    Length,
    /// It holds control characters, which no keyboard gives on purpose.
    #[error("must not contain control characters")]
    Control,
    /// Too easy to guess.
    #[error("is too easy to guess: {}", .0.advice())]
    Weak(Weakness),
}

/// A password in its normal form (NFKC), so that it is the same from every keyboard. Wiped when dropped.
#[derive(Clone)]
pub struct Password(Zeroizing<String>);

impl Password {
    /// The password in `input` as it may be offered at a login: of a possible length. Whether it is a strong one
    /// is no question any more then.
    ///
    /// # Errors
    /// [`PasswordProblem`] of length or control characters.
    pub fn parse(input: &str) -> Result<Self, PasswordProblem> {
        if input.len() > INPUT_BYTES_MAX {
            return Err(PasswordProblem::Length);
        }
        let normal: Zeroizing<String> = Zeroizing::new(input.nfkc().collect());
        if normal.chars().any(char::is_control) {
            return Err(PasswordProblem::Control);
        }
        if !(CHARS_MIN..=CHARS_MAX).contains(&normal.chars().count()) {
            return Err(PasswordProblem::Length);
        }
        Ok(Self(normal))
    }

    /// Checks that it is hard to guess for someone who knows `phone`. Takes milliseconds of a core.
    ///
    /// # Errors
    /// [`PasswordProblem::Weak`] that names the weakness.
    pub fn check_strength(&self, phone: &str) -> Result<(), PasswordProblem> {
        let national = phone.get(3..).unwrap_or_default();
        let estimate = zxcvbn(&self.0, &[phone, national, "bursar"]);
        let digits: Zeroizing<String> = Zeroizing::new(self.0.chars().filter(char::is_ascii_digit).collect());
        // The estimate knows whole inputs only; the end of one's number is what people take.
        let holds_phone = digits.len() >= 6 && phone.ends_with(digits.as_str());
        if estimate.score() >= SCORE_MIN && !(holds_phone && digits.len() * 2 > self.0.chars().count()) {
            return Ok(());
        }
        let weakness = if holds_phone {
            Weakness::Phone
        } else {
            estimate.feedback().and_then(zxcvbn::feedback::Feedback::warning).into()
        };
        Err(PasswordProblem::Weak(weakness))
    }

    /// The bytes to hash.
    pub(super) fn expose(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<hidden>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHONE: &str = "+8613800138021";

    #[test]
    fn strong_ones_of_any_script_pass() {
        for text in [
            "correct-horse-battery",
            "青山绿水之间的小木屋",
            "Tr4verse!Lantern&Moss",
            "пароль-который-длинный-42",
        ] {
            let password = Password::parse(text).unwrap();
            assert_eq!(password.check_strength(PHONE), Ok(()), "{text}");
        }
    }

    #[test]
    fn weak_ones_are_refused_and_the_weakness_is_named() {
        let cases = [
            ("password1", Weakness::Common),
            ("qwertyuiop", Weakness::Common),
            ("aaaaaaaaaaaa", Weakness::Repeat),
            ("13800138021", Weakness::Phone),
            ("00138021", Weakness::Phone),
            ("abcdefghijk", Weakness::Sequence),
        ];
        for (text, weakness) in cases {
            let problem = Password::parse(text).unwrap().check_strength(PHONE);
            assert_eq!(problem, Err(PasswordProblem::Weak(weakness)), "{text}");
        }
    }

    #[test]
    fn length_is_counted_in_normal_characters() {
        let refused = |text: &str| Password::parse(text).unwrap_err();
        assert_eq!(refused("short-7"), PasswordProblem::Length);
        assert_eq!(refused(&"x".repeat(257)), PasswordProblem::Length);
        assert_eq!(refused(&"x".repeat(1 << 20)), PasswordProblem::Length);
        assert_eq!(refused("with\u{0}control"), PasswordProblem::Control);
        assert!(Password::parse(&"日".repeat(256)).is_ok());
        // The same keys on two keyboards: composed and decomposed, full-width and plain.
        assert_eq!(
            Password::parse("cafe\u{301}-latte").unwrap().expose(),
            Password::parse("café-latte").unwrap().expose()
        );
        assert_eq!(Password::parse("ＡＢＣＤ１２３４").unwrap().expose(), b"ABCD1234");
    }

    #[test]
    fn it_is_never_printed() {
        assert_eq!(format!("{:?}", Password::parse("correct-horse-battery").unwrap()), "<hidden>");
    }
}
