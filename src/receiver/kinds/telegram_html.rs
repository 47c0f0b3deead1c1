//! Telegram's HTML, and whom it can mention.

use crate::receiver::chat;
use crate::receiver::dialect::{Dialect, HTML, PLAIN};

/// Telegram's HTML. Lines are lines there. A zero-width space keeps `@name` in a value from calling somebody.
pub(super) const TELEGRAM: Dialect = Dialect {
    escape: |c, out| match c {
        c if chat::unwanted(c) => {}
        '@' => chat::at(out),
        c => (HTML.escape)(c, out),
    },
    escape_code: |c, out| {
        if !chat::unwanted(c) {
            (HTML.escape)(c, out);
        }
    },
    line: "\n",
    gap: "\n\n",
    ..HTML
};

/// Of which Telegram interprets nothing but names.
pub(super) const LITERAL: Dialect = Dialect {
    escape: |c, out| match c {
        c if chat::unwanted(c) => {}
        '@' => chat::at(out),
        c => out.push(c),
    },
    ..PLAIN
};

pub(super) fn is_name(name: &str) -> bool {
    (4..=32).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[derive(Debug, PartialEq)]
pub(super) enum Mention {
    Name(String),
    /// Somebody without a name of their own: what to call them, and their number.
    User(String, u64),
}

/// # Errors
/// A sentence that says what is accepted.
pub(super) fn mention(text: &str) -> Result<Mention, String> {
    let written = text.trim();
    let name = written.strip_prefix('@').unwrap_or(written);
    let user = written.strip_suffix('>').and_then(|written| written.split_once('<')).and_then(|(name, id)| {
        let name = name.trim().trim_start_matches('@');
        let is_plain = (1..=32).contains(&name.chars().count()) && name.chars().all(|c| !c.is_control());
        Some(Mention::User(name.to_owned(), id.trim().parse().ok()?)).filter(|_| is_plain)
    });
    match user {
        Some(user) => Ok(user),
        None if is_name(name) => Ok(Mention::Name(name.to_owned())),
        None => Err(format!(
            "Telegram cannot mention \"{text}\"; write a username (`@ann_lee`), or for somebody without one a name with their ID: `Ann <123456789>`"
        )),
    }
}

impl Mention {
    pub fn written(&self) -> String {
        match self {
            Mention::Name(name) => format!("@{name}"),
            Mention::User(name, id) => (TELEGRAM.link)(&format!("tg://user?id={id}"), &TELEGRAM.escaped(name)),
        }
    }

    pub fn literal(&self) -> String {
        match self {
            Mention::Name(name) => format!("@{name}"),
            Mention::User(name, _) => LITERAL.escaped(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_are_mentioned_by_name_or_number() {
        assert_eq!(mention("@ann_lee").map(|m| m.written()), Ok("@ann_lee".to_owned()));
        let ann = "<a href=\"tg://user?id=123456789\">Ann &amp; Lee</a>";
        assert_eq!(mention("Ann & Lee <123456789>").map(|m| m.written()), Ok(ann.to_owned()));
        assert!(mention("here there").is_err() && mention("Ann <x>").is_err() && mention("<5>").is_err());
    }
}
