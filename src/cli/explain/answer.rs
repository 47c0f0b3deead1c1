//! "Why did I (not) get it?", in a sentence or two.

use super::reading::miss;
use crate::cli::deliveries::{state_word, why};
use crate::cli::output::{count, one_line};
use crate::cli::times::stamp;
use crate::routing::{Explanation, Reading, RouteReading};
use crate::server::types::{Explained, Ruling};
use crate::store::{Delivery, DeliveryState};

/// Whether `receiver` gets the event, and why.
pub fn text(explained: &Explained, receiver: &str) -> String {
    let delivery = explained.deliveries.iter().rfind(|delivery| &*delivery.receiver == receiver);
    let happened = explained.file.standing != Ruling::Named;
    let first = match (delivery, &explained.explanation) {
        (Some(delivery), _) if happened => told(delivery),
        (_, Some(explanation)) => by_routes(explanation, receiver),
        (_, None) => format!("{receiver} did not get it. Why cannot be told: {}.", unexplained(explained)),
    };
    let gets_now = |now: &Explanation| now.decision.targets.iter().any(|target| &*target.receiver == receiver);
    let since = match (&explained.now, delivery.is_some()) {
        (Some(now), false) if gets_now(now) => " The routes.yaml that runs now would tell it.",
        (Some(now), true) if !gets_now(now) => " The routes.yaml that runs now would not tell it any more.",
        _ => "",
    };
    format!("{first}{since}")
}

/// Why a file cannot be read any more.
pub fn unexplained(explained: &Explained) -> String {
    explained.unexplained.as_deref().map(one_line).unwrap_or_default()
}

fn told(d: &Delivery) -> String {
    let (receiver, id, why) = (&d.receiver, d.id, why(d));
    let said = d.detail.as_deref().map(one_line).filter(|text| !text.is_empty());
    let answer = said.map(|text| format!(": {text}")).unwrap_or_default();
    match (d.state, d.at) {
        (DeliveryState::Delivered, Some(at)) => {
            format!("{receiver} got it at {}, {why}: {id}.", stamp(at))
        }
        (DeliveryState::Owed, Some(at)) => {
            format!("{receiver} has not got it yet, {why}: {id} was last tried at {}{answer}.", stamp(at))
        }
        (DeliveryState::Owed, None) => format!("{receiver} has not got it yet, {why}: {id} was not tried so far."),
        (DeliveryState::Dead, _) => {
            format!("{receiver} did not get it, though it was sent, {why}: {id} is dead{answer}.")
        }
        (state, _) => format!("{receiver} did not get it, {why}: {id} is {}.", state_word(state)),
    }
}

fn by_routes(explanation: &Explanation, receiver: &str) -> String {
    let of_it: Vec<&RouteReading> =
        explanation.routes.iter().filter(|route| route.to.iter().any(|to| &**to == receiver)).collect();
    let target = explanation.decision.targets.iter().find(|target| &*target.receiver == receiver);
    if let Some(target) = target {
        return format!("{receiver} gets it, by route {:?}.", one_line(&target.route));
    }
    let with = |reading: Reading| of_it.iter().find(|route| route.reading == reading).copied();
    if of_it.is_empty() {
        return format!("{receiver} does not get it: no route names it in `to`.");
    }
    if with(Reading::Matched).is_some() {
        return format!("{receiver} does not get it: the event speaks of {receiver} itself, and is never sent there.");
    }
    // It would have matched, had it been read.
    let shut_out = of_it.iter().find(|route| route.reading == Reading::NotRead && route.failed().next().is_none());
    if let Some(route) = shut_out {
        let stop = explanation.routes.iter().rfind(|route| route.reading == Reading::Matched && route.stop);
        let stop = stop.map(|route| one_line(&route.route)).unwrap_or_default();
        let name = one_line(&route.route);
        return format!(
            "{receiver} does not get it: route {name:?} would match, but {stop:?} above it stops the reading."
        );
    }
    let shut_out = of_it.iter().find(|route| route.reading == Reading::Skipped && route.failed().next().is_none());
    if let Some(route) = shut_out {
        let above = explanation.decision.matched.first().map(|name| one_line(name)).unwrap_or_default();
        let name = one_line(&route.route);
        return format!(
            "{receiver} does not get it: route {name:?} is only for what no other route takes (`otherwise`), and {above:?} did."
        );
    }
    let only = Explanation {
        routes: of_it.iter().map(|&route| route.clone()).collect(),
        decision: explanation.decision.clone(),
    };
    let nearest = only.nearest_misses().first().copied().or(of_it.first().copied());
    let Some((route, failed)) = nearest.and_then(|route| Some((route, route.failed().next()?))) else {
        return format!("{receiver} does not get it: no route for it matched.");
    };
    let more = match route.failed().count() - 1 {
        0 => String::new(),
        more => format!(", and {} besides", count(more as u64, "condition")),
    };
    let name = one_line(&route.route);
    let among = if of_it.len() == 1 {
        "its only route".to_owned()
    } else {
        format!("the nearest of its {} routes", of_it.len())
    };
    format!("{receiver} does not get it: {among} is {name:?}, but {}{more}.", miss(failed))
}
