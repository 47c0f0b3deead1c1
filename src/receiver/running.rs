//! A message as one running text, for services that have markup but no cards.

use super::chat::{self, Bounds};
use super::dialect::Dialect;
use crate::message::Message;

/// Bounds of the parts, in the dialect's units, so that the text has room beside them.
const TITLE: usize = 300;
const NOTICES: usize = 500;
const LINK: usize = 800;
const FOOTER: usize = 400;
const FIELDS: Bounds = Bounds { most: 40, name: 100, value: 600, whole: 0 };

/// Mentions (in the service's form), headline, notices, text, fields, link and the quiet line, in at most `max` units. Fields give
/// way before the text does.
pub(super) fn text(
    message: &Message,
    dialect: &Dialect,
    mentions: String,
    max: usize,
    notes: &mut Vec<String>,
) -> String {
    let headline = dialect.bold(&chat::headline_within(message, dialect, TITLE, notes));
    let notices = chat::notices(message, dialect, NOTICES, notes);
    let head = joined(vec![mentions, headline, notices], dialect.line);
    let tail = joined(vec![link(message, dialect, notes), footer(message, dialect)], dialect.line);
    between(message, dialect, (head, tail), max, notes)
}

/// The same without mentions, headline and links, for services that have places of their own for them.
pub(super) fn text_below_title(message: &Message, dialect: &Dialect, max: usize, notes: &mut Vec<String>) -> String {
    let notices = chat::notices(message, dialect, NOTICES, notes);
    let footer = message.footer.as_ref().map(|footer| dialect.fit(&footer.text, FOOTER).0);
    between(message, dialect, (notices, footer.unwrap_or_default()), max, notes)
}

fn between(
    message: &Message,
    dialect: &Dialect,
    (head, tail): (String, String),
    max: usize,
    notes: &mut Vec<String>,
) -> String {
    let size = |text: &str| dialect.unit.of(text);
    let taken = size(&head) + size(&tail) + 3 * size(dialect.gap);
    let room = max.saturating_sub(taken);
    let fields_want = if message.fields.is_empty() { 0 } else { room / 4 };
    let text = chat::text(message, dialect, room - fields_want, notes);
    let bounds = Bounds { whole: room - size(&text), ..FIELDS };
    let line = |name: &str, value: &str| format!("{} {value}", dialect.bold(&format!("{name}:")));
    let measure = |name: &str, value: &str| size(&line(name, value)) + size(dialect.line);
    let fields = chat::fields(message, (dialect, dialect), &bounds, measure, notes);
    let fields = fields.iter().map(|(name, value)| line(name, value)).collect::<Vec<_>>().join(dialect.line);
    joined(vec![head, text, fields, tail], dialect.gap)
}

fn joined(mut parts: Vec<String>, with: &str) -> String {
    parts.retain(|part| !part.is_empty());
    parts.join(with)
}

/// Measured as written: escapes make an address longer.
fn link(message: &Message, dialect: &Dialect, notes: &mut Vec<String>) -> String {
    let Some(link) = &message.link else { return String::new() };
    let written = (dialect.link)(link, "Open");
    if dialect.unit.of(&written) > LINK {
        notes.push(format!("link left out: longer than {LINK} characters"));
        return String::new();
    }
    written
}

fn footer(message: &Message, dialect: &Dialect) -> String {
    let Some(footer) = &message.footer else { return String::new() };
    let text = dialect.fit(&footer.text, FOOTER / 2).0;
    match footer.link.as_ref().map(|link| format!("{text} · {}", (dialect.link)(link, "details"))) {
        Some(whole) if dialect.unit.of(&whole) <= FOOTER => whole,
        _ => text,
    }
}
