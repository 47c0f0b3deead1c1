//! The `when` language as it is written.

use jiff::tz::TimeZone;
use proptest::prelude::*;
use serde_json::json;

use crate::event::Event;
use crate::routing::read_when;
use crate::routing::testing::{any_condition, event, failed_load, job_event, read, when};
use crate::yaml::{Map, Node, Problems, Value};

fn holds(condition: &str, event: &Event) -> bool {
    when(condition).holds(event, &TimeZone::UTC)
}

#[test]
fn every_key_asks_for_its_word() {
    let event = failed_load();
    for (condition, held) in [
        ("type: load_source", true),
        ("type: Load source", true),
        ("type: LOAD_SOURCE", true),
        ("type: load", true),
        ("type: load_*", true),
        ("type: update_workflow", false),
        ("type: [update_workflow, Load source]", true),
        ("type_label: load source", true),
        ("state: done", true),
        ("state: RUNNING", false),
        ("state: D*", true),
        ("since: 2025-12-02T14*", true),
        ("since: 2025-12-02T14:46:04.518Z", true),
        ("outcome: failed", true),
        ("outcome: [stopped, failed]", true),
        ("outcome: s*", false),
        ("outcome: '*'", true),
        ("reason: planning_failed", true),
        ("reason: PLAN*", true),
        ("error: '*went wrong*'", true),
        ("error: went wrong", false),
        ("resource: crm", true),
        ("resource: s-1", true),
        ("resource: s-2", false),
        ("source: CRM", true),
        ("source: s-?", true),
        ("source.id: s-1", true),
        ("source.id: CRM", false),
        ("source.name: CRM", true),
        ("resource.name: s-1", false),
        ("data_product: '*'", false),
        ("workflow: '*'", false),
        ("destination: '*'", false),
        ("job: j-17", true),
        ("job: j-1", false),
        ("{outcome: failed, ran_for: '> 1h'}", true),
        ("{outcome: failed, ran_for: '> 90m'}", false),
        ("{outcome: failed, ran_for: ['> 2h', '<= 90m']}", true),
        ("{state: DONE, queued_for: '>= 2m'}", true),
        ("tenant: acme.tamr.cloud", true),
        ("tenant: ACME", true),
        ("tenant: '*.tamr.cloud'", true),
        ("tenant: tamr", false),
        ("event_id: e-1", true),
        ("event_type: tamr.job.*", true),
        ("event_type: jobrelay.*", false),
        ("time: Mon-Fri 08:00-18:00", true),
        ("time: [Sat, 'Tue 14:00-15:00']", true),
        ("time: Wed", false),
        ("raw: {data.code: 0123}", true),
        ("raw: {data.code: 123}", false),
        ("raw: {data.billable: true}", true),
        ("raw: {data.billable: yes}", false),
        ("raw: {data.tags: eu}", true),
        ("raw: {data.tags.1: eu, priority: 3}", true),
        ("raw: {data.tags: eu, priority: 4}", false),
        ("raw: {data.pastStatuses.state: RUNNING}", true),
        ("raw: {data.missing: '*'}", false),
        ("not: {state: RUNNING}", true),
        ("not: {outcome: failed}", false),
        ("not: {data_product: '*'}", true),
        ("not: [{state: RUNNING}, {source: CRM}]", false),
        ("not: [{state: RUNNING}, {source: ERP}]", true),
        ("any: [{state: RUNNING}, {source: CRM}]", true),
        ("any: [{state: RUNNING}, {source: ERP}]", false),
        ("{any: [{source: CRM}, {source: ERP}], not: {reason: QUOTA}}", true),
        ("{outcome: failed, source: ERP}", false),
        ("{}", true),
    ] {
        assert_eq!(holds(condition, &event), held, "{condition}");
    }
}

#[test]
fn absent_and_empty_match_nothing() {
    let record =
        event(&json!({"specversion": "1.0", "id": "e-2", "source": "", "type": "record.updated", "data": {"a": ""}}));
    for key in [
        "type",
        "type_label",
        "state",
        "since",
        "outcome",
        "reason",
        "error",
        "resource",
        "source",
        "data_product.id",
        "job",
        "tenant",
    ] {
        assert!(!holds(&format!("{key}: '*'"), &record), "{key}");
        assert!(holds(&format!("not: {{ {key}: '*' }}"), &record), "{key}");
    }
    assert!(!holds("raw: {data.a: '*'}", &record));
    assert!(!holds("{state: DONE, ran_for: '> 0s'}", &job_event(&json!({"jobId": "j", "status": {"state": "DONE"}}))));
    assert!(holds("event_type: record.*", &record));
}

