//! What `check` found, for people, for programs, and as annotations of a pull request.

use std::cmp::Reverse;

use clap::ValueEnum;
use serde::Serialize;

use super::super::output::{count, json};
use super::super::since::Hindsight;
use crate::config::Config;
use crate::yaml::{Lines, Place, Problem, Problems, Severity, report};

/// How problems are printed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Human,
    Json,
    Github,
}

/// A file, and what was found.
pub struct Checked<'a> {
    /// Its name, as given.
    pub file: &'a str,
    pub text: String,
    /// There if the file can be used.
    pub config: Option<Config>,
    pub problems: Problems,
    /// Whether warnings count.
    pub strict: bool,
    /// Of `--since`.
    pub hindsight: Option<Hindsight>,
}

/// What `--format json` prints.
#[derive(Serialize)]
struct Report<'a> {
    file: &'a str,
    ok: bool,
    receivers: usize,
    routes: usize,
    tests: usize,
    problems: Vec<Located<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hindsight: Option<&'a Hindsight>,
}

/// A problem with its place: lines and columns from 1, columns in characters, the end behind the last one.
#[derive(Serialize)]
struct Located<'a> {
    severity: &'static str,
    code: &'static str,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
    message: &'a str,
    help: Option<&'a str>,
}

impl<'a> Located<'a> {
    fn of(problem: &'a Problem, place: Place) -> Located<'a> {
        Located {
            severity: problem.severity.name(),
            code: problem.code.name(),
            line: place.line,
            column: place.column,
            end_line: place.end_line,
            end_column: place.end_column,
            message: &problem.message,
            help: problem.help.as_deref(),
        }
    }
}

impl Checked<'_> {
    /// Whether the exit code is 0.
    pub fn is_ok(&self) -> bool {
        self.config.is_some() && !(self.strict && self.number(Severity::Warning) > 0)
    }

    /// What is printed.
    pub fn text(&self, format: Format, color: bool) -> String {
        match format {
            Format::Json => json(&self.machine()),
            Format::Human => self.human(color),
            Format::Github => self.github(),
        }
    }

    fn number(&self, severity: Severity) -> u64 {
        self.problems.iter().filter(|problem| problem.severity == severity).count() as u64
    }

    /// The report, what came of it, and where to read on.
    pub fn human(&self, color: bool) -> String {
        let mut text = report(self.file, &self.text, &self.problems, color);
        if !text.is_empty() {
            text.push('\n');
        }
        if let Some(hindsight) = &self.hindsight {
            text.push_str(&hindsight.to_string());
            text.push('\n');
        }
        text.push_str(&self.summary());
        if let Some(problem) = self.problems.iter().min_by_key(|problem| Reverse(problem.severity)) {
            let more = format!("\nmore about a code in [brackets]: jobrelay check --explain {}", problem.code.name());
            text.push_str(&more);
        }
        text
    }

    /// `routes.yaml: ok, 3 receivers, 5 routes`.
    fn summary(&self) -> String {
        let (errors, warnings) = (self.number(Severity::Error), self.number(Severity::Warning));
        let mut parts = Vec::new();
        if let Some(config) = &self.config {
            if self.is_ok() {
                parts.push("ok".to_owned());
            }
            parts.push(count(config.receivers.len() as u64, "receiver"));
            parts.push(count(config.routes.all().len() as u64, "route"));
            if config.tests > 0 {
                parts.push(count(config.tests as u64, "test") + " passed");
            }
        } else {
            parts.push(count(errors, "error"));
        }
        if warnings > 0 {
            let counted = if self.strict { " (--strict: they count)" } else { "" };
            parts.push(count(warnings, "warning") + counted);
        }
        format!("{}: {}", self.file, parts.join(", "))
    }

