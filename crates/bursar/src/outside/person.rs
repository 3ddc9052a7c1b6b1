//! Made-up people: a phone number of a test range, and a resident identity number that holds together.

use bursar_types::{Entropy, OsEntropy};

/// Weights of the check character over the first 17 digits (GB 11643-1999, ISO/IEC 7064 MOD 11-2).
const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
/// Check characters by the weighted sum modulo 11.
const CHECK: [char; 11] = ['1', '0', 'X', '9', '8', '7', '6', '5', '4', '3', '2'];

/// A person who does not exist.
#[derive(Debug)]
pub(crate) struct Person {
    pub(crate) full_name: String,
    /// E.164, of mainland China.
    pub(crate) phone: String,
    pub(crate) id_number: String,
    /// `YYYY-MM-DD`.
    pub(crate) birth_date: String,
}

/// A random number below `bound`.
pub(crate) fn random(bound: u32) -> u32 {
    let mut bytes = [0_u8; 4];
    OsEntropy.fill(&mut bytes);
    u32::from_le_bytes(bytes) % bound
}

fn pick<'a>(of: &[&'a str]) -> &'a str {
    let index = random(u32::try_from(of.len()).unwrap_or(1));
    of[usize::try_from(index).unwrap_or(0)]
}

impl Person {
    /// Somebody new.
    pub(crate) fn invent() -> Self {
        let surname = pick(&["林", "沈", "顾", "苏", "叶", "程", "陆", "姚"]);
        let given = pick(&["晓岚", "知夏", "予安", "书言", "清和", "云舒", "景行", "若溪"]);
        let (year, month, day) = (1970 + random(30), 1 + random(12), 1 + random(28));
        Self {
            full_name: format!("{surname}{given}"),
            phone: format!("+8613900{:06}", random(1_000_000)),
            id_number: resident_id(&format!("110101{year}{month:02}{day:02}{:03}", 1 + random(999))),
            birth_date: format!("{year}-{month:02}-{day:02}"),
        }
    }
}

/// The 17 digits with their check character.
fn resident_id(digits: &str) -> String {
    let sum: u32 =
        digits.chars().zip(WEIGHTS).map(|(digit, weight)| digit.to_digit(10).unwrap_or(0) * weight).sum();
    let check = CHECK[usize::try_from(sum % 11).unwrap_or(0)];
    format!("{digits}{check}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_character_is_the_standards() {
        // The example of GB 11643-1999.
        assert_eq!(resident_id("11010519491231002"), "11010519491231002X");
    }

    #[test]
    fn invented_people_hold_together() {
        let person = Person::invent();
        assert_eq!(person.id_number.len(), 18);
        assert_eq!(person.id_number[6..14], person.birth_date.replace('-', ""));
        assert!(person.phone.starts_with("+8613900") && person.phone.len() == 14);
    }
}
