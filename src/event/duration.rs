//! Durations as people write and read them: `90s`, `15m`, `1h 30m`, `2d`.

use std::time::Duration;

/// Each unit and its length in milliseconds, from large to small.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// A hundred years: longer is a slip, and arithmetic on dates would overflow.
const LONGEST_MS: u64 = 36_500 * 86_400_000;

/// A regular expression that every duration matches, and hardly anything else: for editors.
pub const PATTERN: &str = r"([0-9]+\s*([dDhHsS]|[mM][sS]?)\s*)+";

/// Reads `30s`, `15m`, `2h`, `1h30m`, `7d`, `250ms`: whole numbers with units from large to small, each once.
///
/// ```
/// # use std::time::Duration;
/// assert_eq!(jobrelay::event::duration::parse("1h 30m"), Ok(Duration::from_secs(5400)));
/// ```
///
/// # Errors
/// A sentence that says what is accepted.
pub fn parse(text: &str) -> Result<Duration, String> {
    let refused = || {
        format!(
            "{text:?} is not a duration: write whole numbers with a unit (d, h, m, s, ms), \
             from large to small, as in 30s, 15m, 1h30m or 7d"
        )
    };
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(refused());
    }
    let mut total: u64 = 0;
    let mut smaller = UNITS.as_slice();
    while !rest.is_empty() {
        let (number, after) = split_while(rest, u8::is_ascii_digit);
        let (unit, after) = split_while(after.trim_start(), u8::is_ascii_alphabetic);
        let number: u64 = number.parse().map_err(|_| refused())?;
        let found = smaller.iter().position(|(name, _)| unit.eq_ignore_ascii_case(name)).ok_or_else(refused)?;
        total = number
            .checked_mul(smaller[found].1)
            .and_then(|ms| ms.checked_add(total))
            .filter(|ms| *ms <= LONGEST_MS)
            .ok_or_else(|| format!("{text:?} is too long: the longest duration is 36500d"))?;
        smaller = &smaller[found + 1..];
        rest = after.trim_start();
    }
    Ok(Duration::from_millis(total))
}

fn split_while(text: &str, belongs: impl Fn(&u8) -> bool) -> (&str, &str) {
    text.split_at(text.bytes().take_while(belongs).count())
}

/// Prints for people, rounded down, two neighbouring units at the most: `1h 30m`, `45s`, `3d 4h`, `250ms`.
#[must_use]
pub fn readable(duration: Duration) -> String {
    let total = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let Some(first) = UNITS.iter().position(|(_, ms)| total >= *ms) else {
        return "0s".to_owned();
    };
    let (name, ms) = UNITS[first];
    let whole = total / ms;
    match UNITS.get(first + 1) {
        // Milliseconds beside seconds tell a reader nothing.
        Some(&(next, next_ms)) if next != "ms" && total % ms >= next_ms => {
            format!("{whole}{name} {}{next}", total % ms / next_ms)
        }
        _ => format!("{whole}{name}"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_people_write_is_read() {
        for (text, ms) in [
            ("30s", 30_000),
            ("15m", 900_000),
            ("2h", 7_200_000),
            ("1h30m", 5_400_000),
            ("1h 30m", 5_400_000),
            (" 1 h 5 s ", 3_605_000),
            ("7d", 604_800_000),
            ("250ms", 250),
            ("1s500ms", 1_500),
            ("0s", 0),
            ("2H", 7_200_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(ms)), "{text}");
        }
    }

    #[test]
    fn what_is_unclear_is_refused_with_what_is_accepted() {
        for text in
            ["", " ", "90", "s", "1.5h", "-1s", "30m1h", "1h1h", "5 minutes", "1h,", "½h", "99999999999999999999s"]
        {
            let said = parse(text).expect_err(text);
            assert!(said.contains("30s, 15m"), "{text}: {said}");
        }
        assert_eq!(parse("36500d"), Ok(Duration::from_secs(36_500 * 86_400)));
        for text in ["36501d", "18446744073709551615d"] {
            assert!(parse(text).expect_err(text).contains("too long"), "{text}");
        }
    }

    #[test]
    fn people_read_two_units_at_the_most() {
        for (ms, text) in [
            (0, "0s"),
            (250, "250ms"),
            (1_999, "1s"),
            (45_000, "45s"),
            (60_000, "1m"),
            (61_000, "1m 1s"),
            (5_400_000, "1h 30m"),
            (3_605_000, "1h"),
            (86_400_000 * 3 + 3_600_000 * 4 + 59_000, "3d 4h"),
            (86_400_000 + 59_000, "1d"),
        ] {
            assert_eq!(readable(Duration::from_millis(ms)), text);
        }
        assert_eq!(readable(Duration::from_nanos(1)), "0s");
        assert!(readable(Duration::MAX).ends_with('h') || readable(Duration::MAX).ends_with('d'));
    }

    proptest! {
        #[test]
        fn reading_never_panics(text in ".*") {
            let _ = parse(&text);
        }

        #[test]
        fn what_is_printed_reads_back_and_never_says_too_much(ms in 0..LONGEST_MS) {
            let back = parse(&readable(Duration::from_millis(ms))).expect("printed");
            prop_assert!(back <= Duration::from_millis(ms));
            prop_assert_eq!(parse(&readable(back)), Ok(back));
        }
    }
}
