//! The routes as they were read, top to bottom.

use std::sync::Arc;

use crate::cli::look::{Look, Paint};
use crate::cli::output::{count, one_line, shortened};
use crate::routing::{Condition, Explanation, Reading, RouteReading};

/// Of a value, so many characters are shown: an error message can be a page.
const VALUE: usize = 200;

/// Nearest misses shown in full.
const SHOWN: usize = 3;

/// Names shown of routes that were not read.
const NAMED: usize = 5;

/// Every route, or those that could send to `receiver`. What matched, and what came nearest, in full; of the others the first
/// condition that does not hold, unless `all` is wanted.
pub fn text(explanation: &Explanation, receiver: Option<&str>, all: bool, look: Look) -> String {
    let nearest = nearest(explanation);
    let mut lines = Vec::new();
    let mut unread: Vec<&RouteReading> = Vec::new();
    let mut above: Vec<Arc<str>> = Vec::new();
    let mut stopped_by = None;
    for route in &explanation.routes {
        // What ended the reading matters to everyone below.
        let matters = receiver.is_none_or(|name| route.to.iter().any(|to| &**to == name))
            || route.stop && route.reading == Reading::Matched;
        if route.reading == Reading::Matched {
            above.push(Arc::clone(&route.route));
            stopped_by = route.stop.then_some(&route.route).or(stopped_by);
        }
        if !matters {
            continue;
        }
        match route.reading {
            Reading::Matched => lines.extend(in_full(route, look)),
            Reading::NotMatched if all || receiver.is_some() || nearest.contains(&&*route.route) => {
                lines.extend(in_full(route, look));
            }
            Reading::NotMatched => lines.push(in_short(route, look)),
            Reading::Skipped => lines.push(skipped(route, &above, look)),
            Reading::NotRead if all => lines.extend(in_full(route, look)),
            Reading::NotRead => unread.push(route),
        }
    }
    if let (Some(stop), false) = (stopped_by, unread.is_empty()) {
        lines.push(not_read(&unread, stop, look));
    }
    lines.join("\n")
}

/// Whether [`text`] leaves something out without `all`.
pub fn is_short(explanation: &Explanation) -> bool {
    let nearest = nearest(explanation);
    explanation.routes.iter().any(|route| match route.reading {
        Reading::NotMatched => route.conditions.len() > 1 && !nearest.contains(&&*route.route),
        Reading::NotRead => true,
        Reading::Matched | Reading::Skipped => false,
    })
}

/// The routes that came nearest, if anything in them holds: a few of those in which most does.
fn nearest(explanation: &Explanation) -> Vec<&str> {
    let holding = |route: &RouteReading| route.conditions.len() - route.failed().count();
    let misses = explanation.nearest_misses();
    let most = misses.iter().map(|route| holding(route)).max().filter(|most| *most > 0);
    misses.into_iter().filter(|route| Some(holding(route)) == most).map(|route| &*route.route).take(SHOWN).collect()
}

/// The route with all its conditions.
fn in_full(route: &RouteReading, look: Look) -> Vec<String> {
    let mut lines = vec![heading(route, look)];
    let also = match (route.otherwise, route.conditions.is_empty()) {
        (true, true) => Some("otherwise: it is for every event that no route above takes"),
        (true, false) => Some("otherwise: it is for what no route above takes"),
        (false, true) => Some("no `when`: it is for every event"),
        (false, false) => None,
    };
    lines.extend(also.map(|text| format!("    {}", look.paint(Paint::Quiet, text))));
    conditions(&route.conditions, 4, look, &mut lines);
    if route.stop && route.reading == Reading::Matched {
        lines.push(format!("    {}", look.paint(Paint::Quiet, "stop: the routes below are not read")));
    }
    lines
}

fn heading(route: &RouteReading, look: Look) -> String {
    let (sign, also) = match route.reading {
        Reading::Matched => (mark(true, look), ""),
        Reading::NotMatched => (mark(false, look), ""),
        Reading::Skipped => (look.paint(Paint::Quiet, "–"), " (otherwise)"),
        Reading::NotRead => (look.paint(Paint::Quiet, "–"), " (not read)"),
    };
    format!("{sign} {} → {}{also}", look.paint(Paint::Strong, &one_line(&route.route)), receivers(route))
}

fn receivers(route: &RouteReading) -> String {
    if route.to.is_empty() { "nobody".to_owned() } else { route.to.join(", ") }
}

fn in_short(route: &RouteReading, look: Look) -> String {
    let name = one_line(&route.route);
    let Some(failed) = route.failed().next() else { return heading(route, look) };
    let start = format!("{} {name}: ", mark(false, look));
    look.fold(&start, name.chars().count() + 4, &miss(failed), 4)
}

