//! Text → located tree. The YAML library reads events and keeps within a budget; merging `<<`, finding repeated keys and keeping
//! the text as written happen here, where every place is known.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_yaml::Spanned;

use super::{Code, Key, Lines, Map, Node, Places, Problems, Scalar, Span, Style, Value, slip, syntax};

/// How many bytes a file may have: far more than people write, and read within a second.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;
/// How deep lists and maps may be nested.
const MAX_DEPTH: usize = 64;
/// How many nodes a file may hold, and how many its aliases may add.
const MAX_NODES: usize = 400_000;

/// Parses one document. Syntax problems (tabs, duplicate keys, several documents, alias bombs) are recorded; `None` if there is no tree.
///
/// An empty document is a [`Value::Null`]. Values that come through an anchor or `<<` stand where they were written.
pub fn parse(text: &str, problems: &mut Problems) -> Option<Node> {
    if text.len() > MAX_BYTES {
        let help = "is it the right file? routes.yaml holds receivers, routes and messages".to_owned();
        problems.error(Code::TooLarge, Span::default(), "the file is larger than 4 MiB", help);
        return None;
    }
    match serde_yaml::from_str_with_options::<Spanned<Raw>>(text, options()) {
        Ok(raw) => Some(Builder { text, lines: Lines::of(text), problems }.node(raw, None)),
        Err(error) => {
            syntax::record(text, &error, problems);
            None
        }
    }
}

fn options() -> serde_yaml::Options {
    serde_yaml::options! {
        budget: serde_yaml::budget! {
            max_depth: MAX_DEPTH,
            max_nodes: MAX_NODES,
            // A single anchor used by every route is no attack; what aliases add up to is bounded below.
            enforce_alias_anchor_ratio: false,
        },
        alias_limits: serde_yaml::alias_limits! { max_total_replayed_events: MAX_NODES },
        // Both are done by the builder: it knows all places, and goes on after the first.
        duplicate_keys: serde_yaml::DuplicateKeyPolicy::PassThrough,
        merge_keys: serde_yaml::options::MergeKeyPolicy::AsOrdinary,
        non_finite_float_policy: serde_yaml::NonFiniteFloatPolicy::PassThrough,
        reject_unsupported_tags: true,
        with_snippet: false,
    }
}

/// What the library makes of a node.
enum Raw {
    Null,
    /// A text; of a plain scalar, as written.
    Text(String),
    /// A plain scalar the library takes for a boolean or number; what was meant is in the source. The text is for tagged ones.
    Literal(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<Raw>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Raw, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("any YAML")
    }
    fn visit_unit<E: de::Error>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }
    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Raw, E> {
        Ok(Raw::Literal(value.to_string()))
    }
    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Raw, E> {
        Ok(Raw::Literal(value.to_string()))
    }
    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Raw, E> {
        Ok(Raw::Literal(value.to_string()))
    }
    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Raw, E> {
        Ok(Raw::Literal(value.to_string()))
    }
    fn visit_str<E: de::Error>(self, value: &str) -> Result<Raw, E> {
        Ok(Raw::Text(value.to_owned()))
    }
    fn visit_string<E: de::Error>(self, value: String) -> Result<Raw, E> {
        Ok(Raw::Text(value))
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }
    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Raw::Map(map))
    }
}

/// Turns what the library read into nodes.
struct Builder<'a> {
    text: &'a str,
    lines: Lines,
    problems: &'a mut Problems,
}

