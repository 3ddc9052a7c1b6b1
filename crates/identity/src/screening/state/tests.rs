use std::time::Duration;

use bursar_types::ManualClock;
use jiff::civil::date;
use tempfile::TempDir;

use super::*;

const HEAD: &str = "entry_id,name,aliases,birth_date,countries,reason\n";

fn config(files: Vec<std::path::PathBuf>) -> ScreeningConfig {
    ScreeningConfig {
        list_file: None,
        list_files: files,
        threshold_bps: 7_700,
        reload_poll_ms: 10,
        shrink_percent_max: 10,
        stale_hours: 24,
        rescreen_batch: 10,
    }
}

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::at(Timestamp::from_micros(1_795_348_800_000_000)))
}

fn sample() -> Screener {
    Screener::load(&config(Vec::new()), clock())
}

fn screened(screener: &Screener, name: &str, born: Date) -> Screened {
    screener.screen(&Subject { full_name: name, birth_date: born, nationality: "", id_number: "" })
}

fn hits(screener: &Screener, name: &str, born: Date) -> Vec<Hit> {
    match screened(screener, name, born) {
        Screened::Run { hits, .. } => hits,
        Screened::Unavailable { reason } => panic!("{reason}"),
    }
}

/// A list of so many made-up people, in a file.
fn rows(count: usize) -> String {
    let rows: Vec<String> = (0..count)
        .map(|number| {
            format!("E{number},Zorbl{} Quath{},,1950,,made up\n", letters(number), letters(number * 7))
        })
        .collect();
    format!("{HEAD}{}", rows.concat())
}

fn letters(mut number: usize) -> String {
    let mut text = String::new();
    for _ in 0..4 {
        text.push(char::from(b"bdgklmnprstvz"[number % 13]));
        text.push(char::from(b"aeiou"[number / 13 % 5]));
        number /= 5;
    }
    text
}

/// Writes a file so that its time differs from the last one's.
fn write(folder: &TempDir, name: &str, text: &str) -> std::path::PathBuf {
    use std::sync::atomic::{AtomicU64, Ordering};
    static TIME: AtomicU64 = AtomicU64::new(1_000_000);
    let path = folder.path().join(name);
    std::fs::write(&path, text).unwrap();
    let time = SystemTimeOf::from_secs(TIME.fetch_add(10, Ordering::SeqCst));
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(time).unwrap();
    path
}

struct SystemTimeOf;

impl SystemTimeOf {
    fn from_secs(seconds: u64) -> std::time::SystemTime {
        std::time::UNIX_EPOCH + Duration::from_secs(seconds)
    }
}

#[test]
fn listed_people_are_found_in_either_script_and_explained() {
    let screener = sample();
    let found = hits(&screener, "欧阳朔寒", date(1971, 10, 1));
    assert_eq!((found[0].entry_id.as_str(), found[0].score_bps), ("S037", 10_000));
    assert!(found[0].explanation.contains("birth dates agree"), "{}", found[0].explanation);
    for name in ["Ouyang Shuohan", "SHUOHAN OUYANG", "Ouyang Shuo Han"] {
        assert_eq!(hits(&screener, name, date(1971, 10, 1))[0].entry_id, "S037", "{name}");
    }
    let misspelt = hits(&screener, "Hamdan Ziyad al-Moruni", date(1969, 11, 25));
    assert!(misspelt[0].explanation.contains("moruni is spelt morruni"), "{misspelt:?}");
}

#[test]
fn each_listed_name_and_alias_finds_its_entry() {
    let screener = sample();
    let list = Arc::clone(screener.state().sources[0].list.as_ref().unwrap());
    assert!(list.entries.len() >= 60);
    for entry in &list.entries {
        let born = match entry.births[0] {
            bursar_screening::BirthDate::Day(day) => day,
            bursar_screening::BirthDate::Years(year, _) => date(year, 6, 15),
        };
        for name in &entry.names {
            let found = hits(&screener, &name.text, born);
            assert!(found.iter().any(|hit| hit.entry_id == *entry.id), "{}: {found:?}", name.text);
        }
    }
}

#[test]
fn ordinary_people_are_no_hits() {
    let screener = sample();
    let people = [
        "王小明",
        "李娜",
        "张伟",
        "刘洋",
        "陈静",
        "欧阳娜娜",
        "上官婉儿",
        "John Smith",
        "Maria Garcia",
        "Anna Müller",
        "Kim Min-jun",
        "Nguyen Van An",
        "Wei Zhang",
        "Ouyang Na",
        "Ivan Petrov",
        "Fatima Zahra",
        "Sergei Ivanov",
        "José García",
        "Thomas Müller",
        "Boris Becker",
    ];
    for name in people {
        assert_eq!(hits(&screener, name, date(1985, 5, 5)), [], "{name}");
    }
}

