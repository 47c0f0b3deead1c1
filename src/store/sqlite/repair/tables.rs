//! Which page belongs to which table, and all rows of each.

use std::collections::{BTreeMap, HashMap, HashSet};

use rusqlite::Connection;
use rusqlite::types::Value;

use super::pages::{Pages, Use};
use super::records::{Node, node};
use crate::store::sqlite::schema::{self, Described};

/// A row with its columns' names.
pub type Row = BTreeMap<String, Value>;

/// Rows of one tree, page by page.
#[derive(Debug, Default)]
pub struct Tree {
    /// Rows, with their pages.
    pub rows: Vec<(i64, Vec<Value>, u32)>,
    /// Pages of it that could not be read, wholly or in part.
    pub damaged: HashSet<u32>,
}

/// The tables that every store has, of whatever schema.
const OLDEST: [&str; 11] = [
    "meta",
    "names",
    "events",
    "deliveries",
    "attempts",
    "copies",
    "openings",
    "lanes",
    "versions",
    "quarantine",
    "probe",
];

/// A table as the file describes it.
#[derive(Debug, Clone)]
struct Shape {
    name: String,
    root: u32,
    columns: Vec<Column>,
}

/// A column, and what may stand in it.
#[derive(Debug, Clone)]
struct Column {
    name: String,
    sort: String,
    required: bool,
    /// It is the row's number, and empty in the record.
    number: bool,
}

impl Column {
    fn holds(&self, value: &Value) -> bool {
        match (value, self.sort.as_str()) {
            (Value::Null, _) => self.number || !self.required,
            (Value::Integer(_), sort) => sort == "INTEGER" && !self.number,
            (Value::Text(_), sort) => sort == "TEXT",
            (Value::Blob(_), sort) => sort == "BLOB",
            (Value::Real(_), _) => false,
        }
    }
}

/// What an index says.
pub struct Entries<'a> {
    pub sound: Vec<&'a [Value]>,
    /// All of it could be read.
    pub whole: bool,
}

/// All trees of a file.
pub struct Tables {
    trees: HashMap<u32, Tree>,
    shapes: Vec<Shape>,
    /// Names of indexes, by root.
    indexes: HashMap<String, u32>,
    /// The file does not say which tree is which.
    guessed: bool,
    /// Pages the file should have, and has not.
    missing: u32,
}

impl Tables {
    pub fn read(pages: &Pages) -> rusqlite::Result<Tables> {
        let members = members(pages);
        let mut trees: HashMap<u32, Tree> = HashMap::new();
        for number in 1..=pages.count() {
            let Some(&root) = members.get(&number) else { continue };
            let tree = trees.entry(root).or_default();
            let Some(Node { rows, damaged, .. }) = node(pages, number) else {
                tree.damaged.insert(number);
                continue;
            };
            if damaged {
                tree.damaged.insert(number);
            }
            tree.rows.extend(rows.into_iter().map(|(rowid, values)| (rowid, values, number)));
        }
        let mut described: Vec<Described> = trees
            .get(&1)
            .map_or_else(Vec::new, |tree| tree.rows.iter().filter_map(|(_, row, _)| describe(row)).collect());
        // Where the file does not say what is in it, it is taken for one that this version made; trees must look like it.
        let names: HashSet<&str> = described.iter().map(|found| found.name.as_str()).collect();
        let guessed = trees.get(&1).is_none_or(|tree| {
            // A row that describes nothing, or the same twice: one of its pages is another's.
            !tree.damaged.is_empty() || tree.rows.len() != described.len() || names.len() != described.len()
        }) || OLDEST.iter().any(|table| !names.contains(table));
        if guessed {
            for made in schema::described()? {
                if !described.iter().any(|found| found.name == made.name) {
                    described.push(made);
                }
            }
        }
        let (mut shapes, mut indexes, mut unseen): (Vec<Shape>, _, Vec<Shape>) =
            (Vec::new(), HashMap::new(), Vec::new());
        let mut missing = pages.said().max(pages.count());
        for Described { table, name, root, sql } in described {
            let Ok(root) = u32::try_from(root) else { continue };
            missing = if guessed { missing } else { missing.max(root) };
            let Some(shape) = sql.filter(|_| table).and_then(|sql| shape(&name, root, &sql)) else {
                indexes.insert(name, root);
                continue;
            };
            let looks_so = trees.get(&root).is_none_or(|tree| {
                2 * tree.rows.iter().filter(|(_, values, _)| fits(&shape, values)).count() >= tree.rows.len()
            });
            if looks_so || !guessed { shapes.push(shape) } else { unseen.push(shape) }
        }
        for shape in unseen {
            if shape.columns.iter().all(|column| column.sort == "INTEGER") {
                // Such rows look like those of any other table of numbers.
                continue;
            }
            let taken: HashSet<u32> = shapes.iter().map(|s| s.root).collect();
            // A row from before the last column was added has one less.
            let whole = |values: &[Value]| values.len() + 1 >= shape.columns.len() && fits(&shape, values);
            let like = |tree: &Tree| tree.rows.iter().filter(|(_, values, _)| whole(values)).count();
            let best = trees.iter().filter(|(root, _)| **root > 1 && !taken.contains(root));
            let best = best.map(|(root, tree)| (like(tree), *root)).filter(|(rows, _)| *rows > 0).max();
            shapes.extend(best.map(|(_, root)| Shape { root, ..shape }));
        }
        Ok(Tables { trees, shapes, indexes, guessed, missing: missing - pages.count() })
    }

    /// Whether a table is there, however many rows it has.
    pub fn has(&self, name: &str) -> bool {
        let shape = self.shapes.iter().find(|shape| shape.name == name);
        shape.and_then(|shape| self.trees.get(&shape.root)).is_some_and(|tree| tree.damaged.is_empty())
    }

