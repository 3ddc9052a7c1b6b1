//! Keys that words which sound alike share.
//!
//! A sound is folded coarsely: vowels in a row are one, consonants that are written for one another are one. Words that
//! differ in one consonant more share the key of what is left when one symbol is taken away on either side.

use crate::text::phone::{Phone, is_vowel};
use crate::text::{Script, Token};

/// Folded symbols of a word.
const FOLDED_MAX: usize = 24;

/// A folded sound.
#[derive(Clone, Copy)]
pub(super) struct Folded {
    symbols: [u8; FOLDED_MAX],
    length: usize,
}

const VOWEL: u8 = 1;

impl Folded {
    fn new() -> Self {
        Self { symbols: [0; FOLDED_MAX], length: 0 }
    }

    fn push(&mut self, symbol: u8) {
        if self.length < FOLDED_MAX && (self.length == 0 || self.symbols[self.length - 1] != symbol) {
            self.symbols[self.length] = symbol;
            self.length += 1;
        }
    }

    pub(super) fn of(phone: &Phone) -> Self {
        let mut folded = Self::new();
        for symbol in phone.symbols() {
            folded.push(fold(*symbol));
        }
        folded
    }

    fn symbols(&self) -> &[u8] {
        &self.symbols[..self.length]
    }
}

const fn fold(symbol: u8) -> u8 {
    match symbol {
        1 | 15 => 2,
        3 | 19 => 3,
        6 | 10 | 16 => 4,
        2 | 18 | 25 | 26 | 27 | 28 => 5,
        11 => 6,
        12 => 7,
        5 => 8,
        7 => 9,
        31 => 10,
        9 => 11,
        17 => 12,
        13 => 13,
        21 | 22 | 29 => 14,
        _ => VOWEL,
    }
}

/// The folding for scripts that mix up more: liquids are one, nasals are one, `j` hisses.
const fn coarse(folded: u8) -> u8 {
    match folded {
        12 => 6,
        13 => 7,
        11 => 5,
        14 => 8,
        other => other,
    }
}

/// Families of keys: keys of one family only meet those of the same.
#[derive(Clone, Copy)]
enum Family {
    /// The folded sound, whole or with one or two symbols taken away.
    Folded = 1,
    /// Its consonants.
    Consonants = 2,
    /// Consonants of words with vowels, for those that came without.
    ForAbjad = 3,
    /// Consonants of words that came without vowels.
    Abjad = 4,
    /// Few consonants of a word, for foreign names in Chinese characters.
    ForSound = 5,
    /// Few consonants of a foreign name in Chinese characters.
    Sound = 6,
    /// Two words in one.
    Joined = 7,
    /// The same for words that came without vowels.
    JoinedAbjad = 8,
}

fn hash(family: Family, symbols: impl Iterator<Item = u8>) -> u32 {
    // FNV-1a, 64 bits folded to 32: short strings of few symbols, no adversary gains from a collision but slower search.
    let mut state = (0xcbf2_9ce4_8422_2325_u64 ^ ((family as u64) << 8)).wrapping_mul(0x0100_0000_01b3);
    for symbol in symbols {
        state = (state ^ u64::from(symbol)).wrapping_mul(0x0100_0000_01b3);
    }
    state ^= state >> 29;
    (state ^ (state >> 32)) as u32
}

/// Which side of a comparison a word is on: what scripts leave out is sought across, not among words of one script.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// On a list.
    Listed,
    /// Of the person.
    Asked,
}

/// Calls `each` with the keys of a word.
pub(super) fn keys_of(token: &Token, side: Side, mut each: impl FnMut(u32)) {
    for (_, phone) in token.spellings() {
        let folded = Folded::of(phone);
        let symbols = folded.symbols();
        each(hash(Family::Folded, symbols.iter().copied()));
        if phone.len() >= 5 && symbols.len() >= 4 {
            for i in 0..symbols.len() {
                // What is left of a short word would be left of half of all words.
                let left = || without(symbols, [i, usize::MAX]);
                if left().count() > 2 && left().filter(|symbol| *symbol != VOWEL).count() > 1 {
                    each(hash(Family::Folded, without(symbols, [i, usize::MAX])));
                }
            }
        }
        if symbols.len() >= 11 {
            for i in 0..symbols.len() {
                for j in i + 1..symbols.len() {
                    each(hash(Family::Folded, without(symbols, [i, j])));
                }
            }
        }
        let consonants = symbols.iter().filter(|symbol| **symbol != VOWEL).count();
        if consonants >= 3 || (consonants == 2 && phone.len() < 5) {
            let mut kept = Folded::new();
            symbols.iter().filter(|symbol| **symbol != VOWEL).for_each(|symbol| kept.push(coarse(*symbol)));
            each(hash(Family::Consonants, kept.symbols().iter().copied()));
        }
        let listed = side == Side::Listed;
        abjad(
            phone,
            if (token.script == Script::Arabic) == listed { Family::Abjad } else { Family::ForAbjad },
            &mut each,
        );
        sound(
            phone,
            if (token.script == Script::HanSound) == listed { Family::Sound } else { Family::ForSound },
            &mut each,
        );
    }
}