impl Builder<'_> {
    /// `key` is the key this node is the value of.
    fn node(&mut self, raw: Spanned<Raw>, key: Option<Span>) -> Node {
        let at = syntax::span(self.text, &raw.defined);
        // Of lists and maps the library tells the start only: one character of a flow one, none of a block one.
        let flow = at.end > at.start;
        match raw.value {
            Raw::Null => {
                let span = if at.start == at.end { key.unwrap_or(at) } else { at };
                Node { span, value: Value::Null }
            }
            Raw::Text(text) => {
                let style = self.style(at);
                let places = Places::new(self.text, at, style, &text);
                Node { span: at, value: Value::Scalar(Scalar { text, style, places }) }
            }
            Raw::Literal(canonical) => {
                let style = self.style(at);
                let text = match style {
                    Style::Plain => self.text[at.start..at.end].to_owned(),
                    Style::Quoted | Style::Block => canonical,
                };
                let places = Places::new(self.text, at, style, &text);
                Node { span: at, value: Value::Scalar(Scalar { text, style: Style::Plain, places }) }
            }
            Raw::List(items) => {
                let list: Vec<Node> = items.into_iter().map(|item| self.node(item, None)).collect();
                let span = if flow {
                    self.flow_span(at, list.iter().map(|item| item.span))
                } else {
                    key.or(list.first().map(|item| item.span)).unwrap_or(at)
                };
                Node { span, value: Value::List(list) }
            }
            Raw::Map(entries) => {
                let map = self.map(entries);
                let span = if flow {
                    self.flow_span(at, map.0.iter().flat_map(|(key, value)| [key.span, value.span]))
                } else {
                    key.or(map.0.first().map(|(key, _)| key.span)).unwrap_or(at)
                };
                Node { span, value: Value::Map(map) }
            }
        }
    }

    /// The entries as written, then what `<<` adds: an entry of the map itself wins, then the first source.
    fn map(&mut self, entries: Vec<(Spanned<Raw>, Spanned<Raw>)>) -> Map {
        let mut map = Map::default();
        let mut seen: HashMap<String, Span> = HashMap::new();
        let mut merged = Vec::new();
        // Whether a dash is missing above: then all that follows is another entry's.
        let mut of_another = false;
        for (key, value) in entries {
            let Some(key) = self.key(&key) else { continue };
            let node = self.node(value, Some(key.span));
            if key.text == "<<" && self.text[key.span.start..key.span.end] == *"<<" {
                self.merge(node, &mut merged);
            } else if let Some(first) = seen.get(&key.text) {
                let line = self.lines.line(first.start);
                let begins = key.text == "name" && self.is_entry(*first) && self.lines.line(key.span.start) > line;
                let help = if begins {
                    format!("it is already set on line {line}; a new route or test begins with a dash: `- name: …`")
                } else {
                    format!("it is already set on line {line}: keep one of them")
                };
                if !of_another {
                    let message = format!("the key {:?} is given twice", key.text);
                    self.problems.error(Code::DuplicateKey, key.span, message, help);
                }
                of_another |= begins;
            } else {
                seen.insert(key.text.clone(), key.span);
                map.0.push((key, node));
            }
        }
        for (key, node) in merged {
            if let Entry::Vacant(free) = seen.entry(key.text.clone()) {
                free.insert(key.span);
                map.0.push((key, node));
            }
        }
        map
    }

    /// Whether a key is the first behind the `- ` of a list.
    fn is_entry(&self, key: Span) -> bool {
        let before = self.text[..key.start].trim_end_matches(' ');
        before.ends_with('-')
            && before[..before.len() - 1].rsplit('\n').next().is_some_and(|line| line.trim().is_empty())
    }

    fn merge(&mut self, node: Node, merged: &mut Vec<(Key, Node)>) {
        match node.value {
            Value::Map(map) => merged.extend(map.0),
            Value::List(items) => {
                for item in items {
                    match item.value {
                        Value::Map(map) => merged.extend(map.0),
                        _ => self.bad_merge(item.span),
                    }
                }
            }
            Value::Null | Value::Scalar(_) => self.bad_merge(node.span),
        }
    }

    fn bad_merge(&mut self, span: Span) {
        self.problems.error(
            Code::BadMerge,
            span,
            "`<<` merges maps, and this is none",
            "give it an alias of a map (`<<: *name`) or a list of such".to_owned(),
        );
    }

    fn key(&mut self, raw: &Spanned<Raw>) -> Option<Key> {
        let span = syntax::span(self.text, &raw.defined);
        let text = match &raw.value {
            Raw::Text(text) => text.clone(),
            Raw::Null | Raw::Literal(_) => self.text[span.start..span.end].to_owned(),
            Raw::List(_) | Raw::Map(_) => {
                let (message, help) = if self.text[..span.start].ends_with('{')
                    && self.text[span.start..].starts_with('{')
                {
                    ("an unquoted `{{` is a map to YAML, not a template", "put the whole value in quotes: \"{{ … }}\"")
                } else {
                    ("a key must be text, not a list or a map", "put it in quotes if it is meant as text")
                };
                self.problems.error(Code::BadKey, span, message, help.to_owned());
                return None;
            }
        };
        if let Some((at, letter)) = self.invisible(&text, span) {
            let place = Span { start: span.start + at, end: span.start + at + letter.len_utf8() };
            let message = format!("{} stands here, which only looks like a space", slip::name(letter));
            self.problems.error(Code::BadKey, place, message, "replace it by a plain space".to_owned());
            // What the key was meant as, so that nothing else is said of it.
            let text = text.trim_start_matches(slip::is_invisible).to_owned();
            let span = Span { start: span.end - text.len(), end: span.end };
            return (at == 0).then_some(Key { text, span });
        }
        Some(Key { text, span })
    }

    /// A strange space before a plain key, or behind a `:` that YAML therefore took for a part of it.
    fn invisible(&self, text: &str, span: Span) -> Option<(usize, char)> {
        let plain = self.text[span.start..span.end] == *text;
        let at = if text.starts_with(slip::is_invisible) { 0 } else { text.find(':')? + 1 };
        let letter = text[at..].chars().next().filter(|letter| plain && slip::is_invisible(*letter))?;
        Some((at, letter))
    }

    /// From the opening bracket to the closing one, or as near to it as the children tell.
    fn flow_span(&self, open: Span, children: impl Iterator<Item = Span>) -> Span {
        // What comes through an alias stands elsewhere, before.
        let inner = children.filter(|child| child.start >= open.end).map(|child| child.end).max().unwrap_or(open.end);
        let rest = &self.text[inner..];
        let close = rest.trim_start_matches([' ', '\t', '\n', '\r', ',']);
        let end = if close.starts_with(['}', ']']) { self.text.len() - close.len() + 1 } else { inner };
        Span { start: open.start, end }
    }

    /// How the scalar at `span` was written. Of a block scalar the library tells the content only, so its header is looked for.
    fn style(&self, span: Span) -> Style {
        let before = &self.text[..span.start];
        let indent = before.trim_end_matches([' ', '\t']);
        if span.start == span.end {
            // A plain one would be null.
            return Style::Block;
        }
        if indent.ends_with('\n') && indent.trim_end().rsplit('\n').next().is_some_and(is_block_header) {
            return Style::Block;
        }
        if self.text[span.start..].starts_with(['"', '\'']) { Style::Quoted } else { Style::Plain }
    }
}

