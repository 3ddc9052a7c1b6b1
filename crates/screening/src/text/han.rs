//! Names in Chinese characters: as a Chinese name, as a Korean or Japanese one, or as the sound of a foreign one.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use super::phone::{CH, Phone, SH, ZH, symbol};

/// Readings of a character as a surname: pinyin first, then other spellings in use.
pub(super) fn surname(han: &str) -> Option<&'static [&'static str]> {
    static SURNAMES: LazyLock<HashMap<&'static str, Vec<&'static str>>> =
        LazyLock::new(|| super::table(include_str!("../../data/han_surnames.txt")));
    SURNAMES.get(han).map(Vec::as_slice)
}

type Readings = HashMap<&'static str, Vec<&'static str>>;

static JAPANESE: LazyLock<(Readings, Readings)> = LazyLock::new(|| {
    let text = include_str!("../../data/japanese.txt");
    let (surnames, given) = text.split_once("\n--\n").unwrap_or((text, ""));
    (super::table(surnames), super::table(given))
});

/// Surname and given name of a Japanese name in characters, each with its readings.
pub(super) fn japanese(han: &[char]) -> Option<[&'static [&'static str]; 2]> {
    (1..han.len().min(5)).rev().find_map(|cut| {
        let (surname, given): (String, String) = (han[..cut].iter().collect(), han[cut..].iter().collect());
        Some([JAPANESE.0.get(surname.as_str())?.as_slice(), JAPANESE.1.get(given.as_str())?.as_slice()])
    })
}

/// A character in pinyin without tones; empty for one that has no reading.
pub(super) fn pinyin(c: char) -> String {
    any_ascii::any_ascii_char(c).trim().to_ascii_lowercase()
}

/// A syllable of pinyin as Wade and Giles spell it, without marks, as names from Taiwan have it.
pub(super) fn wade_giles(pinyin: &str) -> String {
    let whole = match pinyin {
        "zi" => Some("tzu"),
        "ci" => Some("tzu"),
        "si" => Some("szu"),
        "zhi" | "chi" => Some("chih"),
        "shi" => Some("shih"),
        "ri" => Some("jih"),
        "er" => Some("erh"),
        "you" => Some("yu"),
        "yan" => Some("yen"),
        "ye" => Some("yeh"),
        "yi" => Some("i"),
        "yong" => Some("yung"),
        "yue" => Some("yueh"),
        "ge" => Some("ko"),
        "ke" => Some("ko"),
        "he" => Some("ho"),
        "guo" | "kuo" => Some("kuo"),
        _ => None,
    };
    if let Some(whole) = whole {
        return whole.to_owned();
    }
    let initials = [
        ("zh", "ch"),
        ("ch", "ch"),
        ("sh", "sh"),
        ("b", "p"),
        ("d", "t"),
        ("g", "k"),
        ("j", "ch"),
        ("q", "ch"),
        ("x", "hs"),
        ("z", "ts"),
        ("c", "ts"),
        ("r", "j"),
    ];
    let (initial, tail) = initials
        .iter()
        .find_map(|(from, to)| Some((*to, pinyin.strip_prefix(from)?)))
        .unwrap_or(("", pinyin));
    let tail = if let Some(head) = tail.strip_suffix("ian") {
        format!("{head}ien")
    } else if let Some(head) = tail.strip_suffix("ong") {
        format!("{head}ung")
    } else if tail.ends_with("ie") || tail.ends_with("ue") {
        format!("{tail}h")
    } else if let Some(head) = tail.strip_suffix("uo").filter(|_| !matches!(initial, "sh" | "k" | "h")) {
        format!("{head}o")
    } else {
        tail.to_owned()
    };
    format!("{initial}{tail}")
}

/// Characters that foreign names are spelt with by their sound.
const SOUNDS: &str = "阿埃艾爱安昂奥澳巴白百拜班邦包保鲍北贝本比彼毕别宾波伯勃博卜布柏彻茨次措达大代戴丹当道德登邓迪第蒂丁东杜顿\
                      多厄恩尔法凡范方菲费芬丰冯夫弗福盖甘冈高戈格葛根贡古圭郭哈海汉汗豪赫黑亨洪侯胡华怀霍基吉加嘉贾简杰金津京\
                      久居喀卡凯坎康考科可克肯库夸昆奎拉腊莱赖兰朗劳勒雷累黎里理利立莉丽琳连廉列林隆卢鲁露路伦罗洛吕马玛迈麦曼\
                      芒毛茂梅门蒙米密敏明缪摩莫墨默姆木穆拿内那娜纳奈南嫩能尼妮年涅宁牛纽农努诺欧帕派潘庞培佩彭蓬皮匹平珀泼坡\
                      普奇齐恰钱强乔切钦琴丘屈热仁日荣茹儒瑞若萨塞赛三桑瑟森沙莎山尚绍舍申生圣盛施什石史舒顺斯丝苏孙索所塔泰坦\
                      汤唐陶特滕提田铁廷汀通图土托瓦万旺威韦维魏温文翁沃乌吴武西希锡席夏香萧谢欣辛兴休许雪逊雅亚延扬耶叶伊因英\
                      永尤于约扎泽曾詹章哲珍芝治朱兹子佐蓓薇雯茜婷珊婕娅贝佛艮赞增培唐杰迦嘎吾买提江古丽热合曼阿不都力木尼牙孜丹\
                      韋爾亞維爾羅納蘭倫喬貝奧馬賓達頓費馮蓋岡漢華懷賈簡傑凱臘萊賴勞盧魯呂瑪邁麥門寧紐農諾歐龐齊錢強熱榮薩賽紹聖\
                      娃丽古爱力江蘇孫湯鐵圖萬溫烏吳錫蕭謝興許遜揚葉約詹澤";

