//! Stores that are cut, overwritten and full of holes: what is saved is what was written, and nothing that can be read is left behind.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use rusqlite::Connection;
use rusqlite::types::Value;

use super::audit::{assert_sound, eventful};
use super::nobody;
use crate::store::conformance::Sample;
use crate::store::sqlite::place::sibling;
use crate::store::sqlite::rows::OWED;
use crate::store::{Repair, SqliteStore, Store as _, StoreError, repair};

const PAGE: usize = 4096;
/// By their keys.
const TABLES: [(&str, usize); 12] = [
    ("names", 1),
    ("events", 1),
    ("deliveries", 1),
    ("attempts", 2),
    ("copies", 1),
    ("threads", 4),
    ("openings", 2),
    ("lanes", 1),
    ("versions", 1),
    ("applied", 1),
    ("quarantine", 1),
    ("ledger", 2),
];

type Dump = BTreeMap<&'static str, BTreeMap<String, Vec<Value>>>;

fn dump(path: &Path) -> Dump {
    let db = Connection::open(path).unwrap();
    let table = |(table, key): (&'static str, usize)| {
        let mut all = db.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = all.column_count();
        let rows = all
            .query_map([], |row| (0..columns).map(|column| row.get(column)).collect::<Result<Vec<Value>, _>>())
            .unwrap()
            .map(|row| row.map(|row| (format!("{:?}", &row[..key]), row)).unwrap())
            .collect();
        (table, rows)
    };
    TABLES.into_iter().map(table).collect()
}

fn number(value: &Value) -> i64 {
    let Value::Integer(number) = value else { panic!("{value:?}") };
    *number
}

/// Every row of `new` was written, or is one that a repair makes and says so; what was owed is owed.
fn assert_true(old: &Dump, new: &Dump, repair: &Repair, what: &str) {
    let mut rebuilt = (0, 0, 0);
    for (table, rows) in new.iter().filter(|(table, _)| **table != "ledger") {
        for (key, row) in rows {
            let was = old[table].get(key);
            if was == Some(row) {
                continue;
            }
            match *table {
                "deliveries" => {
                    let (state, attempts) = (number(&row[5]), number(&row[10]));
                    assert!(attempts == 0 && (state == OWED || state == 3), "{what}: {was:?} became {row:?}");
                    let was = was.unwrap_or_else(|| panic!("{what}: {row:?} was never made"));
                    assert_eq!((&was[1], &was[4], &was[6]), (&row[1], &row[4], &row[6]), "{what}");
                    *(if state == OWED { &mut rebuilt.0 } else { &mut rebuilt.1 }) += 1;
                }
                "attempts" => {
                    assert!(
                        matches!(&row[6], Value::Text(said) if said.contains("was lost")),
                        "{what}: {was:?} became {row:?}"
                    );
                    rebuilt.2 += 1;
                }
                "versions" => {
                    assert!(matches!(&row[1], Value::Text(said) if said.contains("was lost")), "{what}: {row:?}");
                }
                "names" => assert!(was.is_none(), "{what}: {was:?} became {row:?}"),
                _ => panic!("{what}: {table}: {was:?} became {row:?}"),
            }
        }
    }
    assert!(
        rebuilt.0 <= repair.owed_again && rebuilt.1 <= repair.ended && rebuilt.2 <= repair.attempts_lost,
        "{what}: {repair:?}"
    );
    for (id, row) in old["deliveries"].iter().filter(|(_, row)| number(&row[5]) == OWED && number(&row[6]) == 0) {
        let event = new["events"].contains_key(&format!("{:?}", &row[1..2]));
        // A recovery's receiver stands in no decision.
        let recovery = row[7] != Value::Null;
        let now = new["deliveries"].get(id);
        let owed = now.is_some_and(|now| number(&now[5]) == OWED);
        assert!(owed || !event || recovery, "{what}: {row:?} was owed and is {now:?}");
    }
}

