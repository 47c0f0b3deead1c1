//! What a `when` looks like, for editors: from the vocabulary, as `read` reads it.

use serde_json::{Map, Value, json};

use super::hours;
use crate::event::vocabulary::{Sort, Use, Word, words};
use crate::event::{JobType, Outcome, State, duration};
use crate::yaml::form::{Form, any_case, filled_text, matching, one_or_more, words as choice};

/// The JSON Schema of a condition; `here` is where it will be found, as conditions hold conditions.
pub fn schema(here: &str) -> Value {
    let mut keys: Map<String, Value> = words(Use::When).map(|word| (word.name.to_owned(), of_word(word))).collect();
    let condition = json!({"type": "object", "allOf": [{"$ref": here}]});
    keys.insert(
        "not".to_owned(),
        json!({
            "description": "None of these: a condition or a list of them.",
            "type": ["object", "array"],
            "if": {"type": "array"},
            "then": {"minItems": 1, "items": condition},
            "else": {"$ref": here},
        }),
    );
    keys.insert(
        "any".to_owned(),
        json!({
            "description": "At least one of these: a list of conditions.",
            "type": "array",
            "minItems": 1,
            "items": condition,
        }),
    );
    let parts: Vec<&str> = words(Use::When).filter(|word| word.sort == Sort::Resource).map(|word| word.name).collect();
    let of_part = one_or_more(&format!("Its ID or its name alone. {PATTERNS}"), filled_text(&[]), 1);
    json!({
        "properties": keys,
        "patternProperties": {format!(r"^({})\.(id|name)$", parts.join("|")): of_part},
        "additionalProperties": false,
    })
}

const PATTERNS: &str = "The whole value counts, in capitals or small letters; `*` stands for anything, `?` for one character. A list: any of these.";

fn of_word(word: &Word) -> Value {
    let doc = |more: &str| format!("{}. {more}", word.doc);
    let list = |more: &str, form: Form| one_or_more(&doc(more), form, 1);
    match word.sort {
        Sort::Text | Sort::Resource => list(PATTERNS, filled_text(examples(word.name))),
        Sort::Type | Sort::State => {
            let mut form = known_values(word.sort);
            let known = form[0]["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let known = known.map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ");
            form.extend(filled_text(&[]));
            list(&format!("{known}, or any other. {PATTERNS}"), form)
        }
        Sort::Outcome => {
            // Wildcards may stand in it; any other text would be no outcome.
            let pattern = format!(r"^({})$|[*?\\]", Outcome::ALL.map(|outcome| any_case(outcome.as_str())).join("|"));
            let mut form = known_values(word.sort);
            form.extend(matching(&pattern, "An outcome is succeeded, stopped or failed.", &[]));
            list("A list: any of these.", form)
        }
        Sort::Duration => {
            let pattern = format!(r"^\s*(<=?|>=?)\s*{}$", duration::PATTERN);
            let over = match word.name {
                "ran_for" => "It is judged when the job has ended, so `state: DONE` or an `outcome` stands beside it.",
                _ => "It is judged when the job has left PENDING, so a later state or an `outcome` stands beside it.",
            };
            list(
                over,
                matching(&pattern, "Write <, <=, > or >= and a duration: \"> 2h\", \"<= 30s\".", &["> 2h", "<= 30s"]),
            )
        }
        Sort::Hours => list(
            "Days and hours, in the file's `timezone`; what ends before it begins goes on into the next day.",
            matching(
                &hours::pattern(),
                "Write days and hours: Mon-Fri 08:00-18:00.",
                &["Mon-Fri 08:00-18:00", "Sat, Sun", "22:00-06:00"],
            ),
        ),
        Sort::Structure => json!({
            "description": doc("A map of paths to patterns: `data.status.error.code: \"5*\"`."),
            "type": "object",
            "minProperties": 1,
            "additionalProperties": one_or_more(PATTERNS, filled_text(&[]), 1),
        }),
    }
}

/// The values that are known of this sort, if they are few.
pub fn known_values(sort: Sort) -> Form {
    let names: Vec<&str> = match sort {
        Sort::Type => JobType::KNOWN.iter().map(JobType::as_str).collect(),
        Sort::State => State::KNOWN.iter().map(State::as_str).collect(),
        Sort::Outcome => Outcome::ALL.into_iter().map(Outcome::as_str).collect(),
        _ => return Form::new(),
    };
    vec![choice(&names.iter().map(|name| ((*name).to_owned(), String::new())).collect::<Vec<_>>())]
}

fn examples(word: &str) -> &'static [&'static str] {
    match word {
        "reason" => &["PLANNING_FAILED", "STOPPED_BY_USER"],
        "event_type" => &["jobrelay.*"],
        _ => &[],
    }
}
