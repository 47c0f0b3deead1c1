//! Filters of our own, beside Jinja's.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::value::StringInput;
use minijinja::{Error, ErrorKind, State, Value};

use super::cut::cut_characters;
use super::values;
use crate::event::duration::readable;

/// `90 | duration` → `1m 30s`: seconds for people.
pub(super) fn duration(value: &Value) -> Result<String, Error> {
    if value.is_undefined() || value.is_none() {
        return Ok(String::new());
    }
    let seconds = match value.as_str() {
        Some(text) => text.trim().parse().ok(),
        None => f64::try_from(value.clone()).ok(),
    };
    let duration = seconds.and_then(|s: f64| Duration::try_from_secs_f64(s).ok());
    duration.map(readable).ok_or_else(|| wrong(format!("`duration` takes a number of seconds, not {value}")))
}

/// `since | datetime("%H:%M", "Europe/Berlin")`: a timestamp for people. `zone` defaults to the file's `timezone`.
pub(super) fn datetime(
    value: &Value,
    format: Option<&str>,
    zone: Option<&str>,
    default: &TimeZone,
) -> Result<String, Error> {
    if value.is_undefined() || value.is_none() {
        return Ok(String::new());
    }
    let timestamp = value.as_str().and_then(|text| text.parse::<Timestamp>().ok());
    let timestamp =
        timestamp.ok_or_else(|| wrong(format!("`datetime` takes a timestamp such as {{{{ since }}}}, not {value}")))?;
    let zone = match zone {
        Some(name) => TimeZone::get(name)
            .map_err(|_| wrong(format!("{name:?} is no time zone; write one such as \"Europe/Berlin\"")))?,
        None => default.clone(),
    };
    let format = format.unwrap_or("%Y-%m-%d %H:%M %Z");
    jiff::fmt::strtime::format(format, &timestamp.to_zoned_datetime(zone))
        .map_err(|e| wrong(format!("{format:?} is no date format: {e}")))
}

/// `error | truncate(200)`: at most that many characters, the last an `…` where something was cut.
pub(super) fn truncate(value: &StringInput<'_>, length: Option<usize>) -> Value {
    let (text, _) = cut_characters(value.as_str(), length.unwrap_or(255));
    value.preserve_safety(text.into_owned())
}

/// `raw | json`: as JSON text.
pub(super) fn json(state: &State<'_, '_>, value: &Value) -> Result<String, Error> {
    let text = values::to_json(value).to_string();
    state.consume_fuel(text.len() as u64 / 64)?;
    Ok(text)
}

fn wrong(message: String) -> Error {
    Error::new(ErrorKind::InvalidOperation, message)
}
