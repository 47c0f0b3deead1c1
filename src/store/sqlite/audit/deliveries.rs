//! Each delivery: its event is there, its state is what its attempts say, and the indexes that lanes read by lead to it.

use rusqlite::{OptionalExtension as _, Row, params};

use super::{Auditor, Flaw, is_of_the_row};
use crate::event::{DeliveryId, EventId};
use crate::receiver::Verdict;
use crate::store::sqlite::rows::{DEAD, DELIVERED, DISMISSED, OWED, verdict_code};

const PAGE: i64 = 1_000;

/// A delivery's row.
struct Kept {
    id: i64,
    event: i64,
    receiver: i64,
    route: i64,
    key: i64,
    state: i64,
    extra: bool,
    closes: Option<i64>,
    replay_of: Option<i64>,
    not_before: Option<i64>,
    attempts: i64,
    /// Of the last attempt.
    last: Last,
}

/// What a row says of its last attempt.
struct Last {
    /// Those parts that every attempt has: when, how long, what came of it, in whose words.
    at: Option<i64>,
    took: Option<i64>,
    verdict: Option<i64>,
    detail: Option<String>,
}

fn kept(row: &Row<'_>) -> rusqlite::Result<Kept> {
    Ok(Kept {
        id: row.get(0)?,
        event: row.get(1)?,
        receiver: row.get(2)?,
        route: row.get(3)?,
        key: row.get(4)?,
        state: row.get(5)?,
        extra: row.get(6)?,
        closes: row.get(7)?,
        replay_of: row.get(8)?,
        not_before: row.get(9)?,
        attempts: row.get(10)?,
        last: Last { at: row.get(11)?, took: row.get(12)?, verdict: row.get(13)?, detail: row.get(14)? },
    })
}

impl Auditor<'_> {
    /// The next page. `false`: there are no more.
    pub(super) fn deliveries(&mut self) -> rusqlite::Result<bool> {
        let mut page = self.db.prepare_cached(
            "SELECT id, event, receiver, route, key, state, extra, closes, replay_of, not_before, attempts, at, took, verdict, detail \
             FROM deliveries NOT INDEXED WHERE id > ?1 ORDER BY id LIMIT ?2",
        )?;
        let mut rows = page.query(params![self.tally.last_delivery, PAGE])?;
        let mut seen = 0;
        while let Some(row) = rows.next()? {
            seen += 1;
            self.tally.last_delivery = row.get(0)?;
            self.audit.checked.deliveries += 1;
            let id = DeliveryId(self.tally.last_delivery);
            match kept(row) {
                Ok(delivery) => self.delivery(id, &delivery)?,
                Err(error) if is_of_the_row(&error) => {
                    self.whole = false;
                    self.audit.find(Flaw::DamagedRow, format!("{id}: {error}"));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(seen == PAGE)
    }

    fn delivery(&mut self, id: DeliveryId, delivery: &Kept) -> rusqlite::Result<()> {
        self.tally.delivery(delivery.id, delivery.receiver, delivery.state);
        for number in [delivery.receiver, delivery.route] {
            if self.name(number)?.is_none() {
                self.audit.find(Flaw::DamagedRow, format!("{id}: its receiver or route has no name (number {number})"));
            }
        }
        self.belongs(id, delivery)?;
        if let Some(why) = self.state(delivery)? {
            self.audit.find(Flaw::StateWrong, format!("{id}: {why}"));
        }
        self.led_to(id, delivery)
    }

    fn belongs(&mut self, id: DeliveryId, delivery: &Kept) -> rusqlite::Result<()> {
        let event = EventId(delivery.event);
        let found: Option<(i64, i64)> = self
            .db
            .prepare_cached("SELECT key, fanout FROM events WHERE id = ?1")?
            .query_row(params![delivery.event], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()?;
        let Some((key, fanout)) = found else {
            self.audit.find(Flaw::Orphan, format!("{id}: there is no event {event}"));
            return Ok(());
        };
        let with_it = delivery.id > delivery.event && delivery.id - delivery.event <= fanout;
        if with_it == delivery.extra || delivery.key != key {
            self.audit.find(Flaw::DeliveryWrong, format!("{id}: not one of {event}'s, as it says"));
        }
        if [delivery.closes, delivery.replay_of].iter().flatten().any(|earlier| *earlier >= delivery.id) {
            self.audit.find(Flaw::ReferenceWrong, format!("{id}: speaks of a delivery that came later"));
        }
        Ok(())
    }

    /// Why the state cannot be.
    fn state(&self, delivery: &Kept) -> rusqlite::Result<Option<&'static str>> {
        let Kept { state, attempts, last, .. } = delivery;
        let arrived = last.verdict == Some(verdict_code(Verdict::Delivered));
        let tried = [last.at.is_some(), last.took.is_some(), last.verdict.is_some(), last.detail.is_some()];
        let (before, arrived_before) = if *attempts > 1 { self.earlier(delivery.id)? } else { (0, false) };
        let wrong = [
            (!(OWED..=DISMISSED).contains(state), "a state that does not exist"),
            (tried != [*attempts > 0; 4], "its last attempt is not there, or not counted"),
            (*attempts > 1 && before != attempts - 1, "attempts are missing"),
            (*state == DELIVERED && !arrived && !arrived_before, "delivered, and no attempt arrived"),
            (*state != DELIVERED && (arrived || arrived_before), "an attempt arrived, and it is not delivered"),
            (*state == DEAD && *attempts == 0, "dead, and never tried"),
            (*state != OWED && delivery.not_before.is_some(), "waits for its next attempt, and is not owed"),
        ];
        Ok(wrong.into_iter().find(|(is, _)| *is).map(|(_, why)| why))
    }

    /// How many attempts came before the last one, and whether one of them arrived.
    fn earlier(&self, id: i64) -> rusqlite::Result<(i64, bool)> {
        self.db
            .prepare_cached("SELECT count(*), ifnull(max(verdict = ?2), 0) FROM attempts WHERE delivery = ?1")?
            .query_row(params![id, verdict_code(Verdict::Delivered)], |row| Ok((row.get(0)?, row.get(1)?)))
    }

    fn led_to(&mut self, id: DeliveryId, delivery: &Kept) -> rusqlite::Result<()> {
        let Kept { id: number, event, receiver, key, state, extra, .. } = delivery;
        let mut wrong = Vec::new();
        if *state == OWED {
            let sql = "SELECT 1 FROM deliveries INDEXED BY owed WHERE receiver = ?1 AND state = 0 AND id = ?2";
            wrong.push((!self.any(sql, params![receiver, number])?, "owed"));
            let sql = "SELECT 1 FROM deliveries INDEXED BY owed_of_key WHERE receiver = ?1 AND key = ?2 AND state = 0 AND id = ?3";
            wrong.push((!self.any(sql, params![receiver, key, number])?, "owed_of_key"));
        }
        if *state == DEAD {
            let sql = "SELECT 1 FROM deliveries INDEXED BY dead WHERE receiver = ?1 AND state = 2 AND id = ?2";
            wrong.push((!self.any(sql, params![receiver, number])?, "dead"));
        }
        if *extra {
            let sql = "SELECT 1 FROM deliveries INDEXED BY extra WHERE event = ?1 AND extra = 1 AND id = ?2";
            wrong.push((!self.any(sql, params![event, number])?, "extra"));
        }
        for (_, index) in wrong.into_iter().filter(|(is, _)| *is) {
            self.audit.find(Flaw::IndexWrong, format!("{id} is not in the index {index:?}"));
        }
        Ok(())
    }
}
