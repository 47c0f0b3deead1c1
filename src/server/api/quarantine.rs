//! What could not be read: looked at, read again, dismissed.

use actix_web::web::{Data, Json, Path, Payload};
use actix_web::{HttpRequest, HttpResponse};
use tracing::info;

use super::query::{Query, path_id};
use crate::config::Redactor;
use crate::server::problems::Problem;
use crate::server::types::{
    DismissAnswer, DismissItemsRequest, QuarantineItem, QuarantineList, Reread, RereadAnswer, RereadRequest,
    RereadResult,
};
use crate::server::{State, body};
use crate::store::{Quarantined, Store};

/// All there can be: what the store keeps at most.
const ALL: usize = 1_000;

pub async fn list(request: HttpRequest, state: Data<State>) -> Result<Json<QuarantineList>, Problem> {
    let limit = Query::read(&request, &["limit"])?.limit()?;
    let corridor = &state.intake.corridor;
    let (items, totals) = (corridor.store.quarantined(limit).await?, corridor.store.totals().await?.quarantine);
    let config = corridor.config.load();
    Ok(Json(QuarantineList { items: items.iter().map(|kept| item(&config.redactor, kept)).collect(), totals }))
}

pub async fn one(path: Path<String>, state: Data<State>) -> Result<Json<QuarantineItem>, Problem> {
    let corridor = &state.intake.corridor;
    let kept = find(&*corridor.store, path_id(&path)?).await?;
    Ok(Json(item(&corridor.config.load().redactor, &kept)))
}

pub async fn bytes(path: Path<String>, state: Data<State>) -> Result<HttpResponse, Problem> {
    let corridor = &state.intake.corridor;
    let kept = find(&*corridor.store, path_id(&path)?).await?;
    Ok(as_it_came(&corridor.config.load().redactor, &kept.body))
}

pub async fn replay(
    request: HttpRequest,
    mut payload: Payload,
    state: Data<State>,
) -> Result<Json<RereadAnswer>, Problem> {
    let asked: RereadRequest = body::read_json(&request, &mut payload, &state.intake.room).await?;
    few(&asked.ids)?;
    let corridor = &state.intake.corridor;
    let mut items = Vec::with_capacity(asked.ids.len());
    for id in asked.ids {
        // One at a time, as each may have a body of a megabyte.
        items.push(match corridor.store.quarantined_item(id).await? {
            Some(kept) => corridor.reread(&kept, asked.dry_run).await?,
            None => Reread { id, result: RereadResult::Gone, reason: None, events: Vec::new() },
        });
    }
    Ok(Json(RereadAnswer { items }))
}

pub async fn dismiss(
    request: HttpRequest,
    mut payload: Payload,
    state: Data<State>,
) -> Result<Json<DismissAnswer>, Problem> {
    let asked: DismissItemsRequest = body::read_json(&request, &mut payload, &state.intake.room).await?;
    let store = &state.intake.corridor.store;
    let ids = match (asked.ids.is_empty(), asked.all) {
        (false, false) => asked.ids,
        (true, true) => store.quarantined(ALL).await?.iter().map(|kept| kept.id).collect(),
        _ => return Err(Problem::bad("Say exactly one of `ids` and `all`.")),
    };
    few(&ids)?;
    let dismissed = store.dismiss_quarantined(&ids).await?;
    info!(dismissed, "dismissed from the quarantine by hand");
    Ok(Json(DismissAnswer { dismissed, ..DismissAnswer::default() }))
}

/// Bytes for programs, secrets hidden; no browser shall take them for a page.
pub fn as_it_came(redactor: &Redactor, bytes: &[u8]) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/octet-stream")
        .insert_header(("x-content-type-options", "nosniff"))
        .body(redactor.redact_bytes(bytes).into_owned())
}

async fn find(store: &dyn Store, id: i64) -> Result<Quarantined, Problem> {
    store.quarantined_item(id).await?.ok_or_else(|| {
        Problem::not_found(format!(
            "Nothing in the quarantine has the number {id}. It may have been read again, dismissed, or dropped to make room; \
             `GET /api/v1/quarantine` lists what is kept."
        ))
    })
}

fn few(ids: &[i64]) -> Result<(), Problem> {
    match ids.len() {
        1..=ALL => Ok(()),
        0 => Err(Problem::bad("`ids` names no item.")),
        _ => Err(Problem::bad(format!("At most {ALL} items can be named at once."))),
    }
}

fn item(redactor: &Redactor, kept: &Quarantined) -> QuarantineItem {
    let beginning = &kept.body[..kept.body.len().min(crate::store::BEGINNING)];
    let hidden = |text: &str| redactor.redact(text).into_owned();
    QuarantineItem {
        id: kept.id,
        content_type: kept.form.content_type.clone(),
        headers: kept.form.attributes.iter().map(|(name, value)| (name.clone(), hidden(value))).collect(),
        reason: hidden(&kept.reason),
        first: kept.first,
        last: kept.last,
        count: kept.count,
        bytes: kept.bytes,
        body: hidden(&String::from_utf8_lossy(beginning)),
    }
}
