//! What Teams makes of text in a card: its Markdown, and how people are mentioned.

use serde_json::{Value, json};

use crate::receiver::chat;
use crate::receiver::dialect::{Dialect, MARKDOWN, Unit};

/// The Markdown of a card: bold, italic, lists, links. A new line needs an empty one, after which a zero-width space keeps a value's
/// `- ` or `1. ` from being a list, and its indentation from being code.
pub(super) const CARD: Dialect = Dialect {
    escape: |c, out| match c {
        '\n' if out.ends_with("\n\n\u{200B}") => {}
        '\n' => out.push_str("\n\n\u{200B}"),
        c if chat::unwanted(c) => {}
        '\\' | '`' | '*' | '_' | '[' | ']' | '(' | ')' | '<' => out.extend(['\\', c]),
        c => out.push(c),
    },
    code: ("", ""),
    fence: ("", ""),
    escape_code: |c, out| (CARD.escape)(c, out),
    item: |depth, number| {
        let indent = "    ".repeat(depth.min(4));
        number.map_or_else(|| format!("{indent}- "), |number| format!("{indent}{number}. "))
    },
    line: "\n\n",
    unit: Unit::Bytes,
    ..MARKDOWN
};

/// A person, as `Name <id>`: `<at>Name</at>` in a text, and who that is.
#[derive(Debug, PartialEq)]
pub(super) struct Mention {
    pub name: String,
    id: String,
}

/// # Errors
/// A sentence that says what is accepted.
pub(super) fn mention(text: &str) -> Result<Mention, String> {
    let wrong = || {
        format!(
            "Teams cannot mention \"{text}\"; write a name with a sign-in name or object ID: `Ann Lee <ann@example.com>`"
        )
    };
    let written = text.trim();
    let (name, id) = match written.strip_suffix('>').and_then(|written| written.split_once('<')) {
        Some((name, id)) => (name.trim(), id.trim()),
        None => (written, written),
    };
    let name = name.trim_start_matches('@');
    // The name stands in the card as it is: markup in it would part it from its entity.
    let is_name =
        !name.is_empty() && name.len() <= 100 && !name.contains(|c: char| c.is_control() || "<>*[]`\\".contains(c));
    let is_sign_in = id.len() <= 200
        && id.split_once('@').is_some_and(|(user, domain)| !user.is_empty() && domain.contains('.'))
        && id.bytes().all(|byte| byte.is_ascii_graphic() && !b"<>\"\\".contains(&byte));
    let is_object = id.len() == 36 && id.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    // An object ID alone would be shown instead of a name.
    if is_name && (is_sign_in || (is_object && name != id)) {
        return Ok(Mention { name: name.to_owned(), id: id.to_owned() });
    }
    Err(wrong())
}

impl Mention {
    pub fn written(&self) -> String {
        format!("<at>{}</at>", self.name)
    }

    pub fn entity(&self) -> Value {
        json!({ "type": "mention", "text": self.written(), "mentioned": { "id": self.id, "name": self.name } })
    }
}
