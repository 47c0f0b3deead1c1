//! The relay's own events, on their way into the corridor.

mod gather;

use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::time::{Instant, sleep, timeout};

use self::gather::Gather;
use crate::delivery::WallClock;
use crate::event::{self, OwnEvent};
use crate::server::Corridor;
use crate::store::StoreError;

/// Admits the relay's own events like any other, a few a minute of each sort. While the store cannot write they are gathered: what
/// waits here is bounded, however much happens. `refused`: whether the file on disk still is.
///
/// When `stop` comes, what is held is admitted at once, and it ends.
pub(super) async fn admit(
    corridor: Arc<Corridor>,
    mut events: mpsc::UnboundedReceiver<OwnEvent>,
    refused: impl Fn() -> bool,
    now: WallClock,
    stop: impl Future<Output = ()>,
) {
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
        let (mut stop, mut stopping) = (pin!(stop), false);
        loop {
            let ahead = if stopping { gather::MINUTE } else { Duration::ZERO };
            let due = locked().take(epoch.elapsed() + ahead, refused());
            for what in &due {
                admit_one(&corridor, what, now).await;
            }
            if !due.is_empty() {
                continue;
            }
            if stopping {
                return;
            }
            let next = locked().due().map_or(Duration::MAX, |due| due.saturating_sub(epoch.elapsed()));
            tokio::select! {
                () = &mut stop => stopping = true,
                // Either way it is looked at again.
                _ = timeout(next, more.notified()) => {}
            }
        }
    };
    tokio::select! {
        // First, so that at a stop nothing waits any more to be gathered.
        biased;
        () = gather => {}
        () = tell => {}
    }
}

/// How often a store that takes others may refuse one: what it never takes must not hold up those behind it.
const REFUSALS: usize = 60;

async fn admit_one(corridor: &Corridor, what: &OwnEvent, now: WallClock) {
    let received = event::own(what, now());
    let (mut said, mut refusals) = (false, 0);
    while let Err(error) = corridor.admit(vec![received.clone()]).await {
        refusals += usize::from(is_refusal(&error, corridor.store.writable()));
        if refusals == REFUSALS {
            tracing::error!(?what, "one of the relay's own events is given up, please report it: {error}");
            return;
        }
        if !std::mem::replace(&mut said, true) {
            tracing::warn!(?what, "one of the relay's own events waits for the store: {error}");
        }
        sleep(Duration::from_secs(1)).await;
    }
}

/// Whether this event in particular was not taken. `writable`: others are.
fn is_refusal(error: &StoreError, writable: bool) -> bool {
    writable && !matches!(error, StoreError::Busy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_takes_nothing_for_now_refuses_no_event_in_particular() {
        let refused = StoreError::Unwritable("a constraint".to_owned());
        assert!(is_refusal(&refused, true));
        assert!(!is_refusal(&refused, false));
        assert!(!is_refusal(&StoreError::Busy, true));
    }
}
