//! The slips behind syntax errors. YAML often stumbles a line or more behind the mistake, and in words of its grammar: here the lines
//! around are looked at as a person would.

use super::syntax::Fault;
use super::{Code, Lines, Span};

/// A line of the file.
struct Line<'a> {
    /// Where it starts.
    start: usize,
    text: &'a str,
}

impl<'a> Line<'a> {
    fn content(&self) -> &'a str {
        self.text.trim_start_matches(' ').trim_end()
    }
    fn indent(&self) -> usize {
        self.text.len() - self.text.trim_start_matches(' ').len()
    }
    /// Without the `- ` of list entries: what stands there, and where.
    fn entry(&self) -> (usize, &'a str) {
        let content = self.content();
        let entry = content.trim_start_matches(['-', ' ']);
        let dashed = content.starts_with("- ");
        if dashed { (self.indent() + content.len() - entry.len(), entry) } else { (self.indent(), content) }
    }
    /// The key and the value of `key: value`.
    fn pair(&self) -> Option<(&'a str, &'a str)> {
        let (_, entry) = self.entry();
        entry.split_once(": ").or_else(|| Some((entry.strip_suffix(':')?, ""))).map(|(key, value)| (key, value.trim()))
    }
    fn is_content(&self) -> bool {
        !matches!(self.content().as_bytes().first(), None | Some(b'#'))
    }
    fn span(&self, from: usize, len: usize) -> Span {
        Span { start: self.start + from, end: self.start + from + len }
    }
    fn whole(&self) -> Span {
        self.span(self.indent(), self.content().len())
    }
    /// Whether a `|` or `>` at its end opens a text.
    fn opens_text(&self) -> bool {
        self.content().trim_end_matches(['+', '-']).ends_with([':', '|', '>'])
            && self.pair().is_some_and(|(_, value)| value.starts_with(['|', '>']))
    }
}

fn bad_yaml(span: Span, message: impl Into<String>, help: impl Into<String>) -> Fault {
    Fault::new(Code::BadYaml, span, message, help)
}

/// What is most likely behind an error at `at`, if anything stands out.
pub(super) fn behind(text: &str, at: Span) -> Option<Fault> {
    let places = Lines::of(text);
    let number = places.line(at.start);
    let line = |number: usize| {
        let (text, start) = places.text(text, number);
        Line { start, text }
    };
    let last = places.line(text.len());
    if let Some(fault) = (1..=last).find_map(|n| leftover(&line(n))) {
        return Some(fault);
    }
    let here = line(number);
    let above: Vec<Line<'_>> = (1..number).rev().map(line).filter(Line::is_content).collect();
    let near = above.first().into_iter().chain([&here]);
    if let Some(fault) = near.chain(&[line((number + 1).min(last))]).find_map(invisible) {
        return Some(fault);
    }
    unclosed(text, at.start, here.start).or_else(|| {
        let before = text[here.start..at.start.max(here.start)].trim();
        if before.is_empty() || before == "-" || is_key_of(&here, at) {
            misplaced(&here, &above)
        } else {
            behind_a_value(&here, at)
        }
    })
}

/// What tools leave in files.
fn leftover(line: &Line<'_>) -> Option<Fault> {
    let is = |mark: &str| line.text.starts_with(mark);
    if is("<<<<<<< ") || is(">>>>>>> ") || line.text.trim_end() == "=======" {
        return Some(Fault::new(
            Code::MergeConflict,
            line.whole(),
            "a merge conflict that nobody has resolved",
            "keep one of the two sides, and remove the lines with `<<<<<<<`, `=======` and `>>>>>>>`",
        ));
    }
    is("```").then(|| {
        bad_yaml(line.whole(), "a fence of Markdown is not part of the file", "remove the lines that begin with ```")
    })
}

