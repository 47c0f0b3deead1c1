//! A job's status, and the rule that a failure is never read as a success.

use compact_str::CompactString;
use jiff::Timestamp;

use super::envelope::{says, text, timestamp};
use super::json::{Json, Object};
use super::{Outcome, State};

/// The reason of an error that gives none.
const UNKNOWN: &str = "UNKNOWN";
/// The one reason that means "stopped"; the vendor's list is open, and any other is a failure.
pub const STOPPED_BY_USER: &str = "STOPPED_BY_USER";

/// The members of a status, wherever they stand: in a `status` object, or flat beside the job's own.
#[derive(Default, Clone, Copy)]
pub(super) struct Status<'a> {
    state: Option<&'a Json<'a>>,
    since: Option<&'a Json<'a>>,
    error: Option<&'a Json<'a>>,
    /// A member nobody documented whose name tells of an error or a failure.
    alarming: Option<&'a Json<'a>>,
}

/// Why a job did not succeed.
pub(super) struct Failure {
    pub reason: CompactString,
    pub message: Option<String>,
}

impl<'a> Status<'a> {
    /// Takes what `members` hold; what an earlier call found stays.
    pub fn fill(&mut self, members: &'a Object<'a>) {
        for (name, value) in members.iter() {
            let slot = match name {
                "state" => &mut self.state,
                "stateStartTime" | "state_start_time" => &mut self.since,
                "error" => &mut self.error,
                other if alarms(other) => &mut self.alarming,
                _ => continue,
            };
            if slot.is_none() && tells(value) {
                *slot = Some(value);
            }
        }
    }

    /// A status that is only the state's name.
    pub fn fill_state(&mut self, state: &'a Json<'a>) {
        self.state.get_or_insert(state);
    }

    pub fn state(&self) -> Option<State> {
        self.state.and_then(text).map(|name| State::from_name(&name))
    }

    pub fn since(&self) -> Option<Timestamp> {
        self.since.and_then(timestamp)
    }

    /// The error, or what must be taken for one in a job that has ended.
    pub fn failure(&self, state: Option<&State>) -> Option<Failure> {
        let unnamed = |message| Failure { reason: UNKNOWN.into(), message };
        match self.error {
            Some(Json::Object(error)) => {
                let reason = error.get("reason").and_then(spoken);
                let message = error.get("message").and_then(spoken);
                Some(match (reason, message) {
                    (Some(reason), message) => Failure { reason: reason.into(), message },
                    (None, Some(message)) => unnamed(Some(message)),
                    (None, None) => unnamed(self.error.and_then(spoken)),
                })
            }
            Some(error) => Some(unnamed(spoken(error))),
            None => match self.alarming {
                Some(alarming) if state == Some(&State::Done) => Some(unnamed(spoken(alarming))),
                _ => None,
            },
        }
    }
}

/// How a job in `state` ended: DONE covers success, stop and failure.
pub(super) fn outcome(state: Option<&State>, failure: Option<&Failure>) -> Option<Outcome> {
    (state == Some(&State::Done)).then(|| match failure {
        None => Outcome::Succeeded,
        Some(failure) if failure.reason.eq_ignore_ascii_case(STOPPED_BY_USER) => Outcome::Stopped,
        Some(_) => Outcome::Failed,
    })
}

fn alarms(name: &str) -> bool {
    says(name, "error") || says(name, "fail")
}

/// Whether a value says anything: `false`, zero, blank and null do not, nor do lists and objects of nothing else.
fn tells(value: &Json<'_>) -> bool {
    match value {
        Json::Null => false,
        Json::Bool(yes) => *yes,
        Json::Number(number) => number.as_f64() != Some(0.0),
        Json::String(text) => !text.trim().is_empty(),
        Json::Array(items) => items.iter().any(tells),
        Json::Object(members) => members.values().any(tells),
    }
}

/// For people: text as it is, structures as JSON. A mere `true` has nothing to say.
fn spoken(value: &Json<'_>) -> Option<String> {
    match value {
        Json::Bool(_) => None,
        Json::String(text) => (!text.trim().is_empty()).then(|| text.to_string()),
        other if tells(other) => serde_json::to_string(other).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(status: &str) -> (Option<Outcome>, Option<String>, Option<String>) {
        let status: Json<'_> = serde_json::from_str(status).expect("JSON");
        let mut read = Status::default();
        read.fill(status.as_object().expect("an object"));
        let state = read.state();
        let failure = read.failure(state.as_ref());
        let outcome = outcome(state.as_ref(), failure.as_ref());
        failure.map_or((outcome, None, None), |f| (outcome, Some(f.reason.into()), f.message))
    }

    #[test]
    fn a_failure_is_never_read_as_a_success() {
        let (ok, stopped, failed) = (Some(Outcome::Succeeded), Some(Outcome::Stopped), Some(Outcome::Failed));
        for (status, outcome, reason, error) in [
            (r#"{"state":"DONE"}"#, ok, None, None),
            (r#"{"state":"done","error":null}"#, ok, None, None),
            (r#"{"state":"DONE","error":""}"#, ok, None, None),
            (r#"{"state":"DONE","error":{}}"#, ok, None, None),
            (r#"{"state":"DONE","error":{"reason":"","message":null}}"#, ok, None, None),
            (
                r#"{"state":"DONE","error":{"reason":"STOPPED_BY_USER","message":"By Zoë"}}"#,
                stopped,
                Some("STOPPED_BY_USER"),
                Some("By Zoë"),
            ),
            (r#"{"state":"DONE","error":{"reason":"NEW_ONE"}}"#, failed, Some("NEW_ONE"), None),
            (r#"{"state":"DONE","error":{"reason":"","message":"boom"}}"#, failed, Some("UNKNOWN"), Some("boom")),
            (r#"{"state":"DONE","error":{"code":5}}"#, failed, Some("UNKNOWN"), Some("{\"code\":5}")),
            (r#"{"state":"DONE","error":"boom"}"#, failed, Some("UNKNOWN"), Some("boom")),
            (r#"{"state":"DONE","error":true}"#, failed, Some("UNKNOWN"), None),
            (r#"{"state":"DONE","error":["boom"]}"#, failed, Some("UNKNOWN"), Some("[\"boom\"]")),
            (r#"{"state":"DONE","errorMessage":"boom"}"#, failed, Some("UNKNOWN"), Some("boom")),
            (r#"{"state":"DONE","hasFailed":true}"#, failed, Some("UNKNOWN"), None),
            (r#"{"FAILURE":{"why":"disk"},"state":"DONE"}"#, failed, Some("UNKNOWN"), Some("{\"why\":\"disk\"}")),
            (r#"{"state":"DONE","failed":false,"errorCount":0,"errors":[]}"#, ok, None, None),
            (r#"{"state":"RUNNING","errorCount":3}"#, None, None, None),
            (r#"{"state":"STOPPING","error":{"reason":"STOPPED_BY_USER"}}"#, None, Some("STOPPED_BY_USER"), None),
            (r#"{"state":"ABORTED"}"#, None, None, None),
        ] {
            let wanted = (outcome, reason.map(str::to_owned), error.map(str::to_owned));
            assert_eq!(read(status), wanted, "{status}");
        }
    }
}
