//! Slack's own markup, "mrkdwn": escaping, mentions, and the dialect.

use crate::receiver::dialect::{Dialect, PLAIN, Unit, without_tick};

/// `*`, `_` and `~` are left as they are: at worst a value looks bold, while a changed one could no longer be copied. An unescaped
/// `<!channel>` in a name would page everyone.
pub(super) const MRKDWN: Dialect = Dialect {
    escape: written,
    bold: ("*", "*"),
    italic: ("_", "_"),
    code: ("`", "`"),
    fence: ("```\n", "\n```"),
    escape_code: |c, out| written(without_tick(c), out),
    link: |url, label| format!("<{}|{label}>", escape(url)),
    unit: Unit::Utf16,
    ..PLAIN
};

fn written(c: char, out: &mut String) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        c => out.push(c),
    }
}

/// Literal text.
pub(super) fn escape(text: &str) -> String {
    MRKDWN.escaped(text)
}

/// `here`, `channel`, `everyone`, `U…`, `W…` (a person) or `S…` (a group), with or without `@`, as Slack wants it.
///
/// # Errors
/// A sentence that says what is accepted.
pub(super) fn mention(text: &str) -> Result<String, String> {
    let name = text.trim().trim_start_matches('@');
    let is_id = name.len() >= 3 && name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit());
    match name.as_bytes().first() {
        _ if matches!(name, "here" | "channel" | "everyone") => Ok(format!("<!{name}>")),
        Some(b'U' | b'W') if is_id => Ok(format!("<@{name}>")),
        Some(b'S') if is_id => Ok(format!("<!subteam^{name}>")),
        _ => Err(format!(
            "Slack cannot mention \"{text}\"; write `here`, `channel`, `everyone`, a member ID (`U012ABCDEF`) or a group ID (`S012ABCDEF`)"
        )),
    }
}
