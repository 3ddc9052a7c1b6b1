//! From text to the ways it can be read.

use super::arabic::{self, Piece as ArabicPiece};
use super::latin::{self, Kind, Piece};
use super::phone::Phone;
use super::script::{self, Script};
use super::token::Token;
use super::{Form, TOKENS_MAX, ascii, han, hangul};

/// A run of letters between separators, of one script.
struct Run {
    text: String,
    script: Script,
    /// Whether a dot of those that part foreign names in Chinese stands before it.
    after_dot: bool,
}

/// The ways to read `text`, the plainest first.
pub(super) fn of(text: &str) -> Vec<Form> {
    let (outside, inside) = parentheses(text);
    let mut forms = Vec::new();
    for part in several(&outside).into_iter().chain(inside) {
        read(&part, &mut forms);
    }
    forms
}

/// The text without what stands in parentheses, and that, where it is a name of its own. A text that is all in
/// parentheses is read as if there were none.
fn parentheses(text: &str) -> (String, Vec<String>) {
    if !text.contains(['(', '[']) {
        return (text.to_owned(), Vec::new());
    }
    let (mut outside, mut inside, mut current) = (String::new(), Vec::new(), String::new());
    let mut depth = 0_u32;
    for c in text.chars() {
        match c {
            '(' | '[' => depth += 1,
            ')' | ']' => {
                depth = depth.saturating_sub(1);
                inside.push(std::mem::take(&mut current));
            }
            c if depth > 0 => current.push(c),
            c => outside.push(c),
        }
    }
    inside.push(current);
    let letters = |text: &str| text.chars().any(|c| script::of(c).is_some());
    if !letters(&outside) {
        return (text.replace(['(', ')', '[', ']'], " "), Vec::new());
    }
    let wide = |text: &String| text.split_whitespace().count() > 1 || text.chars().any(|c| c > '\u{1000}');
    (outside, inside.into_iter().filter(|text| letters(text) && wide(text)).collect())
}

/// Several names in one text, parted by semicolons, or by commas where each part is a name of its own.
fn several(text: &str) -> Vec<String> {
    let owned = |parts: std::str::Split<'_, char>| parts.map(str::to_owned).collect();
    if text.contains(';') {
        return owned(text.split(';'));
    }
    let parts: Vec<&str> = text.split(',').collect();
    if parts.len() > 2 && parts.iter().all(|part| part.split_whitespace().count() > 1) {
        return owned(text.split(','));
    }
    vec![text.to_owned()]
}

fn read(text: &str, forms: &mut Vec<Form>) {
    let runs = runs(text);
    let of = |wanted: fn(Script) -> bool| runs.iter().filter(|run| wanted(run.script)).collect::<Vec<_>>();
    let han = of(|script| script == Script::Han);
    let rest = of(|script| script != Script::Han);
    if !rest.is_empty() {
        forms.push(words(&rest));
    }
    if !han.is_empty() {
        characters(&han, forms);
    }
}

/// Cuts text into runs. Apostrophes, and full stops between letters of one word, are passed over.
fn runs(text: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    let mut dot = false;
    for word in text.split(|c: char| !is_within_word(c)) {
        // `split` drops which separator it was: whether a dot stands in the text at all is enough.
        let word: String = word.chars().filter(|c| !is_apostrophe(*c)).collect();
        if word.is_empty() {
            continue;
        }
        let word = seen(&word);
        let mut current = String::new();
        let mut current_script = None;
        for c in word.chars() {
            let script = script::of(c).or(current_script);
            // Marks belong to the letter before them.
            if script != current_script && current_script.is_some() && !current.is_empty() {
                push(&mut runs, &mut current, current_script, dot);
            }
            current_script = script;
            current.push(c);
        }
        push(&mut runs, &mut current, current_script, dot);
        dot = text.contains(is_name_dot);
    }
    runs
}

fn push(runs: &mut Vec<Run>, text: &mut String, script: Option<Script>, after_dot: bool) {
    if let Some(script) = script {
        runs.push(Run { text: std::mem::take(text), script, after_dot });
    }
    text.clear();
}

/// A word as it is seen: where it mixes Latin letters with Cyrillic or Greek ones that look like Latin ones, those are
/// Latin; where it mixes them with others, the Latin ones among the others that look so are of that script.
fn seen(word: &str) -> String {
    let mixes = word.chars().any(|c| script::of(c) == Some(Script::Latin))
        && word.chars().any(|c| matches!(script::of(c), Some(Script::Cyrillic | Script::Other)));
    if !mixes {
        return word.to_owned();
    }
    // A Cyrillic letter that looks like no Latin one tells what the word is.
    let foreign =
        word.chars().any(|c| script::of(c) == Some(Script::Cyrillic) && script::latin_look(c).is_none());
    let latin = word.chars().any(|c| c.is_ascii_alphabetic() && script::cyrillic_look(c).is_none());
    if foreign && !latin {
        return word.chars().map(|c| script::cyrillic_look(c).unwrap_or(c)).collect();
    }
    word.chars().map(|c| script::latin_look(c).unwrap_or(c)).collect()
}

