//! The YAML library's errors as problems of the file, in words for the person who wrote it.

use serde_yaml::granit_parser::ErrorKind;
use serde_yaml::{Error, ExternalMessageSource, Location, MessageFormatter, UserMessageFormatter};

use super::slip::{self, tab_indentation};
use super::{Code, Problems, Span, quotes};

/// The bytes of `text` that `location` speaks of. Places of errors are told in characters, those of values in bytes.
pub(super) fn span(text: &str, location: &Location) -> Span {
    let span = location.span();
    let (start, len) = match (span.byte_offset(), span.byte_len()) {
        (Some(start), Some(len)) => (index(start), index(len)),
        _ => char_span(text, index(span.offset()), index(span.len())),
    };
    Span { start, end: start.saturating_add(len) }.within(text)
}

fn index(offset: impl Into<u64>) -> usize {
    usize::try_from(offset.into()).unwrap_or(usize::MAX)
}

fn char_span(text: &str, start: usize, len: usize) -> (usize, usize) {
    let Some((from, _)) = text.char_indices().nth(start) else { return (text.len(), 0) };
    (from, text[from..].chars().take(len).map(char::len_utf8).sum())
}

/// Records why a text is not YAML.
pub(super) fn record(text: &str, error: &Error, problems: &mut Problems) {
    let place = |error: &Error| error.location().map_or(Span::default(), |location| span(text, &location));
    let inner = innermost(error);
    // Of aliases that add up to too much, the last one says more than what it stands for.
    let at = match error {
        Error::AliasError { locations, .. } if is_too_large(inner) => span(text, &locations.reference_location),
        _ => place(inner),
    };
    let fault = explain(text, inner, at);
    problems.error(fault.code, fault.span, fault.message, fault.help);
}

fn is_too_large(error: &Error) -> bool {
    matches!(
        error,
        Error::Budget { .. } | Error::AliasReplayLimitExceeded { .. } | Error::AliasReplayStackDepthExceeded { .. }
    )
}

fn innermost(mut error: &Error) -> &Error {
    while let Error::AliasError { error: inner, .. } | Error::WithSnippet { error: inner, .. } = error {
        error = inner;
    }
    error
}

/// What is said about a syntax error.
pub(super) struct Fault {
    code: Code,
    span: Span,
    message: String,
    help: String,
}

impl Fault {
    pub(super) fn new(code: Code, span: Span, message: impl Into<String>, help: impl Into<String>) -> Fault {
        Fault { code, span, message: message.into(), help: help.into() }
    }
}

fn explain(text: &str, error: &Error, at: Span) -> Fault {
    if let Error::ExternalMessage { source, .. } = error
        && let ExternalMessageSource::Parser(scan) = source.as_ref()
        && let Some(fault) = explain_syntax(text, scan.kind(), at)
    {
        return fault;
    }
    if let Error::ExternalMessage { .. } = error
        && let Some(fault) = slip::behind(text, at)
    {
        return fault;
    }
    match error {
        Error::MultipleDocuments { .. } => {
            let start = text[..at.start].rfind("---").unwrap_or(at.start);
            let end = if text[start..].starts_with("---") { start + 3 } else { at.end };
            Fault::new(
                Code::SeveralDocuments,
                Span { start, end },
                "a second YAML document begins here",
                "the file must be one document: remove the `---` and merge the parts",
            )
        }
        Error::UnknownAnchor { .. } => unknown_anchor(text, at),
        Error::RecursiveReferencesRequireWeakTypes { .. } => Fault::new(
            Code::RecursiveAlias,
            at,
            "this alias stands inside the value it names",
            "move the alias out of the anchored value",
        ),
        error if is_too_large(error) => Fault::new(
            Code::TooLarge,
            at,
            "the file is too large, too deeply nested, or its aliases add up to too much",
            "use fewer aliases and less nesting, or split the file",
        ),
        Error::UnsupportedTag { tag, .. } => Fault::new(
            Code::UnknownTag,
            tag_before(text, tag, at),
            "`!` begins a YAML tag, and none is known by this name",
            "put the value in quotes if it is meant as text",
        ),
        _ => {
            let message = format!("this is no YAML: {}", plain(&UserMessageFormatter.format_message(error)));
            let help = "compare the line with the one above it: a `:`, a quote, a bracket or a space may be missing";
            Fault::new(Code::BadYaml, at, message, help)
        }
    }
}

