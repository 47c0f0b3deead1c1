//! What only a running relay can tell: whether somebody is at everything that is due, and whether its books are the store's.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use crate::cli::failure::Failure;
use crate::delivery::api_client::ApiClient;
use crate::delivery::{Health, LaneStatus};
use crate::server::types::{Page, Stats};
use crate::store::{Audit, Books, Flaw, History};

/// A lane that is at something shows it within this time.
const LOOKS: u32 = 12;
const BETWEEN: Duration = Duration::from_millis(500);

/// Adds what is wrong.
pub async fn look(client: &ApiClient, history: &History, audit: &mut Audit) -> Result<(), Failure> {
    same_books(client, history, audit).await?;
    forgotten(client, history, audit).await
}

fn on_disk(history: &History) -> Result<Books, Failure> {
    history.books().map_err(|e| Failure::new(e.to_string()))
}

/// The relay's books are the store's: those on disk before and after hold them between, line by line. The relay publishes a
/// commit a moment after it is on disk, so it may be asked again.
async fn same_books(client: &ApiClient, history: &History, audit: &mut Audit) -> Result<(), Failure> {
    let before = on_disk(history)?;
    let mut wrong = None;
    for _ in 0..LOOKS {
        let stats: Stats = client.get("/api/v1/stats", &[]).await?;
        for (name, books) in &stats.life.receivers {
            if !books.balance() {
                audit.find(Flaw::BooksWrong, format!("the relay's books of {name:?} do not balance: {books:?}"));
            }
        }
        let after = on_disk(history)?;
        wrong = outside(&growing(&before), &said(&stats), &growing(&after));
        if wrong.is_none() {
            return Ok(());
        }
        tokio::time::sleep(BETWEEN).await;
    }
    if let Some(what) = wrong {
        audit.find(Flaw::BooksWrong, format!("{what} (does the relay at {} run on this store?)", client.shown()));
    }
    Ok(())
}

type Lines = BTreeMap<String, u64>;

/// The lines that only ever grow.
fn growing(books: &Books) -> Lines {
    let events = &books.events;
    let door =
        [("accepted", events.accepted()), ("duplicates", events.duplicates), ("quarantined", events.quarantined)];
    let receivers = books.receivers.iter().flat_map(|(name, of)| {
        [(format!("made for {name:?}"), of.made), (format!("delivered to {name:?}"), of.delivered)]
    });
    door.into_iter().map(|(line, count)| (line.to_owned(), count)).chain(receivers).collect()
}

fn said(stats: &Stats) -> Lines {
    let events = stats.life.events;
    let receivers = stats.life.receivers.clone();
    let mut lines = growing(&Books { receivers, ..Books::default() });
    for (line, count) in
        [("accepted", events.accepted), ("duplicates", events.duplicates), ("quarantined", events.quarantined)]
    {
        lines.insert(line.to_owned(), count);
    }
    lines
}

/// The first line that is not between those before and after.
fn outside(before: &Lines, said: &Lines, after: &Lines) -> Option<String> {
    let of = |lines: &Lines, line: &String| lines.get(line).copied().unwrap_or(0);
    let lines = before.keys().chain(said.keys());
    let mut wrong = lines.filter(|line| !(of(before, line)..=of(after, line)).contains(&of(said, line)));
    wrong.next().map(|line| {
        format!("{line}: the relay says {}, the store {} to {}", of(said, line), of(before, line), of(after, line))
    })
}

/// Receivers that the store owes something at every look, while their lanes do nothing, wait for nothing and get nothing done.
async fn forgotten(client: &ApiClient, history: &History, audit: &mut Audit) -> Result<(), Failure> {
    let mut idle: BTreeMap<Arc<str>, (u64, Option<LaneStatus>)> =
        on_disk(history)?.receivers.into_keys().map(|name| (name, (0, None))).collect();
    for look in 0..LOOKS {
        if look > 0 {
            tokio::time::sleep(BETWEEN).await;
        }
        // First the disk: a lane hears of a delivery after it is there.
        let books = on_disk(history)?.receivers;
        let lanes: Page<LaneStatus> = client.get("/api/v1/receivers", &[]).await?;
        let now = Timestamp::now();
        idle.retain(|name, (owed, first)| {
            *owed = books.get(name).map_or(0, |of| of.owed);
            let lane = lanes.items.iter().find(|lane| lane.receiver == *name);
            let rests = lane.is_none_or(|lane| {
                rests(lane, now) && first.get_or_insert_with(|| lane.clone()).attempts == lane.attempts
            });
            *owed > 0 && rests
        });
        if idle.is_empty() {
            return Ok(());
        }
    }
    for (name, (owed, lane)) in idle {
        let why = if lane.is_some() { "its lane is open and idle" } else { "the relay has no lane for it" };
        audit.find(Flaw::Forgotten, format!("{name:?} is owed {owed}, and {why}"));
    }
    Ok(())
}

fn rests(lane: &LaneStatus, now: Timestamp) -> bool {
    lane.health == Health::Open && lane.in_flight == 0 && lane.next_attempt.is_none_or(|at| at < now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_rests_only_if_it_could_do_something_and_does_not() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let now = at("2026-01-31T09:00:00Z");
        let lane = LaneStatus::open("ops".into(), "slack".to_owned());
        assert!(rests(&lane, now));
        assert!(rests(&LaneStatus { next_attempt: Some(at("2026-01-31T08:59:59Z")), ..lane.clone() }, now));
        for busy in [
            LaneStatus { in_flight: 1, ..lane.clone() },
            LaneStatus { health: Health::Blocked, ..lane.clone() },
            LaneStatus { next_attempt: Some(at("2026-01-31T09:00:01Z")), ..lane },
        ] {
            assert!(!rests(&busy, now), "{busy:?}");
        }
    }

    #[test]
    fn books_between_those_before_and_after_are_the_same() {
        let lines = |n| Lines::from([("accepted".to_owned(), n)]);
        assert_eq!(outside(&lines(1), &lines(2), &lines(3)), None);
        assert_eq!(outside(&lines(1), &lines(1), &lines(1)), None);
        for said in [0, 4] {
            assert!(outside(&lines(1), &lines(said), &lines(3)).is_some_and(|what| what.contains("1 to 3")));
        }
        assert!(outside(&Lines::new(), &lines(1), &Lines::new()).is_some(), "nothing is known of it");
    }
}
