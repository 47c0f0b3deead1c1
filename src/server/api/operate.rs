//! Looking at the relay itself: receivers, kinds of them, the running routes.yaml.

use actix_web::web::{Data, Json, Path};

use super::{hide, no_receiver};
use crate::delivery::LaneStatus;
use crate::receiver::{self, KindDescription};
use crate::server::State;
use crate::server::problems::Problem;
use crate::server::types::{ConfigView, Page, ResumeAnswer};

pub async fn receivers(state: Data<State>) -> Json<Page<LaneStatus>> {
    let mut items = state.lanes.status().await;
    let config = state.intake.corridor.config.load();
    for lane in &mut items {
        hide::text(&config.redactor, &mut lane.detail);
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
        routes: config.routes.all().iter().map(|route| route.name.clone()).collect(),
        refused: standing.refused.clone(),
    })
}
