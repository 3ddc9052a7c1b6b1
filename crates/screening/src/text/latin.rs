//! Words in Latin letters: what kind of word each is, and the Arabic compounds that are written in one or in several.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

/// What a word of a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A name.
    Word,
    /// One letter that stands for a name.
    Initial,
    /// Part of a compound that many names share: *Abd*, *Abu*, *Allah*, *Din*.
    Minor,
    /// An article or a word between names: *al*, *bin*, *van*, *de*.
    Particle,
    /// A title: *Dr*, *Hajji*, *Col*.
    Title,
    /// *Jr*, *Sr*, *III*: which generation.
    Generation,
    /// A legal form of a company: *LLC*, *GmbH*.
    Form,
}

impl Kind {
    /// How much a word of this kind weighs, in hundredths of a name.
    pub(crate) const fn weight(self) -> u16 {
        match self {
            Self::Word => 100,
            Self::Initial => 40,
            Self::Minor => 50,
            Self::Particle | Self::Form => 15,
            Self::Title | Self::Generation => 8,
        }
    }
}

const PARTICLES: &str = "al el ul ud ur us ad ash az bin ben ibn bint bnt ibnu wa van von der den de di da dos das del della \
                         dello du des do la le les lo y ter ten zu zum zur und und of the i e et and & abn ould uld oglu ogly kyzy qizi vel \
                         degli dalla dal bte binti bt as an ar at ath ed er es ez ad";
/// Particles that are names in Asia: particles only beside two words that are none.
const DOUBTFUL: &str = "an ar at do du la le lo i e y da di ad as es ed er de den ten van wa ben der dal san";
const TITLES: &str = "mr mrs ms miss dr prof professor haji hajji hajj hadji hadj alhaj mullah mulla mawlawi maulavi maulawi moulavi \
                      mawlana maulana sheikh shaykh shaikh sheik cheikh sheykh sayyid col colonel gen general lt lieutenant capt captain maj \
                      major brig brigadier sgt cmdr commander adm admiral sir lord lady don dona hon rev reverend imam ustad engineer \
                      eng ing qari hafiz molla hoca hodja mufti ayatollah hojatoleslam his her excellency dipl jnr master mgr fr father deputy minister \
                      president kommandant comandante alias aka";
const GENERATIONS: &str = "jr sr junior senior ii iii iv";
const FORMS: &str = "llc ltd limited inc incorporated corp corporation co company gmbh ag sa sas sarl spa srl bv nv plc pte pty llp lp oao ooo zao pao ao \
                     jsc pjsc ojsc cjsc fze fzco fzc dmcc kg ohg ab oy as aps sl ltda cia est establishment";

/// What kind of word `word` is, in a name of so many words.
pub(super) fn kind(word: &str, words: usize) -> Kind {
    static KINDS: LazyLock<HashMap<&'static str, Kind>> = LazyLock::new(|| {
        let mut kinds = HashMap::new();
        for (list, kind) in [
            (PARTICLES, Kind::Particle),
            (TITLES, Kind::Title),
            (GENERATIONS, Kind::Generation),
            (FORMS, Kind::Form),
        ] {
            for word in list.split_whitespace() {
                kinds.entry(word).or_insert(kind);
            }
        }
        kinds
    });
    static DOUBT: LazyLock<Vec<&'static str>> = LazyLock::new(|| DOUBTFUL.split_whitespace().collect());
    match KINDS.get(word) {
        Some(Kind::Particle) if words < 3 && DOUBT.contains(&word) => {
            if word.len() == 1 {
                Kind::Initial
            } else {
                Kind::Word
            }
        }
        // A title alone with one name more may be a name itself.
        Some(Kind::Title | Kind::Form | Kind::Generation) if words < 2 => Kind::Word,
        Some(kind) => *kind,
        None if word.len() == 1 && word.as_bytes()[0].is_ascii_alphabetic() => Kind::Initial,
        None if matches!(word, "abd" | "abu" | "abou" | "abo" | "umm" | "oum") => Kind::Minor,
        None => Kind::Word,
    }
}

