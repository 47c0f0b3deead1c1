//! Hours of the week: `"Mon-Fri 08:00-18:00"`.
//!
//! Several are parted by commas. Days without hours share the hours that follow them (`Mon, Wed 08:00-12:00`), at the
//! end they are whole days; hours without days belong to the days before them (`Mon 08:00-12:00, 13:00-17:00`), or to
//! every day. The end is not part of it. Hours that end before they begin go on into the next day: `Fri 22:00-06:00`
//! ends on Saturday morning.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::yaml::form::any_case;

const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
const EVERY_DAY: u8 = 0b111_1111;
const DAY_MINUTES: u16 = 24 * 60;

/// A stretch of some days of the week.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hours {
    /// A bit for each day it begins on; Monday is the lowest.
    days: u8,
    /// Minutes of the day.
    from: u16,
    to: u16,
}

impl Hours {
    /// Whether it is one of these hours at `time` in `timezone`.
    pub fn contain(self, time: Timestamp, timezone: &TimeZone) -> bool {
        let local = timezone.to_datetime(time);
        let today = u8::try_from(local.weekday().to_monday_zero_offset()).expect("0 to 6");
        let now = u16::from(local.hour().unsigned_abs()) * 60 + u16::from(local.minute().unsigned_abs());
        self.contain_local(today, now)
    }

    /// `today`: 0 for Monday; `now`: minutes since midnight.
    fn contain_local(self, today: u8, now: u16) -> bool {
        let begins_on = |day: u8| self.days & (1 << day) != 0;
        if self.from < self.to {
            begins_on(today) && (self.from..self.to).contains(&now)
        } else {
            begins_on(today) && now >= self.from || begins_on((today + 6) % 7) && now < self.to
        }
    }
}

/// Days and minutes, one for each stretch of the week over which none of `hours` begins or ends.
pub(super) fn stretches(hours: &[Hours]) -> impl Iterator<Item = (u8, u16)> {
    let mut minutes: Vec<u16> = hours.iter().flat_map(|hours| [hours.from, hours.to % DAY_MINUTES]).collect();
    minutes.push(0);
    minutes.sort_unstable();
    minutes.dedup();
    (0..7).flat_map(move |day| minutes.clone().into_iter().map(move |minute| (day, minute)))
}

fn any_contains(hours: &[Hours], (day, minute): (u8, u16)) -> bool {
    hours.iter().any(|hours| hours.contain_local(day, minute))
}

/// Whether they are the whole week.
pub(super) fn are_always(hours: &[Hours]) -> bool {
    stretches(hours).all(|at| any_contains(hours, at))
}

/// Whether every moment of `these` is one of `others`.
pub(super) fn are_within(these: &[Hours], others: &[Hours]) -> bool {
    stretches(&[these, others].concat()).all(|at| !any_contains(these, at) || any_contains(others, at))
}

/// Whether no moment is one of both.
pub(super) fn are_apart(these: &[Hours], others: &[Hours]) -> bool {
    stretches(&[these, others].concat()).all(|at| !any_contains(these, at) || !any_contains(others, at))
}

/// A regular expression that all hours match, and hardly anything else: for editors.
pub(super) fn pattern() -> String {
    let days = DAYS.map(|day| any_case(&day[..3])).join("|");
    let day = format!("({days})[A-Za-z]*");
    let hours = "[0-9]{1,2}:[0-9]{2}-[0-9]{1,2}:[0-9]{2}";
    let part = format!(r"\s*({day}(-{day})?(\s+{hours})?|{hours})\s*");
    format!("^{part}(,{part})*$")
}

/// Reads hours; the error is a sentence.
pub(super) fn parse(text: &str) -> Result<Vec<Hours>, String> {
    let mut all = Vec::new();
    let mut days_before = EVERY_DAY;
    let mut waiting: Option<u8> = None;
    for part in text.split(',') {
        let words: Vec<&str> = part.split_whitespace().collect();
        let (days, hours) = match words.as_slice() {
            [only] if only.starts_with(|c: char| c.is_ascii_digit()) => (None, Some(span(only)?)),
            [only] => (Some(day_range(only)?), None),
            [days, hours] => (Some(day_range(days)?), Some(span(hours)?)),
            _ => return Err(refused(text)),
        };
        let days = match (days, waiting) {
            (Some(days), before) => Some(days | before.unwrap_or(0)),
            (None, before) => before,
        };
        match hours {
            None => waiting = days,
            Some((from, to)) => {
                days_before = days.unwrap_or(days_before);
                waiting = None;
                all.push(Hours { days: days_before, from, to });
            }
        }
    }
    all.extend(waiting.map(|days| Hours { days, from: 0, to: DAY_MINUTES }));
    Ok(all)
}

