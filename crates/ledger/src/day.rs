//! Days as the contract writes them: `2026-11-25`.

use bursar_ledger_engine::Day;
use bursar_service::Invalid;

/// The day that `text` names as YYYY-MM-DD; empty: none.
///
/// # Errors
/// [`Invalid`] naming `field` if it is no day of the calendar.
pub(crate) fn parse(field: &str, text: &str) -> Result<Option<Day>, Invalid> {
    if text.is_empty() {
        return Ok(None);
    }
    let wrong = || Invalid::new().field(field, "must be a date as YYYY-MM-DD");
    if text.len() != 10 {
        return Err(wrong());
    }
    let date: jiff::civil::Date = text.parse().map_err(|_| wrong())?;
    let epoch = jiff::civil::date(1970, 1, 1);
    let days = date.since((jiff::Unit::Day, epoch)).map_err(|_| wrong())?.get_days();
    Ok(Some(Day(days)))
}

/// The day as text, for years 0 to 9999; empty for others, which nobody can have named.
pub(crate) fn text(day: Day) -> String {
    // Days are counted from March, so that the day a leap year adds is the last of its year.
    let days = i64::from(day.0) + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + 400 * era + i64::from(month <= 2);
    let Some(year) = u32::try_from(year).ok().filter(|year| *year <= 9_999) else { return String::new() };
    let mut text = String::with_capacity(10);
    for (number, digits) in [(u64::from(year), 4), (month.unsigned_abs(), 2), (day.unsigned_abs(), 2)] {
        if !text.is_empty() {
            text.push('-');
        }
        for place in (0..digits).rev() {
            let digit = number / 10_u64.pow(place) % 10;
            text.push(char::from(b'0' + digit as u8));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn dates_are_days_since_1970() {
        assert_eq!(parse("d", "").unwrap(), None);
        assert_eq!(parse("d", "1970-01-01").unwrap(), Some(Day(0)));
        assert_eq!(parse("d", "2026-03-01").unwrap(), Some(Day(20_513)));
        for bad in ["2026-02-30", "20260301", "2026-3-1", "2026-03-01T00:00:00", "2026-13-01"] {
            assert!(parse("d", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_ends_of_the_range_are_told() {
        assert_eq!(text(Day(-719_528)), "0000-01-01");
        assert_eq!(text(Day(2_932_896)), "9999-12-31");
        for outside in [i32::MIN, -719_529, 2_932_897, i32::MAX] {
            assert_eq!(text(Day(outside)), "");
        }
    }

    proptest! {
        #[test]
        fn text_and_back(days in -719_528..=2_932_896_i32) {
            prop_assert_eq!(parse("d", &text(Day(days))).unwrap(), Some(Day(days)));
        }
    }
}
