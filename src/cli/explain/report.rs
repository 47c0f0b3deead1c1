//! The whole explanation, for people.

use super::answer::{self, unexplained};
use super::{Wanted, messages, reading};
use crate::cli::deliveries::{state_word, why};
use crate::cli::flat;
use crate::cli::lanes::troubles;
use crate::cli::look::{Look, Paint};
use crate::cli::output::{count, one_line};
use crate::cli::table::{Column, table};
use crate::cli::times::stamp;
use crate::delivery::LaneStatus;
use crate::routing::Decision;
use crate::server::types::{Explained, Ruling};

/// What was asked for, the answer first.
pub fn text(explained: &Explained, lanes: &[LaneStatus], wanted: &Wanted<'_>, all: bool, look: Look) -> String {
    let mut parts = vec![subject(explained, look)];
    if let Some(receiver) = wanted.receiver {
        parts.push(look.fold("", 0, &answer::text(explained, receiver), 0));
        parts.extend(waiting(explained, lanes, wanted, look));
    }
    if wanted.message {
        parts.push(if explained.messages.is_empty() { outcome(explained) } else { messages::text(explained, look) });
        return parts.join("\n\n");
    }
    match &explained.explanation {
        Some(explanation) => {
            let routes = reading::text(explanation, wanted.receiver, all, look);
            parts.extend((!routes.is_empty()).then_some(routes));
        }
        None => parts.push(format!("How the routes were read cannot be told: {}.", unexplained(explained))),
    }
    if wanted.receiver.is_none() {
        parts.push(outcome(explained));
        parts.extend(waiting(explained, lanes, wanted, look));
    }
    parts.extend(decided_otherwise(explained).map(|text| look.fold("", 0, &text, 0)));
    let short = explained.explanation.as_ref().is_some_and(reading::is_short);
    if !all && short && wanted.receiver.is_none() {
        parts.push(look.paint(Paint::Quiet, "--all shows every condition of every route, --message what is said."));
    }
    parts.join("\n\n")
}

/// The event, and the file that is explained.
fn subject(explained: &Explained, look: Look) -> String {
    let id = explained.id.map(|id| format!("{id}  ")).unwrap_or_default();
    let mark = if explained.test { "  (a test)" } else { "" };
    let sentence = format!("{id}{}{mark}", one_line(&flat::sentence(&explained.event)));
    let version = &explained.file.version;
    let since = explained.file.since.map(|at| format!(" (in force from {})", stamp(at))).unwrap_or_default();
    let of_file = match (explained.file.standing, &explained.file.path) {
        (Ruling::Named, Some(path)) => format!("read by {path}, version {version}"),
        (Ruling::Named, None) => format!("read by routes.yaml {version}"),
        (Ruling::Running, _) => format!("read by routes.yaml {version}{since}, which decided it and runs still"),
        (Ruling::Past, _) => format!("read by routes.yaml {version}{since}, which decided it; it has changed since"),
    };
    let received = if explained.id.is_some() { "received" } else { "as if received" };
    let quiet = format!("{received} {}; {of_file}", stamp(explained.received_at));
    format!("{}\n{}", look.paint(Paint::Strong, &sentence), look.paint(Paint::Quiet, &look.fold("", 0, &quiet, 0)))
}

/// Who is told.
fn outcome(explained: &Explained) -> String {
    let happened = explained.file.standing != Ruling::Named;
    let mut parts = Vec::new();
    if !happened || explained.deliveries.is_empty() {
        parts.push(goes_to(&explained.decision));
    }
    if !explained.recovers.is_empty() {
        let names = explained.recovers.iter().map(|name| &**name).collect::<Vec<_>>().join(", ");
        parts.push(format!("If the last run failed and they were told of it, these hear that it is over: {names}."));
    }
    if !explained.deliveries.is_empty() {
        let heading = if happened { "Deliveries:" } else { "What became of it when it came in:" };
        parts.push(format!("{heading}\n{}", deliveries(explained)));
    }
    parts.join("\n\n")
}

fn goes_to(decision: &Decision) -> String {
    match (decision.matched.is_empty(), decision.targets.as_slice()) {
        (true, []) => "Nobody is told: no route matched.".to_owned(),
        (false, []) => "Nobody is told: the routes that matched say so.".to_owned(),
        (_, targets) => {
            let line = |target: &crate::routing::Target| match &*target.route {
                "" => format!("  {}, straight to it", target.receiver),
                route => format!("  {}, by route {:?}", target.receiver, one_line(route)),
            };
            let lines: Vec<String> = targets.iter().map(line).collect();
            format!("Goes to {}:\n{}", count(targets.len() as u64, "receiver"), lines.join("\n"))
        }
    }
}

fn deliveries(explained: &Explained) -> String {
    let rows = explained.deliveries.iter().map(|d| {
        let answer = d.detail.as_deref().filter(|text| !text.is_empty());
        let stands = answer.map_or_else(|| state_word(d.state).to_owned(), |a| format!("{}: {a}", state_word(d.state)));
        vec![d.id.to_string(), format!("{} {}", d.receiver, why(d)), stands]
    });
    let columns = [Column::Fixed(""), Column::Wraps(""), Column::Wraps("")];
    let table = table(&columns, rows.collect());
    table.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

/// Why those that have not got it yet must wait.
fn waiting(explained: &Explained, lanes: &[LaneStatus], wanted: &Wanted<'_>, look: Look) -> Option<String> {
    let asked = |name: &str| wanted.receiver.is_none_or(|receiver| receiver == name);
    let troubles = troubles(lanes, explained.deliveries.iter().filter(|delivery| asked(&delivery.receiver)));
    let folded: Vec<String> = troubles.iter().map(|trouble| look.fold("", 0, trouble, 0)).collect();
    (!folded.is_empty()).then(|| folded.join("\n"))
}

/// Where the decision on record is not what the file says, or what is said now.
fn decided_otherwise(explained: &Explained) -> Option<String> {
    let of_file = explained.explanation.as_ref().map(|explanation| &explanation.decision);
    let mut said = Vec::new();
    if of_file.is_some_and(|decision| *decision != explained.decision) {
        said.push(match explained.decision.targets.as_slice() {
            [target] if explained.test => {
                format!("It was sent straight to {}, whatever the routes say.", target.receiver)
            }
            _ => format!("It was decided otherwise when it came in: {}.", names(&explained.decision)),
        });
    }
    if let Some(now) = &explained.now {
        said.push(format!("The routes.yaml that runs now decides otherwise: {}.", names(&now.decision)));
    }
    (!said.is_empty()).then(|| said.join(" "))
}

/// `routes "a", "b" match, ops and log are told`.
fn names(decision: &Decision) -> String {
    let routes = decision.matched.iter().map(|name| format!("{:?}", one_line(name))).collect::<Vec<_>>();
    let to = decision.targets.iter().map(|target| &*target.receiver).collect::<Vec<_>>();
    let matched = match routes.as_slice() {
        [] => "no route matches".to_owned(),
        [one] => format!("route {one} matches"),
        _ => format!("routes {} match", routes.join(", ")),
    };
    let told = if to.is_empty() { "nobody is told".to_owned() } else { format!("told: {}", to.join(", ")) };
    format!("{matched}; {told}")
}
