//! How two words of names meet.

use serde::{Deserialize, Serialize};

use super::edit::{self, Mode};
use crate::PERFECT;
use crate::text::phone::{Phone, is_vowel};
use crate::text::{Kind, Script, Token};

/// How two words met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// Letter by letter.
    Exact,
    /// Spelt otherwise, sounding the same.
    Spelling,
    /// Nearly.
    Fuzzy,
    /// From one script to the other.
    Transliterated,
    /// One is the first letter of the other.
    Initial,
    /// One is a short or pet form of the other.
    Diminutive,
    /// The same name in two languages.
    Variant,
    /// Written in one word here, in several there.
    Joined,
}

/// That two words meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Meeting {
    pub(crate) bps: u16,
    pub(crate) how: How,
}

const SAME_SOUND: u16 = 9_800;
const OTHER_SPELLING: u16 = 9_700;
const DIMINUTIVE: u16 = 9_200;
const VARIANT: u16 = 8_000;
const INITIAL: u16 = 8_500;

/// Two different common given names count at most so much as one, where more than a vowel differs.
const OTHER_NAME: u16 = 7_000;

/// Below this likeness of sound the letters are compared too, and their likeness counts at most so much.
const LETTERS_BELOW: u16 = 9_000;

/// Least that two words written in one must be like the one word.
const JOINED_LEAST: u16 = 8_800;

/// How `a` and `b` meet, if they do.
#[inline]
pub(crate) fn meet(a: &Token, b: &Token) -> Option<Meeting> {
    let scripts = a.script != b.script;
    if a.id == b.id && a.text() == b.text() {
        return Some(if scripts {
            transliterated(PERFECT)
        } else {
            Meeting { bps: PERFECT, how: How::Exact }
        });
    }
    if a.kind != b.kind && (a.kind == Kind::Initial || b.kind == Kind::Initial) {
        return initial(a, b);
    }
    if a.kind != Kind::Word || b.kind != Kind::Word {
        return other_kinds(a, b);
    }
    let grouped = given_name(a, b);
    let mode = mode(a.script, b.script)?;
    if grouped.is_none() && (a.classes ^ b.classes).count_ones() > differing_max(a, b, mode) {
        return None;
    }
    let mut fuzzy = sounds(a, b, mode);
    if mode == Mode::Plain && a.known && b.known && differ(a, b) {
        fuzzy = fuzzy.map(|meeting| Meeting { bps: meeting.bps.min(OTHER_NAME), ..meeting });
    }
    match (grouped, fuzzy) {
        (Some(one), Some(other)) => Some(if one.bps >= other.bps { one } else { other }),
        (one, other) => one.or(other),
    }
}

fn transliterated(bps: u16) -> Meeting {
    Meeting { bps, how: How::Transliterated }
}

/// Most classes of consonants that may stand in one word alone: one typing error changes two.
#[inline]
fn differing_max(a: &Token, b: &Token, mode: Mode) -> u32 {
    match mode {
        Mode::Plain | Mode::Korean | Mode::Han => {
            if a.phone.len().max(b.phone.len()) < 8 {
                2
            } else {
                4
            }
        }
        Mode::Abjad | Mode::Sound => 4,
    }
}

/// Whether two common names differ in more than vowels within: Maria and Mario, David and Davis, not Nasir and Nasser.
fn differ(a: &Token, b: &Token) -> bool {
    let ending = |token: &Token| token.phone.symbols().last().copied().filter(|symbol| is_vowel(*symbol));
    a.classes != b.classes || ending(a) != ending(b) || a.phone.len().abs_diff(b.phone.len()) > 1
}

/// Which costs apply between two scripts; none between two that each reach Latin letters with a loss.
#[inline]
fn mode(a: Script, b: Script) -> Option<Mode> {
    if a == b {
        return Some(Mode::Plain);
    }
    let lossless = |script| matches!(script, Script::Latin | Script::Cyrillic | Script::Other);
    if !lossless(a) && !lossless(b) {
        return None;
    }
    Some(match (a, b) {
        (Script::Arabic, _) | (_, Script::Arabic) => Mode::Abjad,
        (Script::HanSound, _) | (_, Script::HanSound) => Mode::Sound,
        (Script::Hangul, _) | (_, Script::Hangul) => Mode::Korean,
        (Script::Han, _) | (_, Script::Han) => Mode::Han,
        _ => Mode::Plain,
    })
}

