//! Deletes what is older than the retention, in small steps between the traffic.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::store::{Store, StoreError};

const EVERY: Duration = Duration::from_secs(60);
/// Small enough that no accept waits noticeably behind one.
const STEP: usize = 200;
const PAUSE: Duration = Duration::from_millis(50);

/// Runs until aborted. What is still owed is never deleted, however old.
pub(super) async fn run(store: Arc<dyn Store>, retention: Duration) {
    let mut due = tokio::time::interval(EVERY);
    due.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        due.tick().await;
        let Ok(before) = Timestamp::now().saturating_sub(retention) else { continue };
        let mut deleted = 0;
        let expired = dead_expired(&*store).await;
        loop {
            match store.prune(before, STEP).await {
                Ok(0) | Err(StoreError::Closed) => break,
                Ok(step) => deleted += step,
                Err(error) => {
                    tracing::warn!("old events were not deleted, trying again in a minute: {error}");
                    break;
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        if deleted > 0 {
            tracing::info!(deleted, %before, "deleted events past the retention");
        }
        if let (Some(was), Some(is)) = (expired, dead_expired(&*store).await)
            && is > was
        {
            let dead = is - was;
            tracing::warn!(
                dead,
                in_all = is,
                "dead deliveries were deleted past the retention: nobody replayed or dismissed them"
            );
        }
    }
}

async fn dead_expired(store: &dyn Store) -> Option<u64> {
    store.totals().await.ok().map(|totals| totals.dead_expired)
}
