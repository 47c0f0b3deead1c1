//! Looking at the relay itself: receivers, kinds of them, quarantine, the running routes.yaml.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json, Path};

use super::deliveries::redact;
use super::no_receiver;
use super::query::Query;
use crate::delivery::LaneStatus;
use crate::receiver::{self, KindDescription};
use crate::server::State;
use crate::server::problems::Problem;
use crate::server::types::{ConfigView, Page, QuarantineItem, ResumeAnswer};
use crate::store::Quarantined;

/// Of a quarantined body, so many characters are shown: the beginning tells what it is.
const SHOWN: usize = 4000;

pub async fn receivers(state: Data<State>) -> Json<Page<LaneStatus>> {
    let mut items = state.lanes.status().await;
    let config = state.intake.corridor.config.load();
    for lane in &mut items {
        redact(&config.redactor, &mut lane.detail);
    }
    Json(Page { items, next: None })
}

pub async fn resume(path: Path<String>, state: Data<State>) -> Result<Json<ResumeAnswer>, Problem> {
    let receiver = path.into_inner();
    if state.lanes.resume(&receiver) {
        tracing::info!(receiver, "resumed by hand");
        return Ok(Json(ResumeAnswer { receiver }));
    }
    let lanes = state.lanes.status().await;
    Err(no_receiver(&receiver, lanes.iter().map(|lane| lane.receiver.as_ref())))
}

pub async fn quarantine(request: HttpRequest, state: Data<State>) -> Result<Json<Page<QuarantineItem>>, Problem> {
    let limit = Query::read(&request, &["limit"])?.limit()?;
    let items = state.intake.corridor.store.quarantined(limit).await?;
    Ok(Json(Page { items: items.into_iter().map(item).collect(), next: None }))
}

/// The kinds of receivers there are, with their settings: what a form, or a person, needs to write one.
pub async fn kinds() -> Json<Page<KindDescription>> {
    Json(Page { items: receiver::describe(), next: None })
}

pub async fn config(state: Data<State>) -> Json<ConfigView> {
    let config = state.intake.corridor.config.load();
    let standing = state.standing.load();
    Json(ConfigView {
        version: config.version.clone(),
        since: standing.since,
        receivers: config.receivers.keys().cloned().collect(),
        routes: config.routes.routes.iter().map(|route| route.name.clone()).collect(),
        refused: standing.refused.clone(),
    })
}

fn item(kept: Quarantined) -> QuarantineItem {
    QuarantineItem {
        id: kept.id,
        content_type: kept.content_type,
        reason: kept.reason,
        first: kept.first,
        last: kept.last,
        count: kept.count,
        bytes: kept.body.len(),
        // Four bytes are the most a character has.
        body: String::from_utf8_lossy(&kept.body[..kept.body.len().min(SHOWN * 4)]).chars().take(SHOWN).collect(),
    }
}
