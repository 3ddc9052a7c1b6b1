use super::*;

const SDN: &str = "36,\"AEROCARIBBEAN AIRLINES\",-0- ,\"CUBA\",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,-0- \n\
                   2674,\"ABBAS, Abu\",\"individual\",\"SDT] [SDGT\",\"Director\",-0- ,-0- ,-0- ,-0- ,-0- ,-0- ,\"DOB 10 Dec 1948; alt. DOB 1949; nationality Iraq; Gender Male; Passport A1234567 (Iraq); a.k.a. 'MUHAMMAD ZAYDAN'.\"\n\u{1a}";
const ALT: &str = "36,12,\"aka\",\"AERO-CARIBBEAN\",-0- \n2674,13,\"aka\",\"ZAYDAN, Muhammad\",-0- \n";
const ADD: &str = "36,25,-0- ,\"Havana\",\"Cuba\",-0- \n";

fn ofac(sdn: &str, alt: &str) -> Result<List, ListError> {
    List::ofac("ofac", sdn.as_bytes(), alt.as_bytes(), Some(ADD.as_bytes()), None::<&[u8]>)
}

#[test]
fn the_treasurys_files_are_one_list() {
    let list = ofac(SDN, ALT).unwrap();
    assert_eq!(list.version.entries, 2);
    let person = &list.entries[1];
    assert_eq!((person.kind, &*person.id, person.births.len()), (EntryKind::Person, "2674", 2));
    assert_eq!(person.gender, Some(Gender::Male));
    assert_eq!(person.names.len(), 3);
    assert_eq!(person.names[1].strength, Strength::Weak);
    assert_eq!(&*person.documents[0], "A1234567");
    assert_eq!(person.countries[0].code(), "iq");
    assert_eq!(person.reasons, ["SDT".into(), "SDGT".into()]);
    assert_eq!(list.entries[0].countries[0].code(), "cu");
}

#[test]
fn a_cut_or_foreign_set_is_refused() {
    assert!(matches!(ofac(&SDN[..SDN.len() - 60], ALT), Err(ListError::Cut { .. })));
    assert!(matches!(ofac("36,\"X\",-0- ,\"CUBA\"\n", ALT), Err(ListError::Cut { .. })));
    assert!(matches!(
        ofac(SDN, "1,2,\"aka\",\"A B\",-0- \n2,2,\"aka\",\"A B\",-0- \n"),
        Err(ListError::Mismatched { .. })
    ));
    assert!(matches!(ofac("", ""), Err(ListError::Empty)));
    let twice = format!("{}\n{}", SDN.trim_end_matches('\u{1a}').trim_end(), SDN.lines().nth(1).unwrap());
    assert!(matches!(ofac(&twice, ALT), Err(ListError::Row { .. })));
}

const UN: &str = r#"<?xml version="1.0" encoding="UTF-8"?><CONSOLIDATED_LIST dateGenerated="2026-02-27T00:00:09Z"><INDIVIDUALS><INDIVIDUAL>
<DATAID>6907993</DATAID><FIRST_NAME>ERIC &amp; </FIRST_NAME><SECOND_NAME>BADEGE</SECOND_NAME><UN_LIST_TYPE>DRC</UN_LIST_TYPE>
<NAME_ORIGINAL_SCRIPT>إريك</NAME_ORIGINAL_SCRIPT><GENDER>Male</GENDER><NATIONALITY><VALUE>Rwanda</VALUE></NATIONALITY>
<INDIVIDUAL_ALIAS><QUALITY>Low</QUALITY><ALIAS_NAME>Rico</ALIAS_NAME></INDIVIDUAL_ALIAS>
<INDIVIDUAL_DATE_OF_BIRTH><TYPE_OF_DATE>BETWEEN</TYPE_OF_DATE><FROM_YEAR>1970</FROM_YEAR><TO_YEAR>1972</TO_YEAR></INDIVIDUAL_DATE_OF_BIRTH>
<INDIVIDUAL_DOCUMENT><NUMBER>PC 123456</NUMBER></INDIVIDUAL_DOCUMENT></INDIVIDUAL></INDIVIDUALS>
<ENTITIES><ENTITY><DATAID>2</DATAID><FIRST_NAME>SOME GROUP</FIRST_NAME></ENTITY></ENTITIES></CONSOLIDATED_LIST>"#;