/// Whether a line ends with `|` or `>`, as in `text: |-  # a comment`.
fn is_block_header(line: &str) -> bool {
    let line = line.split_once(" #").map_or(line, |(line, _)| line).trim_end();
    let line = line.trim_end_matches(['+', '-', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
    line.strip_suffix(['|', '>']).is_some_and(|line| line.is_empty() || line.ends_with([' ', '\t']))
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use proptest::prelude::*;

    use super::super::report;
    use super::*;

    fn tree(text: &str) -> (Option<Node>, String) {
        let mut problems = Problems::default();
        let node = parse(text, &mut problems);
        (node, report("routes.yaml", text, &problems, false))
    }

    /// The tree in one line: `'…'` quoted, `|…|` block, `~` null.
    fn shape(node: &Node) -> String {
        match &node.value {
            Value::Null => "~".to_owned(),
            Value::Scalar(Scalar { text, style: Style::Plain, .. }) => text.clone(),
            Value::Scalar(Scalar { text, style: Style::Quoted, .. }) => format!("'{text}'"),
            Value::Scalar(Scalar { text, style: Style::Block, .. }) => format!("|{text}|"),
            Value::List(items) => format!("[{}]", items.iter().map(shape).collect::<Vec<_>>().join(", ")),
            Value::Map(map) => {
                let entries: Vec<_> =
                    map.0.iter().map(|(key, value)| format!("{}: {}", key.text, shape(value))).collect();
                format!("{{{}}}", entries.join(", "))
            }
        }
    }

    #[test]
    fn scalars_stay_as_written() {
        let cases = [
            ("a: 0123", "{a: 0123}"),
            (
                "a: no\nb: 1.10\nc: 1e999\nd: .inf\ne: 1_000\nf: 0x1F\ng: TRUE",
                "{a: no, b: 1.10, c: 1e999, d: .inf, e: 1_000, f: 0x1F, g: TRUE}",
            ),
            ("no: x\n5: y\n~: z\n'q': r", "{no: x, 5: y, ~: z, q: r}"),
            ("a: \"1\\n\"\nb: 'it''s'", "{a: '1\n', b: 'it's'}"),
            ("a: two\n  lines", "{a: two lines}"),
            ("a: |\n  \"x\"\n  y\nb: >- # note\n  x\n  y\nc: |+2\n   z\n", "{a: |\"x\"\ny\n|, b: |x y|, c: | z\n|}"),
            ("a: |\nb:\n  plain", "{a: ||, b: plain}"),
            ("a:\nb: ~\nc: null\nd: ''", "{a: ~, b: ~, c: ~, d: ''}"),
            ("a: [1, 'b', {c: d}, ]", "{a: [1, 'b', {c: d}]}"),
            ("a: !!str 5\nb: !!int '7'", "{a: 5, b: 7}"),
            ("url: ${X}\nb: a$$b", "{url: ${X}, b: a$$b}"),
            ("\u{feff}ü: é", "{ü: é}"),
            ("", "~"),
            ("# nothing", "~"),
        ];
        for (text, expected) in cases {
            let (node, report) = tree(text);
            assert_eq!(report, "", "{text}");
            assert_eq!(shape(&node.expect("a tree")), expected, "{text}");
        }
    }

    #[test]
    fn every_value_knows_its_place() {
        let text = "ä: 1\nmap:\n  key: \"v\"\n  none:\nflow: { a: [x, y ], b: c, }\nlist:\n  - p: q\n  - |\n    text\n";
        let node = tree(text).0.expect("a tree");
        let mut found = Vec::new();
        places(text, &node, &mut found);
        assert_eq!(
            found,
            [
                "ä",
                "ä=1",
                "map",
                "map=map",
                "key",
                "key=\"v\"",
                "none",
                "none=none",
                "flow",
                "flow={ a: [x, y ], b: c, }",
                "a",
                "a=[x, y ]",
                "-x",
                "-y",
                "b",
                "b=c",
                "list",
                "list=list",
                "-p",
                "p",
                "p=q",
                "-text\n"
            ]
        );
    }

    fn places(text: &str, node: &Node, found: &mut Vec<String>) {
        let slice = |span: Span| &text[span.start..span.end];
        match &node.value {
            Value::Null | Value::Scalar(_) => {}
            Value::List(items) => {
                for item in items {
                    found.push(format!("-{}", slice(item.span)));
                    places(text, item, found);
                }
            }
            Value::Map(map) => {
                for (key, value) in &map.0 {
                    found.push(slice(key.span).to_owned());
                    found.push(format!("{}={}", key.text, slice(value.span)));
                    places(text, value, found);
                }
            }
        }
    }

    #[test]
    fn anchors_and_merges_work() {
        let cases = [
            ("a: &x { k: 1, l: 2 }\nb: *x", "{a: {k: 1, l: 2}, b: {k: 1, l: 2}}"),
            ("a: &x { k: 1, l: 2 }\nb: { l: 3, <<: *x }", "{a: {k: 1, l: 2}, b: {l: 3, k: 1}}"),
            (
                "a: &x { k: 1 }\nc: &y { k: 2, m: 3 }\nb: { <<: [*x, *y] }",
                "{a: {k: 1}, c: {k: 2, m: 3}, b: {k: 1, m: 3}}",
            ),
            ("a: { '<<': 1 }", "{a: {<<: 1}}"),
        ];
        for (text, expected) in cases {
            let (node, report) = tree(text);
            assert_eq!(report, "", "{text}");
            assert_eq!(shape(&node.expect("a tree")), expected, "{text}");
        }
    }

    #[test]
    fn one_anchor_may_be_used_everywhere() {
        let text = format!("a: &x {{ k: 1 }}\nb: [{}]\n", "*x, ".repeat(5_000));
        let (node, report) = tree(&text);
        assert!(node.is_some(), "{report}");
    }

    #[test]
    fn mistakes_of_a_tree_are_found_together() {
        let text = "a: 1\nb: 2\na: 3\nc: { <<: 5, d: 1, d: 2 }\ntitle: {{ x }}\n? [k]\n: v\n";
        let (node, report) = tree(text);
        assert!(node.is_some());
        insta::assert_snapshot!(report, @r#"
        error[duplicate-key]: the key "a" is given twice
         --> routes.yaml:3:1
          |
        3 | a: 3
          | ^
          |
          = help: it is already set on line 1: keep one of them

        error[bad-merge]: `<<` merges maps, and this is none
         --> routes.yaml:4:10
          |
        4 | c: { <<: 5, d: 1, d: 2 }
          |          ^
          |
          = help: give it an alias of a map (`<<: *name`) or a list of such

        error[duplicate-key]: the key "d" is given twice
         --> routes.yaml:4:19
          |
        4 | c: { <<: 5, d: 1, d: 2 }
          |                   ^
          |
          = help: it is already set on line 4: keep one of them

        error[bad-key]: an unquoted `{{` is a map to YAML, not a template
         --> routes.yaml:5:9
          |
        5 | title: {{ x }}
          |         ^
          |
          = help: put the whole value in quotes: "{{ … }}"

        error[bad-key]: a key must be text, not a list or a map
         --> routes.yaml:6:3
          |
        6 | ? [k]
          |   ^
          |
          = help: put it in quotes if it is meant as text
        "#);
    }

    #[test]
    fn a_bomb_is_refused_quickly() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let aliases = vec![format!("*a{}", level - 1); 9].join(", ");
            writeln!(text, "a{level}: &a{level} [{aliases}]").unwrap();
        }
        let (node, report) = tree(&text);
        assert_eq!(node, None);
        assert!(report.contains("error[too-large]"), "{report}");
    }

    #[test]
    fn depth_is_bounded() {
        for text in
            ["[".repeat(100_000), "- ".repeat(100_000), "{a: ".repeat(100_000), format!("{}x", "? ".repeat(50_000))]
        {
            let (node, report) = tree(&text);
            assert_eq!(node, None);
            assert!(report.contains("error["), "{report}");
        }
    }

    proptest! {
        /// Any text gives a tree or a problem, and never a panic, also when the report is made.
        #[test]
        fn any_text_is_read_or_refused(text in "\\PC*|([a-c&*!|>?%@`\"'{}\\[\\]:,#\\-<$0-9 \t\r\nüé])*") {
            let mut problems = Problems::default();
            let node = parse(&text, &mut problems);
            prop_assert!(node.is_some() || problems.has_errors());
            let report = report("f", &text, &problems, true);
            prop_assert_eq!(report.is_empty(), problems.is_empty());
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let text = String::from_utf8_lossy(&bytes);
            let mut problems = Problems::default();
            let node = parse(&text, &mut problems);
            prop_assert!(node.is_some() || problems.has_errors());
        }
    }
}
