//! How a word in Latin letters sounds, roughly: spellings of one sound become one symbol.
//!
//! `Mohammed`, `Muhamad` and `Mouhammed` differ afterwards in vowels alone, `Schevchenko` and `Shevchenko` not at all.
//! What is left is compared symbol by symbol with the costs of [`super::super::score`].

/// Most symbols of a word that are compared: longer words are longer in the same way.
pub(crate) const SYMBOLS_MAX: usize = 24;

/// The sound of *sh*.
pub(crate) const SH: u8 = 26;
/// The sound of *zh*.
pub(crate) const ZH: u8 = 27;
/// The sound of *ch*.
pub(crate) const CH: u8 = 28;
/// Arabic waw and its like: a consonant or a long vowel.
pub(crate) const WAW: u8 = 29;
/// Arabic yeh and its like: a consonant or a long vowel.
pub(crate) const YEH: u8 = 30;
/// Arabic ayn: a vowel's place, whichever vowel.
pub(crate) const AYN: u8 = 23;
/// Any digit.
pub(crate) const DIGIT: u8 = 31;

/// The symbol of a letter `a` to `z`.
pub(crate) const fn symbol(letter: u8) -> u8 {
    letter - b'a'
}

/// Whether a symbol is a vowel.
pub(crate) const fn is_vowel(symbol: u8) -> bool {
    matches!(symbol, 0 | 4 | 8 | 14 | 20)
}

/// A word as symbols below 32.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Phone {
    symbols: [u8; SYMBOLS_MAX],
    length: u8,
    /// Which symbols there are, a bit each.
    mask: u32,
}

impl Phone {
    /// No sound.
    pub(crate) const EMPTY: Self = Self { symbols: [0; SYMBOLS_MAX], length: 0, mask: 0 };

    /// The sound of `word`, lower-case Latin letters and digits; anything else is passed over.
    pub(crate) fn of(word: &str) -> Self {
        let letters: Letters = word.bytes().collect();
        let mut phone = Self::EMPTY;
        let mut at = 0;
        while at < letters.length {
            at += phone.take(&letters, at);
        }
        // A mute `h` after the last vowel: Fatimah.
        if phone.length > 2 && phone.last() == Some(symbol(b'h')) && is_vowel(phone.symbols[phone.len() - 2])
        {
            phone.length -= 1;
            phone.mask = phone.symbols().iter().fold(0, |mask, symbol| mask | 1 << (symbol & 31));
        }
        phone
    }

    /// The letters of `word` as they are, for typing errors that would change how it sounds.
    pub(crate) fn letters(word: &str) -> Self {
        let mut phone = Self::EMPTY;
        for byte in word.bytes().take(SYMBOLS_MAX) {
            phone.symbols[phone.len()] = match byte {
                b'a'..=b'z' => symbol(byte),
                _ => DIGIT,
            };
            phone.mask |= 1 << phone.symbols[phone.len()];
            phone.length += 1;
        }
        phone
    }

    /// The sound of syllables that are written together: what one ends and the next begins with stays two sounds.
    pub(crate) fn of_syllables<'a>(syllables: impl IntoIterator<Item = &'a str>) -> Self {
        syllables.into_iter().fold(Self::EMPTY, |phone, syllable| phone.joined(&Self::of(syllable)))
    }

    /// The symbols given.
    #[cfg(test)]
    pub(crate) fn of_symbols(symbols: &[u8]) -> Self {
        let mut phone = Self::EMPTY;
        for symbol in symbols {
            phone.push(*symbol);
        }
        phone
    }

    /// Its symbols.
    #[inline]
    pub(crate) fn symbols(&self) -> &[u8] {
        &self.symbols[..usize::from(self.length).min(SYMBOLS_MAX)]
    }

    /// Which they are, a bit each.
    #[inline]
    pub(crate) const fn mask(&self) -> u32 {
        self.mask
    }

    /// How many they are.
    #[inline]
    pub(crate) const fn len(&self) -> usize {
        self.length as usize
    }

    /// Both, one after the other.
    pub(crate) fn joined(&self, next: &Self) -> Self {
        let mut both = *self;
        for symbol in next.symbols() {
            both.push(*symbol);
        }
        both
    }

    fn last(&self) -> Option<u8> {
        self.symbols().last().copied()
    }

    /// Appends a symbol, but not twice the same.
    pub(crate) fn push(&mut self, symbol: u8) {
        if self.last() != Some(symbol) && self.len() < SYMBOLS_MAX {
            self.symbols[self.len()] = symbol;
            self.length += 1;
            self.mask |= 1 << (symbol & 31);
        }
    }

    /// Takes the sound that begins at `at` and returns how many letters it was written with.
    fn take(&mut self, letters: &Letters, at: usize) -> usize {
        let rest = &letters.letters[at..letters.length];
        // Belarusian endings: Vasilieu is Vasiliev, Kubrakou is Kubrakov.
        if at > 3 && matches!(rest, b"ou" | b"au" | b"eu") {
            self.push(symbol(rest[0]));
            self.push(symbol(b'v'));
            return 2;
        }
        for (spelling, sound) in SPELLINGS {
            if rest.starts_with(spelling.as_bytes()) {
                for symbol in *sound {
                    self.push(*symbol);
                }
                return spelling.len();
            }
        }
        let next = rest.get(1).copied();
        let first = rest[0];
        match first {
            b'c' => self.push(symbol(if matches!(next, Some(b'e' | b'i' | b'y')) { b's' } else { b'k' })),
            b'q' => self.push(symbol(b'k')),
            b'w' => self.push(symbol(b'v')),
            b'x' if at == 0 => self.push(SH),
            b'x' => {
                self.push(symbol(b'k'));
                self.push(symbol(b's'));
            }
            b'y' => self.push(symbol(b'i')),
            b'a'..=b'z' => self.push(symbol(first)),
            b'0'..=b'9' => self.push(DIGIT),
            _ => {}
        }
        1
    }
}

