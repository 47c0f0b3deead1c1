//! What a start must know of each of the newest events, packed into a few rows: read from the events' own rows it would be most of
//! what a start costs.
//!
//! A row is made of each [`ROW`] events that follow each other, in the transaction of the last of them, or of fewer when the retention
//! deletes one. Those after it are read from
//! their own rows; so are all where the packed rows are missing, as in a store of an older schema, or cannot be believed.

use rusqlite::{Connection, params};

use super::lookup::Hashes;
use super::rows::to_limit;
use crate::event::Fingerprint;
use crate::store::{KeyHash, REMEMBERED};

/// Events of one row. Few in tests, so that they see many rows.
const ROW: usize = if cfg!(test) { 20 } else { 1_024 };

/// Bytes of one event in a row: six numbers.
const PACKED: usize = 6 * 8;

/// One event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Print {
    pub event: i64,
    /// Halves of the halves of its [`Fingerprint`]: 128 bits tell two events apart.
    pub id: u64,
    pub data: u64,
    pub hashes: Hashes,
}

impl Print {
    pub fn new(event: i64, fingerprint: &Fingerprint, hashes: Hashes) -> Print {
        let [id, data] = [fingerprint.id, fingerprint.data].map(half);
        Print { event, id, data, hashes }
    }

    fn pack(&self, into: &mut Vec<u8>) {
        let Hashes { key, job, sender } = self.hashes;
        // The hash of a job that is 0 is as good as none: once in 2^64 a job is not found by its ID.
        for number in [self.event, self.id.cast_signed(), self.data.cast_signed(), key.0, job.unwrap_or(0), sender] {
            into.extend(number.to_le_bytes());
        }
    }

    fn unpack(bytes: &[u8; PACKED]) -> Print {
        let (numbers, _) = bytes.as_chunks::<8>();
        let number = |at: usize| i64::from_le_bytes(numbers[at]);
        let hashes =
            Hashes { key: KeyHash(number(3)), job: Some(number(4)).filter(|job| *job != 0), sender: number(5) };
        Print { event: number(0), id: number(1).cast_unsigned(), data: number(2).cast_unsigned(), hashes }
    }
}

/// Of sixteen bytes that are a hash, eight are one.
pub fn half(bytes: [u8; 16]) -> u64 {
    let (halves, _) = bytes.as_chunks::<8>();
    u64::from_le_bytes(halves[0])
}

/// The writer's side: events that are in no row yet.
#[derive(Debug, Default)]
pub struct Prints {
    waiting: Vec<Print>,
    /// Of these, kept.
    kept: usize,
    /// Of the first of these, the running transaction writes rows.
    writing: usize,
    /// It writes a row of the last ones too, however few.
    all: bool,
}

impl Prints {
    pub fn add(&mut self, print: Print) {
        self.waiting.push(print);
    }

    /// These events' own rows go: they are still to be known as duplicates.
    pub fn outlive(&mut self, events: &[i64]) {
        let first = self.waiting.first().map_or(i64::MAX, |print| print.event);
        self.all |= events.iter().any(|event| *event >= first);
    }

    /// Writes the rows that are full; rows of events older than `oldest` go.
    pub fn write(&mut self, db: &Connection, oldest: i64) -> rusqlite::Result<()> {
        for row in self.waiting.chunks(ROW).filter(|row| self.all || row.len() == ROW) {
            let Some(last) = row.last() else { break };
            let mut packed = Vec::with_capacity(row.len() * PACKED);
            for print in row {
                print.pack(&mut packed);
            }
            db.prepare_cached("INSERT OR REPLACE INTO prints(last, packed) VALUES(?1, ?2)")?
                .execute(params![last.event, packed])?;
            self.writing += row.len();
        }
        if self.writing > 0 {
            db.prepare_cached("DELETE FROM prints WHERE last < ?1")?.execute(params![oldest])?;
        }
        Ok(())
    }

    pub fn keep(&mut self) {
        self.waiting.drain(..self.writing);
        (self.kept, self.writing, self.all) = (self.waiting.len(), 0, false);
    }

    pub fn forget(&mut self) {
        self.waiting.truncate(self.kept);
        (self.writing, self.all) = (0, false);
    }
}

/// The newest [`REMEMBERED`] events, oldest first, and those of them that are in no row.
pub fn load(db: &Connection) -> rusqlite::Result<(Vec<Print>, Prints)> {
    let mut prints = packed(db)?.unwrap_or_default();
    let in_rows = prints.len();
    let first = match prints.last() {
        Some(last) => last.event + 1,
        None => first_remembered(db)?,
    };
    let mut newest = db.prepare(
        "SELECT id, fingerprint_id, fingerprint_data, key, job, sender FROM events WHERE id >= ?1 ORDER BY id",
    )?;
    let rows = newest.query_map(params![first], |row| {
        let fingerprint = Fingerprint { id: row.get(1)?, data: row.get(2)? };
        let hashes = Hashes { key: KeyHash(row.get(3)?), job: row.get(4)?, sender: row.get(5)? };
        Ok(Print::new(row.get(0)?, &fingerprint, hashes))
    })?;
    for row in rows {
        prints.push(row?);
    }
    let waiting = prints[in_rows..].to_vec();
    prints.drain(..prints.len().saturating_sub(REMEMBERED));
    Ok((prints, Prints { kept: waiting.len(), waiting, writing: 0, all: false }))
}

/// The oldest of the newest [`REMEMBERED`], counted through their own rows.
fn first_remembered(db: &Connection) -> rusqlite::Result<i64> {
    db.query_row(
        "SELECT ifnull((SELECT id FROM events ORDER BY id DESC LIMIT 1 OFFSET ?1), 0)",
        params![to_limit(REMEMBERED - 1)],
        |row| row.get(0),
    )
}

/// What the rows say. `None`: they cannot be believed.
fn packed(db: &Connection) -> rusqlite::Result<Option<Vec<Print>>> {
    let mut prints: Vec<Print> = Vec::new();
    let mut rows = db.prepare("SELECT packed FROM prints ORDER BY last")?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let (packed, rest) = row.get_ref(0)?.as_blob()?.as_chunks::<PACKED>();
        if !rest.is_empty() {
            return Ok(None);
        }
        prints.extend(packed.iter().map(Print::unpack));
    }
    Ok(prints.is_sorted_by(|one, next| one.event < next.event).then_some(prints))
}
