//! After a change: what the new routes.yaml would have meant for the events of the last 24 hours, or for the newest 10,000 of them.
//!
//! It is told after the change applies, and computed in small steps with rests between, so that no event waits for it.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::task::spawn_blocking;
use tokio::time::Instant;

use crate::config::Config;
use crate::config::compare::{Comparison, Difference};
use crate::event::EventId;
use crate::store::{EventFilter, Store, StoreError, StoredEvent};

const LOOK_BACK: SignedDuration = SignedDuration::from_hours(24);
/// The newest 10,000 events.
const PAGES: usize = 50;
const PAGE: usize = 200;
/// Each piece of work is followed by a rest so many times as long.
const REST: u32 = 4;

/// Compares, and logs one line for each receiver. Ends early when aborted.
pub(super) async fn run(store: Arc<dyn Store>, old: Arc<Config>, new: Arc<Config>) {
    let version = Arc::clone(&new.version);
    match compare(&*store, old, new).await {
        Ok((difference, among)) => tell(&version, &difference, among),
        Err(StoreError::Closed) => {}
        Err(error) => tracing::warn!(%version, "what the change would have meant is not known: {error}"),
    }
}

/// With the words for the events that were compared.
async fn compare(
    store: &dyn Store,
    old: Arc<Config>,
    new: Arc<Config>,
) -> Result<(Difference, &'static str), StoreError> {
    let since = Timestamp::now().saturating_sub(LOOK_BACK).ok();
    let (pages, is_all) = pages(store, since).await?;
    let mut comparison = Comparison::of_messages(old, new);
    // The oldest first, as they came: a recovery needs its failure.
    for before in pages.into_iter().rev() {
        let begun = Instant::now();
        let page = store.events(&page(since, Some(before))).await?.events;
        comparison = spawn_blocking(move || add(comparison, &page))
            .await
            .map_err(|error| StoreError::Unreadable(format!("a comparison broke: {error}")))?;
        rest(begun).await;
    }
    Ok((comparison.finish(), if is_all { "in the last 24 h" } else { "among the newest 10,000 events" }))
}

fn page(since: Option<Timestamp>, before: Option<EventId>) -> EventFilter {
    EventFilter { since, before, limit: PAGE, ..EventFilter::default() }
}

/// Where each page ends, the newest first, and whether these are all. Reading twice is cheap; holding all events is not.
async fn pages(store: &dyn Store, since: Option<Timestamp>) -> Result<(Vec<EventId>, bool), StoreError> {
    let (mut pages, mut before) = (Vec::new(), None);
    while pages.len() < PAGES {
        let begun = Instant::now();
        let found = store.events(&page(since, before)).await?;
        if let Some(first) = found.events.first() {
            // Of the first page, what comes meanwhile was decided by the new file already.
            pages.push(before.unwrap_or(EventId(first.id.0.saturating_add(1))));
        }
        let Some(next) = found.next else { return Ok((pages, true)) };
        before = Some(next);
        rest(begun).await;
    }
    Ok((pages, false))
}

async fn rest(begun: Instant) {
    tokio::time::sleep((begun.elapsed() * REST).max(Duration::from_millis(1))).await;
}

fn add(mut comparison: Comparison, page: &[StoredEvent]) -> Comparison {
    for stored in page.iter().rev() {
        comparison.add(stored.id, &stored.event);
    }
    comparison
}

fn tell(version: &str, difference: &Difference, among: &str) {
    let (events, nobody) = (difference.events, difference.newly_nobody.count);
    for (receiver, d) in difference.receivers.iter().filter(|(_, d)| d.more + d.fewer + d.changed > 0) {
        tracing::info!(
            version, events, %receiver, more = d.more, fewer = d.fewer, changed = d.changed,
            "by this file, {receiver} would have got {} more, {} fewer and {} changed messages {among}",
            d.more, d.fewer, d.changed
        );
    }
    if nobody > 0 {
        tracing::warn!(
            version,
            events,
            nobody,
            "by this file, {nobody} events {among} that reached someone would have reached nobody"
        );
    }
    if difference.is_none() {
        tracing::info!(version, events, "by this file, everything {among} would have been sent as it was");
    }
}
