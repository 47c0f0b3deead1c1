//! Whether the store's writer moves, by a write that really goes its way. Never two of them at a time, and none while one of the last
//! seconds tells: asking often costs nothing, and a writer that hangs collects no probes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};

use crate::store::Store;

/// A write that succeeded says so for this long.
const FRESH: Duration = Duration::from_secs(10);
/// A writer that moves takes milliseconds; shorter than who asks waits.
const PATIENCE: Duration = Duration::from_secs(3);

/// Asks the writer. One for each store.
#[derive(Debug, Default)]
pub struct Probe {
    wanted: Notify,
    known: watch::Sender<Option<Known>>,
}

/// What the last probe came to.
#[derive(Debug, Clone)]
struct Known {
    ended: Instant,
    result: Result<(), String>,
}

impl Probe {
    /// Probes when asked, until aborted.
    pub async fn run(&self, store: Arc<dyn Store>) {
        loop {
            self.wanted.notified().await;
            let result = store.probe().await.map_err(|error| format!("the store cannot be written: {error}"));
            self.known.send_replace(Some(Known { ended: Instant::now(), result }));
        }
    }

    /// Whether events could be made durable just now.
    ///
    /// # Errors
    /// A sentence: why not.
    pub async fn check(&self) -> Result<(), String> {
        let asked = Instant::now();
        let mut known = self.known.subscribe();
        if known.borrow().as_ref().is_some_and(|known| known.result.is_ok() && known.ended + FRESH > asked) {
            return Ok(());
        }
        self.wanted.notify_one();
        let newer = known.wait_for(|known| known.as_ref().is_some_and(|known| known.ended >= asked));
        match timeout(PATIENCE, newer).await {
            Ok(Ok(known)) => known.as_ref().map_or(Ok(()), |known| known.result.clone()),
            _ => Err(format!(
                "the store's writer stands still: it has written nothing for {} s; look at the disk and the log",
                PATIENCE.as_secs()
            )),
        }
    }
}
