//! Past statuses, in order, and the durations they tell.

use std::time::Duration;

use jiff::Timestamp;

use super::json::Json;
use super::status::Status;
use super::{Past, State};

/// Reads a list of past statuses, in either order, into one that begins with the oldest and leaves out the current
/// status, which some lists repeat.
pub(super) fn read(list: &Json<'_>, current: Option<&State>, since: Option<Timestamp>) -> Vec<Past> {
    let mut past: Vec<Past> = list.as_array().into_iter().flatten().filter_map(status).collect();
    past.retain(|past| Some(&past.state) != current || past.since != since);
    let mut known = past.iter().filter_map(|past| past.since);
    if let (Some(first), Some(last)) = (known.next(), known.next_back())
        && first > last
    {
        past.reverse();
    }
    // Without every time, the order given is the best there is.
    if past.iter().all(|past| past.since.is_some()) {
        past.sort_by_key(|past| (past.since, rank(&past.state)));
    }
    past
}

fn status(value: &Json<'_>) -> Option<Past> {
    let mut status = Status::default();
    match value {
        Json::Object(members) => {
            status.fill(members);
            // A job's own `status` may be text; so may one of its past ones.
            if let Some(state @ Json::String(_)) = members.get("status") {
                status.fill_state(state);
            }
        }
        Json::String(_) => status.fill_state(value),
        _ => {}
    }
    Some(Past { state: status.state()?, since: status.since() })
}

/// Orders states entered in the same millisecond.
fn rank(state: &State) -> u8 {
    match state {
        State::Pending => 0,
        State::Running | State::Other(_) => 1,
        State::Stopping => 2,
        State::Done => 3,
    }
}

/// Time from the first PENDING to the state after it. `None` if the job is still there, or a time is missing.
pub(super) fn queued_for(history: &[Past], current: Option<&State>, since: Option<Timestamp>) -> Option<Duration> {
    let mut statuses = statuses(history, current, since).skip_while(|(state, _)| **state != State::Pending);
    let entered = statuses.next()?.1?;
    let left = statuses.find(|(state, _)| **state != State::Pending)?.1?;
    between(entered, left)
}

/// Time from the first RUNNING to DONE. `None` before DONE, or if a time is missing.
pub(super) fn ran_for(history: &[Past], current: Option<&State>, since: Option<Timestamp>) -> Option<Duration> {
    let ended = since.filter(|_| current == Some(&State::Done))?;
    let began = history.iter().find(|past| past.state == State::Running)?.since?;
    between(began, ended)
}

fn statuses<'a>(
    history: &'a [Past],
    current: Option<&'a State>,
    since: Option<Timestamp>,
) -> impl Iterator<Item = (&'a State, Option<Timestamp>)> {
    history.iter().map(|past| (&past.state, past.since)).chain(current.map(|state| (state, since)))
}

/// Clocks of a distributed sender may disagree: a negative duration is none.
fn between(from: Timestamp, to: Timestamp) -> Option<Duration> {
    Duration::try_from(to.duration_since(from)).ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn at(minute: i64) -> Timestamp {
        Timestamp::from_second(minute * 60).expect("in range")
    }

    fn entry(state: &str, minute: i64) -> Value {
        json!({"state": state, "stateStartTime": at(minute).to_string()})
    }

    /// (queued, ran) in minutes.
    fn told(list: &Value, state: &State, minute: i64) -> (Option<u64>, Option<u64>) {
        let (state, since) = (Some(state), Some(at(minute)));
        let text = list.to_string();
        let history = read(&serde_json::from_str(&text).expect("JSON"), state, since);
        let minutes = |duration: Option<Duration>| duration.map(|d| d.as_secs() / 60);
        (minutes(queued_for(&history, state, since)), minutes(ran_for(&history, state, since)))
    }

    #[test]
    fn durations_come_from_the_times_between_statuses() {
        let (pending, running, stopping) = (entry("PENDING", 0), entry("RUNNING", 2), entry("STOPPING", 7));
        for (list, state, told_) in [
            (json!([pending, running]), State::Done, (Some(2), Some(8))),
            (json!([running, pending]), State::Done, (Some(2), Some(8))),
            (json!([pending, running, stopping]), State::Done, (Some(2), Some(8))),
            (json!([pending]), State::Running, (Some(10), None)),
            (json!([pending, stopping]), State::Done, (Some(7), None)),
            (json!([pending, running]), State::Stopping, (Some(2), None)),
            (json!([]), State::Pending, (None, None)),
            (json!([]), State::Done, (None, None)),
            (json!(null), State::Done, (None, None)),
            (json!([running]), State::Done, (None, Some(8))),
            (json!([pending, {"state": "RUNNING"}]), State::Done, (None, None)),
            (json!([entry("PENDING", 20), entry("RUNNING", 30)]), State::Done, (Some(10), None)),
            (json!([pending, running, entry("PENDING", 4), entry("RUNNING", 6)]), State::Done, (Some(2), Some(8))),
            (
                json!(["PENDING", {"status": "RUNNING", "state_start_time": at(2).to_string()}]),
                State::Done,
                (None, Some(8)),
            ),
        ] {
            assert_eq!(told(&list, &state, 10), told_, "{list} {state:?}");
        }
    }

    #[test]
    fn history_is_oldest_first_without_the_current_status() {
        let list = json!([entry("DONE", 9), entry("RUNNING", 0), entry("PENDING", 0), 17, {"error": {}}]);
        let text = list.to_string();
        let history = read(&serde_json::from_str(&text).expect("JSON"), Some(&State::Done), Some(at(9)));
        let states: Vec<&str> = history.iter().map(|past| past.state.as_str()).collect();
        assert_eq!(states, ["PENDING", "RUNNING"]);
    }

    #[test]
    fn without_times_only_a_list_that_is_surely_newest_first_is_turned() {
        let list = json!([entry("STOPPING", 5), {"state": "RUNNING"}, entry("PENDING", 1)]);
        let text = list.to_string();
        let history = read(&serde_json::from_str(&text).expect("JSON"), None, None);
        let states: Vec<&str> = history.iter().map(|past| past.state.as_str()).collect();
        assert_eq!(states, ["PENDING", "RUNNING", "STOPPING"]);
    }

    proptest! {
        #[test]
        fn either_order_of_the_list_tells_the_same(
            minutes in prop::collection::btree_set(0_i64..100, 0..6),
            states in prop::collection::vec(0_usize..4, 6),
        ) {
            let mut list: Vec<Value> =
                minutes.iter().zip(&states).map(|(m, s)| entry(State::KNOWN[*s].as_str(), *m)).collect();
            let forward = told(&Value::Array(list.clone()), &State::Done, 100);
            list.reverse();
            prop_assert_eq!(told(&Value::Array(list), &State::Done, 100), forward);
        }
    }
}
