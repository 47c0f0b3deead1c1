//! Taking events in: duplicates, what an event owes, and the failures it opens or closes.

use std::sync::Arc;

use jiff::Timestamp;

use super::owe::Owe;
use super::state::{KeptEvent, State};
use crate::event::{DeliveryId, EventId, Fingerprint, Outcome};
use crate::store::{Accepted, KeyHash, NewEvent, Owed, REMEMBERED};

/// Accepts one event; what it owes is added to `fresh`.
pub fn accept(state: &mut State, new: &NewEvent, now: Timestamp, fresh: &mut Vec<Owed>) -> Accepted {
    let event = &new.event;
    let Fingerprint { id, data } = event.fingerprint;
    if let Some(&id) = state.known.get(&(id, data)) {
        return Accepted { id, duplicate: true, id_reused: false, deliveries: Vec::new() };
    }
    let id_reused = state.known.range((id, [0; 16])..=(id, [u8::MAX; 16])).next().is_some();
    let id = EventId(state.next_id());
    let kept = KeptEvent {
        event: Arc::clone(event),
        decision: new.decision.clone(),
        version: Arc::clone(&new.version),
        deliveries: Vec::new(),
    };
    state.events.insert(id, kept);
    remember(state, event.fingerprint, id);

    let key = KeyHash::of(&event.key);
    let outcome = event.job.as_ref().and_then(|job| job.outcome);
    let mut closing = if outcome == Some(Outcome::Succeeded) { close(state, key) } else { Vec::new() };
    let mut owes: Vec<Owe> = Vec::new();
    for target in &new.decision.targets {
        let at = closing.iter().position(|(receiver, _)| *receiver == target.receiver);
        let closes = at.map(|at| closing.remove(at).1);
        owes.push(Owe { closes, ..Owe::new(id, &target.receiver, &target.route) });
    }
    // Whom no route named hears of the recovery all the same.
    let none: Arc<str> = Arc::from("");
    owes.extend(closing.into_iter().map(|(to, failure)| Owe { closes: Some(failure), ..Owe::new(id, &to, &none) }));
    let mut deliveries = Vec::with_capacity(owes.len());
    for owe in owes {
        let receiver = Arc::clone(&owe.receiver);
        let delivery = owe.make(state, now, fresh);
        if outcome == Some(Outcome::Failed) && new.opens.contains(&receiver) {
            state.open.insert((key, Arc::clone(&receiver)), delivery);
        }
        deliveries.push((delivery, receiver));
    }
    Accepted { id, duplicate: false, id_reused, deliveries }
}

/// Removes and returns the open failures of a key.
fn close(state: &mut State, key: KeyHash) -> Vec<(Arc<str>, DeliveryId)> {
    let of_key: Vec<Arc<str>> = state.open.keys().filter(|(k, _)| *k == key).map(|(_, to)| Arc::clone(to)).collect();
    let close = |to: Arc<str>| state.open.remove(&(key, Arc::clone(&to))).map(|failure| (to, failure));
    of_key.into_iter().filter_map(close).collect()
}

fn remember(state: &mut State, fingerprint: Fingerprint, id: EventId) {
    state.known.insert((fingerprint.id, fingerprint.data), id);
    state.known_order.push_back((fingerprint, id));
    if state.known_order.len() > REMEMBERED
        && let Some((oldest, _)) = state.known_order.pop_front()
    {
        state.known.remove(&(oldest.id, oldest.data));
    }
}
