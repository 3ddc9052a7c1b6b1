use proptest::prelude::*;

use super::*;
use crate::PERFECT;

fn bps(asked: &str, listed: &str) -> u16 {
    compare_names(&Name::of(asked), &Name::of(listed))
}

const HIT: u16 = crate::THRESHOLD_DEFAULT;

#[test]
fn order_spelling_and_left_out_middle_names_still_meet() {
    assert_eq!(bps("Terzhan, Anselm Radovic", "Anselm Radovic Terzhan"), PERFECT);
    for (asked, listed) in [
        ("Anselm Terzhan", "Anselm Radovic Terzhan"),
        ("Ilyana Morwena Wastik", "Ilyana Morwenna Vastik"),
        ("Ouyang Shuo Han", "Ouyang Shuohan"),
        ("Usama bin Laden", "Osama Bin Ladin"),
        ("Abdul Rahman al-Sudais", "Abdelrahman Sudais"),
        ("Saifuddin Ahmed", "Saif al-Din Ahmad"),
        ("Bill Gates", "William Gates"),
        ("Catherine Jones", "Katherine Jones"),
        ("Jean-Pierre Dupont", "Jeanpierre Dupont"),
        ("J. Robert Smith", "John Robert Smith"),
        ("Juergen Schroeder", "Jürgen Schröder"),
    ] {
        assert!(bps(asked, listed) >= HIT, "{asked}, {listed}: {}", bps(asked, listed));
    }
}

#[test]
fn names_in_other_scripts_meet_their_latin_forms() {
    for (asked, listed) in [
        ("Владимир Путин", "Vladimir Putin"),
        ("Александр Лукашенко", "Aliaksandr Lukashenka"),
        ("محمد علي", "Mohamed Ali"),
        ("عبدالرحمن خالد", "Abdul Rahman Khaled"),
        ("欧阳朔寒", "OUYANG Shuohan"),
        ("习近平", "Jinping Xi"),
        ("金正恩", "Kim Jong Un"),
        ("김정은", "Kim Jong-un"),
        ("박지성", "Park Ji Sung"),
        ("托德·斯坦恩", "Todd Stein"),
        ("山田太郎", "Yamada Taro"),
        ("Αλέξανδρος Παπαδόπουλος", "Alexandros Papadopoulos"),
        ("דוד משה", "David Moshe"),
    ] {
        assert!(bps(asked, listed) >= HIT, "{asked}, {listed}: {}", bps(asked, listed));
        assert!(bps(listed, asked) >= HIT, "{listed}, {asked}: {}", bps(listed, asked));
    }
}

#[test]
fn relatives_namesakes_and_single_common_words_do_not_meet() {
    for (asked, listed) in [
        ("Anselm", "Anselm Radovic Terzhan"),
        ("Anselm Meyer", "Anselm Terzhan"),
        ("Li Na", "Lu Ni"),
        ("Bashar al-Assad", "Maher al-Assad"),
        ("Arkady Romanovich Rotenberg", "Boris Romanovich Rotenberg"),
        ("Kim Jong Un", "Kim Jong Il"),
        ("王小明", "王小红"),
        ("Mohammed Ali", "Ahmed Ali"),
        ("Emma Daniels", "Emma"),
    ] {
        assert!(bps(asked, listed) < HIT, "{asked}, {listed}: {}", bps(asked, listed));
    }
}

#[test]
fn the_reasons_name_each_word() {
    let explanation = explain_names(&Name::of("Hamdan Ziyad al-Moruni"), &Name::of("Hamdan Morruni Khalid"));
    let text = explanation.to_string();
    assert!(text.contains("hamdan = hamdan") && text.contains("moruni is spelt morruni"), "{text}");
    assert!(text.contains("only in the name: ziyad") && text.contains("only on the list: khalid"), "{text}");
}

proptest! {
    #[test]
    fn a_name_meets_itself_and_scores_are_bounded(one in "\\PC{0,80}", other in "\\PC{0,80}") {
        prop_assert!(bps(&one, &other) <= PERFECT);
        prop_assert!(bps(&one, &one) <= PERFECT);
    }

    #[test]
    fn two_words_of_letters_are_the_same_as_themselves(one in "[a-z]{4,12}", other in "[a-z]{4,12}") {
        let name = format!("{one} {other}");
        prop_assert!(bps(&name, &name) >= 9_400, "{}", bps(&name, &name));
    }
}
