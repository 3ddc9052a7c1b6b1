//! The platform's time: read, and in a sandbox moved forward in all five processes.

use bursar_proto::access::Identity;
use bursar_proto::sandbox::v1::clock_service_client::ClockServiceClient;
use bursar_proto::sandbox::v1::{AdvanceTimeRequest, GetTimeRequest};
use bursar_service::client::PeerChannel;
use jiff::civil::Weekday;
use jiff::{Timestamp, ToSpan as _};

use super::callers::{ask, request_id};
use crate::exit::Exit;
use crate::platform::{Endpoints, SERVICES};

/// Days that are looked through for a moment: four years hold every date.
const DAYS_MAX: i32 = 4 * 366;

/// A length of time in seconds: `8d`, `26h`, `90m`, `45s`.
pub(crate) fn seconds(text: &str) -> Result<i64, String> {
    let wrong = || format!("`{text}` is no length of time: write it like 8d, 26h, 90m or 45s");
    let unit = text.bytes().last().map(|unit| match unit {
        b'd' => 86_400,
        b'h' => 3_600,
        b'm' => 60,
        b's' => 1,
        _ => 0,
    });
    let number: i64 =
        text.get(..text.len().saturating_sub(1)).and_then(|n| n.parse().ok()).ok_or_else(wrong)?;
    match unit {
        Some(unit) if unit > 0 && number > 0 => number.checked_mul(unit).ok_or_else(wrong),
        _ => Err(wrong()),
    }
}

/// The next moment after `now` that is called so, `offset_minutes` east of UTC: `23:59:30`, `sunday 23:59:30`,
/// `12-31 23:59:30`.
pub(crate) fn next(now: Timestamp, offset_minutes: i32, text: &str) -> Result<Timestamp, String> {
    let wrong =
        || format!("`{text}` is no moment: write it like 23:59:30, sunday 23:59:30 or 12-31 23:59:30");
    let (day, time) = text.rsplit_once(' ').map_or((None, text), |(day, time)| (Some(day), time));
    let time: jiff::civil::Time = time.parse().map_err(|_| wrong())?;
    let weekday = day.map(|day| match day {
        "monday" => Some(Weekday::Monday),
        "tuesday" => Some(Weekday::Tuesday),
        "wednesday" => Some(Weekday::Wednesday),
        "thursday" => Some(Weekday::Thursday),
        "friday" => Some(Weekday::Friday),
        "saturday" => Some(Weekday::Saturday),
        "sunday" => Some(Weekday::Sunday),
        _ => None,
    });
    let date = day.filter(|_| weekday == Some(None)).map(|day| {
        let (month, day) = day.split_once('-')?;
        Some((month.parse::<i8>().ok()?, day.parse::<i8>().ok()?))
    });
    let date = match date {
        Some(None) => return Err(wrong()),
        Some(date) => date,
        None => None,
    };
    let offset = jiff::tz::Offset::from_seconds(offset_minutes * 60).map_err(|error| error.to_string())?;
    let today = offset.to_datetime(now).date();
    for ahead in 0..=DAYS_MAX {
        let day = today.checked_add(ahead.days()).map_err(|error| error.to_string())?;
        let fits = weekday.flatten().is_none_or(|weekday| day.weekday() == weekday)
            && date.is_none_or(|(month, of_month)| (day.month(), day.day()) == (month, of_month));
        let moment = offset.to_timestamp(day.to_datetime(time)).map_err(|error| error.to_string())?;
        if fits && moment > now {
            return Ok(moment);
        }
    }
    Err(wrong())
}

/// The clocks of the five processes.
#[derive(Debug)]
pub(crate) struct Clocks(Vec<ClockServiceClient<PeerChannel>>);

impl Clocks {
    /// The clocks of a platform.
    pub(crate) fn of(endpoints: &Endpoints) -> Result<Self, Exit> {
        let clock = |service: &Identity| {
            Ok(ClockServiceClient::new(endpoints.channel(*service, Identity::Operator)?))
        };
        SERVICES.iter().map(clock).collect::<Result<_, Exit>>().map(Self)
    }

    /// What time it is.
    pub(crate) async fn now(&self) -> Result<Timestamp, String> {
        let clock = self.0.first().ok_or("there is no clock")?;
        let time = ask!(clock, get_time, GetTimeRequest {})?.time.unwrap_or_default();
        Timestamp::new(time.seconds, time.nanos).map_err(|error| error.to_string())
    }

    /// Moves all of them forward.
    pub(crate) async fn advance(&self, seconds: i64) -> Result<(), String> {
        let duration = Some(prost_types::Duration { seconds, nanos: 0 });
        for clock in &self.0 {
            let request = AdvanceTimeRequest { request_id: request_id(), duration };
            ask!(clock, advance_time, request)?;
        }
        Ok(())
    }

    /// Moves all of them to the next moment that is called so.
    pub(crate) async fn advance_to(&self, offset_minutes: i32, text: &str) -> Result<(), String> {
        let now = self.now().await?;
        let moment = next(now, offset_minutes, text)?;
        // Whole seconds: the moment itself or within the second after it.
        self.advance((moment.as_second() - now.as_second()).max(1)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_a_unit() {
        assert_eq!([seconds("8d"), seconds("90m"), seconds("45s")], [Ok(691_200), Ok(5_400), Ok(45)]);
        for wrong in ["8", "d", "-1d", "0s", "1w", ""] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_moment_is_the_next_that_is_called_so_in_the_programs_time() {
        let now: Timestamp = "2026-11-26T15:59:31Z".parse().unwrap();
        let at = |text: &str| next(now, 480, text).map(|moment| moment.to_string());
        // 23:59:31 on Thursday, eight hours east.
        assert_eq!(at("23:59:30").unwrap(), "2026-11-27T15:59:30Z");
        assert_eq!(at("23:59:32").unwrap(), "2026-11-26T15:59:32Z");
        assert_eq!(at("sunday 23:59:30").unwrap(), "2026-11-29T15:59:30Z");
        assert_eq!(at("thursday 08:00:00").unwrap(), "2026-12-03T00:00:00Z");
        assert_eq!(at("12-31 23:59:30").unwrap(), "2026-12-31T15:59:30Z");
        assert_eq!(at("02-29 12:00:00").unwrap(), "2028-02-29T04:00:00Z");
        for wrong in ["noon", "funday 12:00:00", "13-01 00:00:00", "25:00:00"] {
            assert!(at(wrong).is_err(), "{wrong}");
        }
    }
}
