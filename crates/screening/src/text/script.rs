//! Which script a letter belongs to, and letters of one script that pass for letters of another.

/// How a word was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Script {
    /// Latin letters.
    Latin,
    /// Cyrillic letters.
    Cyrillic,
    /// Arabic letters, those of Persian, Urdu and Pashto included, or Hebrew ones: scripts that leave vowels out.
    Arabic,
    /// Chinese characters, read as a Chinese name.
    Han,
    /// Chinese characters that spell a foreign name by its sound.
    HanSound,
    /// Hangul, or Chinese characters read as a Korean name.
    Hangul,
    /// Any other: Greek, Georgian, Armenian, Kana, the scripts of India.
    Other,
}

/// The script of a letter; `None` for what is no letter.
pub(crate) fn of(c: char) -> Option<Script> {
    match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' => Some(Script::Latin),
        c if (c as u32) < 0x80 => None,
        '\u{00c0}'..='\u{024f}' | '\u{1e00}'..='\u{1eff}' | '\u{0250}'..='\u{02af}' => Some(Script::Latin),
        '\u{0400}'..='\u{052f}'
        | '\u{1c80}'..='\u{1c8f}'
        | '\u{2de0}'..='\u{2dff}'
        | '\u{a640}'..='\u{a69f}' => Some(Script::Cyrillic),
        '\u{0590}'..='\u{05ff}'
        | '\u{0600}'..='\u{06ff}'
        | '\u{0750}'..='\u{077f}'
        | '\u{08a0}'..='\u{08ff}'
        | '\u{fb1d}'..='\u{fdff}'
        | '\u{fe70}'..='\u{fefc}' => c.is_alphanumeric().then_some(Script::Arabic),
        c if is_han(c) => Some(Script::Han),
        '\u{ac00}'..='\u{d7a3}' => Some(Script::Hangul),
        c if c.is_alphanumeric() => Some(Script::Other),
        _ => None,
    }
}

/// CJK ideographs: the unified block, its extensions and the compatibility block, and the mark of repetition.
pub(crate) fn is_han(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{323af}' | '〇' | '々')
}

/// The Latin letter that a Cyrillic or Greek letter is drawn like (Unicode Technical Standard 39, the letters among it
/// that a name could be forged with).
pub(crate) fn latin_look(c: char) -> Option<char> {
    Some(match c {
        'а' | 'α' | 'ɑ' => 'a',
        'А' | 'Α' => 'a',
        'В' | 'Β' | 'в' => 'b',
        'с' | 'С' | 'ϲ' => 'c',
        'ԁ' => 'd',
        'е' | 'Е' | 'Ε' | 'ε' => 'e',
        'һ' | 'Н' | 'Η' | 'н' => 'h',
        'і' | 'І' | 'ι' | 'Ι' | 'ӏ' | 'Ӏ' => 'i',
        'ј' | 'Ј' => 'j',
        'К' | 'Κ' | 'к' | 'κ' => 'k',
        'М' | 'Μ' | 'м' => 'm',
        'Ν' => 'n',
        'о' | 'О' | 'ο' | 'Ο' | 'σ' => 'o',
        'р' | 'Р' | 'ρ' | 'Ρ' => 'p',
        'ѕ' | 'Ѕ' => 's',
        'Т' | 'Τ' | 'т' | 'τ' => 't',
        'υ' => 'u',
        'ѵ' | 'ν' => 'v',
        'ѡ' | 'ω' => 'w',
        'х' | 'Х' | 'Χ' | 'χ' => 'x',
        'у' | 'У' | 'Υ' | 'ү' => 'y',
        'Ζ' => 'z',
        _ => return None,
    })
}

/// The Cyrillic letter that a Latin one is drawn like.
pub(crate) fn cyrillic_look(c: char) -> Option<char> {
    Some(match c {
        'a' | 'A' => 'а',
        'B' => 'в',
        'c' | 'C' => 'с',
        'e' | 'E' => 'е',
        'H' => 'н',
        'i' | 'I' => 'і',
        'j' | 'J' => 'ј',
        'k' | 'K' | 'ĸ' => 'к',
        'M' => 'м',
        'o' | 'O' => 'о',
        'p' | 'P' => 'р',
        's' | 'S' => 'ѕ',
        'T' => 'т',
        'x' | 'X' => 'х',
        'y' | 'Y' => 'у',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_have_a_script_and_marks_have_none() {
        for (c, script) in [
            ('é', Script::Latin),
            ('Ж', Script::Cyrillic),
            ('ش', Script::Arabic),
            ('ש', Script::Arabic),
            ('欧', Script::Han),
            ('김', Script::Hangul),
            ('λ', Script::Other),
            ('タ', Script::Other),
        ] {
            assert_eq!(of(c), Some(script), "{c}");
        }
        for c in ['-', ' ', '\'', '\u{200f}', '·', '\u{64e}'] {
            assert!(of(c) != Some(Script::Latin), "{c:?}");
        }
    }

    #[test]
    fn lookalikes_are_latin_letters() {
        assert_eq!("РАУРАL".chars().map(|c| latin_look(c).unwrap_or(c)).collect::<String>(), "paypaL");
        assert_eq!(latin_look('ж'), None);
    }
}
