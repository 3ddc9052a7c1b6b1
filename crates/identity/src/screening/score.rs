//! How much a stated name and birth date are like an entry's, in basis points, and why.
//!
//! Words are paired greedily by Jaro–Winkler similarity, whatever their order; each word weighs its length. A name
//! that is part of a longer one scores lower than an equal one, and a single common word never makes a hit. Han
//! names are compared as strings: equal, or one within the other. A birth date that contradicts takes away, one
//! that agrees adds.

use super::list::{BirthDate, Entry};
use super::normalise::Name;

/// A perfect match.
pub const PERFECT: i32 = 10_000;

/// Least similarity of two words that are taken to be the same, in basis points.
const WORD_SIMILAR: i32 = 8_600;

/// Most a match on one word of several can score.
const SINGLE_WORD_MAX: i32 = 7_000;

/// What a Han name within another one scores, before the share of the longer one that it makes up.
const HAN_WITHIN: i32 = 5_500;

/// What that share can add.
const HAN_WITHIN_SHARE: i32 = 4_000;

/// Added where the birth dates agree to the day, or to the year where no more is known.
const BIRTH_DATE_AGREES: i32 = 300;

/// Taken away where the years of birth lie further apart than lists are known to err.
const BIRTH_YEAR_DIFFERS: i32 = 1_500;

/// Years of birth on lists are often off by one.
const BIRTH_YEAR_TOLERANCE: i16 = 1;

/// A score and what it is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Score {
    /// Basis points: 10000 is perfect.
    pub(super) bps: i32,
    /// Which parts met and how, for the reviewer. Holds words of the stated name: personal.
    pub(super) explanation: String,
    /// Which of the entry's names met best.
    pub(super) matched_name: String,
}

/// The best score among an entry's names, and `None` where nothing meets at all.
pub(super) fn score(stated: &Name, birth_date: Option<BirthDate>, entry: &Entry) -> Option<Score> {
    let best = entry.names.iter().filter_map(|name| {
        let (bps, how) = compare(stated, &name.normal)?;
        Some((bps, how, name.text.clone()))
    });
    let (mut bps, mut explanation, matched_name) = best.max_by_key(|(bps, ..)| *bps)?;
    if let (Some(stated), Some(listed)) = (birth_date, entry.birth_date) {
        let (change, how) = compare_birth_dates(stated, listed);
        bps = (bps + change).clamp(0, PERFECT);
        explanation.push_str("; ");
        explanation.push_str(how);
    }
    Some(Score { bps, explanation, matched_name })
}

fn compare(stated: &Name, listed: &Name) -> Option<(i32, String)> {
    let han = compare_han(&stated.han, &listed.han);
    let words = compare_words(&stated.tokens, &listed.tokens);
    [han, words].into_iter().flatten().max_by_key(|(bps, _)| *bps)
}

fn compare_han(stated: &str, listed: &str) -> Option<(i32, String)> {
    let (stated_length, listed_length) = (stated.chars().count(), listed.chars().count());
    let (short, long) = (stated_length.min(listed_length), stated_length.max(listed_length));
    // One character alone is a surname: every tenth person has one of three.
    if short < 2 {
        return None;
    }
    if stated == listed {
        return Some((PERFECT, format!("{stated} = {listed}")));
    }
    if !stated.contains(listed) && !listed.contains(stated) {
        return None;
    }
    let share = i32::try_from(short * usize::try_from(HAN_WITHIN_SHARE).unwrap_or(0) / long).unwrap_or(0);
    Some((HAN_WITHIN + share, format!("{stated} and {listed}: one within the other")))
}

