//! From lists to an index.

use std::collections::HashMap;
use std::sync::Arc;

use super::key::{self, Keys, Side};
use super::{Index, Row};
use crate::list::{EntryKind, List};
use crate::text::{Kind, Name, Script, Token};

/// Words that a name can be found by.
pub(super) fn is_indexed(token: &Token) -> bool {
    matches!(token.kind, Kind::Word | Kind::Minor | Kind::Initial)
}

pub(super) fn index(lists: Vec<Arc<List>>, places: Option<&[usize]>) -> Index {
    let mut builder = Builder::default();
    let (mut offsets, mut base) = (Vec::new(), 0_u32);
    for list in &lists {
        offsets.push(base);
        let all = 0..list.entries.len();
        let chosen: Box<dyn Iterator<Item = usize>> = match places {
            Some(places) => Box::new(places.iter().copied().filter(|place| *place < list.entries.len())),
            None => Box::new(all),
        };
        for place in chosen {
            builder.entry(base + place as u32, &list.entries[place]);
        }
        base += list.entries.len() as u32;
    }
    builder.finish(lists, offsets)
}

#[derive(Default)]
struct Builder {
    tokens: Vec<Token>,
    known: HashMap<String, u32>,
    rows: Vec<Row>,
    row_tokens: Vec<u32>,
    joined: Vec<(u32, u32)>,
    documents: HashMap<Box<str>, Vec<u32>>,
}

impl Builder {
    fn entry(&mut self, place: u32, entry: &crate::list::Entry) {
        let person = matches!(entry.kind, EntryKind::Person | EntryKind::Unknown);
        for (at, listed) in entry.names.iter().enumerate() {
            let name = Name::of(&listed.text);
            for form in name.forms() {
                if form.tokens.is_empty() {
                    continue;
                }
                let row = self.rows.len() as u32;
                let first = self.row_tokens.len() as u32;
                for token in &form.tokens {
                    let id = self.intern(token);
                    self.row_tokens.push(id);
                }
                for pair in form.tokens.windows(2) {
                    // An article belongs to the word behind it: Al Tikriti, Altikriti.
                    let joins =
                        |token: &Token| matches!(token.kind, Kind::Word | Kind::Particle | Kind::Minor);
                    if pair.iter().all(joins) && pair[1].kind != Kind::Particle {
                        let phone = pair[0].phone.joined(&pair[1].phone);
                        // Compounds that many names share are the ones that are written together.
                        let deep = pair.iter().any(|token| token.kind == Kind::Minor);
                        key::joined(&phone, form.script == Script::Arabic, deep, |key| {
                            self.joined.push((key, row));
                        });
                    }
                }
                let weight = form.tokens.iter().map(Token::weight).sum();
                let tokens = form.tokens.len() as u8;
                self.rows.push(Row {
                    entry: place,
                    name: u16::try_from(at).unwrap_or(u16::MAX),
                    tokens,
                    person,
                    weight,
                    first,
                });
            }
        }
        for number in &entry.documents {
            self.documents.entry(number.clone()).or_default().push(place);
        }
    }

    fn intern(&mut self, token: &Token) -> u32 {
        use std::fmt::Write as _;
        let mut name = String::with_capacity(token.text().len() + 8);
        // Writing to a string cannot fail.
        let _ = write!(name, "{}\u{1}{:?}\u{1}{:?}", token.text(), token.script, token.kind);
        for (text, _) in token.spellings().skip(1) {
            name.push('\u{1}');
            name.push_str(text);
        }
        if let Some(id) = self.known.get(&name) {
            return *id;
        }
        let id = self.tokens.len() as u32;
        self.tokens.push(token.clone());
        self.known.insert(name, id);
        id
    }

    fn finish(mut self, lists: Vec<Arc<List>>, offsets: Vec<u32>) -> Index {
        drop(std::mem::take(&mut self.known));
        let mut counts = vec![0_u32; self.tokens.len() + 1];
        let indexed: Vec<bool> = self.tokens.iter().map(is_indexed).collect();
        for token in &self.row_tokens {
            counts[*token as usize + 1] += u32::from(indexed[*token as usize]);
        }
        for at in 1..counts.len() {
            counts[at] += counts[at - 1];
        }
        let mut next = counts.clone();
        let mut postings = vec![0_u32; counts.last().copied().unwrap_or(0) as usize];
        for (row, of) in self.rows.iter().enumerate() {
            let first = of.first as usize;
            for token in &self.row_tokens[first..first + usize::from(of.tokens)] {
                if indexed[*token as usize] {
                    postings[next[*token as usize] as usize] = row as u32;
                    next[*token as usize] += 1;
                }
            }
        }
        let mut pairs = Vec::new();
        let (mut groups, mut initials): (HashMap<u16, Vec<u32>>, HashMap<u8, Vec<u32>>) = Default::default();
        for (id, token) in (0_u32..).zip(&self.tokens) {
            match token.kind {
                Kind::Initial => initials
                    .entry(token.text().as_bytes().first().copied().unwrap_or(0))
                    .or_default()
                    .push(id),
                Kind::Word | Kind::Minor => {
                    key::keys_of(token, Side::Listed, |key| pairs.push((key, id)));
                    for (_, phone) in token.spellings() {
                        key::joined(phone, false, false, |key| pairs.push((key, id)));
                    }
                    for (group, _) in token.groups {
                        groups.entry(*group).or_default().push(id);
                    }
                }
                Kind::Particle | Kind::Title | Kind::Generation | Kind::Form => {}
            }
        }
        self.joined.sort_unstable();
        self.joined.dedup();
        self.joined.shrink_to_fit();
        self.rows.shrink_to_fit();
        self.row_tokens.shrink_to_fit();
        self.tokens.shrink_to_fit();
        Index {
            lists,
            offsets,
            tokens: self.tokens,
            rows: self.rows,
            row_tokens: self.row_tokens,
            posting_starts: counts,
            postings,
            keys: Keys::of(pairs),
            joined: self.joined,
            groups,
            initials,
            documents: self.documents,
        }
    }
}
