//! The Markdown subset of `text` (bold, italic, code, links, lists), parsed once for every kind.
//!
//! What `{{ }}` inserts is literal: the engine shields every character Markdown could interpret (private-use code points), and
//! the parser's leaves are unshielded here. So no value can open bold text, a link or a mention.

use std::fmt::Write as _;

use pulldown_cmark::{Event, Options, Parser, Tag, TagEnd};

use super::link;
use super::shield::{shield, unshield};

/// Rendered Markdown, inserted values still shielded.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Markdown(pub(super) String);

/// A block of text.
#[derive(Debug, Clone, PartialEq)]
pub enum Block {
    /// Also a heading, in bold.
    Paragraph(Vec<Inline>),
    /// A list's item. Nested lists are flattened into `depth`.
    Item {
        /// 0 for a list that is not inside another.
        depth: usize,
        /// Of an ordered list.
        number: Option<u64>,
        /// What it says.
        content: Vec<Inline>,
    },
    /// A fenced or indented code block.
    Code(String),
}

/// A run inside a block. Strings are literal.
#[derive(Debug, Clone, PartialEq)]
pub enum Inline {
    /// As it is.
    Text(String),
    /// In a fixed-width font.
    Code(String),
    /// `**bold**`
    Bold(Vec<Inline>),
    /// `_italic_`
    Italic(Vec<Inline>),
    /// `[content](url)`
    Link {
        /// `http`, `https` or `mailto`.
        url: String,
        /// What it says.
        content: Vec<Inline>,
    },
    /// A new line.
    Break,
}

impl Markdown {
    /// Text written without any Markdown: nothing in it is interpreted.
    #[must_use]
    pub fn literal(text: &str) -> Markdown {
        Markdown(shield(text).into_owned())
    }

    /// The structure.
    #[must_use]
    pub fn blocks(&self) -> Vec<Block> {
        let mut reader = Reader::default();
        for event in Parser::new_ext(&self.0, Options::empty()) {
            reader.event(event);
        }
        reader.close_block();
        reader.blocks
    }

    /// As plain text, for notifications, logs and services without markup.
    #[must_use]
    pub fn plain(&self) -> String {
        let mut out = String::new();
        let mut after_item = false;
        for block in self.blocks() {
            let is_item = matches!(block, Block::Item { .. });
            if !out.is_empty() {
                out.push_str(if is_item && after_item { "\n" } else { "\n\n" });
            }
            after_item = is_item;
            match block {
                Block::Paragraph(content) => plain_run(&content, &mut out),
                Block::Item { depth, number, content } => {
                    out.push_str(&item_mark(depth, number));
                    plain_run(&content, &mut out);
                }
                Block::Code(code) => out.push_str(&code),
            }
        }
        out
    }

    /// As Markdown source with inserted values as they are.
    #[must_use]
    pub fn source(&self) -> String {
        unshield(&self.0).into_owned()
    }
}

/// What stands before an item in services without lists: `• `, `2. `, indented by depth.
#[must_use]
pub fn item_mark(depth: usize, number: Option<u64>) -> String {
    let indent = "    ".repeat(depth.min(8));
    match number {
        Some(number) => format!("{indent}{number}. "),
        None => format!("{indent}• "),
    }
}

fn plain_run(content: &[Inline], out: &mut String) {
    for inline in content {
        match inline {
            Inline::Text(text) | Inline::Code(text) => out.push_str(text),
            Inline::Bold(content) | Inline::Italic(content) => plain_run(content, out),
            Inline::Link { url, content } => {
                let start = out.len();
                plain_run(content, out);
                if &out[start..] != url {
                    let _ = write!(out, " ({url})");
                }
            }
            Inline::Break => out.push('\n'),
        }
    }
}

/// Builds blocks from the parser's events. Inline runs nest on a stack; what the subset lacks falls back to its text.
#[derive(Default)]
struct Reader {
    blocks: Vec<Block>,
    /// Of each open list: the next number, if ordered.
    lists: Vec<Option<u64>>,
    /// The item whose first text is yet to come.
    item: Option<(usize, Option<u64>)>,
    /// Open runs, the block's own first.
    runs: Vec<Vec<Inline>>,
    /// Open links' targets.
    targets: Vec<String>,
    code: Option<String>,
}

