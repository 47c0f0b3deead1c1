//! Slack's own markup, "mrkdwn": escaping, mentions, and the message's Markdown written in it.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::message::{Block, Inline, Markdown, cut, item_mark};

/// Escapes what Slack would interpret. An unescaped `<!channel>` in a name would page everyone. `*`, `_` and `~` are left as they
/// are: at worst a value looks bold, while a changed one could no longer be copied.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
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

/// The blocks of a text, each at most `max` long, and whether any was cut.
pub(super) fn blocks(text: &Markdown, max: usize) -> (Vec<String>, bool) {
    let mut was_cut = false;
    let rendered = text.blocks().iter().map(|block| bounded(block, max, &mut was_cut)).collect();
    (rendered, was_cut)
}

/// The whole text.
pub(super) fn text(markdown: &Markdown) -> String {
    let mut out = String::new();
    let mut after_item = false;
    for block in markdown.blocks() {
        let is_item = matches!(block, Block::Item { .. });
        if !out.is_empty() {
            out.push_str(if is_item && after_item { "\n" } else { "\n\n" });
        }
        after_item = is_item;
        out.push_str(&render(&block));
    }
    out
}

fn render(block: &Block) -> String {
    let mut out = String::new();
    match block {
        Block::Paragraph(content) => write_run(content, &mut out),
        Block::Item { depth, number, content } => {
            out.push_str(&item_mark(*depth, *number));
            write_run(content, &mut out);
        }
        Block::Code(code) => out = fenced(&escape(&without_ticks(code))),
    }
    out
}

/// A block in at most `max` characters. One that is too long loses its markup: what is cut must not leave any of it open.
fn bounded(block: &Block, max: usize, was_cut: &mut bool) -> String {
    let whole = render(block);
    if whole.encode_utf16().count() <= max {
        return whole;
    }
    *was_cut = true;
    match block {
        Block::Code(code) => fenced(&cut(&escape(&without_ticks(code)), max.saturating_sub(8)).0),
        Block::Item { depth, number, content } => {
            let text = format!("{}{}", item_mark(*depth, *number), escape(&plain(content)));
            cut(&text, max).0.into_owned()
        }
        Block::Paragraph(content) => cut(&escape(&plain(content)), max).0.into_owned(),
    }
}

fn fenced(code: &str) -> String {
    format!("```\n{code}\n```")
}

/// A tick in a value would end the code it stands in.
fn without_ticks(code: &str) -> Cow<'_, str> {
    if code.contains('`') { Cow::Owned(code.replace('`', "ˋ")) } else { Cow::Borrowed(code) }
}

fn write_run(content: &[Inline], out: &mut String) {
    for inline in content {
        match inline {
            Inline::Text(text) => out.push_str(&escape(text)),
            Inline::Code(code) => {
                let _ = write!(out, "`{}`", escape(&without_ticks(code)));
            }
            Inline::Bold(content) => wrapped('*', content, out),
            Inline::Italic(content) => wrapped('_', content, out),
            Inline::Link { url, content } => {
                let label = plain(content).replace('\n', " ");
                let _ = write!(out, "<{}|{}>", escape(url), escape(if label.is_empty() { url } else { &label }));
            }
            Inline::Break => out.push('\n'),
        }
    }
}

fn wrapped(mark: char, content: &[Inline], out: &mut String) {
    out.push(mark);
    write_run(content, out);
    out.push(mark);
}

fn plain(content: &[Inline]) -> String {
    let mut out = String::new();
    for inline in content {
        match inline {
            Inline::Text(text) | Inline::Code(text) => out.push_str(text),
            Inline::Bold(content) | Inline::Italic(content) | Inline::Link { content, .. } => {
                out.push_str(&plain(content));
            }
            Inline::Break => out.push('\n'),
        }
    }
    out
}
