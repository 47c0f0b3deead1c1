//! Why a recorded event went where it went: read again by the routes.yaml that decided it.

use std::sync::Arc;

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse};
use jiff::Timestamp;

use super::deliveries::subject;
use super::query::{Query, path_id};
use super::{events, hide, no_receiver};
use crate::config::{self, Config};
use crate::delivery::Subject;
use crate::event::{DeliveryId, flat};
use crate::routing::{self, Decision, Explanation};
use crate::server::problems::{Problem, Sort};
use crate::server::types::{Explained, File, Ruling, Told};
use crate::server::{Corridor, State};
use crate::store::{Delivery, DeliveryState, StoredEvent};

pub async fn explain(request: HttpRequest, path: Path<String>, state: Data<State>) -> Result<HttpResponse, Problem> {
    let query = Query::read(&request, &["message", "receiver"])?;
    let receiver = query.one("receiver")?;
    let corridor = &state.intake.corridor;
    let stored = events::find(&*corridor.store, path_id(&path)?).await?;
    let running = corridor.config.load_full();
    let (explanation, standing) = recorded(corridor, &running, &stored).await?;

    let deliveries = events::deliveries(corridor, stored.id).await?;
    if let Some(name) = receiver {
        known(name, &running, explanation.as_ref().ok(), &deliveries)?;
    }
    let now = match standing {
        Ruling::Past => read_by(&running, &stored).await.filter(|now| now.decision != stored.decision),
        _ => None,
    };
    let messages = if query.flag("message")? == Some(true) {
        messages(&state, &running, &stored, &deliveries, receiver).await
    } else {
        Vec::new()
    };
    let (explanation, unexplained) = match explanation {
        Ok(explanation) => (Some(explanation), None),
        Err(why) => (None, Some(why)),
    };
    let explained = Explained {
        id: Some(stored.id),
        received_at: stored.event.received.received_at,
        test: stored.event.test,
        event: serde_json::to_value(flat(&stored.event)).expect("the vocabulary is plain JSON"),
        file: File {
            version: Arc::clone(&stored.version),
            standing,
            since: ruled_since(corridor, &stored).await?,
            path: None,
        },
        decision: stored.decision,
        explanation,
        unexplained,
        now,
        deliveries,
        recovers: Vec::new(),
        messages,
    };
    // A thousand routes make a long answer, and this thread takes in events.
    let json = aside(move || {
        let mut json = serde_json::to_value(&explained)?;
        hide::json(&running.redactor, &mut json);
        serde_json::to_vec(&json)
    })
    .await;
    let json = json.and_then(Result::ok).ok_or_else(failed)?;
    Ok(HttpResponse::Ok().content_type("application/json").body(json))
}

/// Since when the file that decided applied then.
pub async fn ruled_since(corridor: &Corridor, stored: &StoredEvent) -> Result<Option<Timestamp>, Problem> {
    Ok(corridor.store.ruled_since(&stored.version, stored.event.received.received_at).await?)
}

/// How the file that decided reads the event, or why that cannot be told any more.
async fn recorded(
    corridor: &Corridor,
    running: &Arc<Config>,
    stored: &StoredEvent,
) -> Result<(Result<Explanation, String>, Ruling), Problem> {
    if stored.version == running.version {
        let explanation = read_by(running, stored).await.ok_or_else(failed)?;
        return Ok((Ok(explanation), Ruling::Running));
    }
    let version = &stored.version;
    let Some(kept) = corridor.store.version(version).await? else {
        return Ok((Err(format!("routes.yaml {version} is not in the store")), Ruling::Past));
    };
    let event = Arc::clone(&stored.event);
    let read = move || config::recorded_routes(&kept.text).map(|routes| routing::explain(&routes, &event));
    let explanation =
        aside(read).await.flatten().ok_or_else(|| format!("this jobrelay cannot read routes.yaml {version} any more"));
    Ok((explanation, Ruling::Past))
}

fn failed() -> Problem {
    Problem::new(Sort::Internal, "The event could not be explained; the log says more.")
}

/// How the running file reads the event.
async fn read_by(running: &Arc<Config>, stored: &StoredEvent) -> Option<Explanation> {
    let (running, event) = (Arc::clone(running), Arc::clone(&stored.event));
    aside(move || routing::explain(&running.routes, &event)).await
}

/// Off the threads that take in events.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    tokio::task::spawn_blocking(work).await.ok()
}

/// A name that neither file nor any delivery has is a slip.
fn known(
    name: &str,
    running: &Config,
    explanation: Option<&Explanation>,
    deliveries: &[Delivery],
) -> Result<(), Problem> {
    let of_routes = explanation.into_iter().flat_map(|e| &e.routes).flat_map(|route| &route.to);
    let mut all: Vec<&str> = running.receivers.keys().chain(of_routes).map(AsRef::as_ref).collect();
    all.extend(deliveries.iter().map(|delivery| &*delivery.receiver));
    all.sort_unstable();
    all.dedup();
    if all.contains(&name) { Ok(()) } else { Err(no_receiver(name, all.into_iter())) }
}

/// What is said to each receiver that was told or would be now; to the one named in any case.
async fn messages(
    state: &State,
    running: &Config,
    stored: &StoredEvent,
    deliveries: &[Delivery],
    receiver: Option<&str>,
) -> Vec<Told> {
    let decided = routing::decide(&running.routes, &stored.event);
    let mut all = Vec::new();
    for (name, known) in &running.receivers {
        if receiver.is_some_and(|receiver| receiver != &**name) {
            continue;
        }
        // Replays say the same again.
        let delivery = deliveries.iter().rfind(|delivery| delivery.receiver == *name);
        let Some(owed) = owed(stored, &decided, name, delivery, receiver.is_some()) else { continue };
        let at = match delivery {
            Some(Delivery { state: DeliveryState::Delivered | DeliveryState::Dead, at: Some(at), .. }) => *at,
            _ => Timestamp::now(),
        };
        let told = Told {
            receiver: Arc::clone(name),
            kind: known.kind_name.to_owned(),
            route: Arc::clone(&owed.route),
            delivery: delivery.map(|delivery| delivery.id),
            at,
            message: None,
            unsendable: None,
        };
        all.push(told.with(state.lanes.preview(name, stored.id, &owed, at).await));
    }
    all
}

/// What `receiver` is owed: its delivery, or the one that the running file would make.
fn owed(
    stored: &StoredEvent,
    decided: &Decision,
    receiver: &Arc<str>,
    delivery: Option<&Delivery>,
    in_any_case: bool,
) -> Option<Subject> {
    let event = Arc::clone(&stored.event);
    if let Some(delivery) = delivery {
        return Some(subject(delivery, event));
    }
    let route = decided.targets.iter().find(|target| target.receiver == *receiver).map(|t| Arc::clone(&t.route));
    let route = route.or_else(|| in_any_case.then(|| Arc::from("")))?;
    Some(Subject { id: DeliveryId(0), event, route, closes: None, earlier: None })
}
