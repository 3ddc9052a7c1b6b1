//! The search.

use super::key::Side;
use super::{Finding, Hit, Index, Person, Policy, Row, key};
use crate::PERFECT;
use crate::list::document_number;
use crate::score::{
    ASKED_EXTRA, BOOST_MAX, Evidence, LISTED_EXTRA, Outcome, compare_tokens, explain, meet, of_strength,
    weigh,
};
use crate::text::{Form, Kind, Script, TOKENS_MAX, Token};

/// What a word of the lists is to the name that is searched.
#[derive(Clone, Copy, Default)]
struct Role {
    /// The asked words it meets, a bit each.
    meets: u16,
    /// How alike it is to the one it meets best, in basis points.
    bps: u16,
}

/// Words of one bucket that are compared at most: a bound for names made to share one.
const BUCKET_MAX: usize = 20_000;

/// Names that are scored at most in one search, those that promise most first.
const SCORED_MAX: usize = 4_000;

/// Searches one index, one person after the other.
pub struct Searcher<'a> {
    index: &'a Index,
    roles: Vec<Role>,
    /// Words that have a role.
    cast: Vec<u32>,
    /// Asked words that a row meets by words written in one, a bit each; and the search it was seen in.
    rows: Vec<(u32, u16)>,
    search: u32,
    candidates: Vec<u32>,
    promising: Vec<(u32, u32)>,
    best: Vec<Best>,
    seen: Vec<u32>,
    looked: u32,
}

/// The best match of an entry so far.
struct Best {
    entry: u32,
    row: u32,
    asked: (usize, usize),
    outcome: Outcome,
    bps: u16,
}

/// An asked word, and where it could be met.
struct Asked {
    at: usize,
    weight: u32,
    /// Rows that the words it meets stand in.
    rows: usize,
    meets: Vec<u32>,
    joined: Vec<u32>,
}

impl<'a> Searcher<'a> {
    pub(super) fn new(index: &'a Index) -> Self {
        Self {
            index,
            roles: vec![Role::default(); index.tokens.len()],
            cast: Vec::new(),
            rows: vec![(0, 0); index.rows.len()],
            search: 0,
            candidates: Vec::new(),
            promising: Vec::new(),
            best: Vec::new(),
            seen: vec![0; index.tokens.len()],
            looked: 0,
        }
    }

    /// Who is like the person.
    pub fn screen(&mut self, person: &Person, policy: &Policy) -> Finding {
        self.best.clear();
        let mut scored = 0;
        for (at, name) in person.names.iter().enumerate() {
            for (number, form) in name.forms().iter().enumerate() {
                scored += self.form(form, (at, number), policy);
            }
        }
        self.finish(person, policy, scored)
    }

    /// The same by scoring every name of every entry: what the index is measured against.
    pub fn screen_each(&mut self, person: &Person, policy: &Policy) -> Finding {
        self.best.clear();
        let index = self.index;
        let mut scored = 0;
        for (at, name) in person.names.iter().enumerate() {
            for (number, form) in name.forms().iter().enumerate() {
                for row in 0..index.rows.len() {
                    if index.is_row_searched(row, policy) {
                        self.score(row as u32, form, (at, number), policy);
                        scored += 1;
                    }
                }
            }
        }
        self.finish(person, policy, scored)
    }

    fn form(&mut self, form: &Form, at: (usize, usize), policy: &Policy) -> usize {
        let mut asked = self.expand(form);
        let least = u32::from(policy.threshold_bps.saturating_sub(BOOST_MAX));
        // Rare words first; names are collected from as few words as a match must have one of.
        asked.sort_by_key(|word| word.rows);
        let total: u32 = form.tokens.iter().map(|token| u32::from(token.weight())).sum();
        let sought: u32 = asked.iter().map(|word| word.weight).sum();
        let free = total - sought;
        let mut rest = sought;
        let mut from = 0;
        while from < asked.len() && best_possible(free + rest, total) >= least {
            rest -= asked[from].weight;
            from += 1;
        }
        self.collect(&asked[..from], &asked[from..]);
        self.promise(form, free, total, least, policy);
        let promising = std::mem::take(&mut self.promising);
        for (_, row) in &promising {
            self.score(*row, form, at, policy);
        }
        let scored = promising.len();
        self.promising = promising;
        for token in self.cast.drain(..) {
            self.roles[token as usize] = Role::default();
        }
        scored
    }

