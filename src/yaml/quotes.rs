//! Quotes whose end is missing: YAML reads on to the next one, and stumbles behind that, lines below.

use super::syntax::Fault;
use super::{Code, Lines, Span};

/// What is behind an error at `at`, if a quote of a line above ended just before it.
pub(super) fn runaway(text: &str, at: usize) -> Option<Fault> {
    let lines = Lines::of(text);
    let number = lines.line(at);
    let line = |number: usize| lines.text(text, number);
    for above in (1..number).rev() {
        let (content, start) = line(above);
        let Some((from, mark)) = open_at_end(content) else { continue };
        let open = start + from;
        // Only where the line below it begins anew: else the text was meant to go on.
        let next = (above + 1..=number).map(|number| line(number).0).find(|next| !next.trim().is_empty())?;
        let close = open + 1 + end_of(&text[open + 1..], mark)?;
        if lines.line(close) != number || close >= at || !begins_anew(content, next) {
            return None;
        }
        let message = format!("this quote is not closed on its line, but by the next one, on line {number}");
        let help = format!("is its end missing? Add the closing {mark} on line {above}");
        return Some(Fault::new(Code::UnclosedQuote, Span { start: open, end: open + 1 }, message, help));
    }
    None
}

/// `{ key "value" }`: without its `:`, the quotes are letters of the key, and the last of them may open a text.
pub(super) fn without_colon(text: &str, at: usize) -> Option<Fault> {
    let lines = Lines::of(text);
    let number = lines.line(at);
    (1..=number).rev().take(REACH).find_map(|number| {
        let (content, start) = lines.text(text, number);
        let content = &content[..comment(content)];
        content.match_indices(['{', ',']).find_map(|(sign, _)| {
            let rest = &content[sign + 1..];
            let from = sign + 1 + rest.len() - rest.trim_start().len();
            let key = content[from..].split(|c: char| !c.is_alphanumeric() && c != '_' && c != '-').next()?;
            let behind = content[from + key.len()..].strip_prefix(' ')?.trim_start();
            let in_braces = content[..=sign].contains('{') && quotes(&content[..from]).is_multiple_of(2);
            if key.is_empty() || !behind.starts_with(['"', '\'']) || !in_braces {
                return None;
            }
            let span = Span { start: start + from, end: start + from + key.len() };
            let message = "the `:` behind this key is missing";
            Some(Fault::new(Code::BadYaml, span, message, format!("write `{key}: …`")))
        })
    })
}

/// How many lines above an error are looked at for a missing `:`.
const REACH: usize = 50;

fn quotes(text: &str) -> usize {
    text.matches('"').count()
}

/// Where a line's comment begins, quotes aside.
fn comment(line: &str) -> usize {
    line.match_indices(" #").find(|(at, _)| quotes(&line[..*at]).is_multiple_of(2)).map_or(line.len(), |(at, _)| at)
}

/// The quote that a line opens and does not close.
fn open_at_end(line: &str) -> Option<(usize, char)> {
    let mut open: Option<(usize, char)> = None;
    let (mut before, mut escaped) = (' ', false);
    let mut begins = true;
    for (at, letter) in line.char_indices() {
        match open {
            Some(_) if escaped => escaped = false,
            Some((_, '"')) if letter == '\\' => escaped = true,
            Some((_, mark)) if letter == mark => open = None,
            None if letter == '#' && before == ' ' => return None,
            None if begins && matches!(letter, '"' | '\'') => open = Some((at, letter)),
            Some(_) | None => {}
        }
        if letter == ' ' && matches!(before, ':' | '-') || matches!(letter, '[' | '{' | ',') {
            begins = true;
        } else if letter != ' ' {
            begins = false;
        }
        before = letter;
    }
    open
}

/// Where a quoted text ends, without its opening quote.
fn end_of(text: &str, mark: char) -> Option<usize> {
    let mut escaped = false;
    text.char_indices().find_map(|(at, letter)| {
        let ends = letter == mark && !escaped;
        escaped = letter == '\\' && !escaped && mark == '"';
        ends.then_some(at)
    })
}

/// Whether `next` is no more of the value that `line` opened: it is not indented deeper, or it is a key with a value of its own.
fn begins_anew(line: &str, next: &str) -> bool {
    let indent = |line: &str| line.len() - line.trim_start_matches([' ', '-']).len();
    let word = next.trim_start_matches([' ', '-']).split_once(':').map(|(key, _)| key.trim_matches(['"', '\'']));
    let is_key = |key: &str| !key.is_empty() && key.chars().all(|c| c.is_alphanumeric() || "_-.".contains(c));
    indent(next) <= indent(line) || word.is_some_and(is_key)
}