/// Letters that look like something else: tabs and strange spaces where YAML counts spaces, curly quotes where it wants straight ones.
fn invisible(line: &Line<'_>) -> Option<Fault> {
    let blank = line.text.len() - line.text.trim_start().len();
    let indentation = &line.text[..blank];
    if let Some(tab) = indentation.find('\t').filter(|_| blank < line.text.len()) {
        let tabs = indentation[tab..].bytes().take_while(|byte| *byte == b'\t').count();
        return Some(tab_indentation(line.span(tab, tabs)));
    }
    let strange = |letter: char| letter != '\t' && letter != ' ' && is_invisible(letter);
    let after = |sign: &str| line.text.match_indices(sign).map(move |(at, _)| at + sign.len()).collect::<Vec<_>>();
    let starts = after(":").into_iter().chain(after("- ")).chain([0]).chain(after("  "));
    for start in starts {
        let rest = &line.text[start..];
        if let Some(letter) = rest.chars().next().filter(|letter| strange(*letter)) {
            let message = format!("{} stands here, which only looks like a space", name(letter));
            return Some(bad_yaml(line.span(start, letter.len_utf8()), message, "replace it by a plain space"));
        }
        let rest = rest.trim_start_matches(' ');
        if let Some(letter) = rest.chars().next().filter(|letter| is_curly(*letter)) {
            let at = line.text.len() - rest.len();
            let help = "use straight quotes: \" or '";
            return Some(bad_yaml(line.span(at, letter.len_utf8()), "to YAML, curly quotes are no quotes", help));
        }
    }
    None
}

/// Quotes to the eye, and none to YAML.
pub(super) fn is_curly(letter: char) -> bool {
    "“”„‟‘’‚«»".contains(letter)
}