#[test]
fn types_and_states_nobody_named_can_be_asked_for() {
    let event = job_event(
        &json!({"jobId": "j", "jobType": "Export to lake", "status": {"state": "Paused", "stateStartTime": "2025-12-02T14:46:04Z"}}),
    );
    assert!(holds("{type: export_to_lake, state: paused}", &event));
    assert!(holds("type: exportToLake", &event));
}

#[test]
fn time_is_the_timezones() {
    let zone = TimeZone::get("Asia/Tokyo").expect("bundled");
    let event = failed_load();
    assert!(when("time: Tue 23:00-24:00").holds(&event, &zone));
    assert!(!holds("time: Tue 23:00-24:00", &event));
}

#[test]
fn every_problem_is_told_with_its_place_and_cure() {
    for (condition, told) in [
        ("stat: DONE", "Error unknown-key at `stat`: unknown key \"stat\" | did you mean \"state\"?"),
        (
            "dataProduct: X",
            "Error unknown-key at `dataProduct`: unknown key \"dataProduct\" | did you mean \"data_product\"?",
        ),
        ("jobType: X", "Error unknown-key at `jobType`: unknown key \"jobType\" | did you mean \"type\"?"),
        (
            "received_at: X",
            "Error unknown-key at `received_at`: unknown key \"received_at\" | when an event was received is asked by `time: \"Mon-Fri 08:00-18:00\"`",
        ),
        (
            "outcome: faild",
            "Error unknown-value at `faild`: outcome: \"faild\" is no outcome | did you mean \"failed\"? (an outcome is succeeded, stopped, failed)",
        ),
        (
            "outcome: [failed, cancelled]",
            "Error unknown-value at `cancelled`: outcome: \"cancelled\" is no outcome | did you mean \"stopped\"? (an outcome is succeeded, stopped, failed)",
        ),
        (
            "outcome: x*",
            "Error unknown-value at `x*`: outcome: \"x*\" is no outcome | an outcome is succeeded, stopped, failed",
        ),
        (
            "state: RUNING",
            "Warning unknown-value at `RUNING`: state: \"RUNING\" is no known state | did you mean \"RUNNING\"?",
        ),
        (
            "state: FAILED",
            "Warning unknown-value at `FAILED`: state: \"FAILED\" is no known state | how a DONE job ended is its outcome: write `outcome: failed`",
        ),
        (
            "type: load_sorce",
            "Warning unknown-value at `load_sorce`: type: \"load_sorce\" is no known type | did you mean \"load_source\"?",
        ),
        (
            "type: update",
            "Warning unknown-value at `update`: type: \"update\" is no known type | `update_*` is for both kinds of update",
        ),
        (
            "type: 'Publish *'",
            "Warning unknown-value at `'Publish *'`: type: \"Publish *\" matches none of the known types | their words are joined by `_`: load_source, update_data_product, update_workflow, publish_configuration, publish_destination",
        ),
        (
            "reason: ''",
            "Error never-holds at `''`: reason: what is absent or empty matches nothing, so this never holds | to ask for its absence write `not: { reason: \"*\" }`",
        ),
        (
            "reason: ~",
            "Error never-holds at `~`: reason: what is absent or empty matches nothing, so this never holds | to ask for its absence write `not: { reason: \"*\" }`",
        ),
        (
            "reason: []",
            "Error never-holds at `[]`: reason: an empty list never holds | name the values, or leave the key out",
        ),
        (
            "reason: {a: b}",
            "Error wrong-type at `{a: b}`: reason: expected a value or a list of values, found a map | write `reason: value` or `reason: [one, other]`",
        ),
        (
            "reason: [[a]]",
            "Error wrong-type at `[a]`: reason: expected a value or a list of values, found a list in a list | write `reason: value` or `reason: [one, other]`",
        ),
        (
            "time: 8-18",
            "Error bad-value at `8-18`: time: \"8\" is not a time of day: write 08:00 to 24:00 | such as `time: \"Mon-Fri 08:00-18:00\"`",
        ),
        (
            "{outcome: failed, ran_for: 2h}",
            "Error bad-value at `2h`: ran_for: \"2h\" does not compare: begin with <, <=, > or >=, as in \"> 2h\" | such as `ran_for: \"> 2h\"`",
        ),
        ("raw: {}", "Error no-effect at `{}`: raw: no path is asked for | write `raw: { data.priority: high }`"),
        (
            "raw: data",
            "Error wrong-type at `data`: raw: expected a map of paths to patterns | write `raw: { data.priority: high }`",
        ),
        (
            "raw: {a..b: x}",
            "Error bad-value at `a..b`: raw: \"a..b\" is no path: a name between its dots is empty | a dot inside a name is written `\\.`",
        ),
        (
            "any: {outcome: failed}",
            "Error wrong-type at `{outcome: failed}`: any: expected a list of conditions | write `any: [ { outcome: failed }, { state: STOPPING } ]`",
        ),
        ("any: []", "Error never-holds at `[]`: any: an empty list never holds | take it out"),
        ("not: []", "Error no-effect at `[]`: not: an empty list always holds | take it out"),
        ("not: {}", "Error never-holds at `{}`: not: with an empty condition it never holds | take it out"),
        ("any: [{}]", "Error no-effect at `{}`: any: with an empty condition it always holds | take it out"),
        (
            "failed",
            "Error wrong-type at `failed`: expected a condition, a map of keys to patterns | write `{ outcome: failed }`; for one of several conditions, `{ any: [ … ] }`",
        ),
        (
            "time: [Mon-Fri, 'Sat, Sun']",
            "Warning always-holds at `[Mon-Fri, 'Sat, Sun']`: time: this is the whole week, so it always holds | leave the key out, or name the hours that are meant: `Mon-Fri 08:00-18:00`",
        ),
        (
            "{state: DONE, ran_for: '>= 0s'}",
            "Warning always-holds at `'>= 0s'`: ran_for: this holds for every duration | leave the key out, or compare with the duration that is meant: `> 2h`",
        ),
        (
            "{state: DONE, ran_for: '< 0s'}",
            "Error never-holds at `'< 0s'`: ran_for: no duration is that short | compare with the duration that is meant: `< 1m`",
        ),
        (
            "source: [AB*, x, a*]",
            "Warning covered-pattern at `AB*`: source: \"AB*\" says nothing new beside \"a*\" | take one of them out",
        ),
        (
            "{outcome: failed, not: {state: RUNNING}}",
            "Warning always-holds at `state`: state can never hold here, so `not` has nothing to exclude: only a job in state DONE has an outcome | take it out: it changes nothing",
        ),
        (
            "{type: load, not: [{source: X}, {data_product: X}]}",
            "Warning always-holds at `data_product`: data_product can never hold here, so `not` has nothing to exclude: an event of load_source carries no data_product | take it out: it changes nothing",
        ),
        (
            "not: {any: [{sourse: x}]}",
            "Error unknown-key at `sourse`: unknown key \"sourse\" | did you mean \"source\"?",
        ),
    ] {
        assert_eq!(read(condition).1, [told], "{condition}");
    }
    assert_eq!(read("source: [AB*, a*, A*, x, X]").1.len(), 3, "one of each stays");
    assert_eq!(read("{stat: DONE, outcome: faild, reason: []}").1.len(), 3, "all at once");
}