    /// Finds the words of the lists that meet each asked word that a name is found by.
    fn expand(&mut self, form: &Form) -> Vec<Asked> {
        let index = self.index;
        let by_minor = !form.tokens.iter().any(|token| token.kind == Kind::Word);
        let mut all = Vec::with_capacity(form.tokens.len());
        for (at, token) in form.tokens.iter().enumerate() {
            let sought = token.kind == Kind::Word || (by_minor && token.kind == Kind::Minor);
            if !sought {
                continue;
            }
            let mut word = Asked {
                at,
                weight: u32::from(token.weight()),
                rows: 0,
                meets: Vec::new(),
                joined: Vec::new(),
            };
            self.looked += 1;
            let looked = self.looked;
            let mut consider = |searcher: &mut Self, id: u32| {
                let seen = &mut searcher.seen[id as usize];
                if *seen == looked {
                    return;
                }
                *seen = looked;
                if let Some(meeting) = meet(token, &index.tokens[id as usize]) {
                    searcher.cast(id, at, meeting.bps);
                    word.rows += index.postings(id).len();
                    word.meets.push(id);
                }
            };
            key::keys_of(token, Side::Asked, |key| {
                for id in index.keys.get(key).take(BUCKET_MAX) {
                    consider(self, id);
                }
            });
            for (group, _) in token.groups {
                for id in index.groups.get(group).into_iter().flatten() {
                    consider(self, *id);
                }
            }
            let letters = token.text().as_bytes().first().copied();
            for id in letters.and_then(|letter| index.initials.get(&letter)).into_iter().flatten() {
                consider(self, *id);
            }
            if token.phone.len() >= 4 {
                let mut find = |key: u32| {
                    let from = index.joined.partition_point(|(other, _)| *other < key);
                    word.joined.extend(
                        index.joined[from..]
                            .iter()
                            .take_while(|(other, _)| *other == key)
                            .map(|(_, row)| *row),
                    );
                };
                for (_, phone) in token.spellings() {
                    key::joined(phone, false, true, &mut find);
                    if token.script != Script::Arabic {
                        key::joined(phone, true, false, &mut find);
                    }
                }
                word.rows += word.joined.len();
            }
            all.push(word);
        }
        self.expand_joined(form, &mut all);
        all
    }

    /// Words of the lists that are two asked ones written in one.
    fn expand_joined(&mut self, form: &Form, all: &mut [Asked]) {
        let index = self.index;
        for (at, pair) in form.tokens.windows(2).enumerate() {
            if !matches!(pair[1].kind, Kind::Word | Kind::Minor)
                || matches!(pair[0].kind, Kind::Title | Kind::Generation | Kind::Form)
            {
                continue;
            }
            let joined = pair[0].phone.joined(&pair[1].phone);
            let mut found = Vec::new();
            self.looked += 1;
            let looked = self.looked;
            key::joined(&joined, false, false, |key| {
                for id in index.keys.get(key).take(BUCKET_MAX) {
                    let seen = &mut self.seen[id as usize];
                    if *seen != looked {
                        *seen = looked;
                        let token = &index.tokens[id as usize];
                        if let Some(meeting) = crate::score::meet_joined(token, [&pair[0], &pair[1]]) {
                            found.push((id, meeting.bps));
                        }
                    }
                }
            });
            for (id, bps) in found {
                for word in all.iter_mut().filter(|word| word.at == at || word.at == at + 1) {
                    word.rows += index.postings(id).len();
                    word.meets.push(id);
                }
                self.cast(id, at, bps);
                self.cast(id, at + 1, bps);
            }
        }
    }

    fn cast(&mut self, id: u32, at: usize, bps: u16) {
        let role = &mut self.roles[id as usize];
        if role.meets == 0 {
            self.cast.push(id);
        }
        role.meets |= 1 << at;
        role.bps = role.bps.max(bps);
    }

    /// Collects the rows that one of the words stands in.
    fn collect(&mut self, words: &[Asked], others: &[Asked]) {
        self.search = self.search.wrapping_add(1);
        if self.search == 0 {
            self.rows.fill((0, 0));
            self.search = 1;
        }
        self.candidates.clear();
        let index = self.index;
        for word in words {
            for id in &word.meets {
                for row in index.postings(*id) {
                    let seen = &mut self.rows[*row as usize];
                    if seen.0 != self.search {
                        *seen = (self.search, 0);
                        self.candidates.push(*row);
                    }
                }
            }
            for row in &word.joined {
                let seen = &mut self.rows[*row as usize];
                if seen.0 != self.search {
                    *seen = (self.search, 0);
                    self.candidates.push(*row);
                }
                seen.1 |= 1 << word.at;
            }
        }
        // Words that rows are not collected by are met by words written in one all the same.
        for word in others {
            for row in &word.joined {
                let seen = &mut self.rows[*row as usize];
                if seen.0 == self.search {
                    seen.1 |= 1 << word.at;
                }
            }
        }
    }

