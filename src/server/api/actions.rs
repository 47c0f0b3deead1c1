//! What people do by hand: send a sample, replay, dismiss.

use actix_web::HttpRequest;
use actix_web::web::{Data, Json, Payload};
use jiff::Timestamp;
use tracing::info;

use super::{bulk, deliveries, events, known_receiver, sample};
use crate::event::{self, DeliveryId, EventId, Unreadable};
use crate::routing;
use crate::server::admit::straight_to;
use crate::server::problems::{Problem, Sort};
use crate::server::types::{
    DismissAnswer, DismissRequest, Range, ReplayAnswer, ReplayRequest, SendAnswer, SendRequest,
};
use crate::server::{Corridor, State, body};
use crate::store::{Delivery, DeliveryState, NewTarget, Replayed, Unchanged};

/// IDs named in one request.
const NAMED: usize = 1000;

/// The `next` of a range of which only the moving is left.
const MOVE: &str = "move";

pub async fn send(request: HttpRequest, mut payload: Payload, state: Data<State>) -> Result<Json<SendAnswer>, Problem> {
    let asked: SendRequest = body::read_json(&request, &mut payload, &state.intake.room).await?;
    let corridor = &state.intake.corridor;
    let to = asked.to.map(|name| known_receiver(&corridor.config.load(), &name)).transpose()?;
    // Not into the quarantine: its author is looking at the answer.
    let unreadable = |why: Unreadable| Problem::new(Sort::Unreadable, why.message);
    let received = sample::mark(&asked.event, &sample::fresh_id(), Timestamp::now()).map_err(unreadable)?;
    let event = event::parse(received).map_err(|(_, why)| unreadable(why))?;
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
    to_the_end(replay_asked(state, asked)).await
}

async fn replay_asked(state: Data<State>, asked: ReplayRequest) -> Result<Json<ReplayAnswer>, Problem> {
    let corridor = &state.intake.corridor;
    if let Some(to) = &asked.to {
        known_receiver(&corridor.config.load(), to)?;
    }
    let to = asked.to.as_deref();
    let named = |replayed| ReplayAnswer { replayed, ..ReplayAnswer::default() };
    let result = match (asked.event, &asked.deliveries[..], &asked.range) {
        (Some(event), [], None) => replay_event(corridor, event, to).await.map(named),
        (None, ids @ [_, ..], None) => replay_named(corridor, ids, to).await.map(named),
        (None, [], Some(range)) => replay_range(&state, &asked, range).await,
        _ => return Err(Problem::bad("Say exactly one of `event`, `deliveries` and `range`.")),
    };
    if asked.dry_run {
        return result.map(Json);
    }
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
    to_the_end(dismiss_asked(state, asked)).await
}

async fn dismiss_asked(state: Data<State>, asked: DismissRequest) -> Result<Json<DismissAnswer>, Problem> {
    let corridor = &state.intake.corridor;
    let result = match (&asked.deliveries[..], &asked.range) {
        (ids @ [_, ..], None) => {
            dismiss_named(corridor, ids).await.map(|dismissed| DismissAnswer { dismissed, ..DismissAnswer::default() })
        }
        ([], Some(range)) => dismiss_range(&state, &asked, range).await,
        _ => return Err(Problem::bad("Say exactly one of `deliveries` and `range`.")),
    };
    if asked.dry_run {
        return result.map(Json);
    }
    state.lanes.refresh(None);
    let answer = result?;
    info!(dismissed = answer.dismissed, "dismissed by hand");
    Ok(Json(answer))
}

/// Also where the client hangs up meanwhile: the lanes must hear of what was changed, else they go on to send what they hold.
async fn to_the_end<T: 'static>(work: impl Future<Output = Result<T, Problem>> + 'static) -> Result<T, Problem> {
    let broke = |_| Problem::new(Sort::Internal, "It broke off half-way: see the log.");
    actix_web::rt::spawn(work).await.map_err(broke)?
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
    for &id in ids {
        let delivery = deliveries::find(&*corridor.store, id).await?;
        if delivery.state == DeliveryState::Owed && to.is_none_or(|to| *delivery.receiver == *to) {
            let detail =
                format!("{id} is still owed: it will be sent as it is. To try it at once, resume its receiver.");
            return Err(Problem::new(Sort::Conflict, detail));
        }
    }
    Ok(corridor.store.replay(ids, to).await?)
}