fn explain_syntax(text: &str, kind: &ErrorKind, at: Span) -> Option<Fault> {
    if !matches!(kind, ErrorKind::UnclosedQuotedScalar)
        && let Some(fault) = quotes::runaway(text, at.start)
    {
        return Some(fault);
    }
    let fault = match kind {
        ErrorKind::TabInBlockIndentation | ErrorKind::TabInIndentation | ErrorKind::TabNotAllowed
            if text[at.start..].starts_with('\t') || text[..at.start].ends_with('\t') =>
        {
            let start = at.start - (text[..at.start].len() - text[..at.start].trim_end_matches('\t').len());
            let end = at.start + (text[at.start..].len() - text[at.start..].trim_start_matches('\t').len());
            tab_indentation(Span { start, end })
        }
        ErrorKind::ExpectedFlowMappingSeparator | ErrorKind::ExpectedFlowSequenceSeparator => {
            let missing = || unquoted_variable(text, at).or_else(|| quotes::without_colon(text, at.start));
            return missing().or_else(|| slip::behind(text, at)).or_else(|| {
                Some(Fault::new(
                    Code::BadYaml,
                    at,
                    "a `,` or the closing bracket is missing before this",
                    "add it, or put the value in quotes if this belongs to it",
                ))
            });
        }
        ErrorKind::UnknownAnchor => unknown_anchor(text, at),
        ErrorKind::MissingAnchorOrAliasName => Fault::new(
            Code::BadYaml,
            at,
            "`*` and `&` begin an alias or an anchor, and no name follows",
            "put the value in quotes if it is meant as text, such as \"*\"",
        ),
        ErrorKind::UnclosedQuotedScalar => {
            Fault::new(Code::UnclosedQuote, at, "this quote is never closed", "add the closing quote")
        }
        ErrorKind::UnclosedFlowCollection { .. } if slip::behind(text, at_end(text)).is_some() => {
            slip::behind(text, at_end(text))?
        }
        ErrorKind::UnclosedFlowCollection { open } => {
            let close = if *open == '[' { ']' } else { '}' };
            Fault::new(
                Code::UnclosedBracket,
                at,
                format!("this `{open}` is never closed"),
                format!("add the closing `{close}`"),
            )
        }
        ErrorKind::MismatchedFlowCollectionEnd { open, close } => {
            let right = if *open == '[' { ']' } else { '}' };
            let message = format!("this `{open}` is closed by `{close}`");
            Fault::new(Code::UnclosedBracket, at, message, format!("close it with `{right}`"))
        }
        ErrorKind::MisplacedFlowCollectionEnd => Fault::new(
            Code::BadYaml,
            at,
            "this closing bracket has no opening one",
            "remove it, or put the value in quotes if it is meant as text",
        ),
        ErrorKind::UnexpectedCharacter { character } if !character.is_control() => {
            return slip::behind(text, at).or_else(|| {
                let sign = if *character == '`' { "a backtick".to_owned() } else { format!("`{character}`") };
                let message = format!("a value cannot begin with {sign} without quotes");
                Some(Fault::new(Code::BadYaml, at, message, "put the value in quotes"))
            });
        }
        ErrorKind::UnexpectedCharacter { .. } => control_character(text, at),
        ErrorKind::MappingValueNotAllowed => {
            return slip::behind(text, at).or_else(|| {
                Some(Fault::new(
                    Code::BadYaml,
                    at,
                    "a `:` that YAML takes for another key",
                    "put the value in quotes if the `:` belongs to it; else check the indentation, and the space after the key's `:` above",
                ))
            });
        }
        ErrorKind::InvalidTrailingSingleQuotedScalar => Fault::new(
            Code::BadYaml,
            at,
            "text behind the closing quote",
            "write a single quote inside single quotes twice ('it''s'), or use double quotes",
        ),
        ErrorKind::InvalidTrailingDoubleQuotedScalar if quotes::without_colon(text, at.start).is_some() => {
            quotes::without_colon(text, at.start)?
        }
        ErrorKind::InvalidTrailingDoubleQuotedScalar => Fault::new(
            Code::BadYaml,
            at,
            "text behind the closing quote",
            "write a double quote inside double quotes as \\\", or use single quotes",
        ),
        ErrorKind::UnknownQuotedScalarEscape => Fault::new(
            Code::BadYaml,
            escape_in(text, at),
            "an unknown `\\` escape in these double quotes",
            "write a backslash as \\\\, or use single quotes, which know no escapes",
        ),
        ErrorKind::BlockSequenceEntryNotAllowed => Fault::new(
            Code::BadYaml,
            at,
            "a list cannot begin here",
            "put `-` on a line of its own below the key, or write the list as [a, b]",
        ),
        ErrorKind::ExpectedBlockMappingKey | ErrorKind::ExpectedBlockSequenceEntry | ErrorKind::InvalidIndentation => {
            return slip::behind(text, at).or_else(|| {
                Some(Fault::new(
                    Code::BadYaml,
                    at,
                    "this does not belong to what stands above it",
                    "give the entries of one list or map the same indentation, and do not mix `-` entries with keys",
                ))
            });
        }
        _ => return None,
    };
    Some(fault)
}

