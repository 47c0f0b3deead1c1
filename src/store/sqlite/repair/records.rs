//! From a page to the rows on it. Strict: a record whose lengths do not add up to the byte is none.

use rusqlite::types::Value;

use super::pages::{Pages, SIZE, word};

/// A page of a tree.
#[derive(Debug, Default)]
pub struct Node {
    /// Pages below.
    pub children: Vec<u32>,
    /// Rows: the number (0 in an index) and the columns.
    pub rows: Vec<(i64, Vec<Value>)>,
    /// Something on it could not be read.
    pub damaged: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    TableLeaf,
    TableInner,
    IndexLeaf,
    IndexInner,
}

/// Reads a page. `None`: it is not there, or no page of a tree.
pub fn node(pages: &Pages, number: u32) -> Option<Node> {
    let page = pages.page(number)?;
    let head = if number == 1 { 100 } else { 0 };
    let sort = match page[head] {
        13 => Sort::TableLeaf,
        5 => Sort::TableInner,
        10 => Sort::IndexLeaf,
        2 => Sort::IndexInner,
        _ => return None,
    };
    let inner = matches!(sort, Sort::TableInner | Sort::IndexInner);
    let u16_at = |at: usize| usize::from(u16::from_be_bytes([page[at], page[at + 1]]));
    let cells = u16_at(head + 3);
    let pointers = head + if inner { 12 } else { 8 };
    let mut node = Node::default();
    if pointers + 2 * cells > SIZE {
        node.damaged = true;
        return Some(node);
    }
    let mut taken = Vec::with_capacity(cells);
    for cell in 0..cells {
        let at = u16_at(pointers + 2 * cell);
        match read_cell(pages, &page, at, sort) {
            Some(Cell { child, row, end }) if at >= pointers + 2 * cells => {
                taken.push((at, end));
                node.children.extend(child);
                node.rows.extend(row);
            }
            _ => node.damaged = true,
        }
    }
    // Two cells in one place: at least one of them is not what was written.
    taken.sort_unstable();
    node.damaged |= taken.windows(2).any(|pair| pair[0].1 > pair[1].0);
    if inner {
        node.children.push(word(&page, head + 8));
    }
    Some(node)
}

struct Cell {
    child: Option<u32>,
    row: Option<(i64, Vec<Value>)>,
    /// Where it ends on its page.
    end: usize,
}

fn read_cell(pages: &Pages, page: &[u8], start: usize, sort: Sort) -> Option<Cell> {
    let mut at = start;
    let child = match sort {
        Sort::TableInner | Sort::IndexInner => {
            page.get(at..at + 4)?;
            at += 4;
            Some(word(page, at - 4))
        }
        _ => None,
    };
    if sort == Sort::TableInner {
        varint(page, &mut at)?;
        return Some(Cell { child, row: None, end: at });
    }
    let length = usize::try_from(varint(page, &mut at)?).ok().filter(|length| *length < 1 << 30)?;
    let rowid = if sort == Sort::TableLeaf { varint(page, &mut at)? } else { 0 };
    let most = if sort == Sort::TableLeaf { SIZE - 35 } else { (SIZE - 12) * 64 / 255 - 23 };
    let (payload, end) = payload(pages, page, at, length, most)?;
    Some(Cell { child, row: Some((rowid, record(&payload)?)), end })
}

/// A payload, with what of it stands on other pages; and where its part on this page ends.
fn payload(pages: &Pages, page: &[u8], at: usize, length: usize, most: usize) -> Option<(Vec<u8>, usize)> {
    if length <= most {
        return Some((page.get(at..at + length)?.to_vec(), at + length));
    }
    let least = (SIZE - 12) * 32 / 255 - 23;
    let fitting = least + (length - least) % (SIZE - 4);
    let local = if fitting <= most { fitting } else { least };
    let mut payload = page.get(at..at + local)?.to_vec();
    page.get(at + local..at + local + 4)?;
    let mut next = word(page, at + local);
    while payload.len() < length {
        let more = pages.page(next).filter(|_| next > 1)?;
        let part = (length - payload.len()).min(SIZE - 4);
        payload.extend_from_slice(&more[4..4 + part]);
        next = word(&more, 0);
    }
    // A chain ends with its payload.
    (next == 0).then_some((payload, at + local + 4))
}

fn record(bytes: &[u8]) -> Option<Vec<Value>> {
    let mut at = 0;
    let header = usize::try_from(varint(bytes, &mut at)?).ok().filter(|end| *end >= at && *end <= bytes.len())?;
    let mut body = header;
    let mut values = Vec::new();
    while at < header {
        let sort = varint(&bytes[..header], &mut at)?;
        let mut take = |length: usize| {
            let part = bytes.get(body..body + length)?;
            body += length;
            Some(part)
        };
        values.push(match sort {
            0 => Value::Null,
            1..=6 => Value::Integer(integer(take([1, 2, 3, 4, 6, 8][usize::try_from(sort - 1).ok()?])?)),
            7 => Value::Real(f64::from_be_bytes(take(8)?.try_into().ok()?)),
            8 => Value::Integer(0),
            9 => Value::Integer(1),
            12.. => {
                let part = take(usize::try_from((sort - 12) / 2).ok()?)?.to_vec();
                if sort % 2 == 0 { Value::Blob(part) } else { Value::Text(text(part)?) }
            }
            _ => return None,
        });
    }
    (body == bytes.len()).then_some(values)
}

/// No relay writes a NUL into a text; overwritten places are full of them.
fn text(bytes: Vec<u8>) -> Option<String> {
    String::from_utf8(bytes).ok().filter(|text| !text.contains('\0'))
}

fn integer(bytes: &[u8]) -> i64 {
    let negative = bytes.first().is_some_and(|first| first & 0x80 != 0);
    bytes.iter().fold(if negative { -1 } else { 0 }, |number, byte| (number << 8) | i64::from(*byte))
}

fn varint(bytes: &[u8], at: &mut usize) -> Option<i64> {
    let mut number: u64 = 0;
    for place in 0..9 {
        let byte = *bytes.get(*at)?;
        *at += 1;
        if place == 8 {
            return Some(((number << 8) | u64::from(byte)).cast_signed());
        }
        number = (number << 7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Some(number.cast_signed())
}
