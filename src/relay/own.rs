//! The relay's own events, on their way into the corridor.

mod gather;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, timeout};

use self::gather::Gather;
use crate::event::{self, OwnEvent};
use crate::server::State;

/// Admits the relay's own events like any other, a few a minute of each sort. While the store cannot write they are gathered: what
/// waits here is bounded, however much happens.
pub(super) async fn admit(state: Arc<State>, mut events: mpsc::UnboundedReceiver<OwnEvent>) {
    let gathered = Mutex::new(Gather::default());
    let locked = || gathered.lock().unwrap_or_else(PoisonError::into_inner);
    let more = Notify::new();
    let epoch = Instant::now();
    let gather = async {
        while let Some(what) = events.recv().await {
            locked().add(what);
            more.notify_one();
        }
    };
    let tell = async {
        loop {
            let still_refused = state.standing.load().refused.is_some();
            let due = locked().take(epoch.elapsed(), still_refused);
            for what in &due {
                admit_one(&state, what).await;
            }
            if due.is_empty() {
                let next = locked().due().map_or(Duration::MAX, |due| due.saturating_sub(epoch.elapsed()));
                // Either way it is looked at again.
                let _ = timeout(next, more.notified()).await;
            }
        }
    };
    tokio::join!(gather, tell);
}

async fn admit_one(state: &State, what: &OwnEvent) {
    let received = event::own(what, Timestamp::now());
    let mut said = false;
    while let Err(error) = state.intake.corridor.admit(vec![received.clone()]).await {
        if !std::mem::replace(&mut said, true) {
            tracing::warn!(?what, "one of the relay's own events waits for the store: {error}");
        }
        sleep(Duration::from_secs(1)).await;
    }
}
