//! What besides the name speaks for or against a match.

use serde::{Deserialize, Serialize};

use crate::PERFECT;
use crate::list::{BirthDate, Country, Entry, Gender};

/// Added where the dates of birth agree to the day, and to the year.
const SAME_DAY: i32 = 400;
const SAME_YEAR: i32 = 150;
/// Most that evidence can add.
pub(crate) const BOOST_MAX: u16 = 500;
const SAME_COUNTRY: i32 = 100;

/// Taken away for other days of one year; neighbouring years, as lists err; years further apart; another generation.
const OTHER_DAY: i32 = 500;
const NEAR_YEAR: i32 = 300;
const OTHER_YEAR: i32 = 1_500;
const OTHER_GENERATION: i32 = 2_000;
const GENERATION_YEARS: i16 = 12;

const OTHER_COUNTRY: i32 = 300;
const OTHER_GENDER: i32 = 1_000;

/// A document's number is one person's.
const DOCUMENT: u16 = 9_500;

/// What was compared besides the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evidence {
    /// Born on the same day.
    BirthDay,
    /// Born in the same year, as far as is known.
    BirthYear,
    /// Born in the same year on another day.
    BirthDayDiffers,
    /// Born in neighbouring years.
    BirthYearNear,
    /// Born in other years.
    BirthYearDiffers,
    /// A country in common.
    Country,
    /// No country in common.
    CountryDiffers,
    /// Of the other gender.
    GenderDiffers,
    /// A document with the same number.
    Document,
}

/// Facts of the person that is screened, besides names.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Date of birth.
    pub birth: Option<BirthDate>,
    /// Nationalities and countries of residence.
    pub countries: Vec<Country>,
    /// Gender.
    pub gender: Option<Gender>,
    /// Numbers of documents, in any form.
    pub documents: Vec<String>,
}

/// The score with evidence, and what that was.
pub(crate) fn weigh(bps: u16, facts: &Facts, documents: &[Box<str>], entry: &Entry) -> (u16, Vec<Evidence>) {
    let mut found = Vec::new();
    let mut change = 0;
    if let Some(birth) = facts.birth {
        let best = entry
            .births
            .iter()
            .map(|listed| compare_births(birth, *listed))
            .max_by_key(|(points, _)| *points);
        if let Some((points, evidence)) = best {
            change += points;
            found.push(evidence);
        }
    }
    if !facts.countries.is_empty() && !entry.countries.is_empty() {
        if facts.countries.iter().any(|country| entry.countries.contains(country)) {
            change += SAME_COUNTRY;
            found.push(Evidence::Country);
        } else {
            change -= OTHER_COUNTRY;
            found.push(Evidence::CountryDiffers);
        }
    }
    if let (Some(one), Some(other)) = (facts.gender, entry.gender)
        && one != other
    {
        change -= OTHER_GENDER;
        found.push(Evidence::GenderDiffers);
    }
    let perfect = i32::from(PERFECT);
    let mut bps = u16::try_from((i32::from(bps) + change).clamp(0, perfect)).unwrap_or(PERFECT);
    if documents.iter().any(|number| entry.documents.contains(number)) {
        bps = bps.max(DOCUMENT);
        found.push(Evidence::Document);
    }
    (bps, found)
}

fn compare_births(one: BirthDate, other: BirthDate) -> (i32, Evidence) {
    if let (BirthDate::Day(one), BirthDate::Day(other)) = (one, other)
        && one.year() == other.year()
    {
        if one == other {
            return (SAME_DAY, Evidence::BirthDay);
        }
        // Day and month change places between countries.
        if one.month() == other.day() && one.day() == other.month() {
            return (SAME_YEAR, Evidence::BirthYear);
        }
        return (-OTHER_DAY, Evidence::BirthDayDiffers);
    }
    let ((from, to), (other_from, other_to)) = (one.years(), other.years());
    let apart = (other_from - to).max(from - other_to);
    match apart {
        ..=0 => (SAME_YEAR, Evidence::BirthYear),
        1 => (-NEAR_YEAR, Evidence::BirthYearNear),
        2..GENERATION_YEARS => (-OTHER_YEAR, Evidence::BirthYearDiffers),
        _ => (-OTHER_GENERATION, Evidence::BirthYearDiffers),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn birth(text: &str) -> BirthDate {
        BirthDate::parse(text).unwrap()
    }

    #[test]
    fn births_speak_for_and_against() {
        for (one, other, evidence) in [
            ("1961-04-12", "1961-04-12", Evidence::BirthDay),
            ("1961-04-12", "1961", Evidence::BirthYear),
            ("1961-04-12", "1961-12-04", Evidence::BirthYear),
            ("1961-04-12", "1961-04-13", Evidence::BirthDayDiffers),
            ("1961-04-12", "1962", Evidence::BirthYearNear),
            ("1961-04-12", "1966", Evidence::BirthYearDiffers),
            ("1961-04-12", "2001", Evidence::BirthYearDiffers),
        ] {
            assert_eq!(compare_births(birth(one), birth(other)).1, evidence, "{one} {other}");
        }
        assert_eq!(compare_births(birth("1961"), BirthDate::Years(1960, 1965)).1, Evidence::BirthYear);
    }
}