/// Repairs the file at `path` and checks what came of it. `None`: nothing was left.
fn repaired(path: &Path, old: &Dump, what: &str) -> Option<(Repair, Dump)> {
    let before = (fs::read(path).unwrap(), fs::read(sibling(path, "-wal")).ok());
    let into = path.with_extension("repaired");
    for stale in ["", ".lock", ".new", "-wal", "-shm"] {
        let _ = fs::remove_file(sibling(&into, stale));
    }
    let repair = match repair(path, &into) {
        Ok(repair) => repair,
        Err(StoreError::Unreadable(why)) => {
            assert!(why.contains("nothing of a jobrelay store"), "{what}: {why}");
            assert!(!into.exists(), "{what}");
            return None;
        }
        Err(other) => panic!("{what}: {other}"),
    };
    assert_eq!(
        (fs::read(path).unwrap(), fs::read(sibling(path, "-wal")).ok()),
        before,
        "{what}: the old one is only read"
    );
    assert_sound(&into);
    let new = dump(&into);
    assert_true(old, &new, &repair, what);
    Some((repair, new))
}

fn size(path: &Path) -> usize {
    usize::try_from(fs::metadata(path).unwrap().len()).unwrap()
}

fn damaged(path: &Path, damage: impl FnOnce(&mut Vec<u8>)) -> PathBuf {
    let copy = path.with_extension("damaged");
    let mut bytes = fs::read(path).unwrap();
    damage(&mut bytes);
    fs::write(&copy, bytes).unwrap();
    copy
}

#[tokio::test]
async fn a_readable_store_is_saved_to_the_last_row() {
    let (_directory, path) = eventful().await;
    let old = dump(&path);
    let (repair, new) = repaired(&path, &old, "whole").unwrap();
    assert!(repair.is_whole(), "{repair:?}");
    assert_eq!(new, old);
    // And runs: what was owed is, what was known is known.
    let store = SqliteStore::open(&path.with_extension("repaired"), nobody()).unwrap();
    assert!(
        store.accept(vec![Sample::new("1").job("job 1").product("product 1").to(&["ops"]).build()]).await.unwrap()[0]
            .duplicate
    );
    assert!(super::super::repair::repair(&path, &path).is_err(), "nothing is overwritten");
}

#[tokio::test]
async fn what_is_only_in_the_log_is_saved_and_a_cut_log_up_to_the_cut() {
    let (_directory, path) = eventful().await;
    let store = SqliteStore::open(&path, nobody()).unwrap();
    let killed = path.with_extension("killed");
    fs::copy(&path, &killed).unwrap();
    for n in 0..30 {
        store.accept(vec![Sample::new(&format!("late {n}")).to(&["ops"]).build()]).await.unwrap();
    }
    let log = fs::read(sibling(&path, "-wal")).unwrap();
    let old = dump(&path);
    fs::write(sibling(&killed, "-wal"), &log).unwrap();
    let (repair, new) = repaired(&killed, &old, "the log").unwrap();
    assert!(repair.is_whole(), "{repair:?}");
    assert_eq!(new, old);
    let mut most = 0;
    for part in 0..=20 {
        let cut = &log[..log.len() * part / 20];
        fs::write(sibling(&killed, "-wal"), cut).unwrap();
        let (_, new) = repaired(&killed, &old, &format!("{part}/20 of the log")).unwrap();
        assert!(new["events"].len() >= most.max(60), "the more of it, the more is saved");
        most = new["events"].len();
    }
    assert_eq!(most, 90);
    let mut overwritten = log.clone();
    let middle = log.len() / 2;
    overwritten[middle..middle + 100].fill(0xa5);
    fs::write(sibling(&killed, "-wal"), overwritten).unwrap();
    let (repair, new) = repaired(&killed, &old, "garbage in the log").unwrap();
    assert!(repair.log_pages_lost > 0 && new["events"].len() >= 60, "{repair:?}");
}

