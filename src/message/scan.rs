//! A template's tokens with their places: just enough of Jinja's grammar to point at a name. The template itself is compiled by
//! minijinja, which has already accepted the syntax when this looks at it.

use std::ops::Range;

/// A piece of an expression or tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token<'a> {
    pub kind: Kind,
    /// As written, quotes included.
    pub text: &'a str,
    /// Byte offsets into the template.
    pub at: Range<usize>,
}

/// What a [`Token`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `{{`, with its `-` if there is one.
    Open,
    /// `{%`
    OpenTag,
    /// `}}` or `%}`
    Close,
    Name,
    Literal,
    Operator,
}

/// Whether a text has any template syntax.
pub(super) fn is_template(text: &str) -> bool {
    ["{{", "{%", "{#"].iter().any(|open| text.contains(open))
}

/// The expression, if `text` is exactly one `{{ … }}`.
pub(super) fn sole_expression(text: &str) -> Option<&str> {
    let text = text.trim();
    let tokens = tokens(text);
    let (first, last) = (tokens.first()?, tokens.last()?);
    let opens = tokens.iter().filter(|t| matches!(t.kind, Kind::Open | Kind::OpenTag)).count();
    let whole =
        first.kind == Kind::Open && first.at.start == 0 && last.kind == Kind::Close && last.at.end == text.len();
    (whole && opens == 1).then(|| text[first.at.end..last.at.start].trim())
}

/// All tokens inside `{{ }}` and `{% %}`.
pub(super) fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = 0;
    while let Some(open) = source[rest..].find('{').map(|at| rest + at) {
        let after = &source[open + 1..];
        rest = match after.bytes().next() {
            Some(b'#') => source[open..].find("#}").map_or(source.len(), |end| open + end + 2),
            Some(b'{') => inside(source, open, Kind::Open, &mut tokens),
            Some(b'%') => {
                let first = tokens.len();
                let end = inside(source, open, Kind::OpenTag, &mut tokens);
                if tokens.get(first + 1).is_some_and(|t| t.text == "raw") { end_of_raw(source, end) } else { end }
            }
            _ => open + 1,
        };
    }
    tokens
}

/// Of a template that cannot be read, what was begun and not ended: where it stands, what it is, and what is to be added.
pub(super) fn unended(source: &str) -> Option<(Range<usize>, String, String)> {
    for (at, open) in source.match_indices('{').filter_map(|(at, _)| Some((at, source.get(at..at + 2)?))) {
        let close = match open {
            "{{" => "}}",
            "{%" => "%}",
            "{#" => "#}",
            _ => continue,
        };
        let rest = &source[at + 2..];
        let inside = rest.find(close).map(|end| &rest[..end]);
        if inside.is_none_or(|inside| inside.contains("{{") || inside.contains("{%")) {
            return Some((at..at + 2, open.to_owned(), close.to_owned()));
        }
    }
    let tokens = tokens(source);
    let mut begun: Vec<&Token<'_>> = Vec::new();
    for pair in tokens.windows(2).filter(|pair| pair[0].kind == Kind::OpenTag) {
        match pair[1].text {
            "if" | "for" | "with" | "filter" | "macro" | "autoescape" => begun.push(&pair[1]),
            word if word.strip_prefix("end") == begun.last().map(|token| token.text) => {
                begun.pop();
            }
            _ => {}
        }
    }
    let last = begun.pop()?;
    Some((last.at.clone(), format!("{{% {} %}}", last.text), format!("{{% end{} %}}", last.text)))
}

/// Where `{% endraw %}` begins: nothing before it is syntax.
fn end_of_raw(source: &str, from: usize) -> usize {
    let mut at = from;
    while let Some(open) = source[at..].find("{%").map(|found| at + found) {
        if source[open + 2..].trim_start_matches(['-', '+']).trim_start().starts_with("endraw") {
            return open;
        }
        at = open + 2;
    }
    source.len()
}

