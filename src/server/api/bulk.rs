//! All deliveries of a receiver at once, in short steps: nothing here holds up what is coming in.

use std::collections::BTreeSet;

use super::no_receiver;
use crate::event::DeliveryId;
use crate::server::State;
use crate::server::problems::Problem;
use crate::store::{DeliveryFilter, DeliveryState, Replayed, Store};

const STEP: usize = 500;

/// Whether anything is known of a receiver: in routes.yaml, or owed something, or with dead deliveries.
///
/// # Errors
/// 404 with the nearest name.
pub async fn exists(state: &State, receiver: &str) -> Result<(), Problem> {
    let corridor = &state.intake.corridor;
    if corridor.config.load().receivers.contains_key(receiver) {
        return Ok(());
    }
    let rows = corridor.store.lanes().await?;
    let once = DeliveryFilter { receiver: Some(receiver.to_owned()), limit: 1, ..DeliveryFilter::default() };
    if rows.iter().any(|row| &*row.receiver == receiver) || !corridor.store.deliveries(&once).await?.is_empty() {
        return Ok(());
    }
    let config = corridor.config.load();
    let known: BTreeSet<&str> =
        config.receivers.keys().map(AsRef::as_ref).chain(rows.iter().map(|row| row.receiver.as_ref())).collect();
    Err(no_receiver(receiver, known.iter().copied()))
}

/// Replays all dead ones, oldest first, and takes each off the list of the dead, so that a second call does not send it again.
pub async fn replay_dead(store: &dyn Store, receiver: &str, to: Option<&str>) -> Result<Vec<Replayed>, Problem> {
    let mut dead = ids(store, receiver, DeliveryState::Dead).await?;
    dead.reverse();
    let mut replayed = Vec::with_capacity(dead.len());
    for step in dead.chunks(STEP) {
        replayed.extend(store.replay(step, to).await?);
        store.dismiss(step).await?;
    }
    Ok(replayed)
}

/// Moves all that is owed. Returns how many. The lane looks again after each step: it must not go on to send what it holds.
pub async fn move_owed(state: &State, receiver: &str, to: &str) -> Result<u64, Problem> {
    let mut moved = 0;
    loop {
        match state.intake.corridor.store.move_owed(receiver, to, STEP).await? {
            0 => return Ok(moved),
            step => moved += step,
        }
        state.lanes.refresh(Some(receiver));
    }
}

/// Dismisses all in this state; those that come meanwhile are left. Returns how many. The lane looks again after each step.
pub async fn dismiss_all(state: &State, receiver: &str, which: DeliveryState) -> Result<u64, Problem> {
    let store = &*state.intake.corridor.store;
    let mut dismissed = 0;
    for step in ids(store, receiver, which).await?.chunks(STEP) {
        dismissed += store.dismiss(step).await?;
        state.lanes.refresh(Some(receiver));
    }
    Ok(dismissed)
}

/// The IDs of all in this state, newest first: 8 bytes each, so a million are bearable.
async fn ids(store: &dyn Store, receiver: &str, state: DeliveryState) -> Result<Vec<DeliveryId>, Problem> {
    let mut filter = DeliveryFilter {
        receiver: Some(receiver.to_owned()),
        state: Some(state),
        limit: STEP,
        ..DeliveryFilter::default()
    };
    let mut ids = Vec::new();
    loop {
        let step = store.deliveries(&filter).await?;
        ids.extend(step.iter().map(|delivery| delivery.id));
        match step.last() {
            Some(last) if step.len() == STEP => filter.before = Some(last.id),
            _ => return Ok(ids),
        }
    }
}
