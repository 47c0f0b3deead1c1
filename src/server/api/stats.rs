//! The relay's books, as the API and the metrics show them.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use actix_web::web::{Data, Json};

use crate::server::problems::Problem;
use crate::server::types::{Account, EventCounts, Stats, Turnover};
use crate::server::{Corridor, State};
use crate::store::{Books, DeliveryBooks, EventBooks, Ledger, StoreError};

pub async fn stats(state: Data<State>) -> Result<Json<Stats>, Problem> {
    Ok(Json(now(&state.intake.corridor).await?))
}

/// All numbers there are, of one moment.
pub async fn now(corridor: &Corridor) -> Result<Stats, StoreError> {
    let counters = &corridor.counters;
    let stats =
        Stats { unwritable: counters.unwritable.load(Relaxed), refused: counters.refused(), ..Stats::default() };
    let stats = Stats { totals: corridor.store.totals().await?, ..stats };
    Ok(with_books(stats, &corridor.store.ledger().await?))
}

fn with_books(stats: Stats, ledger: &Ledger) -> Stats {
    let Ledger { life, at_open } = ledger;
    let since_start = since(life, at_open);
    let EventCounts { accepted, duplicates, quarantined, .. } = since_start.events;
    let life = Account { events: counts(life.events), receivers: life.receivers.clone() };
    Stats { accepted, duplicates, quarantined, since_start, life, ..stats }
}

fn counts(books: EventBooks) -> EventCounts {
    let EventBooks { matched, nobody, unmatched, duplicates, quarantined } = books;
    EventCounts { accepted: books.accepted(), matched, nobody, unmatched, duplicates, quarantined }
}

/// What happened between two moments.
fn since(now: &Books, then: &Books) -> Account<Turnover> {
    let (now_events, then_events) = (counts(now.events), counts(then.events));
    let events = EventCounts {
        accepted: now_events.accepted - then_events.accepted,
        matched: now_events.matched - then_events.matched,
        nobody: now_events.nobody - then_events.nobody,
        unmatched: now_events.unmatched - then_events.unmatched,
        duplicates: now_events.duplicates - then_events.duplicates,
        quarantined: now_events.quarantined - then_events.quarantined,
    };
    let turnover = |(name, now): (&Arc<str>, &DeliveryBooks)| {
        let then = then.receivers.get(name).copied().unwrap_or_default();
        let turnover = Turnover {
            owed_before: then.owed,
            made: now.made - then.made,
            delivered: now.delivered - then.delivered,
            dead: now.dead.cast_signed() - then.dead.cast_signed(),
            dismissed: now.dismissed.cast_signed() - then.dismissed.cast_signed(),
            owed: now.owed,
        };
        (Arc::clone(name), turnover)
    };
    Account { events, receivers: now.receivers.iter().map(turnover).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happened_since_the_start_balances_with_what_was_owed_before() {
        let of = |made, delivered, dead, dismissed, owed| DeliveryBooks { made, delivered, dead, dismissed, owed };
        let books = |events, ops: DeliveryBooks| Books { events, receivers: [("ops".into(), ops)].into() };
        let events = |matched, duplicates| EventBooks { matched, duplicates, unmatched: 2, ..EventBooks::default() };
        let ledger =
            Ledger { at_open: books(events(5, 1), of(10, 4, 2, 1, 3)), life: books(events(9, 1), of(14, 9, 0, 4, 1)) };
        let stats = with_books(Stats::default(), &ledger);
        assert_eq!((stats.accepted, stats.duplicates, stats.life.events.accepted), (4, 0, 11));
        let ops = stats.since_start.receivers["ops"];
        assert_eq!(ops, Turnover { owed_before: 3, made: 4, delivered: 5, dead: -2, dismissed: 3, owed: 1 });
        let ended = ops.delivered.cast_signed() + ops.dead + ops.dismissed;
        assert_eq!((ops.owed_before + ops.made).cast_signed(), ended + ops.owed.cast_signed());
        assert!(stats.life.receivers["ops"].balance());
    }
}
