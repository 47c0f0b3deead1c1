//! Each event: readable, unchanged, decided, and all its deliveries there.

use rusqlite::{Row, params};

use super::{Auditor, Flaw, is_of_the_row};
use crate::event::{DeliveryId, EventId};
use crate::routing::Decision;
use crate::store::sqlite::events::{Unread, unread};
use crate::store::sqlite::{hashes, ledger};

const PAGE: i64 = 256;

/// An event's row.
struct Kept {
    id: i64,
    key: i64,
    job: Option<i64>,
    sender: i64,
    fanout: i64,
    version: i64,
    fingerprint: ([u8; 16], [u8; 16]),
    decision: String,
    content: Unread,
}

fn kept(row: &Row<'_>) -> rusqlite::Result<Kept> {
    Ok(Kept {
        id: row.get(0)?,
        key: row.get(1)?,
        job: row.get(2)?,
        sender: row.get(3)?,
        fanout: row.get(4)?,
        version: row.get(5)?,
        fingerprint: (row.get(6)?, row.get(7)?),
        decision: row.get(8)?,
        content: unread(row, 9)?,
    })
}

/// A delivery made with its event.
struct Made {
    id: i64,
    event: i64,
    receiver: i64,
    route: i64,
    key: i64,
    extra: bool,
    closes: Option<i64>,
}

impl Auditor<'_> {
    /// The next page. `false`: there are no more.
    pub(super) fn events(&mut self) -> rusqlite::Result<bool> {
        let mut page = self.db.prepare_cached(
            "SELECT id, key, job, sender, fanout, version, fingerprint_id, fingerprint_data, decision, \
             received_at, content_type, attributes, body, unpacked FROM events WHERE id > ?1 ORDER BY id LIMIT ?2",
        )?;
        let mut rows = page.query(params![self.tally.last_event, PAGE])?;
        let mut seen = 0;
        while let Some(row) = rows.next()? {
            seen += 1;
            self.tally.last_event = row.get(0)?;
            self.audit.checked.events += 1;
            let id = EventId(self.tally.last_event);
            match kept(row) {
                Ok(event) => self.event(id, event)?,
                Err(error) if is_of_the_row(&error) => {
                    self.whole = false;
                    self.audit.find(Flaw::DamagedRow, format!("{id}: {error}"));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(seen == PAGE)
    }

    fn event(&mut self, id: EventId, event: Kept) -> rusqlite::Result<()> {
        self.tally.event(ledger::decided(&event.decision));
        self.found_by_index(id, &event)?;
        let Kept { key, fanout, version, fingerprint, decision, content, .. } = event;
        let skew: i64 = self.db.prepare_cached("SELECT skew FROM meta")?.query_row([], |row| row.get(0))?;
        let apart = ((id.0 >> 20) - content.received_at.as_millisecond()).abs();
        if apart > skew {
            self.audit.find(
                Flaw::IndexWrong,
                format!("{id}: received {apart} ms apart from its ID, and a search by time looks {skew} ms far"),
            );
        }
        match content.read() {
            Err(why) => self.audit.find(Flaw::EventChanged, format!("{id} cannot be read any more: {why}")),
            Ok(read) if (read.fingerprint.id, read.fingerprint.data) != fingerprint => {
                self.audit.find(Flaw::EventChanged, format!("{id}: its content is not what was received"));
            }
            Ok(_) => {}
        }
        if !self.version_is_kept(version)? {
            let case = format!("{id}: the version of routes.yaml that decided it is not kept");
            self.audit.find(Flaw::VersionLost, case);
        }
        match serde_json::from_str::<Decision>(&decision) {
            Err(why) => {
                self.audit.find(Flaw::Undecided, format!("{id}: its decision cannot be read: {why}"));
                Ok(())
            }
            Ok(decision) => self.decided(id, key, fanout, &decision),
        }
    }

    /// The deliveries of a decision: those decided on, in order, then the recoveries.
    fn decided(&mut self, event: EventId, key: i64, fanout: i64, decision: &Decision) -> rusqlite::Result<()> {
        let targets = &decision.targets;
        for target in targets.iter().skip(usize::try_from(fanout).unwrap_or(0)) {
            let case = format!("{event}: decided for {:?}, and no delivery was made", target.receiver);
            self.audit.find(Flaw::DeliveryMissing, case);
        }
        let mut made = self.made_with(event, fanout)?.into_iter().peekable();
        for place in 1..=fanout {
            let id = DeliveryId(event.0 + place);
            let target = usize::try_from(place - 1).ok().and_then(|place| targets.get(place));
            let Some(delivery) = made.next_if(|delivery| delivery.id == id.0) else {
                let to = target.map_or_else(|| "a recovery".to_owned(), |target| format!("to {:?}", target.receiver));
                self.audit.find(Flaw::DeliveryMissing, format!("{id} of {event}, {to}"));
                continue;
            };
            let (receiver, route) = (self.name(delivery.receiver)?, self.name(delivery.route)?);
            let as_decided = match target {
                Some(target) => receiver.as_ref() == Some(&target.receiver) && route.as_ref() == Some(&target.route),
                None => route.as_deref() == Some("") && delivery.closes.is_some(),
            };
            if !as_decided || delivery.event != event.0 || delivery.key != key || delivery.extra {
                let case = format!("{id}, to {:?}: not what was decided for {event}", receiver.unwrap_or_default());
                self.audit.find(Flaw::DeliveryWrong, case);
            }
        }
        Ok(())
    }

    fn made_with(&self, event: EventId, fanout: i64) -> rusqlite::Result<Vec<Made>> {
        self.db
            .prepare_cached(
                "SELECT id, event, receiver, route, key, extra, closes FROM deliveries WHERE id > ?1 AND id <= ?1 + ?2 ORDER BY id",
            )?
            .query_map(params![event.0, fanout], |row| {
                Ok(Made {
                    id: row.get(0)?,
                    event: row.get(1)?,
                    receiver: row.get(2)?,
                    route: row.get(3)?,
                    key: row.get(4)?,
                    extra: row.get(5)?,
                    closes: row.get(6)?,
                })
            })?
            .collect()
    }

    fn version_is_kept(&mut self, version: i64) -> rusqlite::Result<bool> {
        if self.versions.contains(&version) {
            return Ok(true);
        }
        let Some(text) = self.name(version)? else { return Ok(false) };
        let kept = self.any("SELECT 1 FROM versions WHERE version = ?1", params![&*text])?;
        if kept {
            self.versions.insert(version);
        }
        Ok(kept)
    }

    /// Older events are found through the table `hashes`; the newest are in the relay's memory.
    fn found_by_index(&mut self, id: EventId, event: &Kept) -> rusqlite::Result<()> {
        let indexed: i64 = self.db.prepare_cached("SELECT indexed FROM meta")?.query_row([], |row| row.get(0))?;
        if event.id > indexed {
            return Ok(());
        }
        let generation = hashes::generation_of(self.db, event.id)?;
        for (hash, what) in [(Some(event.key), "key"), (event.job, "job"), (Some(event.sender), "sender's ID")] {
            let Some(hash) = hash else { continue };
            let found = match generation {
                Some(generation) => hashes::find(self.db, generation, hash, event.id + 1, event.id - 1, 1)?,
                None => Vec::new(),
            };
            if found.is_empty() {
                self.audit.find(Flaw::IndexWrong, format!("{id} is not found by its {what}"));
            }
        }
        Ok(())
    }
}