fn without(symbols: &[u8], gone: [usize; 2]) -> impl Iterator<Item = u8> {
    // Neighbours that become one are one, as in the folding.
    let mut last = 0;
    symbols.iter().enumerate().filter(move |(at, _)| !gone.contains(at)).filter_map(move |(_, symbol)| {
        let same = *symbol == last;
        last = *symbol;
        (!same).then_some(*symbol)
    })
}

/// Consonants that stay when vowels, semivowels and breathings go, hissing and dental ones as one.
fn abjad(phone: &Phone, family: Family, each: &mut impl FnMut(u32)) {
    let kept = consonants(phone.symbols().iter().map(|symbol| fold(*symbol)));
    if kept.length > 0 {
        each(hash(family, kept.symbols().iter().copied()));
    }
}

fn consonants(folded: impl Iterator<Item = u8>) -> Folded {
    let mut kept = Folded::new();
    for symbol in folded {
        match symbol {
            VOWEL | 9 | 14 => {}
            5 => kept.push(3),
            symbol => kept.push(coarse(symbol)),
        }
    }
    kept
}

/// Consonants that stay when a foreign name is spelt in Chinese: liquids go unless they begin the name.
fn sound(phone: &Phone, family: Family, each: &mut impl FnMut(u32)) {
    let mut kept = Folded::new();
    for (at, symbol) in phone.symbols().iter().enumerate() {
        match coarse(fold(*symbol)) {
            VOWEL | 9 => {}
            8 if *symbol != 5 => {}
            6 if at > 0 => {}
            symbol => kept.push(symbol),
        }
    }
    if kept.length > 0 || phone.symbols().iter().any(|symbol| is_vowel(*symbol)) {
        each(hash(family, kept.symbols().iter().copied()));
    }
}

/// Calls `each` with the keys of two words written in one: of a listed pair, or of an asked word that may be one. Deep: a
/// typing error is allowed for.
pub(super) fn joined(phone: &Phone, arabic: bool, deep: bool, mut each: impl FnMut(u32)) {
    let folded = Folded::of(phone);
    let symbols = folded.symbols();
    if arabic {
        let kept = consonants(symbols.iter().copied());
        each(hash(Family::JoinedAbjad, kept.symbols().iter().copied()));
        return;
    }
    let mut whole = Folded::new();
    symbols.iter().for_each(|symbol| whole.push(coarse(*symbol)));
    let symbols = whole.symbols();
    each(hash(Family::Joined, symbols.iter().copied()));
    if deep && symbols.len() > 5 {
        for i in 0..symbols.len() {
            each(hash(Family::Joined, without(symbols, [i, usize::MAX])));
        }
    }
}

/// From keys to tokens: buckets of a power of two, each a run of one array.
pub(super) struct Keys {
    starts: Vec<u32>,
    entries: Vec<(u32, u32)>,
    shift: u32,
}

impl Keys {
    /// Of pairs of key and token.
    pub(super) fn of(mut pairs: Vec<(u32, u32)>) -> Self {
        pairs.sort_unstable();
        pairs.dedup();
        let bits = usize::BITS - (pairs.len() / 2).leading_zeros();
        let bits = bits.clamp(4, 26);
        let shift = 32 - bits;
        let mut starts = Vec::with_capacity((1 << bits) + 1);
        let mut at = 0;
        for bucket in 0..(1_u32 << bits) {
            starts.push(at as u32);
            while at < pairs.len() && pairs[at].0 >> shift == bucket {
                at += 1;
            }
        }
        starts.push(at as u32);
        pairs.shrink_to_fit();
        Self { starts, entries: pairs, shift }
    }

    /// The tokens under a key.
    pub(super) fn get(&self, key: u32) -> impl Iterator<Item = u32> {
        let bucket = (key >> self.shift) as usize;
        let run = &self.entries[self.starts[bucket] as usize..self.starts[bucket + 1] as usize];
        run.iter()
            .skip_while(move |(other, _)| *other < key)
            .take_while(move |(other, _)| *other == key)
            .map(|(_, token)| *token)
    }
}
