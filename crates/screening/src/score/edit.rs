//! What it costs to turn one sound into another.
//!
//! A tenth of a typing error is the unit. Writing one letter for an unlike one costs ten of them, writing `k` for `q`
//! or leaving out a mute `h` a few: that is how names are really spelt in two ways. The costs depend on the pair of
//! scripts, since each leaves out and mixes up other sounds.

use std::sync::LazyLock;

use crate::text::phone::{CH, Phone, SH, SYMBOLS_MAX, WAW, YEH, ZH, is_vowel, symbol};

/// Which costs apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Both in alphabets that write their vowels.
    Plain,
    /// One in Arabic or Hebrew letters.
    Abjad,
    /// One from Hangul.
    Korean,
    /// One a Chinese name in Chinese characters.
    Han,
    /// One a foreign name in Chinese characters.
    Sound,
}

const MODES: usize = 5;

/// A typing error.
const ERROR: u8 = 10;

/// Two neighbours in the wrong order.
const SWAP: u16 = 9;

/// More than anything that is still alike.
pub(crate) const FAR: u16 = 60;

struct Costs {
    substitute: [[u8; 32]; 32],
    /// A symbol too many.
    extra: [u8; 32],
    /// The same beside a vowel, for vowels.
    extra_vowel: u8,
    /// The same between consonants, for vowels.
    short_vowel: u8,
}

impl Costs {
    fn strict() -> Self {
        let mut costs = Self {
            substitute: [[ERROR; 32]; 32],
            extra: [ERROR; 32],
            extra_vowel: ERROR,
            short_vowel: u8::MAX,
        };
        for symbol in 0..32 {
            costs.substitute[symbol][symbol] = 0;
        }
        costs
    }

    fn alike(&mut self, pairs: &str, cost: u8) -> &mut Self {
        for pair in pairs.split_whitespace() {
            let mut symbols = pair.bytes().map(named);
            if let (Some(one), Some(other)) = (symbols.next(), symbols.next()) {
                self.substitute[usize::from(one)][usize::from(other)] = cost;
                self.substitute[usize::from(other)][usize::from(one)] = cost;
            }
        }
        self
    }

    fn optional(&mut self, symbols: &str, cost: u8) -> &mut Self {
        for symbol in symbols.bytes() {
            self.extra[usize::from(named(symbol))] = cost;
        }
        self
    }

    fn plain() -> Self {
        let mut costs = Self::strict();
        costs
            .alike("ae ao ei iu", 5)
            .alike("ou", 3)
            .alike("ai au eo io eu", 7)
            .alike("kg", 6)
            .alike("vu vf ij", 3)
            .alike("vb fb pb td sz cs cC cZ CZ cz jZ sS sC zZ jC hg hk SC ZS jz", 5)
            .alike("cS", 6)
            .alike("jg ct mn", 6)
            .alike("hj", 6)
            .optional("aeiou", 7)
            .optional("h", 4)
            .optional("v", 8);
        costs.extra_vowel = 4;
        costs
    }

    fn abjad() -> Self {
        let mut costs = Self::strict();
        costs
            // Long vowels are written, as what they are; an ayn may sound as any.
            .alike("xa xe xi xo xu Wu Wo Wv Yi Ye", 0)
            .alike("ae ha he", 1)
            .alike("ao Ya", 4)
            .alike("ai au We Wa Yu Yo Wi", 7)
            .alike("Yj jg kg zd zt ts jZ jC CS td sS zZ", 3)
            .alike("dt sz cs ct pb fp vf vb hk kC gh", 4)
            .alike("gr gk cC cS", 5)
            .optional("aeiou", 3)
            .optional("x", 1)
            .optional("W", 7)
            .optional("Y", 7)
            .optional("h", 4)
            .optional("v", 8);
        costs.extra_vowel = 1;
        costs.short_vowel = 0;
        costs
    }

    fn korean() -> Self {
        let mut costs = Self::strict();
        costs
            .alike("kg td pb CZ Cj Zj jc Cc sS", 1)
            .alike("ou oe eu ae", 3)
            .alike("ai ei ao au eo iu io", 6)
            .alike("lr", 1)
            .alike("ln rn", 4)
            .alike("vu vo", 3)
            .alike("Ct jd", 5)
            .optional("i", 6)
            .optional("h", 6)
            .optional("v", 5);
        costs.extra_vowel = 7;
        costs
    }

    fn han() -> Self {
        let mut costs = Self::strict();
        costs
            .alike("CZ Cj Ck Zj jc Cc sS Sh cZ kg td pb", 3)
            .alike("ou", 4)
            .alike("ae eo ei oa", 8)
            .alike("vu", 3)
            .alike("rj Zr", 5)
            .optional("h", 5)
            .optional("g", 7);
        costs.extra_vowel = 5;
        costs
    }