    fn machine(&self) -> Report<'_> {
        let lines = Lines::of(&self.text);
        Report {
            file: self.file,
            ok: self.is_ok(),
            receivers: self.config.as_ref().map_or(0, |config| config.receivers.len()),
            routes: self.config.as_ref().map_or(0, |config| config.routes.all().len()),
            tests: self.config.as_ref().map_or(0, |config| config.tests),
            hindsight: self.hindsight.as_ref(),
            problems: self
                .problems
                .iter()
                .map(|problem| Located::of(problem, lines.place(&self.text, problem.span)))
                .collect(),
        }
    }

    /// A workflow command for each problem, which GitHub shows at its line.
    fn github(&self) -> String {
        let lines = Lines::of(&self.text);
        let mut text = String::new();
        for problem in self.problems.iter() {
            let Place { line, column, end_line, end_column } = lines.place(&self.text, problem.span);
            let file = escaped(self.file, true);
            let mut place = format!("file={file},line={line},endLine={end_line}");
            // Columns are taken within one line only.
            if line == end_line {
                place = format!("{place},col={column},endColumn={end_column}");
            }
            let help = problem.help.as_ref().map(|help| format!("\nhelp: {help}")).unwrap_or_default();
            let message = escaped(&format!("{}{help}", problem.message), false);
            let (severity, code) = (problem.severity.name(), problem.code.name());
            for part in ["::", severity, " ", &place, ",title=", code, "::", &message, "\n"] {
                text.push_str(part);
            }
        }
        text + &self.summary()
    }
}

/// As workflow commands want it: in a message `%` and line ends, in a property `:` and `,` too.
fn escaped(text: &str, property: bool) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '%' => escaped.push_str("%25"),
            '\r' => escaped.push_str("%0D"),
            '\n' => escaped.push_str("%0A"),
            ':' if property => escaped.push_str("%3A"),
            ',' if property => escaped.push_str("%2C"),
            _ => escaped.push(letter),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::super::{Variables, examine};
    use super::*;
    use crate::config::Secrets;

    const TEXT: &str =
        "receivers: { ops: { kind: console }, spare: { kind: inbox } }\nroutes:\n  - { name: all, to: ops }\n";

    fn checked(file: &'static str, text: &str, strict: bool) -> Checked<'static> {
        examine(file, text.into(), &Variables::Known(&Secrets::default()), false, strict)
    }

    #[test]
    fn people_read_the_report_and_where_to_read_on() {
        insta::assert_snapshot!(checked("routes.yaml", TEXT, false).human(false), @r#"
        warning[unused-receiver]: no route names the receiver "spare"
         --> routes.yaml:1:38
          |
        1 | receivers: { ops: { kind: console }, spare: { kind: inbox } }
          |                                      ^^^^^
          |
          = help: name it in a route's `to`, or remove it; `recovered: true` brings only the end of failures that a route sent there

        routes.yaml: ok, 2 receivers, 1 route, 1 warning
        more about a code in [brackets]: jobrelay check --explain unused-receiver
        "#);
        let strict = checked("routes.yaml", TEXT, true);
        assert!(!strict.is_ok() && strict.config.is_some());
        assert!(strict.human(false).contains("routes.yaml: 2 receivers, 1 route, 1 warning (--strict: they count)"));
        let clean = TEXT.replace("to: ops", "to: [ops, spare]");
        assert_eq!(checked("routes.yaml", &clean, true).human(false), "routes.yaml: ok, 2 receivers, 1 route");
    }

    #[test]
    fn github_reads_workflow_commands() {
        let text = TEXT.replace(
            "to: ops",
            "to: ops,\n      when: { raw: { a..b: x } },\n      message: { text: \"50%\n      {{ eror }}\" }",
        );
        insta::assert_snapshot!(checked("conf,1/a:b.yaml", &text, false).github(), @r#"
        ::error file=conf%2C1/a%3Ab.yaml,line=4,endLine=4,col=22,endColumn=26,title=bad-value::raw: "a..b" is no path: a name between its dots is empty%0Ahelp: a dot inside a name is written `\.`
        ::error file=conf%2C1/a%3Ab.yaml,line=6,endLine=6,col=10,endColumn=14,title=unknown-name::there is nothing called `eror`%0Ahelp: did you mean `error`?
        conf,1/a:b.yaml: 2 errors
        "#);
        assert_eq!(escaped("50%: a,\r\nb", false), "50%25: a,%0D%0Ab");
    }

    #[test]
    fn programs_read_where_a_token_ends() {
        let json = serde_json::to_value(checked("routes.yaml", TEXT, false).machine()).unwrap();
        assert_eq!(json["ok"], true);
        let problem = &json["problems"][0];
        assert_eq!((&problem["line"], &problem["column"]), (&1.into(), &38.into()));
        assert_eq!((&problem["end_line"], &problem["end_column"]), (&1.into(), &43.into()));
    }
}
