//! Numbers that outlive what they count: nothing goes uncounted.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::rows::DEAD;
use crate::store::{QuarantineTotals, Totals};

/// A number kept in the table `totals`.
#[derive(Debug, Clone, Copy)]
pub enum Total {
    QuarantineRepeated,
    QuarantineDropped,
    QuarantineDismissed,
    QuarantineReread,
    /// The newest item ever taken out.
    QuarantineLastId,
    DeadExpired,
}

impl Total {
    fn name(self) -> &'static str {
        match self {
            Total::QuarantineRepeated => "quarantine_repeated",
            Total::QuarantineDropped => "quarantine_dropped",
            Total::QuarantineDismissed => "quarantine_dismissed",
            Total::QuarantineReread => "quarantine_reread",
            Total::QuarantineLastId => "quarantine_last_id",
            Total::DeadExpired => "dead_expired",
        }
    }
}

/// Counts `by` more.
pub fn add(db: &Connection, total: Total, by: usize) -> rusqlite::Result<()> {
    if by > 0 {
        let by = i64::try_from(by).unwrap_or(i64::MAX);
        db.prepare_cached("INSERT INTO totals VALUES(?1, ?2) ON CONFLICT(name) DO UPDATE SET value = value + ?2")?
            .execute(params![total.name(), by])?;
    }
    Ok(())
}

/// Raises it to `value`.
pub fn at_least(db: &Connection, total: Total, value: i64) -> rusqlite::Result<()> {
    db.prepare_cached("INSERT INTO totals VALUES(?1, ?2) ON CONFLICT(name) DO UPDATE SET value = max(value, ?2)")?
        .execute(params![total.name(), value])
        .map(|_| ())
}

/// 0 as long as nothing was counted.
pub fn get(db: &Connection, total: Total) -> rusqlite::Result<i64> {
    let value = db
        .prepare_cached("SELECT value FROM totals WHERE name = ?1")?
        .query_row(params![total.name()], |row| row.get(0))
        .optional()?;
    Ok(value.unwrap_or(0))
}

/// All of them, and what is listed now.
pub fn all(db: &Connection) -> rusqlite::Result<Totals> {
    let number = |total| get(db, total).map(i64::unsigned_abs);
    let count = |sql: &str| db.prepare_cached(sql)?.query_row([], |row| row.get::<_, i64>(0)).map(i64::unsigned_abs);
    Ok(Totals {
        quarantine: QuarantineTotals {
            items: count("SELECT count(*) FROM quarantine")?,
            bytes: count("SELECT ifnull(sum(length(body)), 0) FROM quarantine")?,
            repeated: number(Total::QuarantineRepeated)?,
            dropped: number(Total::QuarantineDropped)?,
            dismissed: number(Total::QuarantineDismissed)?,
            reread: number(Total::QuarantineReread)?,
        },
        dead: count(&format!("SELECT count(*) FROM deliveries INDEXED BY dead WHERE state = {DEAD}"))?,
        dead_expired: number(Total::DeadExpired)?,
    })
}
