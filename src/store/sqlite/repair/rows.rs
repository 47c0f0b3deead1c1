//! Which rows are what a relay wrote. A page with anything on it that is not was overwritten, and then its other rows count only where
//! they prove themselves: events by their fingerprints, quarantined items by their hash.

use std::collections::{BTreeMap, HashMap, HashSet};

use rusqlite::types::Value;

use super::tables::{Row, Tables};
use crate::receiver::Verdict;
use crate::routing::Decision;
use crate::store::sqlite::events::Unread;
use crate::store::sqlite::lookup::Hashes;
use crate::store::sqlite::quarantine;
use crate::store::sqlite::rows::{DEAD, DELIVERED, DISMISSED, OWED, from_ns, verdict_code};

/// What can be trusted.
#[derive(Debug, Default)]
pub struct Saved {
    pub names: BTreeMap<i64, String>,
    pub events: BTreeMap<i64, Event>,
    pub deliveries: BTreeMap<i64, Row>,
    pub attempts: BTreeMap<(i64, i64), Row>,
    /// Other tables, in the order in which they are written.
    pub rest: Vec<(&'static str, Vec<Row>)>,
    /// Of the books: counts by receiver and line.
    pub ledger: HashMap<(i64, i64), i64>,
    pub meta: Option<Row>,
    /// Rows that were there and could not be trusted, by table.
    pub doubtful: BTreeMap<&'static str, u64>,
}

/// What becomes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Kept,
    /// What it hangs on is lost.
    Adrift,
    /// No relay wrote this.
    Wrong,
}

fn kept_if(holds: bool) -> Fate {
    if holds { Fate::Kept } else { Fate::Wrong }
}

/// An event, and what follows from it.
#[derive(Debug)]
pub struct Event {
    pub row: Row,
    pub key: i64,
    pub job: Option<i64>,
    pub fanout: i64,
    pub decision: Decision,
    /// Milliseconds between its ID and when it was received.
    pub apart: i64,
}

pub fn int(row: &Row, column: &str) -> Option<i64> {
    match row.get(column) {
        Some(Value::Integer(number)) => Some(*number),
        _ => None,
    }
}

pub fn text<'a>(row: &'a Row, column: &str) -> Option<&'a str> {
    match row.get(column) {
        Some(Value::Text(text)) => Some(text),
        _ => None,
    }
}

fn blob<'a>(row: &'a Row, column: &str) -> Option<&'a [u8]> {
    match row.get(column) {
        Some(Value::Blob(bytes)) => Some(bytes),
        _ => None,
    }
}

impl Saved {
    pub fn read(tables: &Tables) -> Saved {
        let mut saved = Saved::default();
        saved.names(tables);
        for (row, _) in tables.table("events").0 {
            match event(row) {
                Some((id, event)) if saved.names.contains_key(&int(&event.row, "version").unwrap_or(0)) => {
                    saved.events.insert(id, event);
                }
                _ => saved.doubt("events"),
            }
        }
        saved.deliveries(tables);
        saved.attempts(tables);
        saved.rest(tables);
        let ledger = saved.trusted(tables, "ledger", |_, _| Fate::Kept);
        let line = |row: &Row| Some(((int(row, "receiver")?, int(row, "line")?), int(row, "count")?));
        saved.ledger = ledger.iter().filter_map(line).collect();
        saved.meta = saved.trusted(tables, "meta", |_, _| Fate::Kept).into_iter().next();
        saved
    }

    fn doubt(&mut self, table: &'static str) {
        *self.doubtful.entry(table).or_default() += 1;
    }

    /// The table, and its index, which holds all of it once more.
    fn names(&mut self, tables: &Tables) {
        for row in self.trusted(tables, "names", |_, _| Fate::Kept) {
            if let (Some(id), Some(text)) = (int(&row, "id"), text(&row, "text")) {
                self.names.insert(id, text.to_owned());
            }
        }
        for values in tables.index("sqlite_autoindex_names_1").map_or_else(Vec::new, |index| index.sound) {
            if let [Value::Text(text), Value::Integer(id)] = values {
                self.names.entry(*id).or_insert_with(|| text.clone());
            }
        }
        let mut known = HashSet::new();
        self.names.retain(|_, text| known.insert(text.clone()));
    }