/// Whether a letter is blank without being a space or a line's end.
pub(super) fn is_invisible(letter: char) -> bool {
    (letter.is_whitespace() && !matches!(letter, ' ' | '\n' | '\r'))
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

/// What to call an invisible letter.
pub(super) fn name(letter: char) -> String {
    match letter {
        '\t' => "a tab".to_owned(),
        '\u{a0}' | '\u{202f}' => "a no-break space".to_owned(),
        '\u{200b}' | '\u{feff}' => "a space of no width".to_owned(),
        _ => format!("the invisible character U+{:04X}", u32::from(letter)),
    }
}

pub(super) fn tab_indentation(span: Span) -> Fault {
    Fault::new(Code::TabIndentation, span, "a tab in the indentation", "indent with spaces, two a level")
}

/// A bracket of an earlier line that still waits for its end.
fn unclosed(text: &str, at: usize, line_start: usize) -> Option<Fault> {
    let open = open_bracket(&text[..at]).filter(|open| *open < line_start)?;
    let (sign, close) = if text[open..].starts_with('[') { ('[', ']') } else { ('{', '}') };
    let rest = text[open..].lines().next().unwrap_or_default();
    let help = if rest.contains(" #") {
        format!(
            "add the closing `{close}`; `#` behind a space begins a comment: put the value in quotes if it is meant as text"
        )
    } else {
        format!("add the closing `{close}`")
    };
    let span = Span { start: open, end: open + 1 };
    Some(Fault::new(Code::UnclosedBracket, span, format!("this `{sign}` is never closed"), help))
}

/// The innermost bracket that is open at the end of `text`. Block texts are taken for YAML, which only matters if they hold brackets.
fn open_bracket(text: &str) -> Option<usize> {
    let mut open = Vec::new();
    let mut quote = None;
    let mut before = '\n';
    for (at, letter) in text.char_indices() {
        let begins = matches!(before, ' ' | '\n' | '\t' | '[' | '{' | ',' | ':');
        match (quote, letter) {
            (Some('#'), '\n') => quote = None,
            (Some(mark), _) if mark == letter && before != '\\' => quote = None,
            (None, '"' | '\'') if begins => quote = Some(letter),
            (None, '#') if before.is_whitespace() => quote = Some('#'),
            (None, '[' | '{') if begins || !open.is_empty() => open.push(at),
            (None, ']' | '}') => {
                open.pop();
            }
            (Some(_) | None, _) => {}
        }
        before = letter;
    }
    open.pop()
}

/// Whether `at` is the first `:` of the line, behind its key.
fn is_key_of(line: &Line<'_>, at: Span) -> bool {
    let (from, entry) = line.entry();
    let colon = entry.find(": ").or_else(|| entry.strip_suffix(':').map(str::len));
    colon.is_some_and(|colon| line.start + from + colon == at.start)
}

/// A line that cannot stand where it stands, for its indentation or for what is above it.
fn misplaced(here: &Line<'_>, above: &[Line<'_>]) -> Option<Fault> {
    let (column, entry) = here.entry();
    let word = entry.split([':', ' ']).next().unwrap_or_default();
    if here.content().starts_with('-') && !here.content().starts_with("- ") {
        return no_pair(here, true);
    }
    let is_section = SECTIONS.contains(&word) && column > 0 && here.pair().is_some_and(|(_, value)| value.is_empty());
    if is_section && above.iter().any(|line| line.indent() == 0) {
        return Some(bad_yaml(
            here.span(column, word.len()),
            format!("`{word}` is a section of the file, and stands indented below another"),
            format!("sections begin at the start of a line: take the spaces before `{word}` away"),
        ));
    }
    if let Some(header) = above.iter().find(|line| line.indent() < here.indent() || line.opens_text())
        && header.opens_text()
    {
        let key = header.pair().map_or("text", |(key, _)| key);
        let deeper = above.first().is_some_and(|line| line.indent() > here.indent() && header.indent() < here.indent());
        let help = format!("indent every line of the text at least as deep as its first one, and deeper than `{key}`");
        if deeper || header.start == above.first().map_or(0, |line| line.start) {
            let message = format!("this line is indented less than the text of `{key}` it seems to belong to");
            return Some(bad_yaml(here.whole(), message, help));
        }
    }
    let previous = above.first();
    if let Some(fault) = previous.filter(|line| line.pair().is_none()).and_then(|line| no_pair(line, false)) {
        return Some(fault);
    }
    if let Some(previous) = previous.filter(|line| line.content().starts_with('-') && !line.content().starts_with("- "))
        && let Some(fault) = no_pair(previous, false)
    {
        return Some(fault);
    }
    if here.pair().is_none() {
        return no_pair(here, true);
    }
    let is_dash = here.content().starts_with("- ");
    // Where lines like this one stand above.
    let section = above.iter().take_while(|line| line.indent() > 0);
    let alike = section.filter(|line| !is_dash || line.content().starts_with("- "));
    let column_of = |line: &Line<'_>| if is_dash { line.indent() } else { line.entry().0 };
    let own = if is_dash { here.indent() } else { column };
    let nearest = alike.min_by_key(|line| (column_of(line).abs_diff(own), usize::MAX - line.start))?;
    let wanted = column_of(nearest);
    if wanted == own {
        return None;
    }
    let shown_word = if is_dash { "-" } else { word };
    let (_, like) = nearest.entry();
    let like =
        if is_dash { "the `-`".to_owned() } else { format!("`{}`", like.split([':', ' ']).next().unwrap_or_default()) };
    Some(bad_yaml(
        here.span(here.indent(), if is_dash { 1 } else { word.len() }),
        format!("`{shown_word}` is {}, which fits nothing above it", indented(own)),
        format!("if it belongs beside {like} above, it is to be {}", indented(wanted)),
    ))
}

/// The file's sections that have lines below them.
const SECTIONS: [&str; 4] = ["receivers", "routes", "messages", "tests"];

fn indented(count: usize) -> String {
    match count {
        0 => "not indented".to_owned(),
        1 => "indented by 1 space".to_owned(),
        count => format!("indented by {count} spaces"),
    }
}