/// Whether the characters can spell a foreign name by its sound.
pub(super) fn is_sound(han: &[char]) -> bool {
    static SET: LazyLock<HashSet<char>> = LazyLock::new(|| SOUNDS.chars().collect());
    han.len() >= 2 && han.iter().all(|c| SET.contains(c))
}

/// What the characters sound like to who spells a foreign name with them.
pub(super) fn sound(han: &[char]) -> Phone {
    let mut phone = Phone::EMPTY;
    for c in han {
        if matches!(c, '尔' | '爾' | '儿') {
            phone.push(symbol(b'l'));
            continue;
        }
        let pinyin = pinyin(*c);
        let (initial, rest): (&[u8], &str) = match pinyin.as_bytes() {
            [b'z', b'h', ..] => (&[ZH], &pinyin[2..]),
            [b'c', b'h', ..] => (&[CH], &pinyin[2..]),
            [b's', b'h', ..] => (&[SH], &pinyin[2..]),
            [b'q', ..] => (&[CH], &pinyin[1..]),
            [b'x', ..] => (&[SH], &pinyin[1..]),
            [b'z' | b'c', ..] => (&[symbol(b'c')], &pinyin[1..]),
            [b'w', ..] => (&[symbol(b'v')], &pinyin[1..]),
            [b'y', ..] => (&[symbol(b'i')], &pinyin[1..]),
            _ => (&[], pinyin.as_str()),
        };
        for symbol in initial {
            phone.push(*symbol);
        }
        // After a sibilant the `i` is no vowel that anyone meant.
        let hisses = matches!(pinyin.as_bytes().first(), Some(b's' | b'z' | b'c' | b'r'));
        let buzzes =
            (rest == "i" && (hisses || pinyin.get(1..2) == Some("h"))) || pinyin == "si" || pinyin == "ri";
        let rest = if buzzes { rest.trim_end_matches('i') } else { rest };
        let rest = rest.strip_suffix('g').filter(|rest| rest.ends_with('n')).unwrap_or(rest);
        let rest = if matches!(rest, "ai" | "ei") { "e" } else { rest };
        for letter in rest.bytes().filter(u8::is_ascii_lowercase) {
            phone.push(symbol(letter));
        }
    }
    phone
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chars(text: &str) -> Vec<char> {
        text.chars().collect()
    }

    #[test]
    fn surnames_are_read_as_surnames() {
        assert_eq!(surname("曾").unwrap()[0], "zeng");
        assert_eq!(surname("单").unwrap()[0], "shan");
        assert_eq!(surname("欧阳").unwrap()[0], "ouyang");
        assert!(surname("的").is_none());
    }

    #[test]
    fn syllables_are_spelt_as_in_taiwan() {
        for (pinyin, spelt) in [
            ("zhang", "chang"),
            ("xiong", "hsiung"),
            ("jian", "chien"),
            ("zhi", "chih"),
            ("guo", "kuo"),
            ("duo", "to"),
            ("qiu", "chiu"),
            ("yan", "yen"),
            ("ren", "jen"),
        ] {
            assert_eq!(wade_giles(pinyin), spelt, "{pinyin}");
        }
    }

    #[test]
    fn foreign_names_are_heard() {
        assert!(is_sound(&chars("图根哈特")) && !is_sound(&chars("王小明")));
        assert_eq!(format!("{:?}", sound(&chars("斯特恩"))), "steen".replace("ee", "e"));
        assert_eq!(format!("{:?}", sound(&chars("图根哈特"))), "tugenhate");
    }

    #[test]
    fn japanese_names_are_cut_and_read() {
        assert_eq!(japanese(&chars("山田太郎")).unwrap(), [&["yamada"][..], &["taro"][..]]);
        assert!(japanese(&chars("王小明")).is_none());
    }
}