fn compare_words(stated: &[String], listed: &[String]) -> Option<(i32, String)> {
    if stated.is_empty() || listed.is_empty() {
        return None;
    }
    // `Zhang Wei` and `Zhangwei`: the same letters, cut otherwise.
    if stated.len() != listed.len() && stated.concat() == listed.concat() {
        return Some((9_500, format!("{} = {}, cut otherwise", stated.join(" "), listed.join(" "))));
    }
    let pairs = pair(stated, listed);
    if pairs.is_empty() {
        return None;
    }
    let weight = |words: &[String]| words.iter().map(|word| letters(word)).sum::<i64>();
    let (stated_weight, listed_weight) = (weight(stated), weight(listed));
    let met = |side: fn(&Pair<'_>) -> i64| pairs.iter().map(|p| side(p) * i64::from(p.bps)).sum::<i64>();
    let coverage = [
        met(|pair| letters(pair.stated)) / stated_weight.max(1),
        met(|pair| letters(pair.listed)) / listed_weight.max(1),
    ];
    // The name that is covered better counts for most: middle names and patronymics are often left out.
    let better = coverage.iter().copied().max().unwrap_or(0);
    let worse = coverage.iter().copied().min().unwrap_or(0);
    let mut bps = i32::try_from((better * 7 + worse * 3) / 10).unwrap_or(0);
    if pairs.len() == 1 && (stated.len() > 1 || listed.len() > 1) {
        bps = bps.min(SINGLE_WORD_MAX);
    }
    let how: Vec<String> = pairs.iter().map(Pair::explain).collect();
    Some((bps, how.join(", ")))
}

/// Two words that are taken to be the same.
struct Pair<'a> {
    stated: &'a str,
    listed: &'a str,
    bps: i32,
}

impl Pair<'_> {
    fn explain(&self) -> String {
        if self.stated == self.listed {
            return format!("{} = {}", self.stated, self.listed);
        }
        if letters(self.stated) == 1 || letters(self.listed) == 1 {
            return format!("{} is the initial of {}", self.stated, self.listed);
        }
        format!("{} ~ {} ({} bps)", self.stated, self.listed, self.bps)
    }
}

/// Pairs words, the most similar first, each at most once.
fn pair<'a>(stated: &'a [String], listed: &'a [String]) -> Vec<Pair<'a>> {
    let mut candidates: Vec<(i32, usize, usize)> = Vec::new();
    for (i, s) in stated.iter().enumerate() {
        for (j, l) in listed.iter().enumerate() {
            let bps = word_similarity(s, l);
            if bps >= WORD_SIMILAR {
                candidates.push((bps, i, j));
            }
        }
    }
    candidates.sort_by_key(|(bps, i, j)| (std::cmp::Reverse(*bps), *i, *j));
    let (mut stated_taken, mut listed_taken) = (vec![false; stated.len()], vec![false; listed.len()]);
    let mut pairs = Vec::new();
    for (bps, i, j) in candidates {
        if !stated_taken[i] && !listed_taken[j] {
            (stated_taken[i], listed_taken[j]) = (true, true);
            pairs.push(Pair { stated: &stated[i], listed: &listed[j], bps });
        }
    }
    pairs.sort_by_key(|pair| stated.iter().position(|word| word == pair.stated));
    pairs
}

/// Similarity of two words in basis points; an initial stands for any word that begins with it.
fn word_similarity(a: &str, b: &str) -> i32 {
    if a == b {
        return PERFECT;
    }
    let (short, long) = if a.len() <= b.len() { (a, b) } else { (b, a) };
    if letters(short) == 1 {
        return if long.starts_with(short) { 8_700 } else { 0 };
    }
    // Below four letters one changed letter makes another name: Li, Lu, Lin.
    if letters(short) < 4 {
        return 0;
    }
    jaro_winkler(a, b)
}

fn letters(word: &str) -> i64 {
    i64::try_from(word.chars().count()).unwrap_or(i64::MAX)
}

/// Jaro–Winkler similarity in basis points (Winkler 1990: prefix weight 0.1, at most four letters).
fn jaro_winkler(a: &str, b: &str) -> i32 {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let jaro = jaro(&a, &b);
    let prefix = a.iter().zip(&b).take(4).take_while(|(x, y)| x == y).count();
    jaro + i32::try_from(prefix).unwrap_or(0) * (PERFECT - jaro) / 10
}