impl std::fmt::Debug for Phone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for symbol in self.symbols() {
            let shown = match *symbol {
                SH => 'S',
                ZH => 'Z',
                CH => 'C',
                WAW => 'W',
                YEH => 'Y',
                AYN => 'x',
                DIGIT => '#',
                letter => char::from(b'a' + letter),
            };
            write!(f, "{shown}")?;
        }
        Ok(())
    }
}

/// The letters of a word, as many as are looked at.
struct Letters {
    letters: [u8; SYMBOLS_MAX * 2],
    length: usize,
}

impl FromIterator<u8> for Letters {
    fn from_iter<I: IntoIterator<Item = u8>>(bytes: I) -> Self {
        let mut letters = Self { letters: [0; SYMBOLS_MAX * 2], length: 0 };
        for byte in bytes.into_iter().take(SYMBOLS_MAX * 2) {
            letters.letters[letters.length] = byte;
            letters.length += 1;
        }
        letters
    }
}

const A: u8 = symbol(b'a');
const E: u8 = symbol(b'e');
const I: u8 = symbol(b'i');
const O: u8 = symbol(b'o');
const U: u8 = symbol(b'u');

/// Spellings of more than one letter, the longer ones first where one begins another.
const SPELLINGS: &[(&str, &[u8])] = &[
    ("shch", &[SH]),
    ("schtsch", &[SH]),
    ("dsch", &[symbol(b'j')]),
    ("tsch", &[CH]),
    ("sch", &[SH]),
    ("tch", &[CH]),
    ("dzh", &[symbol(b'j')]),
    ("sh", &[SH]),
    ("ch", &[CH]),
    ("cz", &[CH]),
    ("ck", &[symbol(b'k')]),
    ("hs", &[SH]),
    ("zh", &[ZH]),
    ("kh", &[symbol(b'h')]),
    ("gh", &[symbol(b'g')]),
    ("dh", &[symbol(b'd')]),
    ("th", &[symbol(b't')]),
    ("ph", &[symbol(b'f')]),
    ("dj", &[symbol(b'j')]),
    ("dz", &[symbol(b'd')]),
    ("ts", &[symbol(b'c')]),
    ("tz", &[symbol(b'c')]),
    ("ks", &[symbol(b'k'), symbol(b's')]),
    ("qu", &[symbol(b'k')]),
    ("wh", &[symbol(b'v')]),
    ("iya", &[I, A]),
    ("iia", &[I, A]),
    ("yie", &[E]),
    ("aye", &[A, E]),
    ("ai", &[E]),
    ("ay", &[E]),
    ("ei", &[E]),
    ("ey", &[E]),
    ("ej", &[E]),
    ("ae", &[E]),
    ("ee", &[I]),
    ("ie", &[E]),
    ("ye", &[E]),
    ("iy", &[I]),
    ("ij", &[I]),
    ("yi", &[I]),
    ("oo", &[U]),
    ("ou", &[U]),
    ("ue", &[U]),
    ("eu", &[U]),
    ("oe", &[O]),
    ("eo", &[O]),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(word: &str) -> String {
        format!("{:?}", Phone::of(word))
    }

    #[test]
    fn spellings_of_one_sound_are_one() {
        for (one, other) in [
            ("schevchenko", "shevchenko"),
            ("khaled", "haled"),
            ("youssef", "yusef"),
            ("hussein", "husayn"),
            ("philip", "filip"),
            ("dzhokhar", "djokhar"),
            ("qasim", "kasim"),
            ("fatimah", "fatima"),
            ("sergey", "sergei"),
            ("dmitriy", "dmitry"),
        ] {
            let (one, other) = (Phone::of(one), Phone::of(other));
            assert!(
                one == other
                    || format!("{one:?}").replace('e', "i") == format!("{other:?}").replace('e', "i"),
                "{one:?} {other:?}"
            );
        }
        assert_eq!(shown("maxim"), "maksim");
        assert_eq!(shown("cesar"), "sesar");
        assert_eq!(shown("carlos"), "karlos");
    }

    #[test]
    fn any_word_is_bounded() {
        assert_eq!(Phone::of(&"abc".repeat(5_000)).len(), SYMBOLS_MAX);
        assert_eq!(Phone::of(&"a".repeat(5_000)).len(), 1);
        assert_eq!(Phone::of("").len(), 0);
        let long = Phone::of(&"abc".repeat(50));
        assert_eq!(long.joined(&long).len(), SYMBOLS_MAX);
    }

    #[test]
    fn symbols_are_below_thirty_two() {
        let all = Phone::of_symbols(&[SH, ZH, CH, WAW, YEH, DIGIT, 0, 25]);
        assert!(all.symbols().iter().all(|symbol| *symbol < 32));
    }
}
