//! A word of a name, with all that comparing it needs.

use super::latin::{self, Kind};
use super::phone::{self, Phone};
use super::script::Script;

/// Most other spellings of a word that are kept.
const OTHERS_MAX: usize = 5;

/// A word of a name.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    text: Box<str>,
    /// Equal for equal texts, and as good as never for others.
    pub(crate) id: u64,
    pub(crate) phone: Phone,
    /// Its letters as they are.
    pub(crate) letters: Phone,
    /// Consonants by class, a bit each: words that share none of them are not alike.
    pub(crate) classes: u16,
    pub(crate) script: Script,
    pub(crate) kind: Kind,
    /// Groups of given names it is in.
    pub(crate) groups: &'static [(u16, bool)],
    /// Whether it is a common given name.
    pub(crate) known: bool,
    /// Other spellings of the same word, where its script leaves several open.
    pub(crate) others: Box<[Spelling]>,
}

/// Another spelling of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Spelling {
    pub(crate) text: Box<str>,
    pub(crate) phone: Phone,
}

impl Token {
    /// A word in Latin letters.
    pub(super) fn word(text: &str, script: Script, kind: Kind) -> Self {
        Self::sounding(text, Phone::of(text), script, kind)
    }

    /// A word whose sound is known from its script.
    pub(super) fn sounding(text: &str, phone: Phone, script: Script, kind: Kind) -> Self {
        let groups = if kind == Kind::Word { latin::groups(text) } else { &[] };
        let known = kind == Kind::Word && (!groups.is_empty() || latin::is_known(text));
        Self {
            id: id(text),
            text: text.into(),
            phone,
            letters: Phone::letters(text),
            classes: classes(&phone),
            script,
            kind,
            groups,
            known,
            others: Box::new([]),
        }
    }

    /// The same word with other spellings.
    pub(super) fn or(mut self, others: impl IntoIterator<Item = String>) -> Self {
        let mut all: Vec<Spelling> = Vec::new();
        for text in others {
            let phone = Phone::of(&text);
            let known = *text == *self.text || all.iter().any(|other| *other.text == *text);
            if !known && !text.is_empty() && all.len() < OTHERS_MAX {
                self.classes |= classes(&phone);
                all.push(Spelling { text: text.into(), phone });
            }
        }
        self.others = all.into();
        self
    }

    /// The same word with another spelling of this sound.
    pub(super) fn or_sounding(mut self, text: &str, phone: Phone) -> Self {
        if *text != *self.text {
            self.classes |= classes(&phone);
            self.others = Box::new([Spelling { text: text.into(), phone }]);
        }
        self
    }

    /// The word in Latin letters, lower case.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What kind of word it is.
    pub const fn kind(&self) -> Kind {
        self.kind
    }

    /// What it weighs, in hundredths of a name.
    #[inline]
    pub(crate) fn weight(&self) -> u16 {
        if matches!(self.kind, Kind::Word) && self.phone.len() < 3 { 80 } else { self.kind.weight() }
    }

    /// Its text and the other spellings'.
    pub(crate) fn spellings(&self) -> impl Iterator<Item = (&str, &Phone)> {
        std::iter::once((&*self.text, &self.phone))
            .chain(self.others.iter().map(|other| (&*other.text, &other.phone)))
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}[{:?}]", self.text, self.phone)?;
        for other in &self.others {
            write!(f, "|{}", other.text)?;
        }
        Ok(())
    }
}

/// FNV-1a of a text.
fn id(text: &str) -> u64 {
    text.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |state, byte| (state ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The classes of the consonants in a word.
pub(crate) fn classes(phone: &Phone) -> u16 {
    phone.symbols().iter().fold(0, |classes, symbol| classes | class(*symbol).map_or(0, |class| 1 << class))
}

/// The class of a consonant: those that are written for one another share one. `None` for vowels and what comes and goes.
pub(crate) const fn class(symbol: u8) -> Option<u8> {
    Some(match symbol {
        // b p
        1 | 15 => 0,
        // d t
        3 | 19 => 1,
        // g k
        6 | 10 | 16 => 2,
        // s z c and the hissing sounds, j
        18 | 25 | 2 | 23 | 9 | phone::SH | phone::ZH | phone::CH => 3,
        // l
        11 => 4,
        // m
        12 => 5,
        // n
        13 => 6,
        // r
        17 => 7,
        // f
        5 => 8,
        phone::DIGIT => 9,
        _ => return None,
    })
}