    /// Keeps the rows that can reach the threshold with the words they share, best first.
    fn promise(&mut self, form: &Form, free: u32, total: u32, least: u32, policy: &Policy) {
        self.promising.clear();
        let index = self.index;
        let mut weights = [0_u32; TOKENS_MAX];
        for (weight, token) in weights.iter_mut().zip(&form.tokens) {
            *weight = u32::from(token.weight());
        }
        for row in &self.candidates {
            let of: &Row = &index.rows[*row as usize];
            let mut meets = self.rows[*row as usize].1;
            let mut worst = 0;
            for token in index.row_tokens(of) {
                let role = self.roles[*token as usize];
                meets |= role.meets;
                worst += u32::from(role.meets != 0) * (u32::from(PERFECT) - u32::from(role.bps));
            }
            let mut met = 0;
            let mut bits = meets;
            while bits != 0 {
                let at = bits.trailing_zeros() as usize;
                if matches!(form.tokens[at].kind, Kind::Word) || free == 0 {
                    met += weights[at];
                }
                bits &= bits - 1;
            }
            let met = (met + free).min(total);
            let over = u32::from(of.weight).saturating_sub(met + 60);
            let bound = met * u32::from(PERFECT)
                / (met * 100 + (total - met) * ASKED_EXTRA + over * LISTED_EXTRA).max(1)
                * 100;
            if bound >= least && index.is_row_searched(*row as usize, policy) {
                self.promising.push((bound.saturating_sub(worst / 4), *row));
            }
        }
        if self.promising.len() > SCORED_MAX {
            self.promising.sort_unstable_by(|a, b| b.cmp(a));
            self.promising.truncate(SCORED_MAX);
        }
    }

    fn score(&mut self, row: u32, form: &Form, at: (usize, usize), policy: &Policy) {
        let index = self.index;
        let of = &index.rows[row as usize];
        let mut tokens = [None; TOKENS_MAX];
        let count = usize::from(of.tokens).min(TOKENS_MAX);
        for (slot, token) in tokens.iter_mut().zip(index.row_tokens(of)) {
            *slot = Some(&index.tokens[*token as usize]);
        }
        let outcome = compare_tokens(&form.tokens, &tokens[..count]);
        if outcome.bps.saturating_add(BOOST_MAX) < policy.threshold_bps {
            return;
        }
        let Some((_, entry)) = index.entry(of.entry) else { return };
        let strength = entry.names[usize::from(of.name)].strength;
        let bps = of_strength(outcome.bps, strength, count);
        match self.best.iter_mut().find(|best| best.entry == of.entry) {
            Some(best) if best.bps >= bps => {}
            Some(best) => *best = Best { entry: of.entry, row, asked: at, outcome, bps },
            None => self.best.push(Best { entry: of.entry, row, asked: at, outcome, bps }),
        }
    }

    fn finish(&mut self, person: &Person, policy: &Policy, scored: usize) -> Finding {
        let index = self.index;
        let documents: Vec<Box<str>> =
            person.facts.documents.iter().filter_map(|number| document_number(number)).collect();
        let mut found: Vec<(u16, u32, Option<&Best>, Vec<Evidence>)> = Vec::new();
        for best in &self.best {
            let Some((_, entry)) = index.entry(best.entry) else { continue };
            let (bps, evidence) = weigh(best.bps, &person.facts, &documents, entry);
            if bps >= policy.threshold_bps {
                found.push((bps, best.entry, Some(best), evidence));
            }
        }
        for place in documents.iter().filter_map(|number| index.documents.get(number)).flatten() {
            if found.iter().any(|(_, entry, ..)| entry == place) {
                continue;
            }
            let Some((_, entry)) = index.entry(*place) else { continue };
            let (bps, evidence) = weigh(0, &person.facts, &documents, entry);
            if bps >= policy.threshold_bps && Index::is_searched(entry, policy) {
                found.push((bps, *place, None, evidence));
            }
        }
        found.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(&b.1)));
        found.truncate(policy.hits_max);
        let hits = found
            .into_iter()
            .filter_map(|(bps, place, best, evidence)| self.hit(person, bps, place, best, evidence))
            .collect();
        Finding { hits, entries: index.entries(), scored }
    }

    fn hit(
        &self,
        person: &Person,
        bps: u16,
        place: u32,
        best: Option<&Best>,
        evidence: Vec<Evidence>,
    ) -> Option<Hit> {
        let index = self.index;
        let (list, entry) = index.entry(place)?;
        let (name, explanation) = match best {
            None => (0, crate::score::Explanation::default()),
            Some(best) => {
                let row = index.rows.get(best.row as usize)?;
                let listed: Vec<Option<&Token>> =
                    index.row_tokens(row).iter().map(|token| index.tokens.get(*token as usize)).collect();
                let form = person.names.get(best.asked.0)?.forms().get(best.asked.1)?;
                (usize::from(row.name), explain(&best.outcome, &form.tokens, &listed))
            }
        };
        Some(Hit {
            list: list.name.clone(),
            entry_id: entry.id.to_string(),
            entry_name: entry.names.get(name)?.text.to_string(),
            bps,
            explanation,
            evidence,
            place,
        })
    }
}

impl Index {
    fn is_row_searched(&self, row: usize, policy: &Policy) -> bool {
        policy.everything || self.rows[row].person
    }
}

/// The best score with so much of the asked name met, in basis points.
fn best_possible(met: u32, total: u32) -> u32 {
    met * 100 * u32::from(PERFECT) / (met * 100 + (total - met) * ASKED_EXTRA).max(1)
}
