//! Routes, one by one, that do not do what they seem to.

use super::Read;
use crate::routing::{Unneeded, unneeded};
use crate::yaml::{Code, Key, Lines, Node, Problems, Span, Value};

pub(super) fn warn(read: &Read<'_>, problems: &mut Problems) {
    let lines = Lines::of(read.text);
    for (at, why) in unneeded(read.routes) {
        warn_unneeded(read, &lines, at, why, problems);
    }
    for node in read.items {
        if let Some((_, Node { value: Value::Map(when), span })) = entry(node, "when")
            && when.0.is_empty()
        {
            let help = "leave `when` out: a route without it is for every event";
            problems.warn(Code::AlwaysHolds, *span, "an empty condition always holds", help.to_owned());
        }
    }
    if read.routes.all().first().is_some_and(|route| route.otherwise) {
        let span = span(&read.items[0], "otherwise");
        let help = "take it out, or move the route below those it is the rest of";
        problems.warn(Code::NoEffect, span, "`otherwise` has no effect: no route stands above", help.to_owned());
    }
}

fn warn_unneeded(read: &Read<'_>, lines: &Lines, at: usize, why: Unneeded, problems: &mut Problems) {
    let name = |at: usize| {
        let line = lines.line(span(&read.items[at], "name").start);
        format!("{:?} (line {line})", read.routes.all()[at].name)
    };
    let (code, key, message, help) = match why {
        Unneeded::Impossible => (
            Code::UnreachableRoute,
            "when",
            "no event can fulfil this condition: what it requires contradicts what it excludes".to_owned(),
            "take one of its conditions out".to_owned(),
        ),
        Unneeded::BelowStop(by) => (
            Code::UnreachableRoute,
            "name",
            format!(
                "this route never applies: every event it is for ends at the route {}, which says `stop`",
                name(by)
            ),
            "move it above that route, or take `stop` out there".to_owned(),
        ),
        Unneeded::NeverLeftOver(by) => (
            Code::UnreachableRoute,
            "otherwise",
            format!("this route never applies: whenever it would, the route {} does", name(by)),
            "take `otherwise` out, or move it above that route".to_owned(),
        ),
        Unneeded::NothingNew(by) => (
            Code::RedundantRoute,
            "name",
            format!(
                "this route sends nothing: whenever it applies, its receivers have their message from {} already",
                name(by)
            ),
            "move it above that route if its `message` should be sent; otherwise take it out".to_owned(),
        ),
    };
    problems.warn(code, span(&read.items[at], key), message, help);
}

fn entry<'a>(node: &'a Node, key: &str) -> Option<(&'a Key, &'a Node)> {
    match &node.value {
        Value::Map(map) => map.get(key),
        _ => None,
    }
}

/// Of the key, or of what a name says.
fn span(node: &Node, key: &str) -> Span {
    match entry(node, key) {
        Some((_, value)) if key == "name" => value.span,
        Some((key, _)) => key.span,
        None => node.span,
    }
}
