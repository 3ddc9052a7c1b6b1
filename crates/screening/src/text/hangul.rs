//! Korean names: syllables to Latin letters, in the spelling that names have on lists.

use std::collections::HashMap;
use std::sync::LazyLock;

const LEADS: [&str; 19] =
    ["k", "kk", "n", "t", "tt", "r", "m", "p", "pp", "s", "ss", "", "j", "jj", "ch", "k", "t", "p", "h"];
const VOWELS: [&str; 21] = [
    "a", "ae", "ya", "yae", "o", "e", "yo", "ye", "o", "wa", "wae", "oe", "yo", "u", "wo", "we", "wi", "yu",
    "u", "ui", "i",
];
const TAILS: [&str; 28] = [
    "", "k", "k", "k", "n", "n", "n", "t", "l", "k", "m", "l", "l", "l", "p", "l", "m", "p", "p", "t", "t",
    "ng", "t", "t", "k", "t", "p", "t",
];

/// A syllable in Latin letters.
pub(super) fn syllable(c: char) -> Option<String> {
    let index = usize::try_from((c as u32).checked_sub(0xac00)?).ok()?;
    let (lead, vowel, tail) = (index / 588, index / 28 % 21, index % 28);
    Some(format!("{}{}{}", LEADS.get(lead)?, VOWELS[vowel], TAILS[tail]))
}

/// Spellings of a surname, the first one the North's.
pub(super) fn surname(syllables: &str) -> Option<&'static [&'static str]> {
    static SURNAMES: LazyLock<HashMap<&'static str, Vec<&'static str>>> =
        LazyLock::new(|| super::table(include_str!("../../data/korean_surnames.txt")));
    SURNAMES.get(syllables).map(Vec::as_slice)
}

/// The Korean reading of a Chinese character.
pub(super) fn reading(han: char) -> Option<char> {
    static READINGS: LazyLock<HashMap<char, char>> = LazyLock::new(|| {
        let lines = include_str!("../../data/hanja.txt").lines().filter(|line| !line.starts_with('#'));
        lines
            .flat_map(|line| {
                let mut chars = line.chars();
                let syllable = chars.next();
                chars.filter_map(move |han| Some((han, syllable?)))
            })
            .collect()
    });
    READINGS.get(&han).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn syllables_are_spelt_as_on_lists() {
        let spelt = |text: &str| text.chars().filter_map(syllable).collect::<Vec<_>>().join(" ");
        assert_eq!(spelt("김정은"), "kim jong un");
        assert_eq!(spelt("최광혁"), "choe kwang hyok");
        assert_eq!(syllable('a'), None);
        assert_eq!(syllable('\u{d7a4}'), None);
    }

    #[test]
    fn surnames_and_characters_are_read() {
        assert_eq!(surname("박").unwrap()[0], "pak");
        assert_eq!([reading('金'), reading('正'), reading('恩')], [Some('금'), Some('정'), Some('은')]);
    }
}
