//! By which ways a message goes, and when: a pure function of what it is, what its reader wants, where the reader can be
//! reached, and the time.

use std::time::Duration;

use bursar_types::Timestamp;
use jiff::civil::Time;
use jiff::tz::TimeZone;

use super::decision::{Category, Channel, Class};
use super::preferences::{Preferences, Quiet};

/// Ways of a notice that must arrive: the first that there is, and the next if that fails.
const MANDATORY: [Channel; 2] = [Channel::Sms, Channel::Email];

/// What a message is.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// How much say its reader has.
    pub class: Class,
    /// What it is about.
    pub category: Category,
    /// Ways it should take, besides the inbox.
    pub channels: &'a [Channel],
}

/// Where its reader can be reached.
#[derive(Clone, Debug)]
pub struct Reach {
    /// Whether there is a phone.
    pub sms: bool,
    /// Whether there is an e-mail address, and somebody to take the mail.
    pub email: bool,
    /// Where the reader lives.
    pub zone: TimeZone,
}

impl Reach {
    fn has(&self, channel: Channel) -> bool {
        match channel {
            Channel::Sms => self.sms,
            Channel::Email => self.email,
            Channel::Inbox => false,
        }
    }
}

/// When a step is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// Then.
    At(Timestamp),
    /// If the one before it fails.
    Spare,
    /// Then, with others.
    Digest(Timestamp),
}

/// One way of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The way.
    pub channel: Channel,
    /// When.
    pub when: When,
}

/// The ways of a message beside the inbox, in which all are.
pub fn plan(wish: Wish<'_>, preferences: &Preferences, reach: &Reach, now: Timestamp) -> Vec<Step> {
    if wish.class == Class::Mandatory {
        let ways = MANDATORY.into_iter().filter(|channel| reach.has(*channel)).enumerate();
        let when = |place| if place == 0 { When::At(now) } else { When::Spare };
        return ways.map(|(place, channel)| Step { channel, when: when(place) }).collect();
    }
    let wanted = wish
        .channels
        .iter()
        .copied()
        .filter(|channel| reach.has(*channel) && !preferences.off.contains(&(wish.category, *channel)));
    let later = preferences.quiet.and_then(|quiet| quiet_until(quiet, &reach.zone, now)).unwrap_or(now);
    let when = match preferences.digest_hour.filter(|_| wish.class == Class::Optional) {
        Some(hour) => When::Digest(next_hour(hour, &reach.zone, now)),
        None => When::At(later),
    };
    wanted.map(|channel| Step { channel, when }).collect()
}

/// The end of the quiet hours that `now` lies in; `None`: it lies in none.
pub fn quiet_until(quiet: Quiet, zone: &TimeZone, now: Timestamp) -> Option<Timestamp> {
    let start = moment(now);
    if !quiet.holds(minute_of(start, zone)) {
        return None;
    }
    let local = start.to_zoned(zone.clone());
    let minute = minute_of(start, zone);
    let date = if minute < quiet.end { local.date() } else { local.date().tomorrow().ok()? };
    let end = Time::new((quiet.end / 60).try_into().ok()?, (quiet.end % 60).try_into().ok()?, 0, 0).ok()?;
    let candidate = zone.to_timestamp(date.to_datetime(end)).ok()?;
    // Where the clocks are changed in between, the end may come sooner, later, or twice: look at each minute.
    let changed = zone.following(start).next().is_some_and(|change| change.timestamp() <= candidate);
    if !changed && candidate > start {
        return Some(Timestamp::from_micros(candidate.as_microsecond()));
    }
    let next_minute = now.as_micros() - now.as_micros().rem_euclid(60_000_000) + 60_000_000;
    let minutes = (0..3 * 24 * 60).map(|minute| Timestamp::from_micros(next_minute + minute * 60_000_000));
    minutes.into_iter().find(|then| !quiet.holds(minute_of(moment(*then), zone)))
}

/// The next time the clocks of `zone` show this full hour.
fn next_hour(hour: u8, zone: &TimeZone, now: Timestamp) -> Timestamp {
    let local = moment(now).to_zoned(zone.clone());
    let time = Time::new(hour.min(23).try_into().unwrap_or(0), 0, 0, 0).unwrap_or(Time::midnight());
    let days = [Some(local.date()), local.date().tomorrow().ok()];
    let found = days.into_iter().flatten().find_map(|date| {
        let then = zone.to_timestamp(date.to_datetime(time)).ok()?;
        (then > moment(now)).then(|| Timestamp::from_micros(then.as_microsecond()))
    });
    found.unwrap_or_else(|| now.plus(Duration::from_secs(24 * 3600)))
}

fn moment(at: Timestamp) -> jiff::Timestamp {
    jiff::Timestamp::from_microsecond(at.as_micros()).unwrap_or(jiff::Timestamp::UNIX_EPOCH)
}