    /// The rows that are kept: those of pages without a wrong one.
    fn trusted(&mut self, tables: &Tables, table: &'static str, judge: impl Fn(&Saved, &Row) -> Fate) -> Vec<Row> {
        let (rows, mut condemned) = tables.table(table);
        let judged: Vec<_> = rows.into_iter().map(|(row, page)| (judge(self, &row), row, page)).collect();
        condemned.extend(judged.iter().filter(|(fate, ..)| *fate == Fate::Wrong).map(|(.., page)| *page));
        let all = judged.len();
        let kept = judged.into_iter().filter(|(fate, _, page)| *fate == Fate::Kept && !condemned.contains(page));
        let kept: Vec<Row> = kept.map(|(_, row, _)| row).collect();
        if kept.len() < all {
            *self.doubtful.entry(table).or_default() += (all - kept.len()) as u64;
        }
        kept
    }

    fn deliveries(&mut self, tables: &Tables) {
        let rows = self.trusted(tables, "deliveries", Saved::delivery);
        self.deliveries = rows.into_iter().filter_map(|row| Some((int(&row, "id")?, row))).collect();
    }

    fn delivery(&self, row: &Row) -> Fate {
        let number = |column| int(row, column);
        let (Some(id), Some(event), Some(key), Some(state), Some(attempts)) =
            (number("id"), number("event"), number("key"), number("state"), number("attempts"))
        else {
            return Fate::Wrong;
        };
        let (Some(of), Some(receiver), Some(route)) =
            (self.events.get(&event), self.name(row, "receiver"), self.name(row, "route"))
        else {
            return Fate::Adrift;
        };
        let place = id - event;
        let target = usize::try_from(place - 1).ok().and_then(|place| of.decision.targets.get(place));
        let belongs = match (number("extra"), target) {
            (Some(1), _) => place > of.fanout,
            (Some(0), Some(target)) => receiver == &*target.receiver && route == &*target.route,
            (Some(0), None) => place > 0 && place <= of.fanout && route.is_empty() && number("closes").is_some(),
            _ => false,
        };
        let earlier = |column| number(column).is_none_or(|earlier| earlier < id);
        let tried = [
            number("at").is_some(),
            number("took").is_some(),
            number("verdict").is_some(),
            text(row, "detail").is_some(),
        ];
        let holds = belongs
            && key == of.key
            && (OWED..=DISMISSED).contains(&state)
            && (0..=i64::from(u32::MAX)).contains(&attempts)
            && tried == [attempts > 0; 4]
            && is_attempt(row)
            && earlier("closes")
            && earlier("replay_of")
            && (state == OWED || number("not_before").is_none())
            && (attempts > 0 || state == OWED || state == DISMISSED)
            && (state == DELIVERED || number("verdict") != Some(verdict_code(Verdict::Delivered)))
            && (state != DELIVERED || attempts > 1 || number("verdict") == Some(verdict_code(Verdict::Delivered)))
            && (state != DEAD || attempts > 0);
        kept_if(holds)
    }

    fn name(&self, row: &Row, column: &str) -> Option<&str> {
        self.names.get(&int(row, column)?).map(String::as_str)
    }

    fn attempts(&mut self, tables: &Tables) {
        let rows = self.trusted(tables, "attempts", |saved, row| {
            let Some(delivery) = saved.of_delivery(row) else { return Fate::Adrift };
            let within =
                int(row, "number").zip(int(delivery, "attempts")).is_some_and(|(n, all)| (1..all).contains(&n));
            let told = ["at", "took", "verdict"].iter().all(|column| int(row, column).is_some());
            kept_if(within && told && text(row, "detail").is_some() && is_attempt(row))
        });
        self.attempts =
            rows.into_iter().filter_map(|row| Some(((int(&row, "delivery")?, int(&row, "number")?), row))).collect();
    }

