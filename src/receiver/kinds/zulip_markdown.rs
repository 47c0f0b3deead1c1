//! Zulip's Markdown, and whom it can mention.

use crate::receiver::chat;
use crate::receiver::dialect::{Dialect, MARKDOWN, without_tick};

/// Zulip's Markdown has no backslash escapes. Entities stand for what would be markup: a mention, a link, code; and for what would
/// make an emoji or another entity of a value.
pub(super) const ZULIP: Dialect = Dialect {
    escape,
    italic: ("*", "*"),
    escape_code: |c, out| match c {
        c if chat::unwanted(c) => {}
        // Should the tick before it open no code after all, nobody is called.
        '*' if out.ends_with(['@', '_', '#']) => out.push_str("\u{200B}*"),
        c => out.push(without_tick(c)),
    },
    link: |url, label| {
        format!("[{}]({})", label_of(label), url.replace('(', "%28").replace(')', "%29").replace('*', "%2A"))
    },
    ..MARKDOWN
};

/// What is markup, and what stands for it outside and inside of a link's label, where Zulip reads no entities.
const MARKS: [(char, &str, &str); 8] = [
    ('*', "&#x2A;", "∗"),
    ('`', "&#x60;", "ˋ"),
    ('[', "&#x5B;", "("),
    (']', "&#x5D;", ")"),
    ('~', "&#x7E;", "∼"),
    ('<', "&lt;", "‹"),
    (';', "&#x3B;", ";"),
    (':', "&#x3A;", ":"),
];

fn escape(c: char, out: &mut String) {
    let line_begins = out.ends_with('\n');
    let needed = match c {
        '*' | '`' | '[' | ']' | '~' | '<' => true,
        ';' => ends_in_entity(out),
        ':' => ends_in_emoji(out),
        _ => false,
    };
    match MARKS.iter().find(|(mark, ..)| needed && *mark == c) {
        Some((_, entity, _)) => out.push_str(entity),
        None if chat::unwanted(c) => {}
        // At the start of a line they make quotes, headings, lists, tables, code.
        None if line_begins && (matches!(c, '>' | '#' | '-' | '+' | '|' | ' ' | '\t' | '/') || c.is_ascii_digit()) => {
            out.extend(['\u{200B}', c]);
        }
        None if c == '$' && out.ends_with('$') => out.push_str("\u{200B}$"),
        None => out.push(c),
    }
}

/// Whether a `;` would finish `&name` or `&#12`.
fn ends_in_entity(out: &str) -> bool {
    let rest = out.trim_end_matches(|c: char| c.is_ascii_alphanumeric());
    rest.len() < out.len() && (rest.ends_with('&') || rest.ends_with("&#"))
}

/// Whether a `:` would finish `:name`.
fn ends_in_emoji(out: &str) -> bool {
    let rest = out.trim_end_matches(|c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '+'));
    rest.len() < out.len() && rest.ends_with(':')
}

fn label_of(label: &str) -> String {
    MARKS.iter().fold(label.to_owned(), |label, (_, entity, plain)| label.replace(entity, plain))
}

#[derive(Debug, PartialEq)]
pub(super) enum Mention {
    /// `all`, `channel`, `topic` and the like: many at once.
    Many(String),
    Person(String),
    Group(String),
}

/// # Errors
/// A sentence that says what is accepted.
pub(super) fn mention(text: &str) -> Result<Mention, String> {
    let name = text.trim();
    let name = name.strip_prefix('@').unwrap_or(name);
    let within = |mark: &str| name.strip_prefix(mark).and_then(|name| name.strip_suffix(mark));
    let (name, group) = match (within("**"), within("*")) {
        (Some(name), _) => (name, false),
        (None, Some(name)) => (name, true),
        (None, None) => (name, false),
    };
    let name = name.trim();
    let allowed = |c: char| !c.is_control() && !matches!(c, '*' | '`' | '\\' | '>' | '<' | '"' | '@' | '[' | ']');
    if name.is_empty() || name.chars().count() > 100 || !name.chars().all(allowed) {
        return Err(format!(
            "Zulip cannot mention \"{text}\"; write `all`, `topic`, somebody's full name (`Ann Lee`), or a group's between asterisks (`*data-ops*`)"
        ));
    }
    Ok(match name {
        _ if group => Mention::Group(name.to_owned()),
        "all" | "everyone" | "channel" | "stream" | "topic" => Mention::Many(name.to_owned()),
        _ => Mention::Person(name.to_owned()),
    })
}

impl Mention {
    pub fn written(&self) -> String {
        match self {
            Mention::Many(name) | Mention::Person(name) => format!("@**{name}**"),
            Mention::Group(name) => format!("@*{name}*"),
        }
    }

    /// Many at once are only named.
    pub fn quiet(&self) -> String {
        match self {
            Mention::Many(name) => format!("@{name}"),
            Mention::Person(_) | Mention::Group(_) => self.written(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_value_is_markup() {
        for (value, written) in [
            ("@**all** #**x**", "@&#x2A;&#x2A;all&#x2A;&#x2A; #&#x2A;&#x2A;x&#x2A;&#x2A;"),
            ("[x](https://e.example/?a=1&b=2)", "&#x5B;x&#x5D;(https://e.example/?a=1&b=2)"),
            ("&amp; a & b; &#42;", "&amp&#x3B; a & b; &#42&#x3B;"),
            ("x.py:100: 12:30:45", "x.py:100&#x3A; 12:30&#x3A;45"),
            ("$5 $$x$$", "$5 $\u{200B}$x$\u{200B}$"),
            ("a\n- b\n```\n    c", "a\n\u{200B}- b\n&#x60;&#x60;&#x60;\n\u{200B}    c"),
        ] {
            assert_eq!(ZULIP.escaped(value), written, "{value}");
        }
        assert_eq!(
            (ZULIP.link)("https://x.example/(a)", &ZULIP.escaped("@**all** [1]")),
            "[@∗∗all∗∗ (1)](https://x.example/%28a%29)"
        );
    }

    #[test]
    fn a_value_and_our_own_asterisks_make_no_mention() {
        for (value, bold) in [("to @", "**to @\u{200B}**"), ("@_", "**@_\u{200B}**"), ("a@b", "**a@b**")] {
            assert_eq!(ZULIP.bold(&ZULIP.escaped(value)), bold);
        }
    }

    #[test]
    fn mentions_are_in_zulips_form() {
        let written = |text: &str| mention(text).map(|mention| mention.written());
        assert_eq!(written("all").as_deref(), Ok("@**all**"));
        assert_eq!(written("@**Ann Lee|12**").as_deref(), Ok("@**Ann Lee|12**"));
        assert_eq!(written("*data-ops*").as_deref(), Ok("@*data-ops*"));
        assert!(written("a*b").is_err() && written("").is_err());
        assert_eq!(mention("@all").map(|all| all.quiet()).as_deref(), Ok("@all"));
    }
}
