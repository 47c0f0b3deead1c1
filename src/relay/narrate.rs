//! Says in the log how much happened, when it was too much for a line each.

use std::sync::Arc;
use std::time::Duration;

use crate::delivery::Narrator;

const EVERY: Duration = Duration::from_secs(10);

/// Runs until aborted.
pub(super) async fn run(narrator: Arc<Narrator>) {
    loop {
        tokio::time::sleep(EVERY).await;
        if let Some(sum) = narrator.sum() {
            let (accepted, delivered) = (sum.accepted, sum.delivered);
            tracing::info!(
                accepted,
                delivered,
                "in {} s: {accepted} events accepted, {delivered} messages delivered; at this rate most have no line of their own",
                EVERY.as_secs()
            );
        }
    }
}