#[tokio::test]
async fn a_file_cut_anywhere_gives_what_is_before_the_cut() {
    let (_directory, path) = eventful().await;
    let (old, size) = (dump(&path), size(&path));
    let mut saved = BTreeSet::new();
    for step in 0..=60 {
        let cut = size * step / 60;
        let copy = damaged(&path, |bytes| bytes.truncate(cut));
        let Some((repair, new)) = repaired(&copy, &old, &format!("cut at {cut} of {size}")) else { continue };
        assert!(repair.is_whole() == (cut == size), "cut at {cut}: {repair:?}");
        saved.insert(new["events"].len());
        if cut < size && cut > 0 {
            let before = fs::read(&copy).unwrap();
            let refused = SqliteStore::open(&copy, nobody()).unwrap_err().to_string();
            assert!(
                refused.contains("jobrelay repair --store") && refused.contains("nothing was changed"),
                "{refused}"
            );
            assert_eq!(fs::read(&copy).unwrap(), before);
            assert!(!sibling(&copy, "-wal").exists() && !sibling(&copy, "-new").exists());
        }
    }
    assert!(saved.len() > 5 && saved.contains(&60), "{saved:?}");
}

#[tokio::test]
async fn any_page_overwritten_costs_what_was_on_it() {
    let (_directory, path) = eventful().await;
    let old = dump(&path);
    let pages = size(&path) / PAGE;
    let mut random = fastrand::Rng::with_seed(7);
    let mut fewest = usize::MAX;
    for page in 0..pages {
        for how in ["random", "zero", "another page"] {
            let copy = damaged(&path, |bytes| match how {
                "random" => random.fill(&mut bytes[page * PAGE..(page + 1) * PAGE]),
                "zero" => bytes[page * PAGE..(page + 1) * PAGE].fill(0),
                _ => {
                    let other = random.usize(..pages) * PAGE;
                    bytes.copy_within(other..other + PAGE, page * PAGE);
                }
            });
            let what = format!("page {} of {pages}: {how}", page + 1);
            let (repair, new) = repaired(&copy, &old, &what).unwrap_or_else(|| panic!("{what}: nothing is left"));
            assert!(
                repair.events_lost.is_none_or(|lost| lost + u64::try_from(new["events"].len()).unwrap() == 60),
                "{what}: {repair:?}"
            );
            fewest = fewest.min(new["events"].len());
        }
    }
    assert!(fewest >= 30, "one page held {} events", 60 - fewest);
}

#[tokio::test]
async fn garbage_in_the_middle_never_becomes_a_row() {
    let (_directory, path) = eventful().await;
    let (old, size) = (dump(&path), size(&path));
    for seed in 0..150 {
        let mut random = fastrand::Rng::with_seed(seed);
        let copy = damaged(&path, |bytes| {
            for _ in 0..random.usize(1..6) {
                // Disks lose sectors.
                let at = random.usize(..size / 512) * 512;
                if random.bool() {
                    random.fill(&mut bytes[at..at + 512]);
                } else {
                    bytes[at..at + 512].fill(0);
                }
            }
        });
        repaired(&copy, &old, &format!("seed {seed}"));
    }
}

#[tokio::test]
async fn without_its_header_everything_is_saved_and_serve_refuses() {
    let (_directory, path) = eventful().await;
    let old = dump(&path);
    let copy = damaged(&path, |bytes| bytes[..100].fill(0));
    let refused = SqliteStore::open(&copy, nobody()).unwrap_err().to_string();
    assert!(refused.contains("not a SQLite file") && refused.contains("jobrelay repair --store"), "{refused}");
    let (_, new) = repaired(&copy, &old, "no header").unwrap();
    assert_eq!(new, old);
    let other = path.with_extension("txt");
    fs::write(&other, "receivers: {}\n".repeat(1_000)).unwrap();
    assert!(repaired(&other, &old, "another file").is_none());
}