/// A piece of a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// As it stands.
    Word(&'a str),
    /// Part of an Arabic compound, in one spelling.
    Minor(&'static str),
}

const SERVANT: [&str; 18] = [
    "abdoul", "abdurr", "abderr", "abdul", "abdel", "abdal", "abdol", "abdur", "abder", "abdus", "abdes",
    "abdud", "abdir", "abdil", "abdi", "abdu", "abdo", "abd",
];
const GOD: [&str; 12] =
    ["oullah", "ullah", "allah", "ollah", "ellah", "illah", "oulla", "ulla", "alla", "olla", "ulah", "alah"];
const FAITH: [&str; 18] = [
    "ouddine", "uddine", "eddine", "ouddin", "uddin", "eddin", "addin", "iddin", "oddin", "uldin", "aldin",
    "eldin", "aldeen", "eldeen", "uddeen", "eddeen", "udin", "udeen",
];

/// The pieces of a word: `Abdulrahman` is *Abd* and *Rahman*, `Saifuddin` is *Saif* and *Din*, most words are one piece.
pub(super) fn pieces(word: &str) -> (Piece<'_>, Option<Piece<'_>>) {
    if matches!(word, "allah" | "ullah" | "ollah") {
        return (Piece::Minor("allah"), None);
    }
    if matches!(
        word,
        "din" | "deen" | "dine" | "uddin" | "eddin" | "eddine" | "aldin" | "eldin" | "addin" | "uldin"
    ) {
        return (Piece::Minor("din"), None);
    }
    if matches!(word, "abdul" | "abdel" | "abdal" | "abdol" | "abdoul" | "abdur" | "abder") {
        return (Piece::Minor("abd"), None);
    }
    if matches!(word, "abu" | "abou" | "abo" | "aboul" | "abul" | "abi") {
        return (Piece::Minor("abu"), None);
    }
    if word.starts_with("abd") {
        for prefix in SERVANT {
            let Some(rest) = word.strip_prefix(prefix) else { continue };
            if matches!(
                rest,
                "lah" | "la" | "aye" | "ay" | "llah" | "lla" | "laye" | "allah" | "alla" | "ullah" | "ulla"
            ) {
                return (Piece::Minor("abd"), Some(Piece::Minor("allah")));
            }
            if rest.len() >= 4 || (rest.len() == 3 && prefix.len() >= 5) {
                return (Piece::Minor("abd"), Some(Piece::Word(rest)));
            }
        }
    }
    for suffix in GOD {
        if let Some(head) = word.strip_suffix(suffix).filter(|head| head.len() >= 3) {
            // Villa, Mancilla: without the `h` only where an Arabic name is likely.
            let certain = suffix.ends_with('h') && suffix.len() > 4;
            let likely = matches!(suffix, "ulla" | "oulla" | "ulah" | "alah") && head.len() >= 4;
            if certain || likely {
                return (Piece::Word(head), Some(Piece::Minor("allah")));
            }
        }
    }
    for suffix in FAITH {
        let least = if suffix.len() < 5 { 4 } else { 3 };
        if let Some(head) = word.strip_suffix(suffix).filter(|head| head.len() >= least) {
            return (Piece::Word(head), Some(Piece::Minor("din")));
        }
    }
    (Piece::Word(word), None)
}

/// The groups of [`given names`](../data/given_names.txt) that a word is in: number of the group, and whether it stands
/// among the forms of the first language.
pub(super) fn groups(word: &str) -> &'static [(u16, bool)] {
    static GROUPS: LazyLock<HashMap<&'static str, Vec<(u16, bool)>>> = LazyLock::new(|| {
        let lines = include_str!("../../data/given_names.txt").lines().filter(|line| !line.starts_with('#'));
        let mut groups: HashMap<&'static str, Vec<(u16, bool)>> = HashMap::new();
        for (number, line) in (0_u16..).zip(lines) {
            let (same, other) = line.split_once('|').unwrap_or((line, ""));
            for (words, first) in [(same, true), (other, false)] {
                for word in words.split_whitespace() {
                    groups.entry(word).or_default().push((number, first));
                }
            }
        }
        groups
    });
    GROUPS.get(word).map_or(&[], Vec::as_slice)
}

/// Whether the word is one of the common given names.
pub(super) fn is_known(word: &str) -> bool {
    static KNOWN: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
        let lines = include_str!("../../data/known_names.txt").lines().filter(|line| !line.starts_with('#'));
        lines.flat_map(str::split_whitespace).collect()
    });
    KNOWN.contains(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_their_kind() {
        for (word, words, expected) in [
            ("al", 3, Kind::Particle),
            ("van", 3, Kind::Particle),
            ("van", 2, Kind::Word),
            ("an", 2, Kind::Word),
            ("dr", 3, Kind::Title),
            ("j", 2, Kind::Initial),
            ("jr", 3, Kind::Generation),
            ("smith", 2, Kind::Word),
            ("abd", 3, Kind::Minor),
        ] {
            assert_eq!(kind(word, words), expected, "{word} of {words}");
        }
    }

    #[test]
    fn arabic_compounds_come_apart() {
        let abd = Piece::Minor("abd");
        for word in ["abdulrahman", "abdelrahman", "abdalrahman"] {
            assert_eq!(pieces(word), (abd, Some(Piece::Word("rahman"))), "{word}");
        }
        for word in ["abdullah", "abdallah", "abdulla", "abdoulaye"] {
            assert_eq!(pieces(word), (abd, Some(Piece::Minor("allah"))), "{word}");
        }
        assert_eq!(pieces("khayrallah"), (Piece::Word("khayr"), Some(Piece::Minor("allah"))));
        assert_eq!(pieces("saifuddin"), (Piece::Word("saif"), Some(Piece::Minor("din"))));
        for word in ["villa", "mancilla", "benedin", "abda", "smith"] {
            assert_eq!(pieces(word), (Piece::Word(word), None), "{word}");
        }
    }

    #[test]
    fn given_names_share_groups() {
        let shares = |one: &str, other: &str| {
            groups(one).iter().any(|(n, _)| groups(other).iter().any(|(m, _)| n == m))
        };
        assert!(shares("bill", "william") && shares("misha", "michael") && shares("yusuf", "joseph"));
        assert!(!shares("bill", "robert"));
    }
}