fn un(text: &str) -> Result<List, ListError> {
    List::read("un", Format::UnXml, text.as_bytes())
}

#[test]
fn the_security_councils_list_is_read() {
    let list = un(UN).unwrap();
    assert_eq!(list.version.date.as_deref(), Some("2026-02-27T00:00:09Z"));
    assert_eq!(list.entries.len(), 2);
    let person = &list.entries[0];
    assert_eq!(&*person.names[0].text, "ERIC &  BADEGE".replace("  ", " ").as_str());
    assert_eq!(
        person.names.iter().map(|name| name.strength).collect::<Vec<_>>(),
        [Strength::Primary, Strength::Primary, Strength::Weak]
    );
    assert_eq!(person.births, [BirthDate::Years(1970, 1972)]);
    assert_eq!(list.entries[1].kind, EntryKind::Organization);
}

#[test]
fn xml_that_is_cut_or_hostile_is_refused() {
    for cut in [UN.len() / 2, UN.len() - 5, 200, 60] {
        assert!(un(&UN[..cut]).is_err(), "cut at {cut}");
    }
    let bomb = "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;&a;\">]><CONSOLIDATED_LIST>&b;</CONSOLIDATED_LIST>";
    assert!(un(bomb).is_err());
    let giant =
        format!("<CONSOLIDATED_LIST><INDIVIDUALS><INDIVIDUAL><DATAID>{}</DATAID>", "x".repeat(1_000_000));
    assert!(matches!(un(&giant), Err(ListError::Row { .. } | ListError::Unreadable { .. })));
    assert!(matches!(un("<CONSOLIDATED_LIST></CONSOLIDATED_LIST>"), Err(ListError::Empty)));
    assert!(un(&format!("<CONSOLIDATED_LIST>{}", "<A>".repeat(10_000))).is_err());
}

const TARGETS: &str = "\"id\",\"schema\",\"name\",\"aliases\",\"birth_date\",\"countries\",\"addresses\",\"identifiers\",\"sanctions\",\"phones\",\"emails\",\"program_ids\",\"dataset\",\"first_seen\",\"last_seen\",\"last_change\"\n\
                       \"NK-1\",\"Person\",\"Anselm Terzhan\",\"A. Terzhan;\"\"Terzhan; Anselm\"\"\",\"1961-04-12;1962\",\"ru;us\",\"\",\"AB123456\",\"\",\"\",\"\",\"US-X\",\"Some List\",\"2020\",\"2021\",\"2026-01-02T03:04:05\"\n";

#[test]
fn targets_are_read_and_cut_ones_refused() {
    let list = List::read("os", Format::TargetsCsv, TARGETS.as_bytes()).unwrap();
    let entry = &list.entries[0];
    assert_eq!(entry.names.len(), 3);
    assert_eq!(&*entry.names[2].text, "Terzhan; Anselm");
    assert_eq!((entry.births.len(), entry.countries.len(), entry.documents.len()), (2, 2, 1));
    assert_eq!(list.version.date.as_deref(), Some("2026-01-02T03:04:05"));
    let cut = &TARGETS[..TARGETS.len() - 40];
    assert!(matches!(List::read("os", Format::TargetsCsv, cut.as_bytes()), Err(ListError::Cut { .. })));
    assert!(List::read("os", Format::TargetsCsv, "a,b\n1,2\n".as_bytes()).is_err());
}

