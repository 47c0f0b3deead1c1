//! Page by page: read here, judged by as many threads as there are cores, joined here in the order of the events.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, channel, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use jiff::Timestamp;

use crate::config::compare::{Comparison, Difference, Judge, RunEnd};
use crate::event::EventId;
use crate::store::{History, StoreError, Unread};

/// Events in a page: read in a few milliseconds.
const PAGE: usize = 512;
/// Pages read and not joined yet, which bounds the memory.
const AHEAD: usize = 16;

type Page = Vec<(EventId, Unread)>;

/// Compares all events since a time. Also says how many could not be read any more. `progress` hears of each page: how many events
/// were read, and when the last of them was received.
pub fn compare(
    history: &History,
    since: Timestamp,
    mut comparison: Comparison,
    mut progress: impl FnMut(u64, Timestamp),
) -> Result<(Difference, u64), StoreError> {
    let mut walk = history.since(since)?;
    let (to_judges, pages) = sync_channel::<(usize, Page)>(AHEAD);
    let pages = Mutex::new(pages);
    let (to_join, judged) = channel();
    let unreadable = thread::scope(|scope| {
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        let threads: Vec<_> = (0..cores)
            .map(|_| {
                let (mut judge, pages, to_join) = (comparison.judge(), &pages, to_join.clone());
                scope.spawn(move || {
                    let mut unreadable = 0;
                    while let Some((number, page)) = next(pages) {
                        // The other end is gone only if reading failed.
                        let _ = to_join.send((number, judge_page(&mut judge, page, &mut unreadable)));
                    }
                    (judge, unreadable)
                })
            })
            .collect();
        drop(to_join);

        let (mut order, mut sent, mut events) = (Order::default(), 0, 0);
        while let Some(page) = walk.page(PAGE)? {
            events += page.len() as u64;
            if let Some((_, last)) = page.last() {
                progress(events, last.received_at);
            }
            if to_judges.send((sent, page)).is_err() {
                break;
            }
            sent += 1;
            while sent - order.next >= AHEAD {
                let Ok((number, ends)) = judged.recv() else { break };
                order.take(number, ends, &mut comparison);
            }
        }
        drop(to_judges);
        for (number, ends) in judged {
            order.take(number, ends, &mut comparison);
        }
        let mut unreadable = 0;
        for thread in threads {
            let (judge, of_thread) = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            comparison.join(judge);
            unreadable += of_thread;
        }
        Ok(unreadable)
    })?;
    Ok((comparison.finish(), unreadable))
}

fn next(pages: &Mutex<Receiver<(usize, Page)>>) -> Option<(usize, Page)> {
    pages.lock().unwrap_or_else(PoisonError::into_inner).recv().ok()
}

fn judge_page(judge: &mut Judge, page: Page, unreadable: &mut u64) -> Vec<RunEnd> {
    let mut ends = Vec::new();
    for (id, unread) in page {
        match unread.read() {
            Ok(event) => ends.extend(judge.judge(id, &event)),
            Err(_) => *unreadable += 1,
        }
    }
    ends
}

/// Brings what the judges give back into the order of the pages.
#[derive(Default)]
struct Order {
    /// The page whose turn it is.
    next: usize,
    waiting: BTreeMap<usize, Vec<RunEnd>>,
}

impl Order {
    fn take(&mut self, number: usize, ends: Vec<RunEnd>, comparison: &mut Comparison) {
        self.waiting.insert(number, ends);
        while let Some(ends) = self.waiting.remove(&self.next) {
            for end in &ends {
                comparison.settle(end);
            }
            self.next += 1;
        }
    }
}