fn at_end(text: &str) -> Span {
    Span { start: text.len(), end: text.len() }
}

/// The first control character from here on, which is what YAML stumbled over.
fn control_character(text: &str, at: Span) -> Fault {
    let rest = &text[at.start..];
    let found = rest.char_indices().find(|(_, letter)| letter.is_control() && !matches!(letter, '\n' | '\r' | '\t'));
    let (from, letter) = found.unwrap_or((0, '\0'));
    let start = at.start + from;
    let message = format!("a control character, U+{:04X}", u32::from(letter));
    Fault::new(Code::BadYaml, Span { start, end: start + letter.len_utf8() }, message, "remove it")
}

/// The first escape in a double-quoted text that YAML does not know.
fn escape_in(text: &str, at: Span) -> Span {
    let known = |letter: char| "0abtnvfre \"/\\N_LPxuU\n\r\t".contains(letter);
    let mut letters = text[at.start..].char_indices();
    while let Some((from, letter)) = letters.next() {
        if letter == '\\'
            && let Some((_, escaped)) = letters.next()
            && !known(escaped)
        {
            let start = at.start + from;
            return Span { start, end: start + 1 + escaped.len_utf8() };
        }
    }
    at
}

/// A tag, which stands before the value it is said of.
fn tag_before(text: &str, tag: &str, at: Span) -> Span {
    let line = text[..at.start].rfind('\n').map_or(0, |end| end + 1);
    match text[line..at.end].rfind(tag) {
        Some(from) => Span { start: line + from, end: line + from + tag.len() },
        None => at,
    }
}

/// An alias nobody defined is most often a `*` meant as text.
fn unknown_anchor(text: &str, at: Span) -> Fault {
    let word = text[at.start..].split([' ', ',', ']', '}', '\n', '\r', '\t']).next().unwrap_or_default();
    let span = Span { start: at.start, end: (at.start + word.len()).max(at.end) };
    let message = "`*` begins an alias, and no anchor of this name stands above it";
    Fault::new(Code::UnknownAnchor, span, message, "put the value in quotes if the `*` is meant as text")
}

/// `{ url: ${X} }`: the braces of `${…}` cannot stand in a flow map or list without quotes.
fn unquoted_variable(text: &str, at: Span) -> Option<Fault> {
    let before = text[..at.start].strip_suffix('$')?;
    let behind = text[at.start..].strip_prefix('{')?;
    let line = &before[before.rfind('\n').map_or(0, |end| end + 1)..];
    let start = before.len() - line.len() + line.rfind([' ', ',', '{', '[']).map_or(0, |at| at + 1);
    let close = at.start + 1 + behind.find(['}', '\n'])?;
    let rest = text[close..].strip_prefix('}')?;
    let end = close + 1 + rest.find([',', ' ', ']', '}', '\n', '\r']).unwrap_or(rest.len());
    let value = text[start..end].trim_matches(['“', '”', '„', '‟', '‘', '’']);
    let key =
        text[..start].trim_end().strip_suffix(':').and_then(|before| before.rsplit([' ', ',', '{', '[', '\n']).next());
    // What stands around a variable may be secret, and reports end in logs.
    let value = if value.starts_with("${") && value.ends_with('}') { value } else { "…" };
    let help = match key {
        Some(key) if !key.is_empty() => format!("quote it: {key}: \"{value}\""),
        _ => format!("quote it: \"{value}\""),
    };
    Some(Fault::new(Code::UnquotedVariable, Span { start, end }, "`${…}` between `{ }` or `[ ]` needs quotes", help))
}

/// The library's message without the words of YAML's grammar.
fn plain(message: &str) -> String {
    message
        .replace("flow mapping", "map in braces")
        .replace("flow sequence", "list in brackets")
        .replace("block mapping", "map")
        .replace("block collection", "list")
        .replace("scalar", "value")
        .replace("unexpected EOF", "the file ends")
}

#[cfg(test)]
mod tests {
    use super::super::{parse, report};
    use super::*;

    /// Code, token, message and cure of the one problem of a text.
    fn problem(text: &str) -> String {
        let mut problems = Problems::default();
        assert_eq!(parse(text, &mut problems), None, "{text}");
        let problem = problems.iter().next().expect("a problem");
        let token = &text[problem.span.start..problem.span.end];
        format!("{} {token:?} {} / {}", problem.code.name(), problem.message, problem.help.as_deref().unwrap_or("-"))
    }