const FTM: &str = concat!(
    r#"{"id":"NK-1","caption":"Anselm Terzhan","schema":"Person","properties":{"name":["Anselm Terzhan"],"alias":["Ансельм Тержан"],"weakAlias":["Terz"],"birthDate":["1961-04-12"],"nationality":["ru"],"gender":["male"],"passportNumber":["AB 123456"],"topics":["sanction"]},"referents":["old-1","NK-1"],"last_change":"2026-01-02T03:04:05","target":true}"#,
    "\n",
    r#"{"id":"adr-1","schema":"Address","properties":{"full":["x"]}}"#,
    "\n"
);

#[test]
fn entities_are_read_with_their_former_ids() {
    let list = List::read("os", Format::FtmJson, FTM.as_bytes()).unwrap();
    assert_eq!(list.entries.len(), 1);
    assert_eq!(list.entries[0].referents, ["old-1".into()]);
    assert_eq!(list.entries[0].names.last().unwrap().strength, Strength::Weak);
    let cut = FTM.len() / 3;
    assert!(matches!(List::read("os", Format::FtmJson, &FTM.as_bytes()[..cut]), Err(ListError::Cut { .. })));
    let giant = format!("{}{{\"id\":\"{}", FTM, "x".repeat(1_000_000));
    assert!(matches!(
        List::read("os", Format::FtmJson, giant.as_bytes()),
        Err(ListError::Row { row: 3, .. })
    ));
}

const OWN: &str = "# name: own\n# version: 7\n# entries: 2\nentry_id,name,aliases,birth_date,countries,reason\nA1,Anselm Terzhan,A. Terzhan;X,1961-04-12,RU,sanctions\nA2,欧阳朔寒,,1971,,pep\n";

#[test]
fn an_issuers_list_is_taken_whole_or_not_at_all() {
    let read = |text: &str| List::read("own", Format::OwnCsv, text.as_bytes());
    let list = read(OWN).unwrap();
    assert_eq!((list.entries.len(), list.version.date.as_deref()), (2, Some("7")));
    assert!(matches!(read(&OWN.replace("A2,欧阳朔寒,,1971,,pep\n", "")), Err(ListError::Cut { .. })));
    for (row, wrong) in [
        ("A1,Name", "cut"),
        ("A1,---,,,,x", "no name"),
        (",Name,,,,x", "no id"),
        ("A1,Name,,1961-13-01,,x", "no day"),
        ("A1,N,,19x1,,x", "no year"),
    ] {
        let text = format!("entry_id,name,aliases,birth_date,countries,reason\nA0,Good Name,,,,x\n{row}\n");
        assert!(read(&text).is_err(), "{wrong}");
    }
    let json =
        "{\"entry_id\":\"A1\",\"name\":\"Anselm Terzhan\",\"aliases\":[\"X Y\"],\"birth_date\":\"1961\"}\n";
    assert_eq!(List::read("own", Format::OwnJson, json.as_bytes()).unwrap().entries[0].names.len(), 2);
    assert!(matches!(List::read("own", Format::OwnJson, &json.as_bytes()[..30]), Err(ListError::Cut { .. })));
}

#[test]
fn versions_are_compared() {
    let old = List::read("own", Format::OwnCsv, OWN.as_bytes()).unwrap();
    let text = OWN.replace("A2,", "A3,").replace("1961-04-12", "1962-04-12");
    let new = List::read("own", Format::OwnCsv, text.as_bytes()).unwrap();
    assert_ne!(old.version.hash, new.version.hash);
    let changes = Changes::between(&old, &new);
    assert_eq!(changes.places, [0, 1]);
    assert_eq!(
        changes.ids,
        [("A1".into(), Change::Changed), ("A3".into(), Change::Added), ("A2".into(), Change::Removed)]
    );
    assert!(Changes::between(&old, &old).ids.is_empty());
    let watch = Watch::default();
    assert!(
        watch.accepts(100, 90).is_ok() && watch.accepts(100, 89).is_err() && watch.accepts(100, 0).is_err()
    );
    assert!(watch.accepts(0, 1).is_ok());
}
