//! How two names meet: words are paired whatever their order, what stays over on either side takes away.

use super::word::{How, Meeting, meet, meet_joined};
use crate::PERFECT;
use crate::text::{Form, Kind, Script, TOKENS_MAX, Token};

/// What a word of the asked name that the listed one lacks counts against the match, in hundredths of its weight: people
/// know their own names.
pub(crate) const ASKED_EXTRA: u32 = 55;

/// The same for a word of the listed name: middle names and patronymics are often left out.
pub(crate) const LISTED_EXTRA: u32 = 30;

/// The same against a foreign name in Chinese characters, which is the surname alone as a rule.
const SOUND_EXTRA: u32 = 20;

/// Added where both have words over: those are not left out, they differ.
const CONFLICT: u32 = 45;

/// Added where the first words of both are over, which as a rule are the given names: brothers share all the others.
const CONFLICT_FIRST: u32 = 40;

/// How often what two words differ by counts: a name of two words of which one only resembles is another name as a rule.
/// In hundredths.
const DIFFERENCE: u32 = 200;

/// The same between scripts, which spell one name in many ways.
const DIFFERENCE_ACROSS: u32 = 150;

/// Taken away where both say which generation, and not the same.
const GENERATION: u16 = 2_500;

/// Two words that met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) asked: u8,
    pub(crate) listed: u8,
    /// How many words the meeting takes on the asked and on the listed side.
    pub(crate) spans: (u8, u8),
    pub(crate) meeting: Meeting,
}

/// What was found of two names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub(crate) bps: u16,
    pairs: [Pair; TOKENS_MAX],
    count: u8,
}

impl Outcome {
    const NONE: Self = Self {
        bps: 0,
        pairs: [Pair { asked: 0, listed: 0, spans: (1, 1), meeting: Meeting { bps: 0, how: How::Exact } };
            TOKENS_MAX],
        count: 0,
    };

    pub(crate) fn pairs(&self) -> &[Pair] {
        &self.pairs[..usize::from(self.count)]
    }

    fn push(&mut self, pair: Pair) {
        if usize::from(self.count) < TOKENS_MAX {
            self.pairs[usize::from(self.count)] = pair;
            self.count += 1;
        }
    }
}

/// Which words are taken: a bit each.
#[derive(Clone, Copy, Default)]
struct Taken {
    asked: u16,
    listed: u16,
}

/// Compares two forms.
pub(crate) fn compare(asked: &Form, listed: &Form) -> Outcome {
    let mut tokens = [None; TOKENS_MAX];
    let count = listed.tokens.len().min(TOKENS_MAX);
    for (slot, token) in tokens.iter_mut().zip(&listed.tokens) {
        *slot = Some(token);
    }
    compare_tokens(&asked.tokens, &tokens[..count])
}

/// Compares the words of two names. Allocates nothing.
pub(crate) fn compare_tokens(asked: &[Token], listed: &[Option<&Token>]) -> Outcome {
    let mut outcome = Outcome::NONE;
    let mut taken = Taken::default();
    pair_up(asked, listed, &mut outcome, &mut taken);
    if outcome.count == 0 && (asked.len() > 1) == (listed.len() > 1) && asked.len() < 3 && listed.len() < 3 {
        return outcome;
    }
    join(asked, listed, &mut outcome, &mut taken);
    outcome.bps = judge(asked, listed, &outcome, taken);
    outcome
}

fn pair_up(asked: &[Token], listed: &[Option<&Token>], outcome: &mut Outcome, taken: &mut Taken) {
    // Meetings, packed so that the best sorts first: its worth, then the positions.
    let mut found = [(0_u32, 0_u8, 0_u8, Meeting { bps: 0, how: How::Exact }); 48];
    let mut count = 0;
    for (i, a) in asked.iter().enumerate().take(TOKENS_MAX) {
        for (j, b) in listed.iter().enumerate() {
            let Some(b) = b else { continue };
            let Some(meeting) = meet(a, b) else { continue };
            if count < found.len() {
                let worth =
                    u32::from(meeting.bps) * u32::from(a.weight().min(b.weight())) + u32::from(i == j);
                found[count] = (worth, i as u8, j as u8, meeting);
                count += 1;
            }
        }
    }
    let found = &mut found[..count];
    found.sort_unstable_by_key(|meeting| std::cmp::Reverse(meeting.0));
    for (_, i, j, meeting) in found {
        let (asked_bit, listed_bit) = (1_u16 << *i, 1_u16 << *j);
        if taken.asked & asked_bit == 0 && taken.listed & listed_bit == 0 {
            taken.asked |= asked_bit;
            taken.listed |= listed_bit;
            outcome.push(Pair { asked: *i, listed: *j, spans: (1, 1), meeting: *meeting });
        }
    }
}

