//! Says in the log what is owed to receivers that routes.yaml does not name any more: at a start, soon after a change, and when it
//! grows, as the recovery of a failure goes to whom that was told.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::delivery::{Health, Lanes};

const EVERY: Duration = Duration::from_secs(5);

/// Runs until aborted.
pub(super) async fn watch(lanes: Lanes) {
    let mut told: HashMap<Arc<str>, u64> = HashMap::new();
    loop {
        let all = lanes.status().await.into_iter().filter(|lane| lane.health == Health::Orphaned);
        let orphans: HashMap<_, _> = all.map(|lane| (lane.receiver, lane.owed)).collect();
        for (receiver, &owed) in &orphans {
            if told.get(receiver).is_none_or(|&before| before < owed) {
                tracing::error!(
                    %receiver,
                    owed,
                    "orphaned: routes.yaml does not name this receiver any more; what it is owed is kept. \
                     Bring the name back, or: jobrelay replay --receiver {receiver} --to ANOTHER"
                );
            }
        }
        told = orphans;
        tokio::time::sleep(EVERY).await;
    }
}
