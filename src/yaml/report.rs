//! The report a person reads, in the manner of rustc: the source line, a caret under the token, the cure.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::{Lines, Place, Problem, Problems, Severity, Span};

/// Of longer lines only line and column are told: nobody reads them, and each problem would cost the whole line again.
const LONGEST_LINE: usize = 2_000;

/// More problems than this go into no log and no message.
const MOST: usize = 50;
/// Nor longer ones, in characters.
const LONGEST_TOLD: usize = 1_000;

/// The report a person reads: each problem with file, line, column, the source line, a caret under the token, and the cure.
///
/// Source lines are shown as they stand in `text`: put through a redactor what leaves the terminal of the file's owner.
#[must_use]
pub fn report(file: &str, text: &str, problems: &Problems, color: bool) -> String {
    let renderer = if color { Renderer::styled() } else { Renderer::plain() };
    let lines = Lines::of(text);
    let reports: Vec<String> =
        problems.iter().map(|problem| renderer.render(&[group(file, text, &lines, problem)])).collect();
    let mut report = reports.join("\n\n");
    if !report.is_empty() {
        report.push('\n');
    }
    report
}

/// The same for logs, messages and other places that more people see than the file's owner: no source lines, which may hold a secret,
/// and of very many problems the first.
#[must_use]
pub fn report_without_source(file: &str, text: &str, problems: &Problems) -> String {
    let lines = Lines::of(text);
    let line = |problem: &Problem| {
        let Place { line, column, .. } = lines.place(text, problem.span);
        let (severity, code, message) = (problem.severity.name(), problem.code.name(), &problem.message);
        let help = problem.help.as_ref().map(|help| format!(" (help: {help})")).unwrap_or_default();
        format!("{file}:{line}:{column}: {severity}[{code}]: {message}{help}")
    };
    let more = problems.len().saturating_sub(MOST);
    let more = (more > 0).then(|| format!("and {more} more: `jobrelay check {file}` shows all"));
    problems.iter().take(MOST).map(line).map(shortened).chain(more).collect::<Vec<_>>().join("\n")
}

/// A message may list every name of a file.
fn shortened(line: String) -> String {
    match line.char_indices().nth(LONGEST_TOLD) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

fn group<'a>(file: &'a str, text: &'a str, lines: &Lines, problem: &'a Problem) -> Group<'a> {
    let level = match problem.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    // Only the line where the token begins: long values and far-away ends say nothing more.
    let line = lines.line(problem.span.start);
    let (source, start) = lines.text(text, line);
    let title = level.primary_title(problem.message.as_str()).id(problem.code.name());
    if source.len() > LONGEST_LINE {
        let column = lines.place(text, problem.span).column;
        let group = title.element(Origin::path(file).line(line).char_column(column));
        return with_help(group, problem);
    }
    let span = Span { start: problem.span.start.saturating_sub(start), end: problem.span.end.saturating_sub(start) };
    let token = span.within(source);
    let snippet = Snippet::source(source)
        .line_start(line)
        .path(file)
        .annotation(AnnotationKind::Primary.span(token.start..token.end));
    with_help(title.element(snippet), problem)
}

fn with_help<'a>(group: Group<'a>, problem: &'a Problem) -> Group<'a> {
    match &problem.help {
        Some(help) => group.element(Level::HELP.message(help.as_str())),
        None => group,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::Code;

    #[test]
    fn what_is_told_has_a_bound() {
        let text = "x".repeat(20_000);
        let mut problems = Problems::default();
        for start in 0..20_000 {
            problems.error(Code::UnknownReceiver, Span { start, end: start + 1 }, "no such receiver", text.clone());
        }
        let told = report_without_source("f", &text, &problems);
        assert_eq!(told.lines().count(), MOST + 1);
        assert!(told.ends_with("\nand 19950 more: `jobrelay check f` shows all"), "{told}");
        assert!(told.chars().count() < 52_000);
    }
}
