//! The relay's own events, on their way into the corridor.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::delivery::WallClock;
use crate::event::{self, OwnEvent};
use crate::server::Corridor;

/// Admits each of the relay's own events like any other. While the store cannot write they wait here, in order.
pub(super) async fn admit(corridor: Arc<Corridor>, mut events: mpsc::UnboundedReceiver<OwnEvent>, now: WallClock) {
    while let Some(what) = events.recv().await {
        let received = event::own(&what, now());
        while let Err(error) = corridor.admit(vec![received.clone()]).await {
            tracing::warn!(?what, "one of the relay's own events waits for the store: {error}");
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}
