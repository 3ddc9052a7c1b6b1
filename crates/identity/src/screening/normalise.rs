//! Names as they are compared: compatibility forms unified, marks and case dropped, cut into tokens.

use unicode_normalization::UnicodeNormalization as _;
use unicode_normalization::char::is_combining_mark;

/// Most tokens of a name that are compared; more is not a name.
const TOKENS_MAX: usize = 16;

/// Most characters of a name that are looked at.
const CHARS_MAX: usize = 256;

/// A name in comparable form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name {
    /// Words of alphabetic scripts, in the order written.
    pub tokens: Vec<String>,
    /// All Han characters, in the order written: Chinese names have no spaces that could be relied on.
    pub han: String,
}

impl Name {
    /// The comparable form of `text`.
    pub fn of(text: &str) -> Self {
        let mut name = Self { tokens: Vec::new(), han: String::new() };
        let mut word = String::new();
        for c in text.nfkc().take(CHARS_MAX).flat_map(char::to_lowercase).nfd() {
            if is_combining_mark(c) || is_joiner(c) {
                continue;
            }
            if is_han(c) {
                name.close(&mut word);
                name.han.push(c);
            } else if c.is_alphanumeric() {
                unfold(c, &mut word);
            } else {
                name.close(&mut word);
            }
        }
        name.close(&mut word);
        name
    }

    fn close(&mut self, word: &mut String) {
        if !word.is_empty() && self.tokens.len() < TOKENS_MAX {
            self.tokens.push(std::mem::take(word));
        }
        word.clear();
    }

    /// Whether there is nothing to compare.
    pub fn is_empty(&self) -> bool {
        self.tokens.is_empty() && self.han.is_empty()
    }
}

/// Marks inside a word: `O'Brien` and `Kermoroc’h` are one word each.
fn is_joiner(c: char) -> bool {
    matches!(c, '\'' | '\u{2019}' | '\u{2bc}' | '\u{60}' | '\u{b4}')
}

/// CJK ideographs: the unified block, its extensions and the compatibility block.
fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}' | '〇')
}

/// Letters that are a base letter and a stroke, which no decomposition separates.
fn unfold(c: char, word: &mut String) {
    match c {
        'ø' => word.push('o'),
        'đ' | 'ð' => word.push('d'),
        'ł' => word.push('l'),
        'ħ' => word.push('h'),
        'ı' => word.push('i'),
        'ß' => word.push_str("ss"),
        'æ' => word.push_str("ae"),
        'œ' => word.push_str("oe"),
        'þ' => word.push_str("th"),
        other => word.push(other),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn tokens(text: &str) -> Vec<String> {
        Name::of(text).tokens
    }

    #[test]
    fn case_marks_width_and_punctuation_do_not_matter() {
        assert_eq!(tokens("José  RAMÓN-Quintalvera"), ["jose", "ramon", "quintalvera"]);
        assert_eq!(tokens("Søren Blåkilde"), ["soren", "blakilde"]);
        assert_eq!(tokens("Ｋｉｍ Ｒｙｏｎｇ"), ["kim", "ryong"]);
        assert_eq!(tokens("Gwendal Kermoroc'h"), tokens("GWENDAL KERMOROCH"));
        assert_eq!(tokens("Nguyễn Đình"), ["nguyen", "dinh"]);
    }

    #[test]
    fn han_characters_stand_apart_from_words() {
        let name = Name::of("欧阳 朔寒 (Ouyang Shuohan)");
        assert_eq!(name.han, "欧阳朔寒");
        assert_eq!(name.tokens, ["ouyang", "shuohan"]);
        assert!(Name::of("·-— ").is_empty());
    }

    proptest! {
        #[test]
        fn any_text_is_bounded(text in "\\PC{0,600}") {
            let name = Name::of(&text);
            prop_assert!(name.tokens.len() <= 16);
        }
    }
}
