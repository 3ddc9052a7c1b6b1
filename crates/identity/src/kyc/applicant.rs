//! What an applicant states about themself, checked as far as it can be without looking anything up.

use std::fmt;

use bursar_types::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use zeroize::ZeroizeOnDrop;

use super::id_number::{IdNumber, IdNumberError};

/// Most characters of a name: the longest real ones are below 150.
const NAME_CHARS_MAX: usize = 200;

/// Most characters of an address, by the contract.
const ADDRESS_CHARS_MAX: usize = 256;

/// What is wrong with the details.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApplicantProblem {
    /// The name is empty, too long, or not a name.
    #[error("must be a name of 1 to {NAME_CHARS_MAX} characters without control or direction marks")]
    Name,
    /// The date is not `YYYY-MM-DD`, or no date.
    #[error("must be a date that exists, as YYYY-MM-DD")]
    BirthDate,
    /// It lies in the future, or too far back.
    #[error("must be a date in a living person's past")]
    BirthDateRange,
    /// Not two capital letters.
    #[error("must be an ISO 3166-1 alpha-2 code such as CN")]
    Nationality,
    /// The address is too long, or holds control characters.
    #[error("must be at most {ADDRESS_CHARS_MAX} characters without control characters")]
    Address,
    /// The number does not hold together, or contradicts the birth date.
    #[error("{0}")]
    IdNumber(#[from] IdNumberError),
    /// Younger than the policy allows.
    #[error("the applicant must be {0} years old or older")]
    TooYoung(u8),
}

impl ApplicantProblem {
    /// The field of `ApplicantDetails` that is wrong.
    pub const fn field(self) -> &'static str {
        match self {
            Self::Name => "full_name",
            Self::BirthDate | Self::BirthDateRange | Self::TooYoung(_) => "birth_date",
            Self::Nationality => "nationality",
            Self::Address => "address",
            Self::IdNumber(_) => "resident_id_number",
        }
    }
}

/// Details that hold together. Personal: `Debug` tells nothing.
#[derive(Clone, ZeroizeOnDrop)]
pub struct Applicant {
    /// Full name as on the document.
    pub full_name: String,
    /// Identity number.
    pub id_number: IdNumber,
    /// Date of birth.
    #[zeroize(skip)]
    pub birth_date: Date,
    /// ISO 3166-1 alpha-2.
    #[zeroize(skip)]
    pub nationality: String,
    /// Free text.
    pub address: String,
}

/// Who may apply.
#[derive(Clone, Debug)]
pub struct AgePolicy {
    /// Least age in full years.
    pub years_min: u8,
    /// Where it is decided which day it is.
    pub time_zone: TimeZone,
}

impl AgePolicy {
    /// The civil date of `now` where the policy applies.
    pub fn today(&self, now: Timestamp) -> Date {
        let moment =
            jiff::Timestamp::from_microsecond(now.as_micros()).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
        moment.to_zoned(self.time_zone.clone()).date()
    }
}

/// Full years that someone born on `birth_date` has lived on `today`. Who was born on 29 February becomes a year
/// older on 1 March where there is no such day.
pub fn age(birth_date: Date, today: Date) -> i16 {
    let had_birthday = (today.month(), today.day()) >= (birth_date.month(), birth_date.day());
    today.year() - birth_date.year() - i16::from(!had_birthday)
}

impl Applicant {
    /// The applicant of these fields, each as the contract has it.
    ///
    /// # Errors
    /// Every [`ApplicantProblem`] there is, not only the first.
    pub fn parse(
        full_name: &str,
        id_number: &str,
        birth_date: &str,
        nationality: &str,
        address: &str,
        policy: &AgePolicy,
        now: Timestamp,
    ) -> Result<Self, Vec<ApplicantProblem>> {
        let mut problems = Vec::new();
        if !is_name(full_name) {
            problems.push(ApplicantProblem::Name);
        }
        if nationality.len() != 2 || !nationality.bytes().all(|byte| byte.is_ascii_uppercase()) {
            problems.push(ApplicantProblem::Nationality);
        }
        let address_fits =
            address.len() <= 4 * ADDRESS_CHARS_MAX && address.chars().count() <= ADDRESS_CHARS_MAX;
        if !address_fits || address.chars().any(is_hidden) {
            problems.push(ApplicantProblem::Address);
        }
        let born = parse_date(birth_date).and_then(|date| check_age(date, policy, now));
        let number = IdNumber::parse(id_number).map_err(ApplicantProblem::from);
        match (born, number) {
            (Ok(birth_date), Ok(id_number))
                if id_number.birth_date() == birth_date && problems.is_empty() =>
            {
                return Ok(Self {
                    full_name: full_name.to_owned(),
                    id_number,
                    birth_date,
                    nationality: nationality.to_owned(),
                    address: address.to_owned(),
                });
            }
            (Ok(birth_date), Ok(id_number)) if id_number.birth_date() != birth_date => {
                problems.push(IdNumberError::BirthDateDiffers.into());
            }
            (born, number) => {
                problems.extend(born.err());
                problems.extend(number.err());
            }
        }
        Err(problems)
    }
}

