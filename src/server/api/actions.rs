//! What people do by hand: send a sample, replay, dismiss.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json, Payload};
use jiff::Timestamp;
use tracing::info;

use super::{bulk, deliveries, events, known_receiver, sample};
use crate::event::{self, DeliveryId, EventId};
use crate::routing;
use crate::server::admit::straight_to;
use crate::server::problems::{Problem, Sort};
use crate::server::types::{DismissAnswer, DismissRequest, ReplayAnswer, ReplayRequest, SendAnswer, SendRequest};
use crate::server::{Corridor, State, body};
use crate::store::{DeliveryState, NewTarget, Replayed};

/// IDs named in one request.
const NAMED: usize = 1000;

pub async fn send(request: HttpRequest, mut payload: Payload, state: Data<State>) -> Result<Json<SendAnswer>, Problem> {
    let asked: SendRequest = body::read_json(&request, &mut payload, &state.intake.room).await?;
    let corridor = &state.intake.corridor;
    let to = asked.to.map(|name| known_receiver(&corridor.config.load(), &name)).transpose()?;
    let received = sample::mark(asked.event, &sample::fresh_id(), Timestamp::now()).map_err(Problem::bad)?;
    // Not into the quarantine: its author is looking at the answer.
    let event = event::parse(received).map_err(|(_, why)| Problem::new(Sort::Unreadable, why.message))?;
    let (decision, accepted) = match &to {
        Some(to) => corridor.admit_to(event, to).await?,
        None => corridor.admit_one(event).await?,
    };
    Ok(Json(SendAnswer { id: accepted.id, matched: decision.matched, deliveries: accepted.deliveries }))
}

pub async fn replay(
    request: HttpRequest,
    mut payload: Payload,
    state: Data<State>,
) -> Result<Json<ReplayAnswer>, Problem> {
    let asked: ReplayRequest = body::read_json(&request, &mut payload, &state.intake.room).await?;
    let corridor = &state.intake.corridor;
    if let Some(to) = &asked.to {
        known_receiver(&corridor.config.load(), to)?;
    }
    let to = asked.to.as_deref();
    let result = match (asked.event, &asked.deliveries[..], asked.receiver.as_deref()) {
        (Some(event), [], None) => {
            replay_event(corridor, event, to).await.map(|replayed| ReplayAnswer { replayed, moved: 0 })
        }
        (None, ids @ [_, ..], None) => {
            replay_named(corridor, ids, to).await.map(|replayed| ReplayAnswer { replayed, moved: 0 })
        }
        (None, [], Some(receiver)) => replay_receiver(&state, receiver, to).await,
        _ => return Err(Problem::bad("Say exactly one of `event`, `deliveries` and `receiver`.")),
    };
    // Even after a failure half-way: what was changed until then is owed.
    state.lanes.refresh(None);
    let answer = result?;
    info!(replayed = answer.replayed.len(), moved = answer.moved, to, "replayed by hand");
    Ok(Json(answer))
}

pub async fn dismiss(
    request: HttpRequest,
    mut payload: Payload,
    state: Data<State>,
) -> Result<Json<DismissAnswer>, Problem> {
    let asked: DismissRequest = body::read_json(&request, &mut payload, &state.intake.room).await?;
    let corridor = &state.intake.corridor;
    let result = match (&asked.deliveries[..], asked.receiver.as_deref()) {
        (ids @ [_, ..], None) if !asked.owed => dismiss_named(corridor, ids).await,
        ([], Some(receiver)) => dismiss_receiver(&state, receiver, asked.owed).await,
        _ => return Err(Problem::bad("Say exactly one of `deliveries` and `receiver`; `owed` goes with `receiver`.")),
    };
    state.lanes.refresh(None);
    let dismissed = result?;
    info!(dismissed, "dismissed by hand");
    Ok(Json(DismissAnswer { dismissed }))
}

async fn replay_event(corridor: &Corridor, id: EventId, to: Option<&str>) -> Result<Vec<Replayed>, Problem> {
    let stored = events::find(&*corridor.store, id).await?;
    let targets: Vec<NewTarget> = {
        let config = corridor.config.load();
        let mut decision = routing::decide(&config.routes, &stored.event);
        if let Some(to) = to {
            decision = straight_to(&known_receiver(&config, to)?, &decision);
        }
        decision
            .targets
            .into_iter()
            .map(|target| NewTarget { receiver: target.receiver, route: target.route })
            .collect()
    };
    if targets.is_empty() {
        return Ok(Vec::new());
    }
    Ok(corridor.store.replay_event(id, targets).await?)
}

async fn replay_named(corridor: &Corridor, ids: &[DeliveryId], to: Option<&str>) -> Result<Vec<Replayed>, Problem> {
    few(ids)?;
    let mut dead = Vec::new();
    for &id in ids {
        match deliveries::find(&*corridor.store, id).await?.state {
            DeliveryState::Owed if to.is_none() => {
                let detail =
                    format!("{id} is still owed: it will be sent as it is. To try it at once, resume its receiver.");
                return Err(Problem::new(Sort::Conflict, detail));
            }
            DeliveryState::Dead => dead.push(id),
            DeliveryState::Owed | DeliveryState::Delivered | DeliveryState::Dismissed => {}
        }
    }
    let replayed = corridor.store.replay(ids, to).await?;
    corridor.store.dismiss(&dead).await?;
    Ok(replayed)
}

async fn replay_receiver(state: &State, receiver: &str, to: Option<&str>) -> Result<ReplayAnswer, Problem> {
    if to == Some(receiver) {
        return Err(Problem::bad("`receiver` and `to` are the same; leave `to` out."));
    }
    bulk::exists(state, receiver).await?;
    let store = &*state.intake.corridor.store;
    let replayed = bulk::replay_dead(store, receiver, to).await?;
    let moved = match to {
        Some(to) => bulk::move_owed(state, receiver, to).await?,
        None => 0,
    };
    Ok(ReplayAnswer { replayed, moved })
}

async fn dismiss_named(corridor: &Corridor, ids: &[DeliveryId]) -> Result<u64, Problem> {
    few(ids)?;
    for &id in ids {
        deliveries::find(&*corridor.store, id).await?;
    }
    Ok(corridor.store.dismiss(ids).await?)
}

async fn dismiss_receiver(state: &State, receiver: &str, owed: bool) -> Result<u64, Problem> {
    bulk::exists(state, receiver).await?;
    let mut dismissed = bulk::dismiss_all(state, receiver, DeliveryState::Dead).await?;
    if owed {
        dismissed += bulk::dismiss_all(state, receiver, DeliveryState::Owed).await?;
    }
    Ok(dismissed)
}

fn few(ids: &[DeliveryId]) -> Result<(), Problem> {
    if ids.len() > NAMED {
        return Err(Problem::bad(format!(
            "At most {NAMED} deliveries can be named at once; say `receiver` for all of one."
        )));
    }
    Ok(())
}
