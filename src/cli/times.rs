//! Points in time as the commands read and print them: always UTC, like the sender's timestamps, the log and the JSON.

use std::time::Duration;

use jiff::Timestamp;

use crate::event::duration;

/// `2026-01-31 09:05:00Z`.
pub fn stamp(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// The beginning of a span of time that ends now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Since {
    Ago(Duration),
    At(Timestamp),
}

impl Since {
    /// When that is.
    pub fn at(self, now: Timestamp) -> Timestamp {
        match self {
            Since::At(at) => at,
            Since::Ago(ago) => now.checked_sub(ago).unwrap_or(Timestamp::MIN),
        }
    }

    /// As RFC 3339, for the API.
    pub fn before(self, now: Timestamp) -> String {
        self.at(now).to_string()
    }
}

/// Reads `2h` or `2026-01-31T09:00:00Z`.
pub fn since(text: &str) -> Result<Since, String> {
    if let Ok(at) = text.parse() {
        return Ok(Since::At(at));
    }
    duration::parse(text).map(Since::Ago).map_err(|e| format!("{e}; or a time like 2026-01-31T09:00:00Z"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_is_a_span_or_a_time() {
        let now: Timestamp = "2026-01-31T09:05:00Z".parse().unwrap();
        assert_eq!(since("2h").map(|s| s.before(now)), Ok("2026-01-31T07:05:00Z".to_owned()));
        assert_eq!(since("2026-01-30T01:00:00+01:00").map(|s| s.before(now)), Ok("2026-01-30T00:00:00Z".to_owned()));
        assert!(since("yesterday").is_err());
        assert_eq!(Since::Ago(Duration::MAX).before(now), Timestamp::MIN.to_string());
    }

    #[test]
    fn times_say_their_zone() {
        assert_eq!(stamp("2026-01-31T09:05:00.9Z".parse().unwrap()), "2026-01-31 09:05:00Z");
    }
}