#[test]
fn no_list_is_never_no_hit() {
    let folder = tempfile::tempdir().unwrap();
    let empty = write(&folder, "empty.csv", "");
    for path in [folder.path().join("absent.csv"), empty] {
        let screener = Screener::load(&config(vec![path]), clock());
        let found = screened(&screener, "王小明", date(1985, 5, 5));
        assert!(matches!(found, Screened::Unavailable { .. }), "{found:?}");
        assert_eq!(screener.lists_hash(), "");
    }
}

#[test]
fn names_that_are_no_names_go_to_a_person() {
    let screener = sample();
    let long = "Anselm ".repeat(10_000);
    for name in [long.as_str(), "\u{202e}\u{200b}", "----"] {
        let found = screened(&screener, name, date(1961, 4, 12));
        assert!(matches!(found, Screened::Unavailable { .. }), "{found:?}");
    }
    // Hidden characters and letters that only look so hide nobody.
    for name in ["Ansel\u{200d}m \u{202e}Terzhan", "Аnsеlm Tеrzhаn"] {
        assert_eq!(hits(&screener, name, date(1961, 4, 12)).len(), 1, "{name}");
    }
}

#[test]
fn a_bad_file_leaves_the_last_good_list_in_force_and_is_told_once() {
    let folder = tempfile::tempdir().unwrap();
    let good = rows(200);
    let path = write(&folder, "own.csv", &good);
    let screener = Screener::load(&config(vec![path.clone()]), clock());
    let hash = screener.lists_hash();
    let half = &good[..good.len() / 2];
    let cut_at_a_row = &good[..good.len() / 2 - half.len() + half.rfind('\n').unwrap() + 1];
    let giant = format!("{good}E999,{},,1950,,x\n", "x".repeat(1_000_000));
    for bad in ["", HEAD, half, cut_at_a_row, giant.as_str(), "nonsense"] {
        write(&folder, "own.csv", bad);
        let problems = screener.reload();
        assert_eq!(problems.len(), 1, "{:.40}", bad);
        let again = screener.reload();
        assert!(again.is_empty(), "{again:?}");
        assert_eq!(screener.lists_hash(), hash);
        assert!(!screener.lists()[0].problem.is_empty());
        assert_eq!(screener.lists()[0].entries, 200);
    }
    std::fs::remove_file(&path).unwrap();
    assert_eq!((screener.reload().len(), screener.lists_hash() == hash), (1, true));
    write(&folder, "own.csv", &rows(205));
    assert!(screener.reload().is_empty());
    assert_ne!(screener.lists_hash(), hash);
    assert_eq!((screener.lists()[0].entries, screener.lists()[0].problem.as_str()), (205, ""));
}

#[test]
fn a_list_that_is_not_refreshed_in_time_is_stale() {
    let folder = tempfile::tempdir().unwrap();
    let (clock, path) = (clock(), write(&folder, "own.csv", &rows(50)));
    let screener = Screener::load(&config(vec![path]), clock.clone());
    let stale = |screener: &Screener| match screened(screener, "Nobody Atall", date(1985, 5, 5)) {
        Screened::Run { stale, .. } => stale.is_some(),
        Screened::Unavailable { reason } => panic!("{reason}"),
    };
    assert!(!stale(&screener));
    clock.advance(Duration::from_secs(25 * 3_600));
    assert!(stale(&screener) && screener.lists()[0].stale);
    // A good look, and it is fresh again; a bad file does not refresh it.
    screener.reload();
    assert!(!stale(&screener));
    write(&folder, "own.csv", "cut");
    clock.advance(Duration::from_secs(25 * 3_600));
    screener.reload();
    assert!(stale(&screener));
}

#[test]
fn only_whom_a_change_can_concern_can_have_changed() {
    let folder = tempfile::tempdir().unwrap();
    let text = rows(100);
    let path = write(&folder, "own.csv", &text);
    let screener = Screener::load(&config(vec![path]), clock());
    let before = screener.lists_hash();
    write(&folder, "own.csv", &format!("{text}N1,Anselm Terzhan,,1961,,new\n").replace("E5,", "E5x,"));
    assert!(screener.reload().is_empty());
    let can = |name: &str, met: &[(&str, &str)]| {
        let met: Vec<(String, String)> =
            met.iter().map(|(list, entry)| ((*list).into(), (*entry).into())).collect();
        let subject =
            Subject { full_name: name, birth_date: date(1961, 4, 12), nationality: "", id_number: "" };
        screener.can_have_changed(&before, &subject, &met)
    };
    assert!(can("Anselm Terzhan", &[]), "the new entry is like them");
    assert!(can("Nobody Atall", &[("own", "E5")]), "an entry they met is gone");
    assert!(!can("Nobody Atall", &[("own", "E6")]));
    let subject =
        Subject { full_name: "Nobody Atall", birth_date: date(1961, 4, 12), nationality: "", id_number: "" };
    assert!(
        screener.can_have_changed("another version", &subject, &[]),
        "what is not known is screened in full"
    );
}
