//! Made-up people: enough of them to fill a list of a million, as unevenly named as real ones are.

use std::fmt::Write as _;

use bursar_screening::{Format, List};

use crate::exit::Exit;

const GIVEN: &str = "mohammed ahmed ali hassan hussein omar khalid ibrahim yusuf mahmoud abdullah mustafa fatima aisha maria jose juan carlos \
                     luis jorge pedro miguel antonio ana carmen rosa ivan sergei alexander dmitri nikolai vladimir mikhail olga natalia \
                     elena tatiana john james robert michael william david richard thomas mary patricia linda barbara susan jean pierre \
                     michel anne marie hans peter klaus wolfgang anna giovanni marco paolo francesca wei jun ming hui lei xin yan fang li \
                     hiroshi kenji yuki akiko min-jun seo-yeon ji-hoon raj priya amit sanjay anil sunita kwame kofi amina chidi ngozi bongani \
                     thabo zanele abdoulaye mamadou aminata";

const FIRST: [&str; 40] = [
    "ka", "mo", "ber", "al", "sa", "gar", "ro", "pe", "lu", "ha", "na", "vi", "da", "ste", "ko", "ma", "ra",
    "zu", "to", "ni", "fer", "go", "ba", "che", "ti", "sha", "el", "mur", "os", "ya", "du", "ve", "li", "ze",
    "kra", "bo", "sul", "dra", "wa", "je",
];
const MIDDLE: [&str; 30] = [
    "la", "ri", "man", "ne", "do", "ta", "vo", "ki", "sa", "le", "mi", "ra", "zu", "no", "ber", "ga", "di",
    "lo", "sha", "te", "va", "ku", "nar", "si", "po", "len", "ma", "ro", "bi", "da",
];
const LAST: [&str; 24] = [
    "ez", "ov", "son", "ini", "enko", "ani", "ski", "berg", "ura", "adze", "yan", "oglu", "es", "ri", "man",
    "off", "ich", "moto", "sen", "zade", "ell", "ard", "ova", "ia",
];

/// A sequence that looks random and is the same in each run (splitmix64).
pub(super) struct Dice(u64);

impl Dice {
    pub(super) const fn of(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let sides_wide = u64::try_from(sides.max(1)).unwrap_or(1);
        usize::try_from((mixed ^ (mixed >> 31)) % sides_wide).unwrap_or(0)
    }

    /// Small numbers more often than large ones, as names are common or rare.
    fn uneven(&mut self, sides: usize) -> usize {
        let (one, other) = (self.roll(sides), self.roll(sides));
        one * other / sides.max(1)
    }
}

fn given(dice: &mut Dice) -> &'static str {
    let count = GIVEN.split_whitespace().count();
    GIVEN.split_whitespace().nth(dice.uneven(count)).unwrap_or("ali")
}

fn surname(dice: &mut Dice) -> String {
    let mut name = FIRST[dice.uneven(FIRST.len())].to_owned();
    for _ in 0..1 + dice.roll(2) {
        name.push_str(MIDDLE[dice.uneven(MIDDLE.len())]);
    }
    name.push_str(LAST[dice.uneven(LAST.len())]);
    name
}

/// The name of somebody.
pub(super) fn name(dice: &mut Dice) -> String {
    match dice.roll(4) {
        0 => format!("{} {} {}", given(dice), given(dice), surname(dice)),
        1 => format!("{} {} {}", given(dice), surname(dice), surname(dice)),
        _ => format!("{} {}", given(dice), surname(dice)),
    }
}

/// A name with one thing about it that is not as on the list: its order, a letter, a word.
pub(super) fn otherwise(name: &str, dice: &mut Dice) -> String {
    let mut words: Vec<String> = name.split_whitespace().map(str::to_owned).collect();
    if words.len() < 2 {
        return name.to_owned();
    }
    match dice.roll(3) {
        0 => words.rotate_left(1),
        1 if words.len() > 2 => {
            words.remove(1);
        }
        _ => {
            let longest = (0..words.len()).max_by_key(|at| words[*at].chars().count()).unwrap_or(0);
            let mut letters: Vec<char> = words[longest].chars().collect();
            if letters.len() > 5 {
                let at = 1 + dice.roll(letters.len() - 2);
                if dice.roll(2) == 0 {
                    letters.remove(at);
                } else {
                    letters.swap(at, at - 1);
                }
            }
            words[longest] = letters.into_iter().collect();
        }
    }
    words.join(" ")
}

/// A list of so many made-up people, with an alias each.
pub(super) fn list(entries: usize) -> Result<List, Exit> {
    let mut dice = Dice::of(20_261_126);
    let mut text = String::from("entry_id,name,aliases,birth_date,countries,reason\n");
    for number in 0..entries {
        let (name, alias, year) = (name(&mut dice), name(&mut dice), 1930 + dice.roll(75));
        // Writing to a string cannot fail.
        let _ = writeln!(text, "M{number},{name},{alias},{year},,made up");
    }
    List::read("made", Format::OwnCsv, text.as_bytes()).map_err(|error| Exit::software(error.to_string()))
}