/// A line that was meant as `key: value` or `- …` and is not.
fn no_pair(line: &Line<'_>, alone: bool) -> Option<Fault> {
    let (_, entry) = line.entry();
    let content = line.content();
    if let Some(rest) = content.strip_prefix('-').filter(|rest| !rest.starts_with([' ', '-']) && !rest.is_empty()) {
        let key = rest.split([':', ' ']).next().unwrap_or_default();
        return Some(bad_yaml(line.whole(), "a space is missing behind the `-`", format!("write `- {key}: …`")));
    }
    if entry.starts_with(['"', '\'', '{', '[', '}', ']', '|', '>', '*', '&']) || entry.is_empty() {
        return None;
    }
    // A plain entry of a list stands for itself.
    if content.starts_with("- ") && !entry.contains([' ', ':']) {
        return None;
    }
    let (message, help) = if let Some((key, value)) = entry.split_once(':').filter(|(key, _)| !key.contains(' ')) {
        ("a space is missing behind the `:`", format!("write `{key}: {}`", shown(key, value)))
    } else if let Some((key, value)) = entry.split_once([' ', '=']) {
        let value = value.trim_start_matches([' ', '=']);
        let help = if SHOWN.contains(&key) {
            format!("write `{key}: {value}`")
        } else {
            "add a `:` behind the key; or, if it goes on with the value above, indent it; else take it out".to_owned()
        };
        ("this line has no `:` between a key and its value", help)
    } else if alone {
        (
            "this line is neither a key with a `:` nor part of a value",
            "add the `:` if it is a key, else take it out".to_owned(),
        )
    } else {
        ("the `:` behind this key is missing", "add it, or indent the line as the rest of the value above".to_owned())
    };
    Some(bad_yaml(line.whole(), message, help))
}

/// More behind a value that had ended, or another `: ` inside one.
fn behind_a_value(here: &Line<'_>, at: Span) -> Option<Fault> {
    let before = here.text.get(..at.start - here.start)?.trim_end();
    let (key, value) = here.pair()?;
    let begins = value.chars().next()?;
    if here.text[before.len()..].trim_start().starts_with(',') && before.ends_with(['}', ']', '"', '\'']) {
        let message = "a `,` behind a value, outside of `{ }` and `[ ]`";
        return Some(bad_yaml(at, message, "remove it: here each line is an entry of its own"));
    }
    if value.starts_with("{{") {
        let message = "an unquoted `{{` is a map to YAML, not a template";
        let from = here.text.find("{{")?;
        return Some(Fault::new(Code::BadKey, here.span(from, 2), message, quoted(key, value)));
    }
    if matches!(begins, '{' | '[') && before.ends_with(['}', ']']) {
        let from = here.text.find(value)?;
        let message =
            format!("a value that begins with `{begins}` ends with its closing bracket, and more stands behind it");
        return Some(bad_yaml(here.span(from, value.len()), message, quoted(key, value)));
    }
    if matches!(begins, '>' | '|') {
        let message = format!("a value cannot begin with `{begins}` without quotes");
        let from = here.text.find(value)?;
        return Some(bad_yaml(here.span(from, value.len()), message, quoted(key, value)));
    }
    let inner = value.split_once(": ")?;
    if here.text[at.start - here.start..].starts_with(':') && !value.starts_with(['"', '\'', '{', '[']) {
        let braces = format!("braces around it: {key}: {{ {}: {} }}", inner.0, shown(key, inner.1));
        let help = match key {
            "when" | "not" | "message" | "fields" | "retry" | "tls" | "auth" | "headers" => format!("put {braces}"),
            _ => quoted(key, value),
        };
        return Some(bad_yaml(at, "a second `: ` on one line, which YAML takes for another key", help));
    }
    None
}

/// Keys whose values are never secret; of others none is repeated, since a report may end in a log.
const SHOWN: [&str; 12] =
    ["name", "when", "to", "title", "text", "kind", "type", "state", "outcome", "time", "ran_for", "queued_for"];

fn shown<'a>(key: &str, value: &'a str) -> &'a str {
    if SHOWN.contains(&key) { value } else { "…" }
}

fn quoted(key: &str, value: &str) -> String {
    let value = shown(key, value);
    let mark = if value.contains('"') { '\'' } else { '"' };
    format!("put the whole value in quotes: {key}: {mark}{value}{mark}")
}