    fn rest(&mut self, tables: &Tables) {
        let versions = self.trusted(tables, "versions", |_, _| Fate::Kept);
        let known: HashSet<String> = versions.iter().filter_map(|row| Some(text(row, "version")?.to_owned())).collect();
        let applied = self.trusted(tables, "applied", |_, row| match text(row, "version") {
            Some(version) if known.contains(version) => Fate::Kept,
            _ => Fate::Adrift,
        });
        let hangs = |saved: &Saved, row: &Row| if saved.of_delivery(row).is_some() { Fate::Kept } else { Fate::Adrift };
        let copies = self.trusted(tables, "copies", hangs);
        let threads = self.trusted(tables, "threads", |saved, row| {
            let Some(delivery) = saved.of_delivery(row) else { return Fate::Adrift };
            let event = int(delivery, "event").and_then(|event| saved.events.get(&event));
            let of_job = event.is_some_and(|event| int(row, "job").is_some() && int(row, "job") == event.job);
            kept_if(saved.same_lane(row) && of_job)
        });
        let openings = self.trusted(tables, "openings", |saved, row| match saved.of_delivery(row) {
            Some(_) => kept_if(saved.same_lane(row)),
            // The event of a failure that is open may be gone long since.
            None if saved.has_event_of(row) => Fate::Adrift,
            None => Fate::Kept,
        });
        let lanes = self.trusted(tables, "lanes", |saved, row| {
            let json = |state: &str| serde_json::from_str::<serde_json::Value>(state).is_ok();
            kept_if(saved.name(row, "receiver").is_some() && text(row, "state").is_some_and(json))
        });
        let (rows, _) = tables.table("quarantine");
        let all = rows.len();
        let proven = |row: &Row| {
            let both = blob(row, "body").zip(blob(row, "hash"));
            both.zip(text(row, "content_type"))
                .is_some_and(|((body, hash), form)| quarantine::hash(form, body, text(row, "attributes"))[..] == *hash)
        };
        let quarantine: Vec<Row> = rows.into_iter().map(|(row, _)| row).filter(proven).collect();
        (quarantine.len()..all).for_each(|_| self.doubt("quarantine"));
        let totals = self.trusted(tables, "totals", |_, _| Fate::Kept);
        self.rest = vec![
            ("totals", totals),
            ("versions", versions),
            ("applied", applied),
            ("copies", copies),
            ("threads", threads),
            ("openings", openings),
            ("lanes", lanes),
            ("quarantine", quarantine),
        ];
    }

    fn of_delivery(&self, row: &Row) -> Option<&Row> {
        self.deliveries.get(&int(row, "delivery")?)
    }

    fn same_lane(&self, row: &Row) -> bool {
        self.of_delivery(row).is_some_and(|delivery| {
            int(delivery, "receiver") == int(row, "receiver") && int(delivery, "key") == int(row, "key")
        })
    }

    fn has_event_of(&self, row: &Row) -> bool {
        let Some(delivery) = int(row, "delivery") else { return true };
        let newest = self.deliveries.keys().chain(self.events.keys()).copied().max().unwrap_or(0);
        let before = self.events.range(..delivery).next_back();
        delivery > newest || before.is_some_and(|(id, event)| delivery - id <= event.fanout)
    }
}

fn is_attempt(row: &Row) -> bool {
    let within = |column, most| int(row, column).is_none_or(|number| (0..=most).contains(&number));
    let notes = |json: &str| serde_json::from_str::<Vec<String>>(json).is_ok();
    within("verdict", 3) && within("reason", 99) && within("took", i64::MAX) && text(row, "notes").is_none_or(notes)
}

/// Reads an event's row, and holds its content against its fingerprints and hashes.
fn event(row: Row) -> Option<(i64, Event)> {
    let id = int(&row, "id").filter(|id| *id > 0)?;
    let (key, job, fanout) = (int(&row, "key")?, int(&row, "job"), int(&row, "fanout")?);
    let decision: Decision = serde_json::from_str(text(&row, "decision")?).ok()?;
    let received_at = from_ns(int(&row, "received_at")?);
    let attributes = text(&row, "attributes").map(str::to_owned);
    let content_type = text(&row, "content_type")?.to_owned();
    let body = blob(&row, "body")?.to_vec();
    let read = Unread::new(received_at, content_type, attributes, body, int(&row, "unpacked")).read().ok()?;
    let hashes = Hashes::of(&read);
    let same = (&read.fingerprint.id[..], &read.fingerprint.data[..])
        == (blob(&row, "fingerprint_id")?, blob(&row, "fingerprint_data")?)
        && (hashes.key.0, hashes.job, Some(hashes.sender)) == (key, job, int(&row, "sender"));
    let targets = i64::try_from(decision.targets.len()).ok()?;
    let apart = ((id >> 20) - received_at.as_millisecond()).abs();
    (same && fanout >= targets && fanout < targets + (1 << 20))
        .then_some((id, Event { row, key, job, fanout, decision, apart }))
}