/// Reads from the opening at `open` to its end; returns where the text goes on.
fn inside<'a>(source: &'a str, open: usize, kind: Kind, tokens: &mut Vec<Token<'a>>) -> usize {
    let close = if kind == Kind::Open { "}}" } else { "%}" };
    let mut push = |kind, at: Range<usize>| tokens.push(Token { kind, text: &source[at.clone()], at });
    let sign = usize::from(source[open + 2..].starts_with(['-', '+']));
    push(kind, open..open + 2 + sign);
    let mut at = open + 2 + sign;
    let mut braces = 0usize;
    while let Some(c) = source[at..].chars().next() {
        let rest = &source[at..];
        let signed = rest.starts_with(['-', '+']) && rest[1..].starts_with(close);
        if signed || (braces == 0 && rest.starts_with(close)) {
            let end = at + usize::from(signed) + close.len();
            push(Kind::Close, at..end);
            return end;
        }
        let length = match c {
            c if c.is_whitespace() => {
                at += c.len_utf8();
                continue;
            }
            '"' | '\'' => {
                let length = string_length(rest);
                push(Kind::Literal, at..at + length);
                length
            }
            c if c.is_alphanumeric() || c == '_' => {
                let length = rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len());
                push(if c.is_numeric() { Kind::Literal } else { Kind::Name }, at..at + length);
                length
            }
            c => {
                match c {
                    '{' => braces += 1,
                    '}' => braces = braces.saturating_sub(1),
                    _ => {}
                }
                let double = ["==", "!=", "<=", ">=", "//", "**"].iter().any(|op| rest.starts_with(op));
                let length = if double { 2 } else { c.len_utf8() };
                push(Kind::Operator, at..at + length);
                length
            }
        };
        at += length;
    }
    source.len()
}

/// The length of the string literal `text` begins with.
fn string_length(text: &str) -> usize {
    let quote = text.chars().next();
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if Some(c) == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(source: &str) -> Vec<&str> {
        tokens(source).into_iter().map(|t| t.text).collect()
    }

    #[test]
    fn tokens_of_expressions_and_tags() {
        assert_eq!(
            texts("a {{ b.c | d('}}', 2) }} {# {{ x }} #}"),
            ["{{", "b", ".", "c", "|", "d", "(", "'}}'", ",", "2", ")", "}}"]
        );
        assert_eq!(texts("{%- if a >= 1 -%}x{% endif %}"), ["{%-", "if", "a", ">=", "1", "-%}", "{%", "endif", "%}"]);
        assert_eq!(
            texts("{% raw %}{{ x }}{% endraw %}{{ y }}"),
            ["{%", "raw", "%}", "{%", "endraw", "%}", "{{", "y", "}}"]
        );
        assert_eq!(texts("{{ {'a': {'b': 1}} }}{{ c }}").len(), 14);
    }

    #[test]
    fn what_has_no_end() {
        let end = |source| unended(source).map(|(at, _, end)| (&source[at], end));
        for (source, expected) in [
            ("a {{ b", Some(("{{", "}}"))),
            ("{{ a } {{ b }}", Some(("{{", "}}"))),
            ("{% if a", Some(("{%", "%}"))),
            ("{% if a }}b", Some(("{%", "%}"))),
            ("{# a", Some(("{#", "#}"))),
            ("{% for a in b %}{% if c %}{% endif %}", Some(("for", "{% endfor %}"))),
            ("{% if a %}{% else %}{% for b in c %}{% endfor %}", Some(("if", "{% endif %}"))),
            ("{{ a b }}", None),
            ("{% if a %}b{% endif %}{{ c. }}", None),
        ] {
            assert_eq!(end(source), expected.map(|(at, end): (&str, &str)| (at, end.to_owned())), "{source}");
        }
    }

    #[test]
    fn a_sole_expression() {
        assert_eq!(sole_expression("{{ ran_for }}"), Some("ran_for"));
        assert_eq!(sole_expression(" {{- raw['}}'] -}}\n"), Some("raw['}}']"));
        assert_eq!(sole_expression("{{ a }} {{ b }}"), None);
        assert_eq!(sole_expression("{{ a }}."), None);
        assert_eq!(sole_expression("plain"), None);
    }

    proptest! {
        #[test]
        fn any_text_can_be_scanned(source in "[{}%#'\"\\\\a-z0-9 |.é-]{0,60}") {
            for token in tokens(&source) {
                prop_assert_eq!(&source[token.at.clone()], token.text);
            }
        }
    }
}