    fn sound() -> Self {
        let mut costs = Self::strict();
        costs
            .alike("ae ai ao au ei ou eo eu iu io", 3)
            .alike("lr", 0)
            .alike("nm", 4)
            .alike("vu vo vf vh", 2)
            .alike("bp dt gk kh", 4)
            .alike("jg jk jC jZ jz", 3)
            .alike("cs cz cC cS cZ sS sz Sh SC CS ZS Zz Zj kC jS cd ct", 3)
            .alike("st zt tS tZ sd hf bv ij", 4)
            .optional("aeiou", 2)
            .optional("h", 4)
            .optional("r", 3)
            .optional("l", 4)
            .optional("v", 4)
            .optional("g", 4)
            .optional("dtkn", 7);
        costs.extra_vowel = 2;
        costs
    }
}

/// The symbol that is written so in the tables above.
fn named(letter: u8) -> u8 {
    match letter {
        b'S' => SH,
        b'Z' => ZH,
        b'C' => CH,
        b'W' => WAW,
        b'Y' => YEH,
        letter => symbol(letter),
    }
}

static COSTS: LazyLock<[Costs; MODES]> =
    LazyLock::new(|| [Costs::plain(), Costs::abjad(), Costs::korean(), Costs::han(), Costs::sound()]);

/// Vowels that are written for one another cheaply, other vowels, consonants that come and go, and all others.
const CHEAP: [u32; 3] =
    [bits(&[8, 14, 20, 7, 9, 21, 5]), bits(&[0, 4]), !(bits(&[0, 4, 8, 14, 20, 7, 9, 21, 5]))];

const fn bits(symbols: &[u8]) -> u32 {
    let (mut mask, mut at) = (0, 0);
    while at < symbols.len() {
        mask |= 1 << symbols[at];
        at += 1;
    }
    mask
}

/// The least that symbols cost which only one of two words has. Cheap, and most words are told apart by it.
#[inline]
pub(crate) fn least_cost(mode: Mode, a: &Phone, b: &Phone) -> u16 {
    let (one, other) = (a.mask() & !b.mask(), b.mask() & !a.mask());
    let cost = |mask: u32| -> u32 {
        let [cheap, vowels, rest] = CHEAP.map(|symbols| (mask & symbols).count_ones());
        match mode {
            Mode::Plain => cheap * 3 + vowels * 4 + rest * 5,
            Mode::Korean | Mode::Han => cheap * 3 + vowels * 3 + rest,
            Mode::Abjad => (mask & CHEAP[2] & !ABJAD_FREE).count_ones() * 3,
            Mode::Sound => rest * 2,
        }
    };
    u16::try_from(cost(one).max(cost(other))).unwrap_or(FAR)
}

/// Symbols of the abjads that stand for vowels.
const ABJAD_FREE: u32 = bits(&[23, WAW, YEH]);

/// What it costs to turn `a` into `b`, [`FAR`] if more than `most`.
pub(crate) fn distance(mode: Mode, a: &Phone, b: &Phone, most: u16) -> u16 {
    let costs = &COSTS[mode as usize];
    let (a, b) = (a.symbols(), b.symbols());
    let (mut a, mut b) = (a, b);
    // What both begin and end with costs nothing; between two abjads' sounds the place of a vowel matters.
    if mode != Mode::Abjad {
        while let ([x, rest_a @ ..], [y, rest_b @ ..]) = (a, b)
            && x == y
        {
            (a, b) = (rest_a, rest_b);
        }
        while let ([rest_a @ .., x], [rest_b @ .., y]) = (a, b)
            && x == y
        {
            (a, b) = (rest_a, rest_b);
        }
    }
    let mut rows = [[0_u16; SYMBOLS_MAX + 1]; 3];
    for (j, symbol) in b.iter().enumerate() {
        rows[0][j + 1] = rows[0][j] + extra(costs, b, j, *symbol);
    }
    if a.is_empty() {
        return within(rows[0][b.len()], most);
    }
    for (i, x) in a.iter().enumerate() {
        let [before, above, row] = three(&mut rows, i);
        row[0] = above[0] + extra(costs, a, i, *x);
        let mut least = row[0];
        let substitute = &costs.substitute[usize::from(*x) & 31];
        for (j, y) in b.iter().enumerate() {
            let mut best = (above[j] + u16::from(substitute[usize::from(*y) & 31]))
                .min(above[j + 1] + extra(costs, a, i, *x))
                .min(row[j] + extra(costs, b, j, *y));
            if i > 0 && j > 0 && *x == b[j - 1] && a[i - 1] == *y {
                best = best.min(before[j - 1] + SWAP);
            }
            row[j + 1] = best;
            least = least.min(best);
        }
        if least > most {
            return FAR;
        }
    }
    within(rows[a.len() % 3][b.len()], most)
}

fn within(cost: u16, most: u16) -> u16 {
    if cost > most { FAR } else { cost }
}

/// The row before the last, the last, and the one to be written.
fn three(rows: &mut [[u16; SYMBOLS_MAX + 1]; 3], i: usize) -> [&mut [u16; SYMBOLS_MAX + 1]; 3] {
    let [first, second, third] = rows;
    match i % 3 {
        0 => [third, first, second],
        1 => [first, second, third],
        _ => [second, third, first],
    }
}

