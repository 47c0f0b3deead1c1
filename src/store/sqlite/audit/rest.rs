//! What hangs on events and deliveries, and the small tables.

use rusqlite::{OptionalExtension as _, params};

use super::{Auditor, Flaw};
use crate::event::{DeliveryId, EventId};
use crate::store::sqlite::{hashes, quarantine};

const PAGE: i64 = 1_000;
/// Bodies are large.
const QUARANTINED: i64 = 20;
/// Small enough to be checked whole, with their indexes, in one go. The large ones are walked.
const SMALL: [&str; 10] =
    ["meta", "names", "threads", "openings", "lanes", "versions", "applied", "ledger", "totals", "probe"];

impl Auditor<'_> {
    pub(super) fn rest(&mut self) -> rusqlite::Result<()> {
        let (mut delivery, mut number) = (0, 0);
        self.walk(|auditor| auditor.attempts(&mut delivery, &mut number))?;
        let mut last = 0;
        self.walk(|auditor| auditor.copies(&mut last))?;
        let mut last = 0;
        self.walk(|auditor| auditor.threads(&mut last))?;
        self.walk(Auditor::openings)?;
        let mut last = 0;
        self.walk(|auditor| auditor.quarantine(&mut last))?;
        self.walk(Auditor::versions)?;
        for table in SMALL {
            self.walk(|auditor| auditor.sound(table))?;
        }
        Ok(())
    }

    fn attempts(&mut self, delivery: &mut i64, number: &mut i64) -> rusqlite::Result<bool> {
        let mut page = self.db.prepare_cached(
            "SELECT a.delivery, a.number, d.attempts, a.at IS NULL OR a.took IS NULL OR a.verdict IS NULL OR a.detail IS NULL \
             FROM attempts a LEFT JOIN deliveries d ON d.id = a.delivery \
             WHERE (a.delivery, a.number) > (?1, ?2) ORDER BY a.delivery, a.number LIMIT ?3",
        )?;
        let mut rows = page.query(params![*delivery, *number, PAGE])?;
        let mut seen = 0;
        while let Some(row) = rows.next()? {
            seen += 1;
            self.audit.checked.attempts += 1;
            (*delivery, *number) = (row.get(0)?, row.get(1)?);
            let (all, partial): (Option<i64>, bool) = (row.get(2)?, row.get(3)?);
            let id = DeliveryId(*delivery);
            match all {
                None => self.audit.find(Flaw::Orphan, format!("an attempt of {id}, and there is no such delivery")),
                Some(all) if *number < 1 || *number >= all => {
                    self.audit.find(
                        Flaw::StateWrong,
                        format!("{id}: attempt {number} of {all} stands among the earlier ones"),
                    );
                }
                Some(_) if partial => {
                    self.audit.find(Flaw::DamagedRow, format!("{id}: attempt {number} says not how it went"));
                }
                Some(_) => {}
            }
        }
        Ok(seen == PAGE)
    }

    fn copies(&mut self, last: &mut i64) -> rusqlite::Result<bool> {
        let mut page = self.db.prepare_cached(
            "SELECT c.delivery, d.id IS NULL FROM copies c LEFT JOIN deliveries d ON d.id = c.delivery \
             WHERE c.delivery > ?1 ORDER BY c.delivery LIMIT ?2",
        )?;
        let mut rows = page.query(params![*last, PAGE])?;
        let mut seen = 0;
        while let Some(row) = rows.next()? {
            seen += 1;
            *last = row.get(0)?;
            if row.get(1)? {
                let case = format!("a copy of what {} sent, and there is no such delivery", DeliveryId(*last));
                self.audit.find(Flaw::Orphan, case);
            }
        }
        Ok(seen == PAGE)
    }

    fn threads(&mut self, last: &mut i64) -> rusqlite::Result<bool> {
        let mut page = self.db.prepare_cached(
            "SELECT t.delivery, d.receiver IS t.receiver AND d.key IS t.key AND e.job IS t.job \
             FROM threads t LEFT JOIN deliveries d ON d.id = t.delivery LEFT JOIN events e ON e.id = d.event \
             WHERE t.delivery > ?1 ORDER BY t.delivery LIMIT ?2",
        )?;
        let mut rows = page.query(params![*last, PAGE])?;
        let mut seen = 0;
        while let Some(row) = rows.next()? {
            seen += 1;
            self.audit.checked.references += 1;
            *last = row.get(0)?;
            if !row.get::<_, bool>(1)? {
                let case = format!("the thread that {} began is of no such delivery", DeliveryId(*last));
                self.audit.find(Flaw::ReferenceWrong, case);
            }
        }
        Ok(seen == PAGE)
    }

    /// All at once: the relay has them all in memory.
    fn openings(&mut self) -> rusqlite::Result<bool> {
        let newest: i64 = self.db.query_row(
            "SELECT max(last, ifnull((SELECT max(id) FROM events), 0), ifnull((SELECT max(id) FROM deliveries), 0)) FROM meta",
            [],
            |row| row.get(0),
        )?;
        let mut all = self.db.prepare(
            "SELECT o.delivery, d.id IS NULL, d.receiver IS o.receiver AND d.key IS o.key \
             FROM openings o LEFT JOIN deliveries d ON d.id = o.delivery",
        )?;
        let mut rows = all.query([])?;
        while let Some(row) = rows.next()? {
            self.audit.checked.references += 1;
            let (delivery, gone, same): (i64, bool, bool) = (row.get(0)?, row.get(1)?, row.get(2)?);
            let id = DeliveryId(delivery);
            let wrong = match gone {
                false if same => None,
                false => Some("is another receiver's, or of another key"),
                true if delivery > newest => Some("was never made"),
                // A failure stays open when retention removes its event: the next success may come a month later.
                true if self.has_event_of(delivery)? => Some("is gone, and its event is not"),
                true => None,
            };
            if let Some(wrong) = wrong {
                self.audit
                    .find(Flaw::ReferenceWrong, format!("a failure is open, and {id}, which told of it, {wrong}"));
            }
        }
        Ok(false)
    }

    /// Whether there is an event that a delivery was made with.
    fn has_event_of(&self, delivery: i64) -> rusqlite::Result<bool> {
        let covers: Option<bool> = self
            .db
            .prepare_cached("SELECT id + fanout >= ?1 FROM events WHERE id < ?1 ORDER BY id DESC LIMIT 1")?
            .query_row(params![delivery], |row| row.get(0))
            .optional()?;
        Ok(covers.unwrap_or(false))
    }

    fn quarantine(&mut self, last: &mut i64) -> rusqlite::Result<bool> {
        let mut page = self.db.prepare_cached(
            "SELECT id, hash, body, content_type, attributes FROM quarantine WHERE id > ?1 ORDER BY id LIMIT ?2",
        )?;
        let mut rows = page.query(params![*last, QUARANTINED])?;
        let mut seen = 0;
        while let Some(row) = rows.next()? {
            seen += 1;
            *last = row.get(0)?;
            let (hash, body, form): (Vec<u8>, Vec<u8>, String) = (row.get(1)?, row.get(2)?, row.get(3)?);
            let attributes: Option<String> = row.get(4)?;
            if quarantine::hash(&form, &body, attributes.as_deref())[..] != hash {
                self.audit.find(Flaw::DamagedRow, format!("item {last} of the quarantine is not what was received"));
            }
        }
        Ok(seen == QUARANTINED)
    }

    fn versions(&mut self) -> rusqlite::Result<bool> {
        let mut lost = self.db.prepare(
            "SELECT DISTINCT a.version FROM applied a LEFT JOIN versions v ON v.version = a.version WHERE v.version IS NULL",
        )?;
        for version in lost.query_map([], |row| row.get::<_, String>(0))? {
            let case = format!("version {} of routes.yaml ruled, and is not kept", version?);
            self.audit.find(Flaw::VersionLost, case);
        }
        let mut strange = self.db.prepare("SELECT receiver FROM lanes WHERE receiver NOT IN (SELECT id FROM names)")?;
        for receiver in strange.query_map([], |row| row.get::<_, i64>(0))? {
            self.audit.find(Flaw::ReferenceWrong, format!("a lane's state is of no receiver (number {})", receiver?));
        }
        if let Some(newest) = hashes::newest(self.db)?
            && self.any(
                "SELECT 1 FROM meta WHERE max(last, ifnull((SELECT max(id) FROM events), 0)) < ?1",
                params![newest],
            )?
        {
            self.audit.find(Flaw::IndexWrong, format!("{} is indexed, and was never accepted", EventId(newest)));
        }
        Ok(false)
    }

    /// Asks `SQLite` for the structure of a table and its indexes.
    fn sound(&mut self, table: &str) -> rusqlite::Result<bool> {
        let mut check = self.db.prepare(&format!("PRAGMA integrity_check('{table}')"))?;
        for line in check.query_map([], |row| row.get::<_, String>(0))? {
            let line = line?;
            if line != "ok" {
                self.audit.find(Flaw::DamagedFile, format!("table {table}: {line}"));
            }
        }
        Ok(false)
    }
}
