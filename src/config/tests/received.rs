//! When the event of a test comes: a moment of a made-up week, or of the calendar.

use jiff::civil::{Date, DateTime, date};
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};

use crate::routing::moment_of_week;

/// A week like any other: it begins on a Monday, and no clock is changed in it.
const WEEK: Date = date(2026, 1, 5);

/// For tests that do not say: a Wednesday at 10:00.
pub(super) fn by_default(zone: &TimeZone) -> Timestamp {
    instant(date(2026, 1, 7).at(10, 0, 0, 0), zone).unwrap_or_default()
}

/// Reads `Sat 03:00`, `2026-01-31 09:00` (both in `zone`) or `2026-01-31T09:00:00Z`.
///
/// # Errors
/// A sentence that says what is accepted.
pub(super) fn parse(text: &str, zone: &TimeZone) -> Result<Timestamp, String> {
    if let Ok(instant) = text.parse::<Timestamp>() {
        return Ok(instant);
    }
    let civil = text.parse::<DateTime>().ok().or_else(|| {
        let (day, minute) = moment_of_week(text)?;
        WEEK.at(0, 0, 0, 0).checked_add(i64::from(day).days().minutes(minute)).ok()
    });
    civil.and_then(|civil| instant(civil, zone)).ok_or_else(|| {
        format!("{text:?} is no moment: write \"Sat 03:00\", \"2026-01-31 09:00\" or \"2026-01-31T09:00:00Z\"")
    })
}

fn instant(civil: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    zone.to_ambiguous_timestamp(civil).compatible().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_read_in_the_timezone_of_the_file() {
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        for (text, instant) in [
            ("2026-01-31T09:00:00Z", "2026-01-31T09:00:00Z"),
            ("2026-01-31T09:00:00.5+05:00", "2026-01-31T04:00:00.5Z"),
            ("2026-01-31 09:00", "2026-01-31T08:00:00Z"),
            ("2026-07-31T09:00:30", "2026-07-31T07:00:30Z"),
            ("2026-07-31", "2026-07-30T22:00:00Z"),
            // The hour that is skipped in spring.
            ("2026-03-29 02:30", "2026-03-29T01:30:00Z"),
            ("Sat 03:00", "2026-01-10T02:00:00Z"),
            ("monday 00:15", "2026-01-04T23:15:00Z"),
            ("Sun 23:59", "2026-01-11T22:59:00Z"),
        ] {
            assert_eq!(parse(text, &berlin), Ok(instant.parse().unwrap()), "{text}");
        }
        assert_eq!(by_default(&berlin), "2026-01-07T09:00:00Z".parse().unwrap());
    }

    #[test]
    fn what_is_no_moment_says_how() {
        for text in
            ["", "Sat", "03:00", "Sat 24:00", "Sat 3", "Mon-Fri 08:00-18:00", "yesterday", "2026-02-30", "Mo 08:00"]
        {
            let said = parse(text, &TimeZone::UTC).expect_err(text);
            assert!(said.contains("write \"Sat 03:00\""), "{text}: {said}");
        }
    }
}
