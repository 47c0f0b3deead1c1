//! Events: lists, one of them, and the names seen in them.

use actix_web::web::{Data, Json, Path};
use actix_web::{HttpRequest, HttpResponse};
use jiff::Timestamp;

use super::deliveries::detail;
use super::explain::ruled_since;
use super::hide;
use super::quarantine::as_it_came;
use super::query::{Query, path_id};
use super::search::Search;
use crate::config::Redactor;
use crate::event::{self, Event, EventId, Resource};
use crate::server::problems::Problem;
use crate::server::types::{EventDetail, EventSummary, Names, Page};
use crate::server::{Corridor, State};
use crate::store::{Delivery, DeliveryFilter, EventFilter, Store, StoredEvent};

/// Deliveries shown with one event: more than it has receivers, even replayed a few times.
const DELIVERIES: usize = 1000;

/// Names are taken from so many of the newest events, in steps.
const NAMED: usize = 10_000;
const STEP: usize = 500;

pub async fn list(request: HttpRequest, state: Data<State>) -> Result<Json<Page<EventSummary>>, Problem> {
    let search = Search::read(&request, Timestamp::now())?;
    let found = search.run(&*state.intake.corridor.store).await?;
    let config = state.intake.corridor.config.load();
    let items = found.events.iter().map(|event| summary(&config.redactor, event)).collect();
    Ok(Json(Page { items, next: found.next.map(|id| id.to_string()) }))
}

pub async fn one(path: Path<String>, state: Data<State>) -> Result<Json<EventDetail>, Problem> {
    let corridor = &state.intake.corridor;
    let stored = find(&*corridor.store, path_id(&path)?).await?;
    let mut details = Vec::new();
    for delivery in deliveries(corridor, stored.id).await? {
        details.push(detail(corridor, delivery).await?);
    }
    let version_since = ruled_since(corridor, &stored).await?;
    let redactor = &corridor.config.load().redactor;
    let (mut raw, mut form) = (stored.event.envelope(), stored.event.received.form.clone());
    hide::json(redactor, &mut raw);
    for (_, value) in &mut form.attributes {
        *value = redactor.redact(value).into_owned();
    }
    Ok(Json(EventDetail { summary: summary(redactor, &stored), version_since, raw, form, deliveries: details }))
}

pub async fn bytes(path: Path<String>, state: Data<State>) -> Result<HttpResponse, Problem> {
    let corridor = &state.intake.corridor;
    let stored = find(&*corridor.store, path_id(&path)?).await?;
    Ok(as_it_came(&corridor.config.load().redactor, &stored.event.received.body))
}

pub async fn names(request: HttpRequest, state: Data<State>) -> Result<Json<Names>, Problem> {
    let query = Query::read(&request, &["since"])?;
    let mut filter =
        EventFilter { since: query.time("since", Timestamp::now())?, limit: STEP, ..EventFilter::default() };
    let mut names = Names::default();
    while names.events < NAMED {
        let step = state.intake.corridor.store.events(&filter).await?;
        for stored in &step.events {
            count(&mut names, &stored.event);
        }
        let Some(next) = step.next else { break };
        filter.before = Some(next);
    }
    Ok(Json(names))
}

/// The deliveries of an event, oldest first: it reads as it happened.
pub async fn deliveries(corridor: &Corridor, event: EventId) -> Result<Vec<Delivery>, Problem> {
    let filter = DeliveryFilter { event: Some(event), limit: DELIVERIES, ..DeliveryFilter::default() };
    let mut deliveries = corridor.store.deliveries(&filter).await?;
    deliveries.reverse();
    Ok(deliveries)
}

/// The event with this ID.
pub async fn find(store: &dyn Store, id: EventId) -> Result<StoredEvent, Problem> {
    store.event(id).await?.ok_or_else(|| {
        Problem::not_found(format!("No event has the ID {id}. It may be older than the retention time; `GET /api/v1/events` lists what is kept."))
    })
}

fn summary(redactor: &Redactor, stored: &StoredEvent) -> EventSummary {
    let mut event = serde_json::to_value(event::flat(&stored.event))
        .expect("the vocabulary is strings, numbers and maps with string keys");
    hide::json(redactor, &mut event);
    EventSummary {
        id: stored.id,
        received_at: stored.event.received.received_at,
        test: stored.event.test,
        event,
        version: stored.version.clone(),
        matched: stored.decision.matched.clone(),
    }
}

/// Counts the words of one event. Tests are left out: their names are made up.
fn count(names: &mut Names, event: &Event) {
    names.events += 1;
    if event.test {
        return;
    }
    let mut add = |word: &str, value: &str| {
        if !value.is_empty() {
            *names.names.entry(word.to_owned()).or_default().entry(value.to_owned()).or_default() += 1;
        }
    };
    add("event_type", &event.event_type);
    add("tenant", &event.tenant);
    let Some(job) = &event.job else { return };
    if let Some(job_type) = &job.job_type {
        add("type", job_type.as_str());
    }
    if let Some(state) = &job.state {
        add("state", state.as_str());
    }
    if let Some(outcome) = job.outcome {
        add("outcome", outcome.as_str());
    }
    if let Some(reason) = &job.reason {
        add("reason", reason);
    }
    let resources: [(&str, &Option<Resource>); 4] = [
        ("source", &job.source),
        ("data_product", &job.data_product),
        ("workflow", &job.workflow),
        ("destination", &job.destination),
    ];
    for (word, resource) in resources {
        for value in resource.iter().flat_map(|r| [&r.name, &r.id]).flatten() {
            add(word, value);
        }
    }
}
