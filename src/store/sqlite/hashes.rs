//! The index on disk: generations of sorted (hash, event) pairs, packed so many to a row. A row for each pair would cost the writer
//! twenty times as much.

use rusqlite::{Connection, params};

use super::rows::to_limit;

/// A hash, and an event that is found by it.
pub type Pair = (i64, i64);

/// Pairs of one row. Few in tests, so that they see many rows.
pub const ROW: usize = if cfg!(test) { 8 } else { A_PAGE };
/// Bytes of a pair: two numbers, big-endian.
const PACKED: usize = 16;
/// So many just fit into a page of the file, of which a table's leaf leaves 35 bytes free; header and other columns take 30 at most.
const A_PAGE: usize = 248;
const _: () = assert!(A_PAGE * PACKED + 30 <= 4_096 - 35);

/// Appends pairs of a generation, in ascending order.
pub fn append(db: &Connection, generation: i64, pairs: &[Pair]) -> rusqlite::Result<()> {
    let mut insert = db.prepare_cached("INSERT INTO hashes(generation, hash, event, packed) VALUES(?1, ?2, ?3, ?4)")?;
    for row in pairs.chunks(ROW) {
        let packed: Vec<u8> = row.iter().flat_map(|&(hash, event)| [hash, event]).flat_map(i64::to_be_bytes).collect();
        let (hash, event) = row[0];
        insert.execute(params![generation, hash, event, packed])?;
    }
    Ok(())
}

/// Up to `limit` events of a generation with this hash between two IDs (both exclusive), newest first.
pub fn find(
    db: &Connection,
    generation: i64,
    hash: i64,
    before: i64,
    after: i64,
    limit: usize,
) -> rusqlite::Result<Vec<i64>> {
    let mut rows = db.prepare_cached(
        "SELECT packed FROM hashes WHERE generation = ?1 AND (hash, event) < (?2, ?3) ORDER BY hash DESC, event DESC",
    )?;
    let mut rows = rows.query(params![generation, hash, before])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        // What is not a whole pair was not written so: `audit` finds what is missing then.
        let (packed, _) = row.get_ref(0)?.as_blob()?.as_chunks::<PACKED>();
        let end = packed.partition_point(|pair| unpack(pair) < (hash, before));
        for pair in packed[..end].iter().rev().map(unpack) {
            if found.len() == limit || pair <= (hash, after) {
                return Ok(found);
            }
            found.push(pair.1);
        }
    }
    Ok(found)
}

/// Removes some rows of a generation.
pub fn remove(db: &Connection, generation: i64, rows: usize) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM hashes WHERE rowid IN (SELECT rowid FROM hashes WHERE generation = ?1 LIMIT ?2)")?
        .execute(params![generation, to_limit(rows)])
        .map(|_| ())
}

/// Removes what was begun and never ended: generations that began after the last event that is indexed.
pub fn remove_unfinished(db: &Connection) -> rusqlite::Result<()> {
    db.prepare_cached("DELETE FROM hashes WHERE generation > (SELECT indexed FROM meta)")?.execute([]).map(|_| ())
}

/// The newest generation that begins at `event` or before.
pub fn generation_of(db: &Connection, event: i64) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached("SELECT max(generation) FROM hashes WHERE generation <= ?1")?
        .query_row(params![event], |row| row.get(0))
}

/// The oldest generation after `generation`.
pub fn next_generation(db: &Connection, generation: Option<i64>) -> rusqlite::Result<Option<i64>> {
    db.prepare_cached("SELECT min(generation) FROM hashes WHERE generation > ?1")?
        .query_row(params![generation.unwrap_or(i64::MIN)], |row| row.get(0))
}

/// The newest event that the index has.
pub fn newest(db: &Connection) -> rusqlite::Result<Option<i64>> {
    let mut rows = db.prepare("SELECT packed FROM hashes")?;
    let mut rows = rows.query([])?;
    let mut newest = None;
    while let Some(row) = rows.next()? {
        let (packed, _) = row.get_ref(0)?.as_blob()?.as_chunks::<PACKED>();
        newest = newest.max(packed.iter().map(|pair| unpack(pair).1).max());
    }
    Ok(newest)
}