/// Words that are written in one here and in two there.
fn join(asked: &[Token], listed: &[Option<&Token>], outcome: &mut Outcome, taken: &mut Taken) {
    let free = |bits: u16, at: usize| bits & (1 << at) == 0;
    for (i, whole) in asked.iter().enumerate() {
        if !free(taken.asked, i) || whole.kind != Kind::Word || whole.phone.len() < 4 {
            continue;
        }
        for j in 1..listed.len() {
            if let (true, true, Some(one), Some(other)) =
                (free(taken.listed, j - 1), free(taken.listed, j), listed[j - 1], listed[j])
                && let Some(meeting) = meet_joined(whole, [one, other])
            {
                taken.asked |= 1 << i;
                taken.listed |= 3 << (j - 1);
                outcome.push(Pair { asked: i as u8, listed: (j - 1) as u8, spans: (1, 2), meeting });
                break;
            }
        }
    }
    for (j, whole) in listed.iter().enumerate() {
        let Some(whole) = whole else { continue };
        if !free(taken.listed, j) || whole.kind != Kind::Word || whole.phone.len() < 4 {
            continue;
        }
        for i in 1..asked.len() {
            if free(taken.asked, i - 1)
                && free(taken.asked, i)
                && let Some(meeting) = meet_joined(whole, [&asked[i - 1], &asked[i]])
            {
                taken.asked |= 3 << (i - 1);
                taken.listed |= 1 << j;
                outcome.push(Pair { asked: (i - 1) as u8, listed: j as u8, spans: (2, 1), meeting });
                break;
            }
        }
    }
}