fn jaro(a: &[char], b: &[char]) -> i32 {
    let reach = (a.len().max(b.len()) / 2).saturating_sub(1);
    let mut taken = vec![false; b.len()];
    let mut met_in_a = Vec::new();
    for (i, letter) in a.iter().enumerate() {
        let window = i.saturating_sub(reach)..(i + reach + 1).min(b.len());
        if let Some(j) = window.into_iter().find(|j| !taken[*j] && b[*j] == *letter) {
            taken[j] = true;
            met_in_a.push(*letter);
        }
    }
    if met_in_a.is_empty() {
        return 0;
    }
    let met_in_b = b.iter().zip(&taken).filter(|(_, taken)| **taken).map(|(letter, _)| letter);
    let swapped = met_in_a.iter().zip(met_in_b).filter(|(x, y)| x != y).count();
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let perfect = i64::from(PERFECT);
    let met = number(met_in_a.len());
    // Thirds of the sum, in basis points; swaps count by halves.
    let sum = met * perfect / number(a.len())
        + met * perfect / number(b.len())
        + (2 * met - number(swapped)) * perfect / (2 * met);
    i32::try_from(sum / 3).unwrap_or(PERFECT)
}

fn compare_birth_dates(stated: BirthDate, listed: BirthDate) -> (i32, &'static str) {
    match (stated, listed) {
        (BirthDate::Day(stated), BirthDate::Day(listed)) if stated == listed => {
            (BIRTH_DATE_AGREES, "birth dates agree")
        }
        _ if (stated.year() - listed.year()).abs() > BIRTH_YEAR_TOLERANCE => {
            (-BIRTH_YEAR_DIFFERS, "years of birth differ")
        }
        (_, BirthDate::Year(_)) | (BirthDate::Year(_), _) => (BIRTH_DATE_AGREES, "years of birth agree"),
        _ => (0, "birth dates are near but differ"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jaro_winkler_gives_the_published_values() {
        // Winkler's own examples: MARTHA/MARHTA 0.961, DWAYNE/DUANE 0.840, DIXON/DICKSONX 0.813.
        for (a, b, wanted) in
            [("martha", "marhta", 9_611), ("dwayne", "duane", 8_400), ("dixon", "dicksonx", 8_133)]
        {
            let found = jaro_winkler(a, b);
            assert!((found - wanted).abs() <= 5, "{a} {b}: {found}, not {wanted}");
            assert_eq!(found, jaro_winkler(b, a));
        }
        assert_eq!(jaro_winkler("abcd", "wxyz"), 0);
    }

    fn words(stated: &str, listed: &str) -> i32 {
        compare(&Name::of(stated), &Name::of(listed)).map_or(0, |(bps, _)| bps)
    }

    #[test]
    fn order_spelling_and_left_out_middle_names_still_meet() {
        assert_eq!(words("Terzhan, Anselm Radovic", "Anselm Radovic Terzhan"), PERFECT);
        assert!(words("Anselm Terzhan", "Anselm Radovic Terzhan") >= 8_500);
        assert!(words("Ilyana Morwena Wastik", "Ilyana Morwenna Vastik") >= 8_500);
        assert!(words("Ouyang Shuo Han", "Ouyang Shuohan") >= 9_000);
    }

    #[test]
    fn one_common_word_is_no_hit() {
        assert!(words("Anselm", "Anselm Radovic Terzhan") <= SINGLE_WORD_MAX);
        assert!(words("Anselm Meyer", "Anselm Terzhan") <= SINGLE_WORD_MAX);
        assert_eq!(words("Li Na", "Lu Ni"), 0);
    }

    #[test]
    fn han_names_meet_whole_or_within() {
        assert_eq!(words("欧阳朔寒", "欧阳朔寒"), PERFECT);
        assert_eq!(words("欧阳朔", "欧阳朔寒"), 8_500);
        assert_eq!(words("王小明", "李小明"), 0);
        assert_eq!(words("王", "王小明"), 0);
    }
}