/// Takes over the index of a store of schema 8, which had a row for each pair, and whose table goes. Row by row: SQL alone would hold
/// all of it in memory.
pub fn pack_lookup(db: &Connection) -> rusqlite::Result<()> {
    {
        let mut old = db.prepare("SELECT generation, hash, event FROM lookup ORDER BY generation, hash, event")?;
        let mut old = old.query([])?;
        let (mut of, mut pairs) = (0, Vec::with_capacity(ROW));
        while let Some(row) = old.next()? {
            let generation: i64 = row.get(0)?;
            if generation != of || pairs.len() == ROW {
                append(db, of, &pairs)?;
                pairs.clear();
                of = generation;
            }
            pairs.push((row.get(1)?, row.get(2)?));
        }
        append(db, of, &pairs)?;
    }
    // The index comes last, as where the table is made with all others.
    db.execute_batch("DROP TABLE lookup; CREATE UNIQUE INDEX first_of ON hashes(generation, hash, event);")
}

fn unpack(pair: &[u8; PACKED]) -> Pair {
    let (numbers, _) = pair.as_chunks::<8>();
    (i64::from_be_bytes(numbers[0]), i64::from_be_bytes(numbers[1]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn database() -> Connection {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(
            "CREATE TABLE hashes(generation INTEGER, hash INTEGER, event INTEGER, packed BLOB);
             CREATE UNIQUE INDEX first_of ON hashes(generation, hash, event);
             CREATE TABLE meta(indexed INTEGER); INSERT INTO meta VALUES(49)",
        )
        .unwrap();
        db
    }

    proptest! {
        /// Few hashes, so that one of them fills several rows; some of them negative.
        #[test]
        fn events_are_found_as_by_looking_at_each(
            pairs in proptest::collection::btree_set((-3..4_i64, 1..60_i64), 0..120),
            others in proptest::collection::btree_set((-3..4_i64, 100..130_i64), 0..20),
            hash in -4..5_i64, before in 0..62_i64, after in 0..62_i64, limit in 0..30_usize,
        ) {
            let (db, pairs) = (database(), Vec::from_iter(pairs));
            append(&db, 1, &pairs).unwrap();
            append(&db, 100, &Vec::from_iter(others)).unwrap();
            let between = |pair: &&Pair| pair.0 == hash && pair.1 < before && pair.1 > after;
            let expected: Vec<i64> = pairs.iter().rev().filter(between).map(|pair| pair.1).take(limit).collect();
            prop_assert_eq!(find(&db, 1, hash, before, after, limit).unwrap(), expected);
        }
    }

    #[test]
    fn a_generation_goes_row_by_row_and_leaves_the_others() {
        let db = database();
        let pairs: Vec<Pair> = (0..20).map(|n| (n, n + 1)).collect();
        append(&db, 1, &pairs).unwrap();
        append(&db, 50, &[(7, 50), (8, 61)]).unwrap();
        assert_eq!((generation_of(&db, 49), generation_of(&db, 0)), (Ok(Some(1)), Ok(None)));
        assert_eq!((next_generation(&db, None), next_generation(&db, Some(50))), (Ok(Some(1)), Ok(None)));
        assert_eq!(newest(&db), Ok(Some(61)));
        let rows = || db.query_row("SELECT count(*) FROM hashes", [], |row| row.get::<_, i64>(0));
        remove(&db, 1, 2).unwrap();
        assert_eq!(rows(), Ok(2));
        remove_unfinished(&db).unwrap();
        assert_eq!((rows(), next_generation(&db, Some(1))), (Ok(1), Ok(None)));
        remove(&db, 1, 2).unwrap();
        assert_eq!(rows(), Ok(0));
    }
}