/// The score of what was paired, in basis points.
fn judge(asked: &[Token], listed: &[Option<&Token>], outcome: &Outcome, taken: Taken) -> u16 {
    let (mut met, mut weight, mut words, mut initials) = (0_u32, 0_u32, 0_u32, (0_u32, 0_u32));
    for pair in outcome.pairs() {
        let asked_weight: u32 = span(pair.asked, pair.spans.0).map(|i| u32::from(asked[i].weight())).sum();
        let listed_weight: u32 = span(pair.listed, pair.spans.1)
            .filter_map(|j| listed[j])
            .map(|token| u32::from(token.weight()))
            .sum();
        let pair_weight = match pair.meeting.how {
            How::Initial => asked_weight.min(listed_weight),
            _ => u32::midpoint(asked_weight, listed_weight).min(if pair.spans == (1, 1) { 100 } else { 150 }),
        };
        let differs = u32::from(PERFECT) - u32::from(pair.meeting.bps);
        let counts = match (
            pair.meeting.how,
            asked[usize::from(pair.asked)].script,
            listed[usize::from(pair.listed)].map(|token| token.script),
        ) {
            (_, Script::HanSound, _) | (_, _, Some(Script::HanSound)) => differs,
            (How::Transliterated, ..) => differs * DIFFERENCE_ACROSS / 100,
            _ => differs * DIFFERENCE / 100,
        };
        met += pair_weight * u32::from(PERFECT).saturating_sub(counts);
        if pair.meeting.how == How::Initial {
            // The full word only may be what the letter stands for: against another full word it stands no less.
            initials.0 += u32::from(asked[usize::from(pair.asked)].kind == Kind::Word) * 100;
            initials.1 +=
                u32::from(listed[usize::from(pair.listed)].is_some_and(|token| token.kind == Kind::Word))
                    * 100;
        }
        weight += pair_weight;
        if pair.meeting.how != How::Initial {
            words += pair_weight;
        }
    }
    // Something that is a name must meet.
    if words < 80 {
        return 0;
    }
    let over = |token: &Token| matches!(token.kind, Kind::Word | Kind::Minor | Kind::Initial);
    let (mut asked_over, mut listed_over, mut asked_names, mut listed_names) = (0_u32, 0_u32, 0_u32, 0_u32);
    let (mut asked_conflict, mut listed_conflict) = (0_u32, 0_u32);
    for (i, token) in asked.iter().enumerate() {
        let weighs = u32::from(token.weight());
        asked_names += u32::from(over(token)) * weighs.min(100);
        if taken.asked & (1 << i) == 0 {
            asked_over += weighs;
            asked_conflict += if over(token) { weighs } else { 0 };
        }
    }
    for (j, token) in listed.iter().enumerate() {
        let Some(token) = token else { continue };
        let weighs = u32::from(token.weight());
        listed_names += u32::from(over(token)) * weighs.min(100);
        if taken.listed & (1 << j) == 0 {
            listed_over += weighs;
            listed_conflict += if over(token) { weighs } else { 0 };
        }
    }
    let conflict = (asked_conflict + initials.0).min(listed_conflict + initials.1);
    // Names of East Asia are written whole or not at all.
    let whole = |script| matches!(script, Script::Han | Script::Hangul);
    let listed_extra = match (asked.first(), listed.first().copied().flatten()) {
        (Some(one), Some(other)) if whole(one.script) || whole(other.script) => ASKED_EXTRA,
        (Some(one), _) if one.script == Script::HanSound => SOUND_EXTRA,
        _ => LISTED_EXTRA,
    };
    let first_over = conflict > 0 && taken.asked & 1 == 0 && taken.listed & 1 == 0;
    let against = asked_over * ASKED_EXTRA
        + listed_over * listed_extra
        + conflict * (CONFLICT + if first_over { CONFLICT_FIRST } else { 0 });
    let mut bps = met * 100 / (weight * 100 + against).max(1);
    bps = bps * u32::from(alone(asked, outcome, asked_names, listed_names)) / 100;
    let mut bps = u16::try_from(bps.min(u32::from(PERFECT))).unwrap_or(PERFECT);
    if generations_differ(asked, listed) {
        bps = bps.saturating_sub(GENERATION);
    }
    bps
}

fn span(from: u8, length: u8) -> std::ops::Range<usize> {
    usize::from(from)..usize::from(from) + usize::from(length)
}

/// What a match is worth, in hundredths, where one of the names is one word: the shorter, the less.
fn alone(asked: &[Token], outcome: &Outcome, asked_names: u32, listed_names: u32) -> u8 {
    if asked_names > 100 && listed_names > 100 {
        return 100;
    }
    let Some(word) = outcome
        .pairs()
        .iter()
        .map(|pair| &asked[usize::from(pair.asked)])
        .max_by_key(|token| token.phone.len())
    else {
        return 100;
    };
    let whole = asked_names <= 100 && listed_names <= 100;
    let sound = word.script == Script::HanSound;
    match word.phone.len() {
        5.. if sound => 100,
        0..=3 => {
            if whole {
                85
            } else {
                60
            }
        }
        4 => {
            if whole {
                90
            } else {
                70
            }
        }
        5 => {
            if whole {
                94
            } else {
                80
            }
        }
        6 => {
            if whole {
                95
            } else {
                88
            }
        }
        _ if whole => 97,
        _ => 93,
    }
}

fn generations_differ(asked: &[Token], listed: &[Option<&Token>]) -> bool {
    let rank = |token: &Token| match token.text() {
        "sr" | "senior" => 1,
        "jr" | "junior" | "ii" => 2,
        "iii" => 3,
        _ => 4,
    };
    let asked = asked.iter().find(|token| token.kind == Kind::Generation).map(rank);
    let listed =
        listed.iter().flatten().find(|token| token.kind == Kind::Generation).map(|token| rank(token));
    matches!((asked, listed), (Some(asked), Some(listed)) if asked != listed)
}