fn skipped(route: &RouteReading, above: &[Arc<str>], look: Look) -> String {
    let name = one_line(&route.route);
    let first = above.first().map(|name| one_line(name)).unwrap_or_default();
    let start = format!("{} {name}: ", look.paint(Paint::Quiet, "–"));
    look.fold(&start, name.chars().count() + 4, &format!("otherwise, but {first:?} above matched"), 4)
}

fn not_read(unread: &[&RouteReading], stop: &str, look: Look) -> String {
    let mut names: Vec<String> =
        unread.iter().take(NAMED).map(|route| format!("{:?}", one_line(&route.route))).collect();
    if unread.len() > NAMED {
        names.push("…".to_owned());
    }
    let text = format!(
        "{} not read, since {:?} stops the reading: {}",
        count(unread.len() as u64, "route"),
        one_line(stop),
        names.join(", ")
    );
    look.fold(&format!("{} ", look.paint(Paint::Quiet, "–")), 2, &text, 4)
}

fn conditions(conditions: &[Condition], indent: usize, look: Look, lines: &mut Vec<String>) {
    let widest = widest(conditions);
    for condition in conditions {
        lines.push(line(condition, indent, widest, look));
        let of_one = |conditions: &[Condition]| conditions.len() == 1;
        let widest = condition.inside.iter().filter(|inside| of_one(inside)).map(|inside| self::widest(inside)).max();
        for inside in &condition.inside {
            match inside.as_slice() {
                [one] if one.inside.is_empty() => {
                    lines.push(line(one, indent + 4, widest.unwrap_or_default(), look));
                }
                several if condition.inside.len() > 1 => {
                    let mark = mark(several.iter().all(|condition| condition.holds), look);
                    lines.push(format!("{}{mark} all of:", " ".repeat(indent + 4)));
                    self::conditions(several, indent + 8, look, lines);
                }
                only => self::conditions(only, indent + 4, look, lines),
            }
        }
    }
}

fn line(condition: &Condition, indent: usize, widest: usize, look: Look) -> String {
    let key = format!("{:widest$}", one_line(&condition.key));
    let start = format!("{}{} {key}  ", " ".repeat(indent), mark(condition.holds, look));
    let text_at = indent + 2 + key.chars().count() + 2;
    look.fold(&start, text_at, &found(condition), text_at.min(look.width / 2))
}

fn widest(conditions: &[Condition]) -> usize {
    conditions.iter().map(|condition| condition.key.chars().count()).max().unwrap_or_default()
}

fn mark(holds: bool, look: Look) -> String {
    if holds { look.paint(Paint::Good, "✓") } else { look.paint(Paint::Bad, "✗") }
}

/// What was wanted and seen, behind its key.
fn found(condition: &Condition) -> String {
    let wanted = value(&condition.wanted);
    match (condition.key.as_str(), condition.holds, &condition.saw) {
        ("not", true, _) => "none of it holds:".to_owned(),
        ("not", false, _) => "must not hold, but does:".to_owned(),
        ("any", true, _) => "one of these holds:".to_owned(),
        ("any", false, _) => "none of these holds:".to_owned(),
        // `Customers (dp_12)`: a name with its ID.
        (_, true, Some(saw)) if saw.split(" (").any(|part| part.eq_ignore_ascii_case(&condition.wanted)) => value(saw),
        (_, true, Some(saw)) => format!("wanted {wanted}, saw {}", value(saw)),
        (_, true, None) => wanted,
        (_, false, Some(saw)) => format!("wanted {wanted}, saw {}{}", value(saw), nearly(condition)),
        (_, false, None) => format!("wanted {wanted}, saw nothing"),
    }
}

/// The first condition that does not hold, as part of a sentence.
pub fn miss(condition: &Condition) -> String {
    let wanted = value(&condition.wanted);
    match (condition.key.as_str(), &condition.saw) {
        ("not", _) => format!("it is not for {wanted}"),
        ("any", _) => format!("none of {wanted} holds"),
        (key, Some(saw)) => format!("{key} is {}, wanted {wanted}{}", value(saw), nearly(condition)),
        (key, None) => format!("the event has no {key}, wanted {wanted}"),
    }
}

fn nearly(condition: &Condition) -> String {
    condition.nearly.as_deref().map(|near| format!(" (is {:?} a slip?)", one_line(near))).unwrap_or_default()
}

fn value(text: &str) -> String {
    shortened(&one_line(text), VALUE)
}