fn minute_of(at: jiff::Timestamp, zone: &TimeZone) -> u16 {
    let local = zone.to_datetime(at);
    u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::from_micros(text.parse::<jiff::Timestamp>().unwrap().as_microsecond())
    }

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).unwrap()
    }

    const NIGHT: Quiet = Quiet { start: 22 * 60, end: 7 * 60 };

    #[test]
    fn quiet_hours_reach_over_midnight_in_the_readers_zone() {
        let shanghai = zone("Asia/Shanghai");
        for (now, until) in [
            ("2026-11-22T13:59:59Z", None),                         // 21:59:59
            ("2026-11-22T14:00:00Z", Some("2026-11-22T23:00:00Z")), // 22:00
            ("2026-11-22T18:30:00Z", Some("2026-11-22T23:00:00Z")), // 02:30
            ("2026-11-22T22:59:59Z", Some("2026-11-22T23:00:00Z")), // 06:59:59
            ("2026-11-22T23:00:00Z", None),                         // 07:00
        ] {
            assert_eq!(quiet_until(NIGHT, &shanghai, at(now)), until.map(at), "{now}");
        }
        assert_eq!(quiet_until(Quiet { start: 60, end: 60 }, &shanghai, at("2026-11-22T17:00:00Z")), None);
    }

    #[test]
    fn quiet_hours_end_rightly_where_the_clocks_are_changed() {
        let berlin = zone("Europe/Berlin");
        // 29 March 2026: 02:00 becomes 03:00. What ends at 02:30 ends when that is passed over.
        let spring = Quiet { start: 22 * 60, end: 2 * 60 + 30 };
        assert_eq!(
            quiet_until(spring, &berlin, at("2026-03-29T00:30:00Z")),
            Some(at("2026-03-29T01:00:00Z"))
        );
        assert_eq!(quiet_until(NIGHT, &berlin, at("2026-03-29T00:30:00Z")), Some(at("2026-03-29T05:00:00Z")));
        // 25 October 2026: 03:00 becomes 02:00. 02:30 comes twice: after the first it is 02:30 and later, then 02:00.
        assert_eq!(
            quiet_until(spring, &berlin, at("2026-10-25T00:10:00Z")),
            Some(at("2026-10-25T00:30:00Z"))
        );
        assert_eq!(
            quiet_until(spring, &berlin, at("2026-10-25T01:10:00Z")),
            Some(at("2026-10-25T01:30:00Z"))
        );
        assert_eq!(quiet_until(NIGHT, &berlin, at("2026-10-24T21:00:00Z")), Some(at("2026-10-25T06:00:00Z")));
    }

    fn any_reach() -> impl Strategy<Value = Reach> {
        let zones = prop::sample::select(vec![
            "Asia/Shanghai",
            "Europe/Berlin",
            "America/New_York",
            "Asia/Kathmandu",
            "Pacific/Apia",
            "Australia/Lord_Howe",
        ]);
        (any::<bool>(), any::<bool>(), zones).prop_map(|(sms, email, name)| Reach {
            sms,
            email,
            zone: zone(name),
        })
    }

    fn any_preferences() -> impl Strategy<Value = Preferences> {
        let quiet =
            prop::option::of((0_u16..1440, 0_u16..1440).prop_map(|(start, end)| Quiet { start, end }));
        let category = prop::sample::select(vec![Category::Security, Category::Payments, Category::Account]);
        let channel = prop::sample::select(vec![Channel::Sms, Channel::Email]);
        let off = prop::collection::btree_set((category, channel), 0..6);
        (quiet, off, prop::option::of(0_u8..24)).prop_map(|(quiet, off, digest_hour)| Preferences {
            quiet,
            off,
            digest_hour,
        })
    }

    fn any_moment() -> impl Strategy<Value = Timestamp> {
        // Ten years of them, so that every change of the clocks is among them.
        (1_700_000_000_000_000_i64..2_015_000_000_000_000).prop_map(Timestamp::from_micros)
    }

    const ALL: [Channel; 3] = [Channel::Inbox, Channel::Sms, Channel::Email];

    proptest! {
        #[test]
        fn what_is_mandatory_goes_at_once_whatever_is_preferred(
            preferences in any_preferences(), reach in any_reach(), now in any_moment(),
        ) {
            let wish = Wish { class: Class::Mandatory, category: Category::Security, channels: &ALL };
            let steps = plan(wish, &preferences, &reach, now);
            prop_assert_eq!(&steps, &plan(wish, &Preferences::default(), &reach, now));
            prop_assert_eq!(steps.len(), usize::from(reach.sms) + usize::from(reach.email));
            if let Some(first) = steps.first() {
                prop_assert_eq!(first.when, When::At(now));
            }
            prop_assert!(steps.iter().skip(1).all(|step| step.when == When::Spare));
        }

        #[test]
        fn what_is_not_goes_where_it_is_wanted_and_never_in_quiet_hours(
            preferences in any_preferences(), reach in any_reach(), now in any_moment(), optional in any::<bool>(),
        ) {
            let class = if optional { Class::Optional } else { Class::Service };
            let wish = Wish { class, category: Category::Payments, channels: &ALL };
            for step in plan(wish, &preferences, &reach, now) {
                prop_assert!(reach.has(step.channel));
                prop_assert!(!preferences.off.contains(&(Category::Payments, step.channel)));
                match step.when {
                    When::At(then) => {
                        prop_assert!(then >= now && (!optional || preferences.digest_hour.is_none()));
                        let minute = minute_of(moment(then), &reach.zone);
                        prop_assert!(!preferences.quiet.is_some_and(|quiet| quiet.holds(minute)));
                    }
                    When::Digest(then) => {
                        prop_assert!(optional && then > now);
                        prop_assert!(then.since(now) <= Duration::from_secs(26 * 3600));
                    }
                    When::Spare => prop_assert!(false, "nothing that may be switched off has a spare"),
                }
            }
        }

        #[test]
        fn quiet_hours_end_at_their_first_minute_that_is_not_quiet(
            start in 0_u16..1440, end in 0_u16..1440, reach in any_reach(), now in any_moment(),
        ) {
            let (quiet, zone) = (Quiet { start, end }, &reach.zone);
            if let Some(until) = quiet_until(quiet, zone, now) {
                prop_assert!(until > now);
                prop_assert!(!quiet.holds(minute_of(moment(until), zone)));
                let mut then = now;
                while then < until {
                    prop_assert!(quiet.holds(minute_of(moment(then), zone)), "{then} is not quiet, {until} is the end");
                    then = then.plus(Duration::from_secs(60));
                }
            }
        }
    }
}