fn is_within_word(c: char) -> bool {
    script::of(c).is_some()
        || is_apostrophe(c)
        || unicode_normalization::char::is_combining_mark(c)
        || c == '\u{640}'
}

fn is_apostrophe(c: char) -> bool {
    matches!(
        c,
        '\'' | '\u{2018}'
            | '\u{2019}'
            | '\u{2bb}'
            | '\u{2bc}'
            | '\u{2bf}'
            | '\u{2be}'
            | '\u{60}'
            | '\u{b4}'
            | '\u{2b9}'
            | '\u{2ba}'
    )
}

fn is_name_dot(c: char) -> bool {
    matches!(c, '·' | '•' | '・' | '･' | '‧' | '.' | '．')
}

/// Words of scripts that have words.
fn words(runs: &[&Run]) -> Form {
    let mut tokens: Vec<Token> = Vec::new();
    let count = runs.len();
    for run in runs {
        match run.script {
            Script::Arabic => arabic_word(&run.text, &mut tokens),
            Script::Hangul => korean_word(&run.text, tokens.is_empty(), &mut tokens),
            script => latin_word(&ascii(&run.text), script, count, &mut tokens),
        }
        if tokens.len() >= TOKENS_MAX {
            break;
        }
    }
    tokens.truncate(TOKENS_MAX);
    // Articles alone are no name.
    if tokens.iter().all(|token| token.weight() < 40) {
        for token in &mut tokens {
            token.kind = Kind::Word;
        }
    }
    let script = runs.first().map_or(Script::Latin, |run| run.script);
    Form { tokens, script }
}

fn latin_word(word: &str, script: Script, words: usize, tokens: &mut Vec<Token>) {
    if word.is_empty() {
        return;
    }
    let kind = latin::kind(word, words);
    if kind != Kind::Word && kind != Kind::Minor {
        tokens.push(Token::word(word, script, kind));
        return;
    }
    let (first, second) = latin::pieces(word);
    for piece in [Some(first), second].into_iter().flatten() {
        tokens.push(match piece {
            Piece::Word(word) => Token::word(word, script, latin::kind(word, words)),
            Piece::Minor(word) => Token::word(word, script, Kind::Minor),
        });
    }
}

fn arabic_word(word: &str, tokens: &mut Vec<Token>) {
    let letters = arabic::plain(word);
    for piece in arabic::pieces(&letters) {
        tokens.push(match piece {
            ArabicPiece::Article => Token::word("al", Script::Arabic, Kind::Particle),
            ArabicPiece::Bin => Token::word("bin", Script::Arabic, Kind::Particle),
            ArabicPiece::Abd => Token::word("abd", Script::Arabic, Kind::Minor),
            ArabicPiece::Abu => Token::word("abu", Script::Arabic, Kind::Minor),
            ArabicPiece::Allah => Token::word("allah", Script::Arabic, Kind::Minor),
            ArabicPiece::Din => Token::word("din", Script::Arabic, Kind::Minor),
            ArabicPiece::Word(letters) => {
                let phone = arabic::sound(letters);
                if phone.len() == 0 {
                    continue;
                }
                let text = format!("{phone:?}").to_lowercase().replace('x', "");
                Token::sounding(&text, phone, Script::Arabic, Kind::Word)
            }
        });
    }
}

/// The words of a name in Hangul: the surname, then the given name in one.
fn korean_word(word: &str, first: bool, tokens: &mut Vec<Token>) {
    let syllables: Vec<char> = word.chars().collect();
    if first && syllables.len() >= 2 {
        for length in [2, 1] {
            let surname: String = syllables.iter().take(length).collect();
            if syllables.len() > length
                && let Some(spellings) = hangul::surname(&surname)
            {
                tokens.push(korean_surname(spellings));
                korean_given(&syllables[length..], tokens);
                return;
            }
        }
    }
    if first
        && syllables.len() == 1
        && let Some(spellings) = hangul::surname(word)
    {
        tokens.push(korean_surname(spellings));
        return;
    }
    korean_given(&syllables, tokens);
}

fn korean_surname(spellings: &[&str]) -> Token {
    let token = Token::word(spellings[0], Script::Hangul, Kind::Word);
    token.or(spellings[1..].iter().map(|spelling| (*spelling).to_owned()))
}