#[test]
fn what_can_never_hold_is_refused() {
    for (condition, told) in [
        (
            "{type: load_source, data_product: X}",
            "data_product can never hold here: an event of load_source carries no data_product",
        ),
        (
            "{type: [load, update_workflow], destination.id: X}",
            "destination.id can never hold here: an event of load_source or update_workflow carries no destination",
        ),
        ("{type: load_source, any: [{source: X}, {workflow: X}]}", "workflow can never hold here"),
        ("not: {type: load_source, workflow: X}", "workflow can never hold here"),
        ("{outcome: failed, state: RUNNING}", "only a job in state DONE has an outcome"),
        (
            "{outcome: failed, any: [{state: PENDING}, {source: X}]}",
            "state can never hold here: only a job in state DONE",
        ),
        ("{outcome: succeeded, reason: X}", "reason can never hold here: a job that succeeded has no reason"),
        (
            "{outcome: stopped, reason: [PLANNING_FAILED, QUOTA*]}",
            "reason can never hold here: a job that was stopped has the reason STOPPED_BY_USER",
        ),
        ("{outcome: failed, reason: stopped_by_user}", "STOPPED_BY_USER is the reason of a job that was stopped"),
        ("{outcome: succ*, error: '*'}", "error can never hold here: a job that succeeded has no reason"),
        (
            "{type: load_source, any: [{type: update_workflow}]}",
            "type can never hold here: the type required around it is another",
        ),
        (
            "{state: DONE, any: [{state: RUNNING}]}",
            "state can never hold here: the state required around it is another",
        ),
        (
            "{outcome: failed, any: [{outcome: stopped}]}",
            "outcome can never hold here: the outcome required around it is another",
        ),
    ] {
        let problems = read(condition).1;
        assert!(
            problems.iter().any(|problem| problem.starts_with("Error never-holds") && problem.contains(told)),
            "{condition}: {problems:?}"
        );
    }
    assert_eq!(read("{outcome: failed, state: RUNNING}").1.len(), 1, "told once");
    for condition in [
        "{type: [load_source, update_data_product], data_product: X}",
        "{type: publish_configuration, data_product: X, destination: Y}",
        "{type: 'load*', data_product: X}",
        "{type: reindex, data_product: X}",
        "{type: load_source, resource: X}",
        "{outcome: failed, state: [RUNNING, DONE]}",
        "{outcome: failed, state: D*}",
        "{outcome: [succeeded, failed], reason: X}",
        "{outcome: stopped, reason: stopped*}",
        "{outcome: failed, reason: [STOPPED_BY_USER, X]}",
        "any: [{type: load_source}, {data_product: X}]",
    ] {
        assert_eq!(read(condition).1, Vec::<String>::new(), "{condition}");
    }
}

