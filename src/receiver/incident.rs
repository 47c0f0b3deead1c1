//! Incidents: which messages open one, which close it, and by what they find each other; and the words in it.

use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

use super::chat::{self, Bounds};
use super::dialect::{Dialect, PLAIN};
use super::hex::hex;
use super::{Call, Markup};
use crate::event::Outcome;
use crate::message::{Level, Message};

/// What a message does to the incident of its key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// Opens it, or adds to it.
    Trigger,
    /// Closes it.
    Resolve,
}

/// A success resolves, whatever sent it here, and so does the end of a receiver's trouble; everything else triggers.
pub(super) fn action(call: &Call<'_>) -> Action {
    let event = call.event;
    let outcome = event.job.as_ref().and_then(|job| job.outcome);
    let is_well_again = event.is_own() && event.event_type == "jobrelay.receiver_recovered";
    if outcome == Some(Outcome::Succeeded) || is_well_again { Action::Resolve } else { Action::Trigger }
}

/// The event's key in at most `max` bytes (at least 40) of printable ASCII: as it is, or its beginning with a hash of the whole.
pub(super) fn dedup_key(call: &Call<'_>, max: usize) -> String {
    key_of(&call.event.key, max, |c| c.is_ascii_graphic())
}

/// The same, of characters that stand in a URL as they are: gateways refuse an escaped `/` in a path.
pub(super) fn path_key(call: &Call<'_>, max: usize) -> String {
    key_of(&call.event.key, max, |c| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_'))
}

fn key_of(key: &str, max: usize, may_stay: fn(char) -> bool) -> String {
    if key.len() <= max && key.chars().all(may_stay) {
        return key.to_owned();
    }
    let hash = hex(&Sha256::digest(key.as_bytes())[..12]);
    let kept = |c: char| if may_stay(c) { c } else { '_' };
    let beginning: String = key.chars().map(kept).take(max.saturating_sub(hash.len() + 1)).collect();
    format!("{beginning}-{hash}")
}

/// When it happened.
pub(super) fn at(call: &Call<'_>) -> Option<Timestamp> {
    call.event.job.as_ref().and_then(|job| job.since).or(call.event.time)
}

/// Literal text, for services without markup.
pub(super) const WORDS: Dialect = Dialect { escape: wanted, escape_code: wanted, ..PLAIN };

fn wanted(c: char, out: &mut String) {
    if !chat::unwanted(c) {
        out.push(c);
    }
}

/// How texts are written into a `body` for services without markup.
pub(super) const MARKUP: Markup =
    Markup { text: |message| chat::body_text(message, &WORDS, String::new()), escape: |text| WORDS.escaped(text) };

/// The title in at most `max` units. Never empty: that is refused everywhere.
pub(super) fn title(message: &Message, dialect: &Dialect, max: usize, notes: &mut Vec<String>) -> String {
    let (title, was_cut) = dialect.fit(&message.title, max);
    if was_cut {
        notes.push(chat::cut_to("title", max, dialect.unit));
    }
    if title.trim().is_empty() { "Job event".to_owned() } else { title }
}

/// Notices and text, each in at most `max` units.
pub(super) fn text(message: &Message, dialect: &Dialect, max: usize, notes: &mut Vec<String>) -> String {
    let mut parts =
        vec![chat::notices(message, dialect, max / 4, notes), chat::text(message, dialect, max / 4 * 3, notes)];
    parts.retain(|part| !part.is_empty());
    parts.join(dialect.gap)
}

/// Fields as literal text, and last why the message came.
pub(super) fn fields(message: &Message, bounds: &Bounds, notes: &mut Vec<String>) -> Vec<(String, String)> {
    let size = |name: &str, value: &str| WORDS.unit.of(name) + WORDS.unit.of(value);
    let mut fields = chat::fields(message, (&WORDS, &WORDS), bounds, size, notes);
    let why = message.footer.as_ref().map(|footer| WORDS.fit(&footer.text, bounds.value).0);
    fields.extend(why.map(|why| ("Why".to_owned(), why)));
    fields
}

/// A word of the vocabulary as literal text, in at most `max` units.
pub(super) fn word(call: &Call<'_>, word: &str, max: usize, notes: &mut Vec<String>) -> Option<String> {
    let (text, was_cut) = WORDS.fit(&call.event.text(word)?, max);
    if was_cut {
        notes.push(chat::cut_to(word, max, WORDS.unit));
    }
    Some(text).filter(|text| !text.trim().is_empty())
}

/// Where to read more: the message's link, else the page about the delivery.
pub(super) fn link<'m>(message: &'m Message, max: usize, notes: &mut Vec<String>) -> Option<&'m str> {
    let details = message.footer.as_ref().and_then(|footer| footer.link.as_deref()).filter(|link| link.len() <= max);
    chat::link(message, max, notes).or(details)
}

/// The four severities most services have.
pub(super) fn severity(level: Level) -> &'static str {
    match level {
        Level::Info | Level::Success => "info",
        Level::Warning => "warning",
        Level::Error => "error",
        Level::Critical => "critical",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_short_plain_and_tell_apart() {
        let plain = |key: &str| key_of(key, 60, |c| c.is_ascii_graphic());
        let in_path = |key: &str| key_of(key, 60, |c| c.is_ascii_alphanumeric());
        assert_eq!(plain("acme/update/dp_1"), "acme/update/dp_1");
        assert!(in_path("acme/1").starts_with("acme_1-") && in_path("acme/1") != in_path("acme_1"));
        let long = "k".repeat(61);
        for key in ["acme/publish/a→b", "with space", "", long.as_str(), "👩".repeat(50).as_str()] {
            let short = plain(key);
            assert!(short.len() <= 60 && short.chars().all(|c| c.is_ascii_graphic()), "{short}");
            assert_eq!(short, plain(key));
        }
        assert_ne!(plain("a→b"), plain("a→c"));
    }
}
