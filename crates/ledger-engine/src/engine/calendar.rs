//! Days, months and years in the program's zone, from microseconds and integers alone.

use bursar_types::Timestamp;

use crate::{CardExpiry, Day, Window, ZoneOffset};

const DAY_SECONDS: i64 = 86_400;
const SECOND_MICROS: i64 = 1_000_000;
/// Parts a rolling window is counted in.
const ROLLING_PARTS: i64 = 60;

/// Days since 1970-01-01 of the local day that `at` lies in.
pub(crate) fn local_day(at: Timestamp, zone: ZoneOffset) -> i64 {
    (at.as_seconds() + i64::from(zone.minutes()) * 60).div_euclid(DAY_SECONDS)
}

/// Day of the week (0: Monday) and minute of the day, local.
pub(crate) fn week_time(at: Timestamp, zone: ZoneOffset) -> (u8, u16) {
    let local = at.as_seconds() + i64::from(zone.minutes()) * 60;
    // 1970-01-01 was a Thursday: three days after a Monday.
    let day = (local.div_euclid(DAY_SECONDS) + 3).rem_euclid(7);
    let minute = local.rem_euclid(DAY_SECONDS) / 60;
    (u8::try_from(day).unwrap_or(0), u16::try_from(minute).unwrap_or(0))
}

/// The local day as a value date.
pub(crate) fn value_day(at: Timestamp, zone: ZoneOffset) -> Day {
    // 64 bits of microseconds are fewer than 2^31 days.
    Day(i32::try_from(local_day(at, zone)).unwrap_or(i32::MAX))
}

/// Days since 1970-01-01 of the first of a month, by the Gregorian calendar. `month` counts from 1.
pub(crate) fn first_of_month(year: i64, month: i64) -> i64 {
    // Years that begin in March put the leap day last; 400 of them are 146 097 days.
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days_before_month = (153 * month + 2) / 5;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + days_before_month
        - 719_468
}

/// Months since year 0 of the month that `day` lies in: 12 × year + month − 1.
pub(crate) fn month_number(day: i64) -> i64 {
    // A first guess by the mean month, then at most a step or two to the exact one.
    let mut number = (day * 4_800).div_euclid(146_097) + 1970 * 12;
    while first_of_month(number.div_euclid(12), number.rem_euclid(12) + 1) > day {
        number -= 1;
    }
    while first_of_month((number + 1).div_euclid(12), (number + 1).rem_euclid(12) + 1) <= day {
        number += 1;
    }
    number
}

/// The first moment after a card's month.
pub(crate) fn end_of(expiry: CardExpiry, zone: ZoneOffset) -> Timestamp {
    let next = i64::from(expiry.year()) * 12 + i64::from(expiry.month());
    let day = first_of_month(next.div_euclid(12), next.rem_euclid(12) + 1);
    Timestamp::from_micros((day * DAY_SECONDS - i64::from(zone.minutes()) * 60) * SECOND_MICROS)
}

/// The number of the slot that `at` falls into.
pub(crate) fn slot_number(window: Window, at: Timestamp, zone: ZoneOffset) -> i64 {
    match window {
        Window::Payment | Window::Lifetime => 0,
        Window::Day => local_day(at, zone),
        // 1970-01-01 was a Thursday: three days after a Monday.
        Window::Week => (local_day(at, zone) + 3).div_euclid(7),
        Window::Month => month_number(local_day(at, zone)),
        Window::Year => month_number(local_day(at, zone)).div_euclid(12),
        Window::Rolling { seconds } => {
            at.as_micros().div_euclid((i64::from(seconds) * SECOND_MICROS / ROLLING_PARTS).max(1))
        }
    }
}

/// The oldest slot that still counts when `number` is the present one.
pub(crate) fn oldest_slot(window: Window, number: i64) -> i64 {
    match window {
        Window::Rolling { .. } => number.saturating_sub(ROLLING_PARTS),
        _ => number,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_micros(seconds * SECOND_MICROS)
    }

    #[test]
    fn months_begin_where_they_do() {
        assert_eq!(first_of_month(1970, 1), 0);
        assert_eq!(first_of_month(1970, 2), 31);
        assert_eq!(first_of_month(2000, 3), 11_017);
        assert_eq!(first_of_month(2024, 3) - first_of_month(2024, 2), 29);
        assert_eq!(first_of_month(2100, 3) - first_of_month(2100, 2), 28);
        // Every day of 800 years is in the month that begins last before it.
        let mut number = month_number(-150_000);
        for day in -150_000..150_000 {
            if first_of_month((number + 1).div_euclid(12), (number + 1).rem_euclid(12) + 1) == day {
                number += 1;
            }
            assert_eq!(month_number(day), number, "day {day}");
        }
    }

    #[test]
    fn days_begin_at_local_midnight() {
        let china = ZoneOffset::from_minutes(480).unwrap();
        assert_eq!(local_day(at(16 * 3600 - 1), china), 0);
        assert_eq!(local_day(at(16 * 3600), china), 1);
        assert_eq!(local_day(at(-1), ZoneOffset::default()), -1);
    }

    #[test]
    fn weeks_begin_on_monday() {
        let week = |day: i64| slot_number(Window::Week, at(day * DAY_SECONDS), ZoneOffset::default());
        // 1970-01-04 was a Sunday, the 5th a Monday.
        assert_eq!(week(3), week(0));
        assert_eq!(week(4), week(0) + 1);
    }

    #[test]
    fn the_week_begins_on_monday_morning() {
        let china = ZoneOffset::from_minutes(480).unwrap();
        assert_eq!(week_time(at(0), china), (3, 480), "Thursday, eight o'clock");
        assert_eq!(week_time(at(-1), ZoneOffset::default()), (2, 1439));
        assert_eq!(week_time(at(4 * DAY_SECONDS), ZoneOffset::default()), (0, 0));
    }

    #[test]
    fn a_card_is_good_through_its_months_last_moment() {
        let expiry = CardExpiry::new(2027, 12).unwrap();
        let end = end_of(expiry, ZoneOffset::from_minutes(480).unwrap());
        assert_eq!(end.to_rfc3339(), "2027-12-31T16:00:00Z");
    }

    #[test]
    fn the_ends_of_time_do_not_panic() {
        for moment in [i64::MIN, i64::MAX, 0] {
            let moment = Timestamp::from_micros(moment);
            for window in [Window::Year, Window::Month, Window::Week, Window::Rolling { seconds: 10 }] {
                slot_number(window, moment, ZoneOffset::from_minutes(840).unwrap());
            }
        }
    }
}
