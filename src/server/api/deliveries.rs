//! Deliveries: lists, one with its attempts, and the message its reader sees.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::web::{Data, Json, Path};
use jiff::Timestamp;

use super::query::{Query, path_id};
use super::{events, hide, no_receiver};
use crate::config::Config;
use crate::delivery::Subject;
use crate::event::{DeliveryId, Event};
use crate::server::problems::{Problem, Sort};
use crate::server::types::{DeliveryDetail, MessageView, Page};
use crate::server::{Corridor, State};
use crate::store::{Delivery, DeliveryFilter, DeliveryState, Store};

const KNOWN: [&str; 9] = ["event", "receiver", "route", "state", "reason", "since", "until", "before", "limit"];

pub async fn list(request: HttpRequest, state: Data<State>) -> Result<Json<Page<Delivery>>, Problem> {
    let query = Query::read(&request, &KNOWN)?;
    let filter = DeliveryFilter {
        id: None,
        before: query.id("before")?,
        event: query.id("event")?,
        receiver: query.text("receiver")?,
        route: query.text("route")?,
        state: query.one("state")?.map(delivery_state).transpose()?,
        since: query.time("since", Timestamp::now())?,
        until: query.time("until", Timestamp::now())?,
        reason: query.id("reason")?,
        limit: query.limit()?,
    };
    let corridor = &state.intake.corridor;
    let mut items = corridor.store.deliveries(&filter).await?;
    let config = corridor.config.load();
    if items.is_empty() {
        known(&*corridor.store, &config, &filter).await?;
    }
    for delivery in &mut items {
        hide::text(&config.redactor, &mut delivery.detail);
    }
    let next = items.last().filter(|_| items.len() == filter.limit).map(|last| last.id.to_string());
    Ok(Json(Page { items, next }))
}

/// A receiver that neither routes.yaml nor any delivery has is a slip.
async fn known(store: &dyn Store, config: &Config, filter: &DeliveryFilter) -> Result<(), Problem> {
    let Some(name) = filter.receiver.as_deref().filter(|name| !config.receivers.contains_key(*name)) else {
        return Ok(());
    };
    let of_it = DeliveryFilter { receiver: filter.receiver.clone(), limit: 1, ..DeliveryFilter::default() };
    if store.deliveries(&of_it).await?.is_empty() {
        return Err(no_receiver(name, config.receivers.keys().map(AsRef::as_ref)));
    }
    Ok(())
}

pub async fn one(path: Path<String>, state: Data<State>) -> Result<Json<DeliveryDetail>, Problem> {
    let corridor = &state.intake.corridor;
    let delivery = find(&*corridor.store, path_id(&path)?).await?;
    Ok(Json(detail(corridor, delivery).await?))
}

pub async fn message(path: Path<String>, state: Data<State>) -> Result<Json<MessageView>, Problem> {
    let corridor = &state.intake.corridor;
    let delivery = find(&*corridor.store, path_id(&path)?).await?;
    let (text, sent) = if let Some(copy) = corridor.store.copy(delivery.id).await? {
        (copy, true)
    } else {
        let event = events::find(&*corridor.store, delivery.event).await?.event;
        let (subject, now) = (subject(&delivery, event), Timestamp::now());
        let preview = state.lanes.preview(&delivery.receiver, delivery.event, &subject, now).await;
        (preview.map_err(|why| Problem::new(Sort::Conflict, why))?.reading(), false)
    };
    let text = corridor.config.load().redactor.redact(&text).into_owned();
    Ok(Json(MessageView { text, sent }))
}

/// What a kept delivery is about.
pub fn subject(delivery: &Delivery, event: Arc<Event>) -> Subject {
    Subject { id: delivery.id, event, route: Arc::clone(&delivery.route), closes: delivery.closes, earlier: None }
}

/// The delivery with this ID.
pub async fn find(store: &dyn Store, id: DeliveryId) -> Result<Delivery, Problem> {
    let filter = DeliveryFilter { id: Some(id), limit: 1, ..DeliveryFilter::default() };
    store.deliveries(&filter).await?.pop().ok_or_else(|| {
        Problem::not_found(format!("No delivery has the ID {id}. It may be older than the retention time; `GET /api/v1/deliveries` lists what is kept."))
    })
}

/// With its attempts, secrets redacted. They were when they were written, too; one may have become a secret since.
pub async fn detail(corridor: &Corridor, mut delivery: Delivery) -> Result<DeliveryDetail, Problem> {
    let mut history = corridor.store.attempts(delivery.id).await?;
    let config = corridor.config.load();
    hide::text(&config.redactor, &mut delivery.detail);
    for attempt in &mut history {
        attempt.detail = config.redactor.redact(&attempt.detail).into_owned();
        for note in &mut attempt.notes {
            *note = config.redactor.redact(note).into_owned();
        }
    }
    Ok(DeliveryDetail { delivery, history })
}

fn delivery_state(text: &str) -> Result<DeliveryState, Problem> {
    serde_json::from_value(serde_json::Value::String(text.to_ascii_lowercase()))
        .map_err(|_| Problem::bad(format!("state: {text:?} is none of owed, delivered, dead, dismissed.")))
}
