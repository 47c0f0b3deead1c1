//! Any answer of any service: how long it makes a lane wait is bounded, and read as the standard says.

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::receiver::{self, Answer, kinds};

const HOUR: Duration = Duration::from_secs(3600);
const STATUSES: [u16; 12] = [200, 202, 302, 400, 401, 403, 404, 429, 500, 503, 535, 550];

/// Reads the value of a `Retry-After` and the body of an answer, parted by a line `---`.
///
/// # Panics
/// When a wait is longer than an hour, not what the header says, or a delivered message is to be sent again.
pub fn retry_after(data: &[u8]) {
    let [header, _] = super::parts(data);
    let now = Timestamp::from_second(1_764_686_764).expect("in range");
    let wait = receiver::retry_after(&header, now);
    assert!(wait.is_none_or(|wait| wait <= HOUR), "{header:?}: {wait:?}");
    if let Some(said) = said(header.trim(), now) {
        assert_eq!(wait, Some(said), "{header:?}");
    }
    let body = data.windows(5).position(|part| part == b"\n---\n").map_or(&data[..0], |at| &data[at + 5..]);
    for kind in kinds() {
        let of_kind = super::message::receivers().receivers.get(kind).expect("a receiver of each kind");
        for status in STATUSES {
            let answer = Answer { status, retry_after: wait, body: Bytes::copy_from_slice(body), ..Answer::default() };
            let judged = of_kind.judge(&Ok(answer));
            assert!(judged.lane_waits.is_none_or(|wait| wait <= HOUR), "{kind} {status}: {judged:?}");
            assert!(!judged.detail.contains('\n'), "{kind} {status}: {judged:?}");
        }
    }
}

/// RFC 9110, 10.2.3, by another way: seconds, or a date in its preferred form.
fn said(header: &str, now: Timestamp) -> Option<Duration> {
    if !header.is_empty() && header.bytes().all(|b| b.is_ascii_digit()) {
        let significant = header.trim_start_matches('0');
        let seconds = if significant.len() > 4 { 3600 } else { significant.parse().unwrap_or(0) };
        return Some(Duration::from_secs(seconds).min(HOUR));
    }
    let date = DateTime::strptime("%a, %d %b %Y %H:%M:%S GMT", header).ok().filter(|_| header.len() == 29)?;
    let at = TimeZone::UTC.to_timestamp(date).ok()?;
    let seconds = (at.as_second() - now.as_second()).clamp(0, 3600);
    u64::try_from(seconds).ok().map(Duration::from_secs)
}