#[test]
fn a_duration_needs_a_state_in_which_it_is_over() {
    for condition in [
        "ran_for: '> 2h'",
        "{state: RUNNING, ran_for: '> 2h'}",
        "{state: [DONE, STOPPING], ran_for: '> 2h'}",
        "{state: '*', ran_for: '> 2h'}",
        "{any: [{state: DONE}, {type: load}], ran_for: '> 2h'}",
        "{not: {state: RUNNING}, ran_for: '> 2h'}",
        "{state: DONE, any: [{outcome: failed}, {source: X}], not: {x: 1}, queued_for: '> 2h'}",
        "queued_for: '> 2h'",
        "{state: PENDING, queued_for: '> 2h'}",
        "{state: PAUSED, queued_for: '> 2h'}",
    ] {
        let problems = read(condition).1;
        let needs = problems.iter().any(|problem| problem.starts_with("Error needs-state"));
        assert_eq!(needs, !condition.contains("x: 1"), "{condition}: {problems:?}");
    }
    for condition in [
        "{ran_for: '> 2h', state: DONE}",
        "{ran_for: '> 2h', outcome: [failed, succeeded]}",
        "{outcome: '*', any: [{ran_for: '> 2h'}, {source: X}]}",
        "any: [{state: DONE, ran_for: '> 2h'}, {state: RUNNING, queued_for: '> 10m'}]",
        "{state: DONE, not: {ran_for: '< 1m'}}",
        "{state: [RUNNING, STOPPING, DONE], queued_for: '> 10m'}",
    ] {
        assert_eq!(read(condition).1, Vec::<String>::new(), "{condition}");
    }
    assert_eq!(
        read("ran_for: '> 2h'").1,
        [
            "Error needs-state at `ran_for`: ran_for needs a job that is DONE: while one runs, no event arrives when the time is up | add `state: DONE` or an `outcome` to judge a job when it has ended; to hear of one that is still running, let an outside check ask `jobrelay events` (README: what it cannot notice yet)"
        ]
    );
}

/// The same condition with the keys of every map turned around.
fn reversed(condition: &Node) -> Node {
    let value = match &condition.value {
        Value::Map(Map(entries)) => {
            Value::Map(Map(entries.iter().rev().map(|(key, node)| (key.clone(), reversed(node))).collect()))
        }
        Value::List(nodes) => Value::List(nodes.iter().map(reversed).collect()),
        other => other.clone(),
    };
    Node { span: condition.span, value }
}

proptest! {
    #[test]
    fn the_order_of_keys_never_matters(condition in any_condition()) {
        let told = |condition: &Node| {
            let mut problems = Problems::default();
            let held = read_when(condition, &mut problems).holds(&failed_load(), &TimeZone::UTC);
            let mut messages: Vec<String> = problems.iter().map(|problem| problem.message.clone()).collect();
            messages.sort();
            (held, messages)
        };
        prop_assert_eq!(told(&condition), told(&reversed(&condition)));
    }
}