/// Reads `Sat 03:00`: the day (0 is Monday) and the minute in it.
#[must_use]
pub fn moment_of_week(text: &str) -> Option<(u8, u16)> {
    let (name, clock) = text.trim().split_once(char::is_whitespace)?;
    let (day, minute) = (day(name).ok()?, minutes(clock.trim()).ok()?);
    (minute < DAY_MINUTES).then_some((u8::try_from(day).ok()?, minute))
}

fn refused(text: &str) -> String {
    format!(
        "{text:?} is not a time: write days and hours, as in \"Mon-Fri 08:00-18:00\", \"Sat, Sun\" or \"22:00-06:00\""
    )
}

/// `Mon` or `Fri-Mon`.
fn day_range(text: &str) -> Result<u8, String> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (day(first)?, day(last)?);
    let count = (last + 7 - first) % 7 + 1;
    Ok((0..count).fold(0, |days, n| days | 1 << ((first + n) % 7)))
}

/// A name of at least three letters: `Mon`, `tues`, `Wednesday`.
fn day(text: &str) -> Result<usize, String> {
    let name = text.to_ascii_lowercase();
    DAYS.iter()
        .position(|day| name.len() >= 3 && day.starts_with(&name))
        .ok_or_else(|| format!("{text:?} is not a day: Mon, Tue, Wed, Thu, Fri, Sat, Sun"))
}

/// `08:00-18:00`
fn span(text: &str) -> Result<(u16, u16), String> {
    let (from, to) = text.split_once('-').ok_or_else(|| refused(text))?;
    let (from, to) = (minutes(from)?, minutes(to)?);
    if from == to || from == DAY_MINUTES {
        return Err(format!("{text:?} is no stretch of time; for whole days leave the hours out"));
    }
    Ok((from, to))
}

