//! A history, made through the store itself: read, decided and accepted as the relay does it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use jobrelay::config::Config;
use jobrelay::receiver::Verdict;
use jobrelay::store::{Attempt, Attempted, End, SqliteStore, Store};

use crate::new_event;

const BATCH: usize = 1_000;
/// Of the history, well within what is kept.
const DAYS: i64 = 25;

/// Events to fill a store with.
pub struct History<'a> {
    /// Decides.
    pub config: &'a Config,
    /// How many there are.
    pub events: usize,
    /// Their bodies, by number.
    pub body: &'a dyn Fn(usize) -> String,
    /// Whether all is delivered, or all still owed.
    pub delivered: bool,
}

/// Fills the store in this file, over the last weeks.
pub async fn fill(path: &Path, history: &History<'_>) {
    let store = SqliteStore::open(path, Arc::new(|_| {})).expect("a store");
    let History { config, events, body, delivered } = *history;
    store.apply_version(&config.version, &config.masked, Timestamp::now()).await.expect("written");
    let begin = Timestamp::now() - SignedDuration::from_hours(24 * DAYS);
    let step = DAYS * 24 * 3_600_000 / i64::try_from(events).expect("small").max(1);
    let at = |n: usize| begin + SignedDuration::from_millis(step * i64::try_from(n).expect("small"));
    for first in (0..events).step_by(BATCH) {
        let batch = (first..events.min(first + BATCH)).map(|n| new_event::new(config, body(n), at(n))).collect();
        let accepted = store.accept(batch).await.expect("accepted");
        if delivered {
            let deliveries = accepted.into_iter().flat_map(|accepted| accepted.deliveries);
            let ends = deliveries.map(|(delivery, receiver)| Attempted {
                delivery,
                receiver,
                attempt: Attempt {
                    number: 1,
                    at: at(first),
                    took: Duration::from_millis(80),
                    verdict: Verdict::Delivered,
                    reason: None,
                    detail: "200 OK".to_owned(),
                    notes: Vec::new(),
                },
                end: End::Delivered,
                copy: None,
                reference: None,
            });
            store.record(ends.collect()).await.expect("recorded");
        }
    }
    store.close().await;
}
