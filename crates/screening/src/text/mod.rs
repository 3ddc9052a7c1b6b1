//! Names as they are compared: any text becomes one or a few sequences of words in Latin letters and their sounds.

mod arabic;
mod cyrillic;
mod forms;
mod han;
mod hangul;
mod latin;
pub(crate) mod phone;
pub(crate) mod script;
mod token;

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

pub use latin::Kind;
pub use script::Script;
pub use token::Token;

/// Most characters of a name that are looked at; [`Name::is_cut`] says that there were more.
pub const CHARS_MAX: usize = 400;

/// Most words of a form that are compared.
pub const TOKENS_MAX: usize = 12;

/// Most ways one name is read in.
pub const FORMS_MAX: usize = 6;

/// One way to read a name: its words in the order written, in Latin letters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Form {
    pub(crate) tokens: Vec<Token>,
    pub(crate) script: Script,
}

impl Form {
    /// The words.
    pub fn tokens(&self) -> &[Token] {
        &self.tokens
    }

    /// How it was written or read.
    pub const fn script(&self) -> Script {
        self.script
    }
}

/// A name in comparable form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    forms: Vec<Form>,
    cut: bool,
}

impl Name {
    /// The comparable form of any text: width, case, marks, control and direction characters do not matter; letters that
    /// only look like others are taken for those where a word mixes scripts.
    ///
    /// Never fails and does bounded work: what lies beyond [`CHARS_MAX`] is not looked at, see [`Name::is_cut`].
    pub fn of(text: &str) -> Self {
        let mut chars = text.nfkc().filter(|c| !is_invisible(*c));
        let shown: String = chars.by_ref().take(CHARS_MAX).collect();
        let cut = chars.next().is_some();
        let mut forms = forms::of(&shown);
        forms.truncate(FORMS_MAX);
        Self { forms, cut }
    }

    /// The ways to read it.
    pub fn forms(&self) -> &[Form] {
        &self.forms
    }

    /// Whether there is nothing to compare: no letter in it.
    pub fn is_empty(&self) -> bool {
        self.forms.iter().all(|form| form.tokens.is_empty())
    }

    /// Whether there was more text than is compared: a finding on it says nothing, a person must look.
    pub const fn is_cut(&self) -> bool {
        self.cut
    }
}

/// Characters that are not seen: controls, directions, joiners, variation selectors, tags.
fn is_invisible(c: char) -> bool {
    (c.is_control() && !c.is_whitespace())
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
            | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}'
            | '\u{ffa0}' | '\u{fff0}'..='\u{fff8}' | '\u{e0000}'..='\u{e0fff}')
}

/// A word in Latin letters without marks, in lower case.
fn ascii(word: &str) -> String {
    let mut plain = String::with_capacity(word.len());
    for c in word.chars().flat_map(char::to_lowercase).nfd() {
        if is_combining_mark(c) {
            continue;
        }
        match c {
            'a'..='z' | '0'..='9' => plain.push(c),
            'ø' => plain.push('o'),
            'đ' | 'ð' => plain.push('d'),
            'ł' => plain.push('l'),
            'ħ' => plain.push('h'),
            'ı' => plain.push('i'),
            'ə' => plain.push('a'),
            'ß' => plain.push_str("ss"),
            'æ' => plain.push_str("ae"),
            'œ' => plain.push_str("oe"),
            'þ' => plain.push_str("th"),
            other => match cyrillic::letter(other) {
                Some(letters) => plain.push_str(letters),
                None => {
                    let latin = any_ascii::any_ascii_char(other);
                    plain.extend(
                        latin.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()),
                    );
                }
            },
        }
    }
    plain
}

/// A table of this crate: a line a key, then its values; `#` begins a comment.
fn table(text: &'static str) -> HashMap<&'static str, Vec<&'static str>> {
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            Some((words.next()?, words.collect()))
        })
        .collect()
}

#[cfg(test)]
mod tests;
