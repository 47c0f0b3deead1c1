//! The values of one key: a scalar, or a list of them, each read by itself so that every bad one is reported.

use std::collections::HashMap;
use std::fmt::Display;

use crate::event::{JobType, Outcome, State};
use crate::yaml::{Code, Node, Problems, Span, Value, nearest};

use super::Pattern;
use super::pattern::literal;
use super::when::Is;

/// One scalar and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Text<'a> {
    pub text: &'a str,
    pub span: Span,
}

/// The scalars under `key`. What is no value at all is recorded.
pub(super) fn texts<'a>(key: &str, node: &'a Node, problems: &mut Problems) -> Vec<Text<'a>> {
    let nodes = match &node.value {
        Value::List(nodes) if nodes.is_empty() => {
            problems.error(
                Code::NeverHolds,
                node.span,
                format!("{key}: an empty list never holds"),
                "name the values, or leave the key out".to_owned(),
            );
            return Vec::new();
        }
        Value::List(nodes) => nodes.as_slice(),
        _ => std::slice::from_ref(node),
    };
    nodes.iter().filter_map(|node| text(key, node, problems)).collect()
}

fn text<'a>(key: &str, node: &'a Node, problems: &mut Problems) -> Option<Text<'a>> {
    let found = match &node.value {
        Value::Scalar(scalar) if !scalar.text.is_empty() => return Some(Text { text: &scalar.text, span: node.span }),
        Value::Scalar(_) | Value::Null => {
            problems.error(
                Code::NeverHolds,
                node.span,
                format!("{key}: what is absent or empty matches nothing, so this never holds"),
                format!("to ask for its absence write `not: {{ {key}: \"*\" }}`"),
            );
            return None;
        }
        Value::List(_) => "a list in a list",
        Value::Map(_) => "a map",
    };
    let message = format!("{key}: expected a value or a list of values, found {found}");
    problems.error(Code::WrongType, node.span, message, format!("write `{key}: value` or `{key}: [one, other]`"));
    None
}

/// Each text by `read`, whose errors are sentences.
pub(super) fn each<T>(
    key: &str,
    node: &Node,
    problems: &mut Problems,
    read: impl Fn(&str) -> Result<T, String>,
) -> Vec<T> {
    let mut values = Vec::new();
    for Text { text, span } in texts(key, node, problems) {
        match read(text) {
            Ok(value) => values.push(value),
            Err(message) => {
                let example = if key == "time" { "Mon-Fri 08:00-18:00" } else { "> 2h" };
                problems.error(
                    Code::BadValue,
                    span,
                    format!("{key}: {message}"),
                    format!("such as `{key}: \"{example}\"`"),
                );
            }
        }
    }
    values
}

/// Patterns that are compared as text.
pub(super) fn patterns(key: &str, node: &Node, problems: &mut Problems) -> Vec<Pattern> {
    let texts = texts(key, node, problems);
    let patterns: Vec<Pattern> = texts.iter().map(|value| Pattern::new(value.text)).collect();
    warn_covered(key, &texts, &patterns, problems);
    patterns
}

/// Patterns with stars that others are held against: each is held against all.
const MAX_WIDE: usize = 100;

