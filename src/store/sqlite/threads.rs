//! Threads: what later messages of a job answer to. A row for each message that began one; most receivers never have any.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::lookup::of_job;
use super::task::Writing;
use crate::event::DeliveryId;
use crate::store::InThread;

/// Keeps the reference of a delivery that began a thread, as part of its attempt's record.
pub fn begin(w: &Writing<'_>, delivery: DeliveryId, reference: &str) -> rusqlite::Result<()> {
    w.db.prepare_cached(
        "INSERT OR REPLACE INTO threads(receiver, key, job, delivery, reference) \
         SELECT d.receiver, d.key, e.job, d.id, ?2 FROM deliveries d JOIN events e ON e.id = d.event \
         WHERE d.id = ?1 AND e.job IS NOT NULL",
    )?
    .execute(params![delivery.0, reference])?;
    Ok(())
}

pub fn reference(db: &Connection, message: &InThread) -> rusqlite::Result<Option<String>> {
    let of_job_hash = |job: i64| {
        db.prepare_cached(
            "SELECT reference FROM threads WHERE receiver = (SELECT id FROM names WHERE text = ?1) AND key = ?2 AND job = ?3 \
             AND delivery < ?4 ORDER BY delivery DESC LIMIT 1",
        )?
        .query_row(params![&*message.receiver, message.key.0, job, message.before.0], |row| row.get(0))
        .optional()
    };
    let failed = match message.closes {
        Some(failure) => db
            .prepare_cached("SELECT e.job FROM deliveries d JOIN events e ON e.id = d.event WHERE d.id = ?1")?
            .query_row(params![failure.0], |row| row.get::<_, Option<i64>>(0))
            .optional()?
            .flatten(),
        None => None,
    };
    for job in failed.into_iter().chain(message.job.as_deref().map(of_job)) {
        let found: Option<String> = of_job_hash(job)?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}