impl fmt::Debug for Applicant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Applicant")
    }
}

/// A date written `YYYY-MM-DD` and in no other of the many ways.
fn parse_date(text: &str) -> Result<Date, ApplicantProblem> {
    let shape_fits = text.len() == 10
        && text.bytes().enumerate().all(|(index, byte)| match index {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    if !shape_fits {
        return Err(ApplicantProblem::BirthDate);
    }
    text.parse().map_err(|_| ApplicantProblem::BirthDate)
}

fn check_age(birth_date: Date, policy: &AgePolicy, now: Timestamp) -> Result<Date, ApplicantProblem> {
    /// Nobody on record has lived longer than 122 years.
    const AGE_MAX: i16 = 125;
    let age = age(birth_date, policy.today(now));
    if !(0..=AGE_MAX).contains(&age) {
        return Err(ApplicantProblem::BirthDateRange);
    }
    if age < i16::from(policy.years_min) {
        return Err(ApplicantProblem::TooYoung(policy.years_min));
    }
    Ok(birth_date)
}

/// Control characters, and marks that change how other characters are shown: a name with them is read as another.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn is_name(text: &str) -> bool {
    text.len() <= 4 * NAME_CHARS_MAX
        && (1..=NAME_CHARS_MAX).contains(&text.chars().count())
        && text.trim() == text
        && text.chars().any(char::is_alphabetic)
        && !text.chars().any(|c| is_hidden(c) || c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    /// 2026-11-22T12:00:00Z.
    const NOW: Timestamp = Timestamp::from_micros(1_795_348_800_000_000);

    fn policy() -> AgePolicy {
        AgePolicy { years_min: 18, time_zone: TimeZone::get("Asia/Shanghai").unwrap() }
    }

    fn parse(name: &str, number: &str, birth_date: &str) -> Result<Applicant, Vec<ApplicantProblem>> {
        Applicant::parse(name, number, birth_date, "CN", "北京市朝阳区", &policy(), NOW)
    }

    #[test]
    fn details_that_agree_pass_and_are_never_printed() {
        let applicant = parse("王小明", "11010519491231002X", "1949-12-31").unwrap();
        assert_eq!(applicant.birth_date, date(1949, 12, 31));
        assert_eq!(format!("{applicant:?}"), "Applicant");
        assert!(parse("Nurjan Tursun", "440524200002290002", "2000-02-29").is_ok());
    }

    #[test]
    fn each_problem_names_its_field() {
        let only = |outcome: Result<Applicant, Vec<ApplicantProblem>>| match outcome.unwrap_err().as_slice() {
            [problem] => *problem,
            many => panic!("{many:?}"),
        };
        let id = "11010519491231002X";
        for name in ["", " 王小明", "王小明7", "a\u{202e}b", "王\u{200b}小明", "---", &"x".repeat(201)]
        {
            assert_eq!(only(parse(name, id, "1949-12-31")), ApplicantProblem::Name, "{name}");
        }
        for text in ["", "1949-12-32", "1949-2-1", "31.12.1949", "1949-12-31T00:00:00", "+949-12-31"] {
            assert_eq!(only(parse("王小明", id, text)), ApplicantProblem::BirthDate, "{text}");
        }
        let differs = only(parse("王小明", id, "1949-12-30"));
        assert_eq!(differs, ApplicantProblem::IdNumber(IdNumberError::BirthDateDiffers));
        assert_eq!(differs.field(), "resident_id_number");
        assert_eq!(only(parse("王小明", id, "2027-01-01")), ApplicantProblem::BirthDateRange);
        assert_eq!(only(parse("王小明", id, "2010-01-01")), ApplicantProblem::TooYoung(18));
        assert_eq!(parse("", "1", "x").unwrap_err().len(), 3, "all problems are told at once");
    }

    #[test]
    fn a_birthday_begins_where_the_issuer_is() {
        let shanghai = policy();
        // 16:00 UTC is midnight of the next day in Shanghai.
        let evening = NOW.plus(std::time::Duration::from_secs(4 * 3600));
        assert_eq!(shanghai.today(NOW), date(2026, 11, 22));
        assert_eq!(shanghai.today(evening), date(2026, 11, 23));
        assert_eq!(age(date(2008, 11, 23), shanghai.today(NOW)), 17);
        assert_eq!(age(date(2008, 11, 23), shanghai.today(evening)), 18);
        assert_eq!(age(date(2004, 2, 29), date(2022, 2, 28)), 17);
        assert_eq!(age(date(2004, 2, 29), date(2022, 3, 1)), 18);
    }
}