fn warn_covered(key: &str, texts: &[Text<'_>], patterns: &[Pattern], problems: &mut Problems) {
    let mut first: HashMap<&Pattern, usize> = HashMap::new();
    let wide: Vec<usize> = (0..patterns.len()).filter(|at| !patterns[*at].is_literal()).take(MAX_WIDE).collect();
    for (at, pattern) in patterns.iter().enumerate() {
        // Of two that say the same, the second is too much.
        let same = *first.entry(pattern).or_insert(at);
        let wider = || wide.iter().copied().find(|wide| patterns[*wide] != *pattern && patterns[*wide].covers(pattern));
        if let Some(other) = (same != at).then_some(same).or_else(wider) {
            let message =
                format!("{key}: {} says nothing new beside {}", quoted(texts[at].text), quoted(texts[other].text));
            problems.warn(Code::CoveredPattern, texts[at].span, message, "take one of them out".to_owned());
        }
    }
}

/// Job types: a literal in any spelling. Types are open, so one that is not known is only suspected.
pub(super) fn types(node: &Node, problems: &mut Problems) -> Vec<Is<JobType>> {
    let known = || JobType::KNOWN.iter().map(JobType::as_str);
    let mut all = Vec::new();
    for Text { text, span } in texts("type", node, problems) {
        if let Some(help) = negated("type", text) {
            problems.warn(Code::UnknownValue, span, format!("type: {} is no known type", quoted(text)), help);
        }
        let Some(name) = literal(text) else {
            let pattern = Pattern::new(text);
            if !known().any(|word| pattern.matches(word)) {
                let message = format!("type: {} matches none of the known types", quoted(text));
                let help = format!("their words are joined by `_`: {}", listed(known()));
                problems.warn(Code::UnknownValue, span, message, help);
            }
            all.push(Is::Like(pattern));
            continue;
        };
        let job_type = JobType::from_name(&name);
        if let JobType::Other(word) = &job_type {
            let help = match word.as_str() {
                "update" => Some("`update_*` is for both kinds of update".to_owned()),
                "publish" => Some("`publish_*` is for both kinds of publishing".to_owned()),
                word => nearest(word, known()).map(|near| format!("did you mean \"{near}\"?")),
            };
            if help.is_some() {
                problems.warn(Code::UnknownValue, span, format!("type: {} is no known type", quoted(text)), help);
            }
        }
        all.push(Is::Exactly(job_type));
    }
    all
}

/// Of `!failed` or `not failed`: how the opposite is asked for.
fn negated(key: &str, text: &str) -> Option<String> {
    let rest = text.strip_prefix('!').or_else(|| text.strip_prefix("not "))?.trim_start_matches([' ', '=']);
    Some(format!("for everything but that write `not: {{ {key}: {rest} }}`"))
}

/// States are open too; those that are outcomes in other words get a hint.
pub(super) fn states(node: &Node, problems: &mut Problems) -> Vec<Is<State>> {
    let mut all = Vec::new();
    for Text { text, span } in texts("state", node, problems) {
        let Some(name) = literal(text) else {
            all.push(Is::Like(Pattern::new(text)));
            continue;
        };
        let state = State::from_name(&name);
        if let State::Other(word) = &state {
            let help = match outcome_in_other_words(word) {
                _ if negated("state", text).is_some() => negated("state", text),
                Some(outcome) => {
                    Some(format!("how a DONE job ended is its outcome: write `outcome: {}`", outcome.as_str()))
                }
                None => nearest(word, State::KNOWN.iter().map(State::as_str))
                    .map(|near| format!("did you mean \"{near}\"?")),
            };
            if help.is_some() {
                problems.warn(Code::UnknownValue, span, format!("state: {} is no known state", quoted(text)), help);
            }
        }
        all.push(Is::Exactly(state));
    }
    all
}

/// Outcomes are the relay's own words: there are no others.
pub(super) fn outcomes(node: &Node, problems: &mut Problems) -> Vec<Outcome> {
    let known = || Outcome::ALL.into_iter().map(Outcome::as_str);
    let mut all = Vec::new();
    for Text { text, span } in texts("outcome", node, problems) {
        let pattern = Pattern::new(text);
        let before = all.len();
        all.extend(Outcome::ALL.into_iter().filter(|outcome| pattern.matches(outcome.as_str())));
        if all.len() == before {
            let meant = nearest(text, known()).or_else(|| outcome_in_other_words(text).map(Outcome::as_str));
            let help = match meant {
                _ if negated("outcome", text).is_some() => negated("outcome", text).unwrap_or_default(),
                Some(near) => format!("did you mean \"{near}\"? (an outcome is {})", listed(known())),
                None => format!("an outcome is {}", listed(known())),
            };
            problems.error(Code::UnknownValue, span, format!("outcome: {} is no outcome", quoted(text)), help);
        }
    }
    all
}

fn outcome_in_other_words(text: &str) -> Option<Outcome> {
    Some(match text.to_lowercase().as_str() {
        "succeeded" | "success" | "successful" | "ok" | "completed" | "complete" => Outcome::Succeeded,
        "stopped" | "canceled" | "cancelled" | "aborted" | "killed" => Outcome::Stopped,
        "failed" | "failure" | "fail" | "error" | "errored" => Outcome::Failed,
        _ => return None,
    })
}

fn listed<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(", ")
}

/// In quotes, cut where it gets long.
pub(super) fn quoted(text: impl Display) -> String {
    const SHOWN: usize = 60;
    let text = text.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{:?}…", &text[..at]),
        None => format!("{text:?}"),
    }
}
