use proptest::prelude::*;

use super::*;

fn words(text: &str) -> Vec<String> {
    let name = Name::of(text);
    name.forms
        .first()
        .map(|form| form.tokens.iter().map(|token| token.text().to_owned()).collect())
        .unwrap_or_default()
}

#[test]
fn case_marks_width_and_punctuation_do_not_matter() {
    assert_eq!(words("José  RAMÓN-Quintalvera"), ["jose", "ramon", "quintalvera"]);
    assert_eq!(words("Søren Blåkilde"), ["soren", "blakilde"]);
    assert_eq!(words("Ｋｉｍ Ｒｙｏｎｇ"), ["kim", "ryong"]);
    assert_eq!(words("Gwendal Kermoroc'h"), words("GWENDAL KERMOROCH"));
    assert_eq!(words("Nguyễn Đình"), ["nguyen", "dinh"]);
}

#[test]
fn every_script_becomes_latin_words() {
    assert_eq!(words("Владимир Путин"), ["vladimir", "putin"]);
    assert_eq!(words("김정은"), ["kim", "jongun"]);
    assert_eq!(words("习近平"), ["xi", "jinping"]);
    assert_eq!(words("欧阳朔寒"), ["ouyang", "shuohan"]);
    assert_eq!(words("עבד אל"), ["bd", "al"]);
    assert_eq!(words("محمد بن عبد الله"), ["mhmd", "bin", "abd", "allah"]);
    assert_eq!(words("Νικόλαος"), ["nikolaos"]);
    assert_eq!(words("タナカ"), ["tanaka"]);
}

#[test]
fn a_name_in_two_scripts_is_read_in_both() {
    let name = Name::of("欧阳 朔寒 (Ouyang Shuohan)");
    assert!(name.forms().iter().any(|form| form.script() == Script::Latin && form.tokens().len() == 2));
    assert!(name.forms().iter().any(|form| form.script() == Script::Han && form.tokens().len() == 2));
}

#[test]
fn what_is_not_seen_and_what_only_looks_so_changes_nothing() {
    let plain = words("Vladimir Putin");
    assert_eq!(words("Vla\u{200d}dimir\u{202e} Pu\u{ad}tin\u{0000}"), plain);
    // Cyrillic о, а, р, е within Latin words.
    assert_eq!(words("Vlаdimir Рutin"), plain);
    assert_eq!(words("\u{1d415}\u{1d425}adimir Putin"), plain);
}

#[test]
fn nothing_to_compare_is_empty_and_too_much_is_cut() {
    assert!(Name::of("·-— \u{200f}").is_empty());
    assert!(Name::of("").is_empty());
    let long = Name::of(&"Abdul ".repeat(5_000));
    assert!(long.is_cut() && !long.is_empty());
    assert!(long.forms().iter().all(|form| form.tokens().len() <= TOKENS_MAX));
    assert!(!Name::of("Abdul Karim").is_cut());
}

proptest! {
    #[test]
    fn any_text_is_bounded(text in "\\PC{0,600}") {
        let name = Name::of(&text);
        prop_assert!(name.forms().len() <= FORMS_MAX);
        prop_assert!(name.forms().iter().all(|form| form.tokens().len() <= TOKENS_MAX));
        prop_assert_eq!(Name::of(&text), name);
    }
}