#[inline]
fn extra(costs: &Costs, word: &[u8], at: usize, symbol: u8) -> u16 {
    if !is_vowel(symbol) {
        return u16::from(costs.extra[usize::from(symbol) & 31]);
    }
    let before = at.checked_sub(1).map(|before| is_vowel(word[before]));
    let after = word.get(at + 1).map(|after| is_vowel(*after));
    let full = costs.extra[usize::from(symbol) & 31];
    u16::from(match (before, after) {
        (Some(true), _) | (_, Some(true)) => costs.extra_vowel,
        (Some(false), Some(false)) => costs.short_vowel.min(full),
        _ => full,
    })
}

/// How alike two words are at a cost, in basis points: each typing error takes its share of the longer word, and the
/// second one weighs more than the first. Zero beyond what is alike at all.
#[inline]
pub(crate) fn alike(mode: Mode, length: usize, cost: u16) -> u16 {
    TABLES[mode as usize][length.min(SYMBOLS_MAX)].alike.get(usize::from(cost)).copied().unwrap_or(0)
}

/// The largest cost at which two words of this length are alike.
#[inline]
pub(crate) fn most(mode: Mode, length: usize) -> u16 {
    TABLES[mode as usize][length.min(SYMBOLS_MAX)].most
}

#[derive(Clone, Copy)]
struct Length {
    most: u16,
    alike: [u16; FAR as usize],
}

static TABLES: LazyLock<[[Length; SYMBOLS_MAX + 1]; MODES]> = LazyLock::new(|| {
    let modes = [Mode::Plain, Mode::Abjad, Mode::Korean, Mode::Han, Mode::Sound];
    modes.map(|mode| {
        std::array::from_fn(|length| {
            let alike: [u16; FAR as usize] = std::array::from_fn(|cost| formula(mode, length, cost));
            let most = alike.iter().rposition(|alike| *alike > 0).unwrap_or(0);
            Length { most: u16::try_from(most).unwrap_or(FAR), alike }
        })
    })
});

/// Least that is still alike.
const fn least(mode: Mode) -> u16 {
    match mode {
        Mode::Plain => 7_000,
        Mode::Abjad | Mode::Korean | Mode::Han => 8_000,
        Mode::Sound => 7_000,
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)] // within 0 and 10000
fn formula(mode: Mode, length: usize, cost: usize) -> u16 {
    if cost == 0 {
        return 10_000;
    }
    // In a short word one letter makes another name: Li, Lu; Ali, Ari.
    let bearable = match (mode, length) {
        (Mode::Abjad, 0..=3) => 2,
        (Mode::Abjad, 4) => 5,
        (Mode::Han, 0..=4) => 3,
        (Mode::Han, 5..=6) => 6,
        (_, 0..=2) => 3,
        (_, 3) => 4,
        (_, 4) => 10,
        _ => usize::from(FAR),
    };
    if cost > bearable {
        return 0;
    }
    let errors = cost as f64 / f64::from(ERROR);
    let share = 1.0 - errors / length as f64;
    let alike = (10_000.0 * share.max(0.0).powf(errors.max(0.7))) as u16;
    if alike < least(mode) { 0 } else { alike }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn cost(mode: Mode, a: &str, b: &str) -> u16 {
        distance(mode, &Phone::of(a), &Phone::of(b), FAR - 1)
    }

    #[test]
    fn the_same_sound_costs_little_and_another_much() {
        assert_eq!(cost(Mode::Plain, "smith", "smith"), 0);
        assert!(cost(Mode::Plain, "mohammed", "muhamad") <= 10);
        assert!(cost(Mode::Plain, "alexander", "aleksandr") <= 8);
        assert_eq!(cost(Mode::Plain, "marla", "malra"), 9);
        assert_eq!(cost(Mode::Plain, "lisa", "lina"), 10);
        assert_eq!(cost(Mode::Sound, "kelaci", "klaci"), 2);
    }

    #[test]
    fn likeness_falls_with_the_cost() {
        for mode in [Mode::Plain, Mode::Abjad, Mode::Korean, Mode::Han, Mode::Sound] {
            for length in 1..=SYMBOLS_MAX {
                for cost in 1..FAR {
                    assert!(
                        alike(mode, length, cost) <= alike(mode, length, cost - 1),
                        "{mode:?} {length} {cost}"
                    );
                }
                let most = most(mode, length);
                assert!(alike(mode, length, most) >= least(mode) && alike(mode, length, most + 1) == 0);
            }
        }
    }

    proptest! {
        #[test]
        fn it_is_a_distance(a in "[a-z]{0,30}", b in "[a-z]{0,30}") {
            for mode in [Mode::Plain, Mode::Abjad, Mode::Korean, Mode::Han, Mode::Sound] {
                prop_assert_eq!(cost(mode, &a, &a), 0);
                prop_assert_eq!(cost(mode, &a, &b), cost(mode, &b, &a));
            }
        }
    }
}
