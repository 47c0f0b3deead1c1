//! Taking events in: duplicates, the row, what it owes, and the failures it opens or closes.

use std::sync::Arc;

use rusqlite::params;

use super::dedup::Sighting;
use super::ledger::{self, DOOR, DUPLICATES, Line};
use super::lookup::Hashes;
use super::openings::Opening;
use super::owe::{Owe, owe};
use super::pack::pack;
use super::prints::Print;
use super::rows::{to_limit, to_ns};
use super::task::Writing;
use crate::event::{DeliveryId, EventId, Outcome};
use crate::store::{Accepted, NewEvent, StoreError};

/// Bytes of a past status, its state's name included.
const OF_ONE_STATUS: usize = 96;

/// An event with all that can be worked out before it is the writer's turn.
pub struct Prepared {
    new: NewEvent,
    hashes: Hashes,
    decision: String,
    line: Line,
    attributes: Option<String>,
    /// The body, where it is worth it.
    packed: Option<Vec<u8>>,
}

impl Prepared {
    /// # Errors
    /// None that can happen: a decision and a form are plain data.
    pub fn new(new: NewEvent) -> Result<Prepared, StoreError> {
        let json = |e: serde_json::Error| StoreError::Unwritable(e.to_string());
        let attributes = &new.event.received.form.attributes;
        let attributes =
            if attributes.is_empty() { None } else { Some(serde_json::to_string(attributes).map_err(json)?) };
        let decision = serde_json::to_string(&new.decision).map_err(json)?;
        let line = ledger::line(!new.decision.matched.is_empty(), !new.decision.targets.is_empty());
        Ok(Prepared {
            hashes: Hashes::of(&new.event),
            decision,
            line,
            attributes,
            packed: pack(&new.event.received.body),
            new,
        })
    }

    /// About what it costs in memory. A body may be little else than past statuses, or one long error message.
    pub fn bytes(&self) -> usize {
        let event = &self.new.event;
        let read = event
            .job
            .as_ref()
            .map_or(0, |job| job.history.len() * OF_ONE_STATUS + job.error.as_ref().map_or(0, String::len));
        let packed = self.packed.as_ref().map_or(0, Vec::len);
        event.received.body.len() + packed + read + self.decision.len() + 512
    }
}

/// Accepts events in order.
pub fn accept(w: &mut Writing<'_>, items: &[Prepared]) -> rusqlite::Result<Vec<Accepted>> {
    items.iter().map(|item| one(w, item)).collect()
}

fn one(w: &mut Writing<'_>, item: &Prepared) -> rusqlite::Result<Accepted> {
    let event = &item.new.event;
    let sighting = w.memory.dedup.look(&event.fingerprint);
    if let Sighting::Again(id) = sighting {
        w.memory.ledger.add(DOOR, DUPLICATES, 1);
        return Ok(Accepted { id, duplicate: true, id_reused: false, deliveries: Vec::new() });
    }
    let id = w.memory.ids.event(w.db, w.now_ms, event.received.received_at)?;
    let deliveries = owe_all(w, item, id)?;
    insert(w, item, id, deliveries.len())?;
    w.memory.ledger.add(DOOR, item.line, 1);
    w.memory.dedup.add(&event.fingerprint, id);
    w.memory.unindexed.add(id.0, item.hashes);
    w.memory.prints.add(Print::new(id.0, &event.fingerprint, item.hashes));
    let deliveries = deliveries.into_iter().map(|o| (o.id, o.receiver)).collect();
    Ok(Accepted { id, duplicate: false, id_reused: sighting == Sighting::Reused, deliveries })
}

fn insert(w: &mut Writing<'_>, item: &Prepared, id: EventId, fanout: usize) -> rusqlite::Result<()> {
    let event = &item.new.event;
    let version = w.memory.names.number(w.db, &item.new.version)?;
    let body = &event.received.body[..];
    let insert = w.statements.insert_event.of(
        w.db,
        "INSERT INTO events(id, received_at, key, job, sender, fanout, version, fingerprint_id, fingerprint_data, \
         content_type, attributes, decision, body, unpacked) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14)",
    )?;
    insert.execute(params![
        id.0,
        to_ns(event.received.received_at),
        item.hashes.key.0,
        item.hashes.job,
        item.hashes.sender,
        i64::try_from(fanout).unwrap_or(i64::MAX),
        version,
        &event.fingerprint.id[..],
        &event.fingerprint.data[..],
        event.received.form.content_type,
        item.attributes,
        item.decision,
        item.packed.as_deref().unwrap_or(body),
        item.packed.as_ref().map(|_| to_limit(body.len())),
    ])?;
    Ok(())
}

/// One delivery for each target, then the recoveries of receivers no route named; a failure opens for those who want it.
fn owe_all(w: &mut Writing<'_>, item: &Prepared, id: EventId) -> rusqlite::Result<Vec<Made>> {
    let event = &item.new.event;
    let key = item.hashes.key;
    let outcome = event.job.as_ref().and_then(|job| job.outcome);
    let mut recovered = Vec::new();
    if outcome == Some(Outcome::Succeeded) {
        for opening in w.memory.openings.close(w.db, key)? {
            recovered.push((w.memory.names.text(opening.receiver)?, opening.delivery));
        }
    }

    let none: Arc<str> = Arc::from("");
    let mut made = Vec::with_capacity(item.new.decision.targets.len());
    for target in &item.new.decision.targets {
        let at = recovered.iter().position(|(receiver, _)| *receiver == target.receiver);
        let closes = at.map(|at| recovered.remove(at).1);
        let new = Owe { closes, ..Owe::new(id, &target.receiver, &target.route, key) };
        made.push(Made { id: owe(w, new, Some(event))?, receiver: Arc::clone(&target.receiver) });
    }
    for (receiver, failure) in recovered {
        let new = Owe { closes: Some(failure), ..Owe::new(id, &receiver, &none, key) };
        made.push(Made { id: owe(w, new, Some(event))?, receiver });
    }
    if outcome == Some(Outcome::Failed) {
        for delivery in made.iter().filter(|delivery| item.new.opens.contains(&delivery.receiver)) {
            let receiver = w.memory.names.number(w.db, &delivery.receiver)?;
            w.memory.openings.open(w.db, key, Opening { receiver, delivery: delivery.id })?;
        }
    }
    Ok(made)
}

struct Made {
    id: DeliveryId,
    receiver: Arc<str>,
}
