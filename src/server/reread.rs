//! Reading again what could not be read: the same door as at first, with the time at which it came.

use std::sync::Arc;

use tracing::info;

use super::admit::{Corridor, decided};
use super::types::{Reread, RereadEvent, RereadResult};
use crate::event::{self, Received, Unreadable};
use crate::routing;
use crate::store::{NewEvent, Quarantined, StoreError};

impl Corridor {
    /// Reads one item. Its events become durable, and it leaves the quarantine, together; what still cannot be read stays, with the
    /// reason of now. All of an item or nothing of it.
    ///
    /// # Errors
    /// The store could not take it: it stays as it was.
    pub async fn reread(&self, item: &Quarantined, dry_run: bool) -> Result<Reread, StoreError> {
        let answer = |result| Reread { id: item.id, result, reason: None, events: Vec::new() };
        let events = match self.read_again(item) {
            Ok(events) => events,
            Err(why) => {
                if !dry_run && why.message != item.reason {
                    self.store.still_unreadable(item.id, &why.message).await?;
                }
                return Ok(Reread { reason: Some(why.message), ..answer(RereadResult::Unreadable) });
            }
        };
        let mut told: Vec<RereadEvent> = events.iter().map(would_be).collect();
        if dry_run {
            return Ok(Reread { events: told, ..answer(RereadResult::Readable) });
        }
        let read = events.iter().map(|new| Arc::clone(&new.event)).collect::<Vec<_>>();
        let Some(accepted) = self.store.accept_quarantined(item.id, events).await? else {
            return Ok(answer(RereadResult::Gone));
        };
        info!(item = item.id, events = accepted.len(), "read again: out of the quarantine");
        for ((event, accepted), told) in read.iter().zip(accepted).zip(&mut told) {
            self.log(event, &accepted);
            told.id = Some(accepted.id);
            told.duplicate = accepted.duplicate;
            told.receivers = accepted.deliveries.into_iter().map(|(_, receiver)| receiver).collect();
        }
        Ok(Reread { events: told, ..answer(RereadResult::Accepted) })
    }

    fn read_again(&self, item: &Quarantined) -> Result<Vec<NewEvent>, Unreadable> {
        let received = Received { form: item.form.clone(), body: item.body.clone(), received_at: item.first };
        let config = self.config.load();
        let parts = received.split_again()?;
        let decide = |part| {
            let event = event::parse(part).map_err(|(_, why)| why)?;
            let decision = routing::decide(&config.routes, &event);
            Ok(decided(&config, event, decision))
        };
        parts.into_iter().map(decide).collect()
    }
}

fn would_be(new: &NewEvent) -> RereadEvent {
    RereadEvent {
        id: None,
        duplicate: false,
        matched: new.decision.matched.clone(),
        receivers: new.decision.targets.iter().map(|target| Arc::clone(&target.receiver)).collect(),
    }
}