    #[test]
    fn errors_name_the_token_and_the_cure() {
        let cases = [
            ("a:\n\tb: 1\n", r#"tab-indentation "\t" a tab in the indentation / indent with spaces, two a level"#),
            (
                "a: { url: ${X}, b: c }\n",
                r#"unquoted-variable "${X}" `${…}` between `{ }` or `[ ]` needs quotes / quote it: url: "${X}""#,
            ),
            (
                "ü: { url: https://${HOST}/x }\n",
                r#"unquoted-variable "https://${HOST}/x" `${…}` between `{ }` or `[ ]` needs quotes / quote it: url: "…""#,
            ),
            (
                "a: [${X}]\n",
                r#"unquoted-variable "${X}" `${…}` between `{ }` or `[ ]` needs quotes / quote it: "${X}""#,
            ),
            (
                "a: { b: c d: e }\n",
                r#"bad-yaml ":" a `,` or the closing bracket is missing before this / add it, or put the value in quotes if this belongs to it"#,
            ),
            (
                "a: 1\n---\nb: 2\n",
                r#"several-documents "---" a second YAML document begins here / the file must be one document: remove the `---` and merge the parts"#,
            ),
            (
                "title: *bold* text\n",
                r#"unknown-anchor "*bold*" `*` begins an alias, and no anchor of this name stands above it / put the value in quotes if the `*` is meant as text"#,
            ),
            (
                "a: *\n",
                r#"bad-yaml "*" `*` and `&` begin an alias or an anchor, and no name follows / put the value in quotes if it is meant as text, such as "*""#,
            ),
            (
                "a: &x [*x]\n",
                r#"recursive-alias "*x" this alias stands inside the value it names / move the alias out of the anchored value"#,
            ),
            ("a: \"x\n", r#"unclosed-quote "\"" this quote is never closed / add the closing quote"#),
            ("a: [x, y\n", r#"unclosed-bracket "[" this `[` is never closed / add the closing `]`"#),
            (
                "a: }\n",
                r#"bad-yaml "}" this closing bracket has no opening one / remove it, or put the value in quotes if it is meant as text"#,
            ),
            ("a: @x\n", r#"bad-yaml "@" a value cannot begin with `@` without quotes / put the value in quotes"#),
            (
                "a: b: c\n",
                r#"bad-yaml ":" a second `: ` on one line, which YAML takes for another key / put the whole value in quotes: a: "…""#,
            ),
            (
                "a: 'it's'\n",
                r#"bad-yaml "s" text behind the closing quote / write a single quote inside single quotes twice ('it''s'), or use double quotes"#,
            ),
            (
                "a: \"x\" y\n",
                r#"bad-yaml "y" text behind the closing quote / write a double quote inside double quotes as \", or use single quotes"#,
            ),
            (
                "a: \"\\d\"\n",
                r#"bad-yaml "\\d" an unknown `\` escape in these double quotes / write a backslash as \\, or use single quotes, which know no escapes"#,
            ),
            (
                "a: - b\n",
                r#"bad-yaml "-" a list cannot begin here / put `-` on a line of its own below the key, or write the list as [a, b]"#,
            ),
            (
                "- a\nb: c\n",
                r#"bad-yaml "b" this does not belong to what stands above it / give the entries of one list or map the same indentation, and do not mix `-` entries with keys"#,
            ),
            (
                "a:\n    b: 1\n  c: 2\n",
                r#"bad-yaml "c" `c` is indented by 2 spaces, which fits nothing above it / if it belongs beside `b` above, it is to be indented by 4 spaces"#,
            ),
            (
                "a: !env X\n",
                r#"unknown-tag "!env" `!` begins a YAML tag, and none is known by this name / put the value in quotes if it is meant as text"#,
            ),
            ("a: \u{0}\n", r#"bad-yaml "\0" a control character, U+0000 / remove it"#),
        ];
        for (text, expected) in cases {
            assert_eq!(problem(text), expected);
        }
    }

    #[test]
    fn the_report_points_at_the_token() {
        let text = "receivers:\n  ops: { kind: slack, url: ${SLACK_URL} }\n";
        let mut problems = Problems::default();
        parse(text, &mut problems);
        insta::assert_snapshot!(report("routes.yaml", text, &problems, false), @r#"
        error[unquoted-variable]: `${…}` between `{ }` or `[ ]` needs quotes
         --> routes.yaml:2:28
          |
        2 |   ops: { kind: slack, url: ${SLACK_URL} }
          |                            ^^^^^^^^^^^^
          |
          = help: quote it: url: "${SLACK_URL}"
        "#);
    }
}
