//! Walking over deliveries for actions on many of them: short reads, each row looked at once.

use rusqlite::types::Value;
use rusqlite::{Connection, params_from_iter};

use super::ids::bounds;
use super::rows::{DEAD, DELIVERY, OWED, delivery, state_code, to_limit};
use crate::event::DeliveryId;
use crate::store::{Delivery, DeliveryFilter, Mark, Walked};

/// Deliveries looked at in one call. Small in tests, so that walks are long.
const LOOKED_AT: usize = if cfg!(test) { 7 } else { 2_000 };

/// The next page.
pub fn page(db: &Connection, filter: &DeliveryFilter, from: Mark) -> rusqlite::Result<Walked> {
    let way = Way::of(filter);
    let begin = |group| Mark { group, after: DeliveryId(0) };
    let mut place = if from == Mark::default() { way.next_group(db, filter, 0)?.map(begin) } else { Some(from) };
    let mut deliveries = Vec::new();
    let mut looked = 0;
    while let Some(mut mark) = place {
        let most = LOOKED_AT - looked;
        let rows = way.rows(db, filter, mark, most)?;
        let more = rows.len() == most;
        looked += rows.len();
        for row in rows {
            mark.after = row.id;
            if filter.holds(&row) {
                deliveries.push(row);
                if deliveries.len() >= filter.limit {
                    return Ok(Walked { deliveries, next: Some(mark) });
                }
            }
        }
        if more {
            return Ok(Walked { deliveries, next: Some(mark) });
        }
        place = way.next_group(db, filter, mark.group)?.map(begin);
    }
    Ok(Walked { deliveries, next: None })
}

/// By which tree it goes. What is owed or dead is found by its own index, however long the history: its groups are receivers.
/// Anything else goes through all deliveries by ID, as one group.
#[derive(Clone, Copy)]
enum Way {
    Index(&'static str, i64),
    Ids,
}

impl Way {
    fn of(filter: &DeliveryFilter) -> Way {
        match filter.state.map(state_code) {
            Some(OWED) => Way::Index("owed", OWED),
            Some(DEAD) => Way::Index("dead", DEAD),
            _ => Way::Ids,
        }
    }

    fn next_group(self, db: &Connection, filter: &DeliveryFilter, after: i64) -> rusqlite::Result<Option<i64>> {
        let Way::Index(index, state) = self else { return Ok((after == 0).then_some(1)) };
        let (condition, values): (_, Vec<Value>) = match &filter.receiver {
            Some(name) => (
                "receiver = (SELECT id FROM names WHERE text = ?2) AND receiver > ?1",
                vec![after.into(), name.clone().into()],
            ),
            None => ("receiver > ?1", vec![after.into()]),
        };
        db.prepare_cached(&format!(
            "SELECT min(receiver) FROM deliveries INDEXED BY {index} WHERE state = {state} AND {condition}"
        ))?
        .query_row(params_from_iter(values), |row| row.get(0))
    }

    /// Up to `most` of a group, oldest first, within the bounds of the filter.
    fn rows(
        self,
        db: &Connection,
        filter: &DeliveryFilter,
        mark: Mark,
        most: usize,
    ) -> rusqlite::Result<Vec<Delivery>> {
        let (first, end) = bounds(filter);
        let (index, condition) = match self {
            Way::Index(index, state) => {
                (format!("INDEXED BY {index}"), format!("d.state = {state} AND d.receiver = ?4"))
            }
            Way::Ids => ("NOT INDEXED".to_owned(), "?4 > 0".to_owned()),
        };
        let after = mark.after.0.max(first.saturating_sub(1));
        db.prepare_cached(&format!(
            "SELECT {DELIVERY} FROM deliveries d {index} JOIN names r ON r.id = d.receiver JOIN names t ON t.id = d.route \
             WHERE {condition} AND d.id > ?1 AND d.id < ?2 ORDER BY d.id LIMIT ?3"
        ))?
        .query_map([after, end, to_limit(most), mark.group], delivery)?
        .collect()
    }
}