impl Reader {
    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Start(tag) => self.start(tag),
            Event::End(tag) => self.end(tag),
            Event::Text(text) => match &mut self.code {
                Some(code) => code.push_str(&unshield(&text)),
                None => self.text(&text),
            },
            Event::Code(code) => self.push(Inline::Code(unshield(&code).into_owned())),
            Event::Html(text) | Event::InlineHtml(text) => self.text(&text),
            Event::SoftBreak | Event::HardBreak => self.push(Inline::Break),
            _ => {}
        }
    }

    fn start(&mut self, tag: Tag<'_>) {
        match tag {
            Tag::Heading { .. } => {
                self.close_block();
                self.runs = vec![Vec::new(), Vec::new()];
            }
            Tag::Paragraph | Tag::HtmlBlock | Tag::BlockQuote(_) => self.close_block(),
            Tag::CodeBlock(_) => {
                self.close_block();
                self.code = Some(String::new());
            }
            Tag::List(first) => {
                self.close_block();
                self.lists.push(first);
            }
            Tag::Item => {
                self.close_block();
                let depth = self.lists.len().saturating_sub(1);
                let number = self.lists.last_mut().and_then(|next| {
                    let number = *next;
                    *next = number.map(|n| n.saturating_add(1));
                    number
                });
                self.item = Some((depth, number));
            }
            Tag::Strong | Tag::Emphasis => self.open_run(),
            Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. } => {
                self.targets.push(unshield(&dest_url).into_owned());
                self.open_run();
            }
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd) {
        match tag {
            TagEnd::Heading(_) => {
                self.wrap(Inline::Bold);
                self.close_block();
            }
            TagEnd::Paragraph | TagEnd::HtmlBlock | TagEnd::BlockQuote(_) => self.close_block(),
            TagEnd::Item => {
                self.close_block();
                self.item = None;
            }
            TagEnd::CodeBlock => {
                if let Some(code) = self.code.take() {
                    self.blocks.push(Block::Code(code.trim_end_matches('\n').to_owned()));
                }
            }
            TagEnd::List(_) => {
                self.close_block();
                self.lists.pop();
            }
            TagEnd::Strong => self.wrap(Inline::Bold),
            TagEnd::Emphasis => self.wrap(Inline::Italic),
            TagEnd::Link | TagEnd::Image => {
                let target = self.targets.pop().unwrap_or_default();
                if let Some(url) = link::target(&target) {
                    self.wrap(|content| Inline::Link { url, content });
                } else if let Some(content) = self.close_run() {
                    // A target that must not be opened is shown, not hidden.
                    for inline in content {
                        self.push(inline);
                    }
                    self.push(Inline::Text(format!(" ({target})")));
                }
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &str) {
        let text = unshield(text);
        if let Some(Inline::Text(before)) = self.run().last_mut() {
            before.push_str(&text);
        } else {
            self.push(Inline::Text(text.into_owned()));
        }
    }

    fn push(&mut self, inline: Inline) {
        self.run().push(inline);
    }

    fn run(&mut self) -> &mut Vec<Inline> {
        if self.runs.is_empty() {
            self.runs.push(Vec::new());
        }
        self.runs.last_mut().expect("one was just pushed")
    }

    fn open_run(&mut self) {
        self.run();
        self.runs.push(Vec::new());
    }

    fn close_run(&mut self) -> Option<Vec<Inline>> {
        if self.runs.len() > 1 { self.runs.pop() } else { None }
    }

    fn wrap(&mut self, make: impl FnOnce(Vec<Inline>) -> Inline) {
        if let Some(content) = self.close_run().filter(|content| !content.is_empty()) {
            self.push(make(content));
        }
    }

    fn close_block(&mut self) {
        let mut content: Vec<Inline> = std::mem::take(&mut self.runs).into_iter().flatten().collect();
        while content.last() == Some(&Inline::Break) {
            content.pop();
        }
        if content.is_empty() {
            return;
        }
        self.blocks.push(match self.item.take() {
            Some((depth, number)) => Block::Item { depth, number, content },
            None => Block::Paragraph(content),
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> Inline {
        Inline::Text(text.to_owned())
    }

    #[test]
    fn the_subset() {
        let source = "# Head\n**bold** and *it*, `code`\nnext [docs](https://x.example/a)\n\n- one\n  1. two\n- three\n\n```\nlet x;\n```\n";
        assert_eq!(
            Markdown(source.to_owned()).blocks(),
            vec![
                Block::Paragraph(vec![Inline::Bold(vec![text("Head")])]),
                Block::Paragraph(vec![
                    Inline::Bold(vec![text("bold")]),
                    text(" and "),
                    Inline::Italic(vec![text("it")]),
                    text(", "),
                    Inline::Code("code".into()),
                    Inline::Break,
                    text("next "),
                    Inline::Link { url: "https://x.example/a".into(), content: vec![text("docs")] },
                ]),
                Block::Item { depth: 0, number: None, content: vec![text("one")] },
                Block::Item { depth: 1, number: Some(1), content: vec![text("two")] },
                Block::Item { depth: 0, number: None, content: vec![text("three")] },
                Block::Code("let x;".into()),
            ]
        );
    }

    #[test]
    fn plain_text_keeps_what_a_reader_needs() {
        let source = "**Failed**: [docs](https://x.example/a)\n\n- one\n- two\n\nend";
        assert_eq!(Markdown(source.into()).plain(), "Failed: docs (https://x.example/a)\n\n• one\n• two\n\nend");
    }

    #[test]
    fn a_dangerous_link_is_shown_as_text() {
        for target in ["javascript:alert(1)", "data:text/html,x", "//host/x"] {
            let blocks = Markdown(format!("[go]({target})")).blocks();
            assert_eq!(blocks, vec![Block::Paragraph(vec![text("go"), text(&format!(" ({target})"))])]);
        }
    }

    #[test]
    fn html_is_text() {
        assert_eq!(Markdown("a <b>x</b>".into()).plain(), "a <b>x</b>");
        assert_eq!(Markdown("<div>\nx\n</div>".into()).plain(), "<div>\nx\n</div>");
    }

    proptest! {
        #[test]
        fn no_value_creates_structure(value in "[^\u{202a}-\u{202e}\u{2066}-\u{2069}\u{F0000}-\u{10FFFF}]+") {
            prop_assert_eq!(Markdown::literal(&value).blocks(), vec![Block::Paragraph(vec![text(&value)])]);
        }

        #[test]
        fn no_value_breaks_structure_around_it(value in "[^\u{202a}-\u{202e}\u{2066}-\u{2069}\u{F0000}-\u{10FFFF}]+") {
            let source = format!("a**{}**b `c`", shield(&value));
            let expected = vec![text("a"), Inline::Bold(vec![text(&value)]), text("b "), Inline::Code("c".into())];
            prop_assert_eq!(Markdown(source).blocks(), vec![Block::Paragraph(expected)]);
        }

        #[test]
        fn nothing_panics(source in any::<String>()) {
            let markdown = Markdown(source);
            let _ = (markdown.blocks(), markdown.plain(), markdown.source());
        }
    }
}