/// The next share of a range; after its last delivery, what is still owed moves, if that was asked for.
async fn replay_range(state: &State, asked: &ReplayRequest, range: &Range) -> Result<ReplayAnswer, Problem> {
    let (receiver, to) = (range.receiver.as_deref(), asked.to.as_deref());
    if let Some(receiver) = receiver {
        bulk::exists(state, receiver).await?;
        if to == Some(receiver) {
            return Err(Problem::bad("`receiver` and `to` are the same; leave `to` out."));
        }
    }
    let of = range.state.unwrap_or(DeliveryState::Dead);
    if of == DeliveryState::Owed {
        return Err(Problem::bad("What is still owed is sent as it is; `owed`, with `receiver` and `to`, moves it."));
    }
    let moving = match (range.owed, receiver, to) {
        (false, ..) => None,
        (true, Some(receiver), Some(to)) if *range == all_of(receiver, range.before) => Some((receiver, to)),
        _ => return Err(Problem::bad("`owed` goes with `receiver` and `to`, and with nothing else of a range.")),
    };
    let store = &*state.intake.corridor.store;
    let mut answer = ReplayAnswer::default();
    // What moves is only looked at one by one: it moves without a range.
    let shown = moving.filter(|_| asked.dry_run).map(|_| DeliveryState::Owed);
    let states: Vec<_> = [of].into_iter().chain(shown).collect();
    if asked.next.as_deref() != Some(MOVE) {
        let (replayed, moved) = (&mut answer.replayed, &mut answer.moved);
        answer.step = bulk::share(store, range, &states, asked.next.as_deref(), async |of, mut page| {
            if of == DeliveryState::Owed {
                *moved += page.len() as u64;
                return Ok(page);
            }
            page.retain(|delivery| asked.again || !was_replayed(delivery));
            if asked.dry_run || page.is_empty() {
                return Ok(page);
            }
            let ids: Vec<_> = page.iter().map(|delivery| delivery.id).collect();
            let unchanged = Unchanged { state: of, again: asked.again };
            let new = store.replay_unchanged(&ids, unchanged, to).await?;
            page.retain(|delivery| new.iter().any(|new| new.replay_of == Some(delivery.id)));
            replayed.extend(new);
            Ok(page)
        })
        .await?;
    }
    if let (Some((receiver, to)), None, false) = (moving, &answer.step.next, asked.dry_run) {
        let (moved, more) = bulk::move_owed(state, receiver, to).await?;
        answer.moved = moved;
        answer.step.next = more.then(|| MOVE.to_owned());
    }
    Ok(answer)
}

/// In a range, nothing goes out twice: neither what was replayed before nor a replay that arrived.
fn was_replayed(delivery: &Delivery) -> bool {
    delivery.replayed_by.is_some() || (delivery.state == DeliveryState::Delivered && delivery.replay_of.is_some())
}

fn all_of(receiver: &str, before: Option<DeliveryId>) -> Range {
    Range { receiver: Some(receiver.to_owned()), owed: true, before, ..Range::default() }
}

async fn dismiss_range(state: &State, asked: &DismissRequest, range: &Range) -> Result<DismissAnswer, Problem> {
    if let Some(receiver) = &range.receiver {
        bulk::exists(state, receiver).await?;
    }
    let states: &[DeliveryState] = match (range.state, range.owed) {
        (None | Some(DeliveryState::Dead), false) => &[DeliveryState::Dead],
        (None | Some(DeliveryState::Dead), true) => &[DeliveryState::Dead, DeliveryState::Owed],
        (Some(DeliveryState::Owed), _) => &[DeliveryState::Owed],
        _ => return Err(Problem::bad("Only dead and owed deliveries can be dismissed.")),
    };
    let store = &*state.intake.corridor.store;
    let mut dismissed = 0;
    let step = bulk::share(store, range, states, asked.next.as_deref(), async |of, page| {
        if !asked.dry_run && !page.is_empty() {
            let ids: Vec<_> = page.iter().map(|delivery| delivery.id).collect();
            dismissed += store.dismiss(&ids).await?;
            if of == DeliveryState::Owed {
                // A lane must not go on to send what it holds.
                state.lanes.refresh(None);
            }
        }
        Ok(page)
    })
    .await?;
    Ok(DismissAnswer { dismissed, step })
}

async fn dismiss_named(corridor: &Corridor, ids: &[DeliveryId]) -> Result<u64, Problem> {
    few(ids)?;
    for &id in ids {
        deliveries::find(&*corridor.store, id).await?;
    }
    Ok(corridor.store.dismiss(ids).await?)
}

fn few(ids: &[DeliveryId]) -> Result<(), Problem> {
    if ids.len() > NAMED {
        return Err(Problem::bad(format!("At most {NAMED} deliveries can be named at once; name a `range` instead.")));
    }
    Ok(())
}