    /// The rows of a table with their pages, and the pages on which something is none.
    pub fn table(&self, name: &str) -> (Vec<(Row, u32)>, HashSet<u32>) {
        let shape = self.shapes.iter().find(|shape| shape.name == name);
        let Some((shape, tree)) = shape.and_then(|shape| Some((shape, self.trees.get(&shape.root)?))) else {
            return (Vec::new(), HashSet::new());
        };
        let row = |number: i64, values: &[Value]| -> Row {
            let columns = shape.columns.iter().zip(values);
            let value =
                |column: &Column, value: &Value| if column.number { Value::Integer(number) } else { value.clone() };
            columns.map(|(column, held)| (column.name.clone(), value(column, held))).collect()
        };
        let (fitting, strange): (Vec<_>, Vec<_>) = tree.rows.iter().partition(|(_, values, _)| fits(shape, values));
        let damaged = tree.damaged.iter().copied().chain(strange.into_iter().map(|(.., page)| *page)).collect();
        (fitting.into_iter().map(|(number, values, page)| (row(*number, values), *page)).collect(), damaged)
    }

    /// The entries of an index, and whether all of it could be read. `None`: there is none.
    pub fn index(&self, name: &str) -> Option<Entries<'_>> {
        let tree = self.trees.get(self.indexes.get(name)?)?;
        Some(Entries {
            sound: tree
                .rows
                .iter()
                .filter(|(.., page)| !tree.damaged.contains(page))
                .map(|(_, values, _)| &values[..])
                .collect(),
            whole: tree.damaged.is_empty() && !self.guessed && self.missing == 0,
        })
    }

    /// Pages that could not be read, wholly or in part, or are not there.
    pub fn damaged(&self) -> u64 {
        u64::from(self.missing) + self.trees.values().map(|tree| tree.damaged.len() as u64).sum::<u64>()
    }
}

/// Each page's root: from the roots down, as far as that goes, and by the pointer map, which leads up from each page.
fn members(pages: &Pages) -> HashMap<u32, u32> {
    let mut members: HashMap<u32, u32> = HashMap::new();
    descend(pages, 1, &mut members);
    let schema = members.keys().filter_map(|number| node(pages, *number)).flat_map(|node| node.rows);
    let described: Vec<u32> = schema.filter_map(|(_, row)| u32::try_from(describe(&row)?.root).ok()).collect();
    let mapped = (2..=pages.count()).filter(|number| pages.use_of(*number) == Use::Root);
    for root in described.into_iter().filter(|root| pages.use_of(*root) == Use::Unknown).chain(mapped) {
        descend(pages, root, &mut members);
    }
    for number in 1..=pages.count() {
        let (mut at, mut steps) = (number, 0);
        let root = loop {
            if let Some(&root) = members.get(&at) {
                break Some(root);
            }
            match pages.use_of(at) {
                Use::Root => break Some(at),
                Use::Below(parent) if steps < 20 => (at, steps) = (parent, steps + 1),
                _ => break None,
            }
        };
        members.extend(root.map(|root| (number, root)));
    }
    members
}

/// A page that is said to be elsewhere, or free, is not followed: the way to it may be garbage.
fn descend(pages: &Pages, root: u32, members: &mut HashMap<u32, u32>) {
    let mut below = vec![(root, None)];
    while let Some((number, parent)) = below.pop() {
        let follows = match (pages.use_of(number), parent) {
            (Use::Below(said), Some(parent)) => said == parent,
            (Use::Root, None) | (Use::Unknown, _) => true,
            _ => false,
        };
        if number > 0 && number <= pages.count() && follows && !members.contains_key(&number) {
            members.insert(number, root);
            let children = node(pages, number).map(|node| node.children).unwrap_or_default();
            below.extend(children.into_iter().map(|child| (child, Some(number))));
        }
    }
}

/// A row of the file's own description.
fn describe(row: &[Value]) -> Option<Described> {
    let [Value::Text(sort), Value::Text(name), _, Value::Integer(root), sql] = row else { return None };
    let sql = if let Value::Text(sql) = sql { Some(sql.clone()) } else { None };
    Some(Described { table: sort == "table", name: name.clone(), root: *root, sql })
}

/// Reads a table's own words. `None`: they are none.
fn shape(name: &str, root: u32, sql: &str) -> Option<Shape> {
    let db = Connection::open_in_memory().ok()?;
    db.execute_batch(sql).ok()?;
    let mut info =
        db.prepare("SELECT name, upper(type), pk, \"notnull\" FROM pragma_table_info(?1) ORDER BY cid").ok()?;
    let columns = info.query_map([name], |row| {
        let (name, sort, pk, required) = (row.get(0)?, row.get::<_, String>(1)?, row.get::<_, i64>(2)?, row.get(3)?);
        // SQLite would take a text's key that is empty; no relay has one.
        let (number, required) = (pk > 0 && sort == "INTEGER", required || pk > 0);
        Ok(Column { name, sort, required, number })
    });
    let mut columns: Vec<Column> = columns.ok()?.collect::<Result<_, _>>().ok()?;
    // A key of several columns, or without row numbers, is in the record.
    let in_record =
        columns.iter().filter(|column| column.number).count() > 1 || sql.to_uppercase().contains("WITHOUT ROWID");
    for column in columns.iter_mut().filter(|column| in_record && column.number) {
        (column.number, column.required) = (false, true);
    }
    Some(Shape { name: name.to_owned(), root, columns })
}

/// Whether a row may be one of a table. Columns added later are missing in older rows.
fn fits(shape: &Shape, values: &[Value]) -> bool {
    !values.is_empty()
        && values.len() <= shape.columns.len()
        && shape.columns.iter().zip(values).all(|(column, value)| column.holds(value))
}
