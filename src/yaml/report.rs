//! The report a person reads, in the manner of rustc: the source line, a caret under the token, the cure.

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

use super::{Lines, Place, Problem, Problems, Severity, Span};

/// Of longer lines only line and column are told: nobody reads them, and each problem would cost the whole line again.
const LONGEST_LINE: usize = 2_000;

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

/// The same for logs and other places that more people see than the file's owner: no source lines, which may hold a secret.
#[must_use]
pub fn report_without_source(file: &str, text: &str, problems: &Problems) -> String {
    let lines = Lines::of(text);
    let line = |problem: &Problem| {
        let Place { line, column, .. } = lines.place(text, problem.span);
        let (severity, code, message) = (problem.severity.name(), problem.code.name(), &problem.message);
        let help = problem.help.as_ref().map(|help| format!(" (help: {help})")).unwrap_or_default();
        format!("{file}:{line}:{column}: {severity}[{code}]: {message}{help}")
    };
    problems.iter().map(line).collect::<Vec<_>>().join("\n")
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
