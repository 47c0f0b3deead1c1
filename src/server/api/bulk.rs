//! Many deliveries at once, in short steps: nothing here holds up what is coming in. A request does a share of a range and says where
//! the next one goes on, so that a million are no more than many requests; what was done stays done, wherever it is broken off.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::no_receiver;
use crate::event::DeliveryId;
use crate::server::State;
use crate::server::problems::Problem;
use crate::server::types::{Counted, Range, Step};
use crate::store::{Delivery, DeliveryFilter, DeliveryState, Mark, Store};

/// Deliveries in one transaction.
pub const STEP: usize = 500;
/// Deliveries done in one request.
const SHARE: u64 = 2_000;
/// Pages looked at in one request.
const PAGES: usize = 20;
/// Deliveries shown of a share.
const FIRST: usize = 5;

/// Whether anything is known of a receiver: in routes.yaml, or owed something, or with dead deliveries.
///
/// # Errors
/// 404 with the nearest name.
pub async fn exists(state: &State, receiver: &str) -> Result<(), Problem> {
    let corridor = &state.intake.corridor;
    if corridor.config.load().receivers.contains_key(receiver) {
        return Ok(());
    }
    let rows = corridor.store.lanes().await?;
    let once = DeliveryFilter { receiver: Some(receiver.to_owned()), limit: 1, ..DeliveryFilter::default() };
    if rows.iter().any(|row| &*row.receiver == receiver) || !corridor.store.deliveries(&once).await?.is_empty() {
        return Ok(());
    }
    let config = corridor.config.load();
    let known: BTreeSet<&str> =
        config.receivers.keys().map(AsRef::as_ref).chain(rows.iter().map(|row| row.receiver.as_ref())).collect();
    Err(no_receiver(receiver, known.iter().copied()))
}

/// Lets `act` do the next share of a range, page by page; it returns those it did something with.
///
/// # Errors
/// Those of the store and of `act`; a `next` that is none.
pub async fn share(
    store: &dyn Store,
    range: &Range,
    states: &[DeliveryState],
    next: Option<&str>,
    mut act: impl AsyncFnMut(DeliveryState, Vec<Delivery>) -> Result<Vec<Delivery>, Problem>,
) -> Result<Step, Problem> {
    let mut at = match next {
        Some(text) => text.parse()?,
        None => Place { state: 0, mark: Mark::default(), end: end(store, range).await? },
    };
    let mut step = Step { before: Some(at.end), ..Step::default() };
    let mut done = 0;
    for _ in 0..PAGES {
        let Some(&state) = states.get(at.state) else { return Ok(step) };
        let page = store.walk(&filter(range, state, at.end), at.mark).await?;
        let acted = act(state, page.deliveries).await?;
        done += acted.len() as u64;
        for delivery in &acted {
            count(&mut step.counts, delivery, state);
        }
        let room = FIRST - step.first.len();
        step.first.extend(acted.into_iter().take(room));
        (at.state, at.mark) = match page.next {
            Some(mark) => (at.state, mark),
            None => (at.state + 1, Mark::default()),
        };
        if done >= SHARE {
            break;
        }
    }
    step.next = (at.state < states.len()).then(|| at.to_string());
    Ok(step)
}

/// Moves a share of what is owed. Returns how many, and whether more may be left. The lane looks again after each step: it must not
/// go on to send what it holds.
///
/// # Errors
/// The store's.
pub async fn move_owed(state: &State, receiver: &str, to: &str) -> Result<(u64, bool), Problem> {
    let mut moved = 0;
    while moved < SHARE {
        match state.intake.corridor.store.move_owed(receiver, to, STEP).await? {
            0 => return Ok((moved, false)),
            step => moved += step,
        }
        state.lanes.refresh(Some(receiver));
    }
    Ok((moved, true))
}

/// What comes from now on is not part of the range: a replay that dies at once is not replayed by the same call.
async fn end(store: &dyn Store, range: &Range) -> Result<DeliveryId, Problem> {
    if let Some(before) = range.before {
        return Ok(before);
    }
    let newest = store.deliveries(&DeliveryFilter { limit: 1, ..DeliveryFilter::default() }).await?;
    Ok(newest.first().map_or(DeliveryId(0), |newest| DeliveryId(newest.id.0 + 1)))
}

fn filter(range: &Range, state: DeliveryState, end: DeliveryId) -> DeliveryFilter {
    DeliveryFilter {
        receiver: range.receiver.clone(),
        route: range.route.clone(),
        state: Some(state),
        reason: range.reason,
        since: range.since,
        until: range.until,
        before: Some(end),
        limit: STEP,
        ..DeliveryFilter::default()
    }
}

fn count(counts: &mut Vec<Counted>, delivery: &Delivery, state: DeliveryState) {
    let same = |c: &&mut Counted| c.receiver == delivery.receiver && c.route == delivery.route && c.state == state;
    if let Some(known) = counts.iter_mut().find(same) {
        known.count += 1;
    } else {
        let (receiver, route) = (delivery.receiver.clone(), delivery.route.clone());
        counts.push(Counted { receiver, route, state, count: 1 });
    }
}

/// How far a range has come: four numbers with points between them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    state: usize,
    mark: Mark,
    end: DeliveryId,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}.{}", self.state, self.mark.group, self.mark.after.0, self.end.0)
    }
}

impl FromStr for Place {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Place, Problem> {
        let numbers: Vec<i64> = text.split('.').map_while(|number| number.parse().ok()).collect();
        match (&numbers[..], text.split('.').count()) {
            (&[state, group, after, end], 4) if state >= 0 => Ok(Place {
                state: usize::try_from(state).unwrap_or(usize::MAX),
                mark: Mark { group, after: DeliveryId(after) },
                end: DeliveryId(end),
            }),
            _ => Err(Problem::bad("`next` is not one that an answer gave: leave it out to begin anew.")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_back() {
        let place = Place { state: 1, mark: Mark { group: 7, after: DeliveryId(99) }, end: DeliveryId(i64::MAX) };
        assert_eq!(place.to_string().parse::<Place>().unwrap(), place);
        for wrong in ["", "1.2.3", "1.2.3.4.5", "-1.2.3.4", "a.b.c.d", "1.2.3.x"] {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
    }
}
