//! Words in Arabic and Hebrew letters as sounds without short vowels, and the articles and compounds that are written
//! together with them.

use super::phone::{AYN, CH, Phone, SH, WAW, YEH, ZH, symbol};

/// Letters of a word that are looked at.
const LETTERS_MAX: usize = 40;

/// The letters of `word` in one form: without marks of vowels, with one form of alef, yeh and kaf.
pub(super) fn plain(word: &str) -> Vec<char> {
    word.chars()
        .filter_map(|c| match c {
            '\u{610}'..='\u{61a}' | '\u{640}' | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{6d6}'..='\u{6ed}' => {
                None
            }
            '\u{591}'..='\u{5c7}' => None,
            'أ' | 'إ' | 'آ' | 'ٱ' => Some('ا'),
            'ى' | 'ی' | 'ې' | 'ے' | 'ئ' | 'ۍ' => Some('ي'),
            'ک' | 'ګ' => Some('ك'),
            'ہ' | 'ھ' | 'ۀ' | 'ۂ' | 'ە' => Some('ه'),
            'ؤ' => Some('و'),
            'ء' | '\u{200c}' | '\u{200d}' => None,
            c => Some(c),
        })
        .take(LETTERS_MAX)
        .collect()
}

/// How the letters sound.
pub(super) fn sound(letters: &[char]) -> Phone {
    let mut phone = Phone::EMPTY;
    for (at, c) in letters.iter().enumerate() {
        let last = at + 1 == letters.len();
        let sound = match c {
            'ا' | 'א' => symbol(b'a'),
            'ب' | 'ב' => symbol(b'b'),
            'پ' | 'פ' | 'ף' => symbol(b'p'),
            'ت' | 'ط' | 'ٹ' | 'ת' | 'ט' | 'ث' | 'ټ' => symbol(b't'),
            'ج' => symbol(b'j'),
            'چ' => CH,
            'ح' | 'خ' | 'ه' | 'ה' | 'ח' | 'ځ' | 'څ' => symbol(b'h'),
            'د' | 'ض' | 'ڈ' | 'ד' | 'ډ' => symbol(b'd'),
            'ذ' | 'ز' | 'ظ' | 'ז' | 'ږ' => symbol(b'z'),
            'ر' | 'ڑ' | 'ר' | 'ړ' => symbol(b'r'),
            'ژ' => ZH,
            'س' | 'ص' | 'ס' => symbol(b's'),
            'צ' | 'ץ' => symbol(b'c'),
            'ش' | 'ש' | 'ښ' => SH,
            'ع' | 'ע' => AYN,
            'غ' | 'گ' | 'ג' => symbol(b'g'),
            'ف' => symbol(b'f'),
            'ق' | 'ك' | 'ק' | 'כ' | 'ך' => symbol(b'k'),
            'ل' | 'ל' => symbol(b'l'),
            'م' | 'מ' | 'ם' => symbol(b'm'),
            'ن' | 'נ' | 'ן' | 'ں' | 'ڼ' => symbol(b'n'),
            'و' | 'ו' => WAW,
            'ي' | 'י' => YEH,
            'ة' if last => symbol(b'a'),
            'ة' => symbol(b't'),
            _ => continue,
        };
        // A doubled letter is two sounds here: no vowels are written that would keep them apart.
        phone.push(sound);
    }
    // A mute `h` at the end stands for an `a`, in Persian and Hebrew always.
    phone
}

/// A word that is its own part of a name, and the part before or behind that is written together with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// The article.
    Article,
    /// *Servant of*.
    Abd,
    /// *Father of*.
    Abu,
    /// *Son of*, *daughter of*.
    Bin,
    /// God.
    Allah,
    /// *Of the faith*.
    Din,
    /// Any other word.
    Word(&'a [char]),
}

/// The pieces of a word, in their order.
pub(super) fn pieces(letters: &[char]) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let mut rest = letters;
    while !rest.is_empty() && found.len() < 6 {
        let text: String = rest.iter().collect();
        match text.as_str() {
            "عبد" | "عبدا" => found.push(Piece::Abd),
            "ابو" | "ابي" | "ابا" => found.push(Piece::Abu),
            "بن" | "ابن" | "بنت" | "بنة" | "ولد" => found.push(Piece::Bin),
            "الله" | "اللة" => found.push(Piece::Allah),
            "الدين" => found.push(Piece::Din),
            "ال" | "آل" => found.push(Piece::Article),
            "دين" if !found.is_empty() => found.push(Piece::Din),
            _ => {
                if let Some(tail) = text.strip_prefix("عبدال").filter(|tail| tail.chars().count() > 1) {
                    found.push(Piece::Abd);
                    if tail == "له" {
                        found.push(Piece::Allah);
                        return found;
                    }
                    found.push(Piece::Article);
                    rest = &rest[5..];
                    continue;
                }
                if text.starts_with("ال") && rest.len() > 3 {
                    found.push(Piece::Article);
                    rest = &rest[2..];
                    continue;
                }
                if text.ends_with("الله") && rest.len() > 5 {
                    let (head, _) = rest.split_at(rest.len() - 4);
                    found.push(Piece::Word(head));
                    found.push(Piece::Allah);
                    return found;
                }
                if text.ends_with("الدين") && rest.len() > 6 {
                    let (head, _) = rest.split_at(rest.len() - 5);
                    found.push(Piece::Word(head));
                    found.push(Piece::Din);
                    return found;
                }
                if text.starts_with("ابو") && rest.len() > 6 {
                    found.push(Piece::Abu);
                    rest = &rest[3..];
                    continue;
                }
                found.push(Piece::Word(rest));
            }
        }
        return found;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(word: &str) -> String {
        format!("{:?}", sound(&plain(word)))
    }

    #[test]
    fn words_lose_their_marks_and_keep_their_consonants() {
        assert_eq!(shown("مُحَمَّد"), "mhmd");
        assert_eq!(shown("العانــي"), "alxanY");
        assert_eq!(shown("حسين"), "hsYn");
        assert_eq!(shown("משה"), "mSh");
    }

    #[test]
    fn compounds_come_apart() {
        let letters = plain("عبدالرحمن");
        let rest = plain("رحمن");
        assert_eq!(pieces(&letters), [Piece::Abd, Piece::Article, Piece::Word(&rest)]);
        assert_eq!(pieces(&plain("عبدالله")), [Piece::Abd, Piece::Allah]);
        let letters = plain("سيفالدين");
        let rest = plain("سيف");
        assert_eq!(pieces(&letters), [Piece::Word(&rest), Piece::Din]);
        let letters = plain("التكريتي");
        let rest = plain("تكريتي");
        assert_eq!(pieces(&letters), [Piece::Article, Piece::Word(&rest)]);
    }
}