/// `8:00` to `24:00`
fn minutes(text: &str) -> Result<u16, String> {
    let number = |digits: &str| {
        let plain = matches!(digits.len(), 1 | 2) && digits.bytes().all(|b| b.is_ascii_digit());
        if plain { digits.parse::<u16>().ok() } else { None }
    };
    text.split_once(':')
        .filter(|(_, minutes)| minutes.len() == 2)
        .and_then(|(hour, minute)| Some((number(hour)?, number(minute)?)))
        .filter(|(_, minute)| *minute < 60)
        .map(|(hour, minute)| hour * 60 + minute)
        .filter(|minutes| *minutes <= DAY_MINUTES)
        .ok_or_else(|| format!("{text:?} is not a time of day: write 08:00 to 24:00"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2025-12-01 was a Monday.
    fn holds(text: &str, day: &str, clock: &str) -> bool {
        let date = 1 + DAYS.iter().position(|name| name.starts_with(&day.to_lowercase())).expect("a day");
        let time: Timestamp = format!("2025-12-{date:02}T{clock}:59Z").parse().expect("a time");
        parse(text).expect(text).iter().any(|hours| hours.contain(time, &TimeZone::UTC))
    }

    #[test]
    fn hours_of_the_week() {
        for (text, day, clock, held) in [
            ("Mon-Fri 08:00-18:00", "Mon", "08:00", true),
            ("Mon-Fri 08:00-18:00", "Fri", "17:59", true),
            ("Mon-Fri 08:00-18:00", "Fri", "18:00", false),
            ("Mon-Fri 08:00-18:00", "Sat", "12:00", false),
            ("mon-friday 8:00-18:00", "Wed", "07:59", false),
            ("Sat, Sun", "Sun", "23:59", true),
            ("Sat, Sun", "Mon", "00:00", false),
            ("Fri-Mon 10:00-12:00", "Sun", "11:00", true),
            ("Fri-Mon 10:00-12:00", "Thu", "11:00", false),
            ("Mon, Wed 08:00-12:00", "Mon", "13:00", false),
            ("Mon, Wed 08:00-12:00", "Mon", "09:00", true),
            ("Mon,Wed 08:00-12:00", "Tue", "09:00", false),
            ("Mon 08:00-12:00, 13:00-17:00", "Mon", "14:00", true),
            ("Mon 08:00-12:00, 13:00-17:00", "Tue", "14:00", false),
            ("Mon 08:00-12:00, Sat", "Sat", "20:00", true),
            ("22:00-06:00", "Tue", "23:00", true),
            ("22:00-06:00", "Tue", "05:59", true),
            ("22:00-06:00", "Tue", "06:00", false),
            ("Fri 22:00-06:00", "Sat", "03:00", true),
            ("Fri 22:00-06:00", "Fri", "03:00", false),
            ("Sun 22:00-06:00", "Mon", "03:00", true),
            ("18:00-24:00", "Mon", "23:59", true),
            ("18:00-00:00", "Mon", "23:59", true),
            ("18:00-00:00", "Mon", "00:00", false),
        ] {
            assert_eq!(holds(text, day, clock), held, "{text} {day} {clock}");
        }
    }

    #[test]
    fn the_clock_is_the_timezones() {
        let zone = TimeZone::get("America/New_York").expect("bundled");
        let hours = parse("Sun 20:00-21:00").expect("hours");
        let monday_in_utc: Timestamp = "2025-12-01T01:30:00Z".parse().expect("a time");
        assert!(hours[0].contain(monday_in_utc, &zone));
        assert!(!hours[0].contain(monday_in_utc, &TimeZone::UTC));
    }

    #[test]
    fn what_is_no_time_says_how() {
        for (text, said) in [
            ("", "is not a time: write days and hours"),
            ("Mon-Fri,", "is not a time: write days and hours"),
            ("Mon to Fri", "is not a time: write days and hours"),
            ("Mo", "is not a day"),
            ("weekdays", "is not a day"),
            ("Mon-Tag", "is not a day"),
            ("8-18", "is not a time of day"),
            ("08:00", "is not a time: write days and hours"),
            ("08:60-09:00", "is not a time of day"),
            ("08:00-24:01", "is not a time of day"),
            ("+8:00-09:00", "is not a day"),
            ("08:00-08:00", "is no stretch of time"),
            ("24:00-06:00", "is no stretch of time"),
        ] {
            let refused = parse(text).expect_err(text);
            assert!(refused.contains(said), "{text}: {refused}");
        }
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in ".*") {
            let _ = parse(&text);
        }

        #[test]
        fn a_night_is_what_the_day_is_not(from in 0_u16..1440, to in 1_u16..1440, second in 0_i64..604_800) {
            prop_assume!(from != to);
            let clock = |minutes: u16| format!("{:02}:{:02}", minutes / 60, minutes % 60);
            let read = |text: String| parse(&text).expect("hours")[0];
            let time = Timestamp::from_second(second).expect("a time");
            let day = read(format!("{}-{}", clock(from), clock(to)));
            let night = read(format!("{}-{}", clock(to), clock(from)));
            prop_assert_ne!(day.contain(time, &TimeZone::UTC), night.contain(time, &TimeZone::UTC));
        }

        #[test]
        fn relations_hold_at_every_moment(these in any_hours(), others in any_hours(), second in 0_i64..604_800) {
            let time = Timestamp::from_second(second).expect("a time");
            let held = |hours: &[Hours]| hours.iter().any(|hours| hours.contain(time, &TimeZone::UTC));
            prop_assert!(!are_always(&these) || held(&these));
            prop_assert!(!are_within(&these, &others) || !held(&these) || held(&others));
            prop_assert!(!are_apart(&these, &others) || !held(&these) || !held(&others));
        }
    }

    fn any_hours() -> impl Strategy<Value = Vec<Hours>> {
        let hours = (1..128_u8, 0..24_u16, 0..25_u16).prop_filter("a stretch", |(_, from, to)| from != to);
        prop::collection::vec(hours.prop_map(|(days, from, to)| Hours { days, from: from * 60, to: to * 60 }), 1..4)
    }

    #[test]
    fn weeks_are_compared_whole() {
        let read = |text| parse(text).expect(text);
        for text in ["Mon-Sun 00:00-24:00", "Mon-Sun", "08:00-20:00, 20:00-08:00", "Mon-Fri, Sat, Sun"] {
            assert!(are_always(&read(text)), "{text}");
        }
        assert!(!are_always(&read("Mon-Sun 00:00-23:59")));
        assert!(are_within(&read("Sat 01:00-02:00"), &read("Fri 22:00-06:00")));
        assert!(!are_within(&read("Fri 01:00-02:00"), &read("Fri 22:00-06:00")));
        assert!(are_apart(&read("Mon-Fri 08:00-18:00"), &read("Mon-Fri 18:00-08:00")));
    }
}
