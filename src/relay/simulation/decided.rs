//! Whether every event is owed to exactly those whom the routes of its version name, and to those who heard of the failure it ends, wherever
//! that was replayed or moved to meanwhile.

use std::collections::BTreeMap;

use super::plan::Plan;
use super::world::{Change, Inner};
use crate::event::{DeliveryId, EventId, Outcome};
use crate::store::{Delivery, StoredEvent};

/// Failures that are open, by key and receiver, with the delivery that told of each last.
type Open<'a> = BTreeMap<(&'a str, &'a str), DeliveryId>;

/// # Errors
/// What does not hold.
pub fn check(plan: &Plan, inner: &Inner, events: &[StoredEvent], deliveries: &[Delivery]) -> Result<(), String> {
    let events: BTreeMap<EventId, &StoredEvent> = events.iter().map(|stored| (stored.id, stored)).collect();
    let deliveries: BTreeMap<DeliveryId, &Delivery> =
        deliveries.iter().map(|delivery| (delivery.id, delivery)).collect();
    let versions: BTreeMap<_, _> = plan.files.iter().map(|file| (file.load().version.clone(), file)).collect();
    let place = |id: &DeliveryId| {
        let delivery = deliveries[id];
        (&*events[&delivery.event].event.key, &*delivery.receiver)
    };
    let mut open = Open::new();
    for change in &inner.changes {
        match change {
            Change::Accepted { event, deliveries: made } => {
                let StoredEvent { id, event, version, .. } = events[event];
                let Some(file) = versions.get(version) else { return Err(format!("{id}: no version {version}")) };
                let outcome = event.job.as_ref().and_then(|job| job.outcome);
                let mut expected: BTreeMap<&str, Option<DeliveryId>> =
                    file.decides(event).into_iter().map(|name| (name, None)).collect();
                if outcome == Some(Outcome::Succeeded) {
                    let of_key = open.keys().copied().filter(|(key, _)| *key == event.key).collect::<Vec<_>>();
                    expected.extend(of_key.into_iter().map(|at| (at.1, open.remove(&at))));
                }
                let found: BTreeMap<&str, Option<DeliveryId>> =
                    made.iter().map(|id| (&*deliveries[id].receiver, deliveries[id].closes)).collect();
                if found != expected || made.len() != expected.len() {
                    return Err(format!("{id} ({}) is owed to {found:?}, not to {expected:?}", event.key));
                }
                if outcome == Some(Outcome::Failed) {
                    let told = made.iter().filter(|id| file.wants_recovery(&deliveries[id].receiver));
                    open.extend(told.map(|id| (place(id), *id)));
                }
            }
            Change::Replayed { old, new } => {
                if place(old) == place(new) && open.get(&place(old)) == Some(old) {
                    open.insert(place(new), *new);
                }
            }
            Change::Moved { old, new } => {
                if open.get(&place(old)) == Some(old) {
                    open.remove(&place(old));
                    open.insert(place(new), *new);
                }
            }
            Change::Dismissed { id, untried } => {
                if *untried && open.get(&place(id)) == Some(id) {
                    open.remove(&place(id));
                }
            }
        }
    }
    Ok(())
}
