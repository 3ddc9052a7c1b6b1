use jiff::civil::date;

use super::*;
use crate::list::Format;

const LIST: &str = "entry_id,name,aliases,birth_date,countries,reason\n\
                    A1,Anselm Radovic Terzhan,Ансельм Тержан,1961-04-12,RU,sanctions\n\
                    A2,欧阳朔寒,OUYANG Shuohan,1971,CN,pep\n\
                    A3,Wang Jun Zheng,,1960,CN,sanctions\n\
                    A4,Abdul Rahman al-Tikriti,عبد الرحمن التكريتي,1955,IQ,sanctions\n\
                    A5,J. Quintalvera,,,,sanctions\n";

fn index() -> Index {
    Index::of([Arc::new(List::read("own", Format::OwnCsv, LIST.as_bytes()).unwrap())])
}

fn ids(person: &Person) -> Vec<String> {
    index().screen(person, &Policy::default()).hits.into_iter().map(|hit| hit.entry_id).collect()
}

#[test]
fn entries_are_found_by_any_of_their_forms() {
    for (name, id) in [
        ("Anselm Terzhan", "A1"),
        ("Terzan Anselm", "A1"),
        ("Ансельм Радович Тержан", "A1"),
        ("Shuohan Ouyang", "A2"),
        ("欧阳朔寒", "A2"),
        ("Ouyang Shuo Han", "A2"),
        ("Wang Junzheng", "A3"),
        ("王君正", "A3"),
        ("Abdelrahman Tikriti", "A4"),
        ("Abdul Rahman Altikriti", "A4"),
        ("عبدالرحمن التكريتي", "A4"),
        ("Juan Quintalvera", "A5"),
    ] {
        assert_eq!(ids(&Person::named(name)), [id], "{name}");
    }
    assert!(ids(&Person::named("John Smith")).is_empty());
}

#[test]
fn facts_speak_for_and_against() {
    let born = |year| Person::named("Anselm Terzhan").born(date(year, 4, 12));
    let found = |person: &Person| {
        index().screen(person, &Policy::default()).hits.first().map(|hit| (hit.bps, hit.evidence.clone()))
    };
    let (agrees, evidence) = found(&born(1961)).unwrap();
    assert_eq!(evidence, [Evidence::BirthDay]);
    let (differs, _) = found(&born(1966)).unwrap_or_default();
    assert!(agrees > differs);
    let by_number = "entry_id,name,aliases,birth_date,countries,reason\n";
    assert!(by_number.len() > 10);
}

#[test]
fn a_documents_number_finds_its_bearer_whatever_the_name() {
    let json = r#"{"id":"P1","schema":"Person","properties":{"name":["Anselm Terzhan"],"passportNumber":["AB 123456"]}}"#;
    let index = Index::of([Arc::new(List::read("ftm", Format::FtmJson, json.as_bytes()).unwrap())]);
    let found = index.screen(&Person::named("Somebody Else").with_document("ab123456"), &Policy::default());
    assert_eq!(
        (found.hits[0].entry_id.as_str(), &found.hits[0].evidence[..]),
        ("P1", &[Evidence::Document][..])
    );
    assert!(
        index
            .screen(&Person::named("Somebody Else").with_document("AB123457"), &Policy::default())
            .hits
            .is_empty()
    );
}

#[test]
fn the_index_finds_what_scoring_every_name_finds() {
    let index = index();
    let mut searcher = index.searcher();
    for name in [
        "Anselm Terzhan",
        "Wang Xiaozheng",
        "Abdul Tikriti",
        "Ouyang",
        "Shuohan",
        "J Terzhan",
        "Tikriti Abdul R",
    ] {
        let person = Person::named(name);
        let (one, other) =
            (searcher.screen(&person, &Policy::default()), searcher.screen_each(&person, &Policy::default()));
        assert_eq!(one.hits, other.hits, "{name}");
    }
}

#[test]
fn only_what_changed_is_searched_where_asked() {
    let list = Arc::new(List::read("own", Format::OwnCsv, LIST.as_bytes()).unwrap());
    let index = Index::of_places(list, &[1]);
    assert_eq!(index.screen(&Person::named("Ouyang Shuohan"), &Policy::default()).hits.len(), 1);
    assert!(index.screen(&Person::named("Anselm Terzhan"), &Policy::default()).hits.is_empty());
}