fn sounds(a: &Token, b: &Token, mode: Mode) -> Option<Meeting> {
    let crosses = a.script != b.script;
    let mut best = phones(mode, &a.phone, &b.phone);
    if mode == Mode::Plain && best < LETTERS_BELOW && a.letters.len() > 4 && b.letters.len() > 4 {
        best = best.max(phones(mode, &a.letters, &b.letters).min(LETTERS_BELOW));
    }
    if !a.others.is_empty() || !b.others.is_empty() {
        for (text_a, phone_a) in a.spellings() {
            for (text_b, phone_b) in b.spellings() {
                // Another spelling is one of few: no likeness to it counts.
                if text_a == text_b || phone_a == phone_b {
                    best = best.max(OTHER_SPELLING);
                }
            }
        }
    }
    if best == 0 {
        return None;
    }
    Some(match (crosses, best >= PERFECT) {
        (true, _) => transliterated(best.min(SAME_SOUND)),
        (false, true) => Meeting { bps: SAME_SOUND, how: How::Spelling },
        (false, false) => Meeting { bps: best, how: How::Fuzzy },
    })
}

/// How alike two sounds are, in basis points.
#[inline]
fn phones(mode: Mode, a: &Phone, b: &Phone) -> u16 {
    let length = length(mode, a, b);
    let most = edit::most(mode, length);
    // Nothing that comes and goes costs less than this; a vowel of Arabic or Chinese nearly nothing.
    let cheapest = match mode {
        Mode::Plain | Mode::Korean | Mode::Han => 3,
        Mode::Abjad | Mode::Sound => 1,
    };
    let apart = u16::try_from(a.len().abs_diff(b.len())).unwrap_or(u16::MAX);
    if apart.saturating_mul(cheapest) > most || edit::least_cost(mode, a, b) > most {
        return 0;
    }
    edit::alike(mode, length, edit::distance(mode, a, b, most))
}

/// The length that errors are a share of.
#[inline]
fn length(mode: Mode, a: &Phone, b: &Phone) -> usize {
    match mode {
        Mode::Plain | Mode::Korean | Mode::Han | Mode::Sound => a.len().max(b.len()),
        // Vowels are on one side only.
        Mode::Abjad => a.len().min(b.len()) + 1,
    }
}

fn initial(a: &Token, b: &Token) -> Option<Meeting> {
    let (initial, word) = if a.kind == Kind::Initial { (a, b) } else { (b, a) };
    let meets = matches!(word.kind, Kind::Word | Kind::Minor)
        && (word.text().as_bytes().first() == initial.text().as_bytes().first()
            || word.phone.symbols().first() == initial.phone.symbols().first());
    meets.then_some(Meeting { bps: INITIAL, how: How::Initial })
}

/// Words of which one at least is no name: they meet where they sound the same.
fn other_kinds(a: &Token, b: &Token) -> Option<Meeting> {
    let article = |token: &Token| {
        matches!(token.text(), "al" | "el" | "ul" | "ad" | "ud" | "ur" | "as" | "ash" | "az" | "ar")
    };
    let son = |token: &Token| matches!(token.text(), "bin" | "ben" | "ibn");
    if a.kind == b.kind && (article(a) && article(b) || son(a) && son(b)) {
        return Some(Meeting { bps: SAME_SOUND, how: How::Spelling });
    }
    if a.kind == b.kind && a.kind == Kind::Minor {
        return None;
    }
    // A compound that was mistyped is a word here and in its parts there.
    if matches!((a.kind, b.kind), (Kind::Minor, Kind::Word) | (Kind::Word, Kind::Minor))
        && a.phone.len().min(b.phone.len()) >= 3
    {
        return sounds(a, b, mode(a.script, b.script)?);
    }
    (a.phone.len() > 1 && a.phone == b.phone && a.kind != Kind::Generation && b.kind != Kind::Generation)
        .then_some(Meeting { bps: SAME_SOUND, how: How::Spelling })
}

fn given_name(a: &Token, b: &Token) -> Option<Meeting> {
    if a.groups.is_empty() || b.groups.is_empty() {
        return None;
    }
    let mut best = None;
    for (group, first) in a.groups {
        for (other, other_first) in b.groups {
            if group == other {
                if *first && *other_first {
                    return Some(Meeting { bps: DIMINUTIVE, how: How::Diminutive });
                }
                best = Some(Meeting { bps: VARIANT, how: How::Variant });
            }
        }
    }
    best
}

/// How `whole` meets the words `parts` written in one.
pub(crate) fn meet_joined(whole: &Token, parts: [&Token; 2]) -> Option<Meeting> {
    let script = parts[0].script;
    if parts[1].script != script || parts[0].phone.len() == 0 || parts[1].phone.len() == 0 {
        return None;
    }
    let joined = parts[0].phone.joined(&parts[1].phone);
    let mode = mode(whole.script, script)?;
    let bps = whole.spellings().map(|(_, phone)| phones(mode, phone, &joined)).max().unwrap_or(0);
    (bps >= JOINED_LEAST).then_some(Meeting { bps: bps.min(OTHER_SPELLING), how: How::Joined })
}