fn korean_given(syllables: &[char], tokens: &mut Vec<Token>) {
    let latin: Vec<String> = syllables.iter().filter_map(|c| hangul::syllable(*c)).collect();
    if !latin.is_empty() {
        let phone = Phone::of_syllables(latin.iter().map(String::as_str));
        tokens.push(Token::sounding(&latin.concat(), phone, Script::Hangul, Kind::Word));
    }
}

/// The ways to read a name in Chinese characters.
fn characters(runs: &[&Run], forms: &mut Vec<Form>) {
    let whole: Vec<char> = runs.iter().flat_map(|run| run.text.chars()).take(24).collect();
    let dotted = runs.iter().any(|run| run.after_dot) && runs.len() > 1;
    if dotted || whole.len() > 4 {
        foreign(runs, forms);
        if dotted {
            return;
        }
    }
    chinese(&whole, forms);
    korean_reading(&whole, forms);
    if let Some([surname, given]) = han::japanese(&whole) {
        let tokens = [surname, given].map(|readings| {
            let token = Token::word(readings[0], Script::Other, Kind::Word);
            token.or(readings[1..].iter().map(|reading| (*reading).to_owned()))
        });
        forms.push(Form { tokens: tokens.into(), script: Script::Other });
    }
    if whole.len() <= 4 {
        foreign(runs, forms);
    }
}

/// A Chinese name: surname and given name in pinyin, with the spellings of Taiwan and Hong Kong beside it.
fn chinese(han: &[char], forms: &mut Vec<Form>) {
    let cut = [2, 1].into_iter().find_map(|length| {
        let surname: String = han.iter().take(length).collect();
        Some((length, (han.len() > length).then(|| han::surname(&surname)).flatten()?))
    });
    let mut tokens = Vec::new();
    let given = match cut {
        Some((length, spellings)) => {
            let token = Token::word(spellings[0], Script::Han, Kind::Word);
            tokens.push(token.or(spellings[1..].iter().map(|spelling| (*spelling).to_owned())));
            &han[length..]
        }
        // One character, or none of the surnames: the first one is taken for it all the same.
        None if han.len() > 1 => {
            tokens.push(Token::word(&han::pinyin(han[0]), Script::Han, Kind::Word));
            &han[1..]
        }
        None => han,
    };
    let syllables: Vec<String> =
        given.iter().map(|c| han::pinyin(*c)).filter(|text| !text.is_empty()).collect();
    if !syllables.is_empty() {
        let taiwan: Vec<String> = syllables.iter().map(|syllable| han::wade_giles(syllable)).collect();
        let phone = |syllables: &[String]| Phone::of_syllables(syllables.iter().map(String::as_str));
        let token = Token::sounding(&syllables.concat(), phone(&syllables), Script::Han, Kind::Word);
        tokens.push(token.or_sounding(&taiwan.concat(), phone(&taiwan)));
    }
    if !tokens.is_empty() {
        forms.push(Form { tokens, script: Script::Han });
    }
}

/// A Korean name in Chinese characters.
fn korean_reading(han: &[char], forms: &mut Vec<Form>) {
    if !(2..=4).contains(&han.len()) {
        return;
    }
    let mut syllables: Vec<char> = han.iter().filter_map(|c| hangul::reading(*c)).collect();
    if syllables.len() != han.len() {
        return;
    }
    // 金 is read otherwise as a surname than in any other word.
    if han[0] == '金' {
        syllables[0] = '김';
    }
    if hangul::surname(&syllables[0].to_string()).is_none() {
        return;
    }
    let mut tokens = Vec::new();
    korean_word(&syllables.iter().collect::<String>(), true, &mut tokens);
    forms.push(Form { tokens, script: Script::Hangul });
}

/// A foreign name spelt by its sound.
fn foreign(runs: &[&Run], forms: &mut Vec<Form>) {
    let words: Vec<Vec<char>> = runs.iter().map(|run| run.text.chars().collect()).collect();
    let dotted = runs.len() > 1;
    if !dotted && !words.iter().all(|word| han::is_sound(word)) {
        return;
    }
    let mut tokens = Vec::new();
    for word in words.iter().take(TOKENS_MAX) {
        let text: String = word.iter().map(|c| han::pinyin(*c)).collect();
        let phone: Phone = han::sound(word);
        if phone.len() > 0 {
            tokens.push(Token::sounding(&text, phone, Script::HanSound, Kind::Word));
        }
    }
    if !tokens.is_empty() {
        forms.push(Form { tokens, script: Script::HanSound });
    }
}
