//! `check`: every problem of a routes.yaml, before it runs.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde::Serialize;

use super::failure::Failure;
use super::look::Look;
use super::output::{count, say, say_json};
use super::serve::maybe_path;
use super::since::{Hindsight, SinceArgs};
use crate::config::{self, Config, Secrets};
use crate::delivery::Client;
use crate::yaml::{self, Code, Node, Problems, Severity, Span, Value, report};

/// Find every mistake in a routes.yaml
#[derive(Args)]
#[command(after_help = "Secrets are looked up as `serve` would: an unset ${NAME} is an error.

Exit codes: 0 if the file can be used (warnings are shown), 1 if it cannot.")]
pub struct CheckArgs {
    /// The file to check
    #[arg(env = "JOBRELAY_ROUTES", default_value = "routes.yaml")]
    file: PathBuf,

    /// Where ${NAME} is looked up before the environment: a directory with one file per name, or a file of NAME=value lines
    #[arg(long, env = "JOBRELAY_SECRETS", value_name = "PATH", value_parser = maybe_path())]
    secrets: Option<PathBuf>,

    /// Without any secret, as in the CI of a routes repository: a ${NAME} without a default stands for some value, and files that
    /// receivers name are not looked for
    #[arg(long)]
    no_env: bool,

    /// For people, or JSON for programs and CI
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,

    #[command(flatten)]
    since: SinceArgs,
}

/// How problems are printed.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Human,
    Json,
}

/// What `--format json` prints.
#[derive(Serialize)]
struct Report<'a> {
    file: &'a str,
    ok: bool,
    receivers: usize,
    routes: usize,
    problems: Vec<Place<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hindsight: Option<&'a Hindsight>,
}

/// A problem with its place: line and column from 1, the column in characters.
#[derive(Serialize)]
struct Place<'a> {
    severity: &'static str,
    code: &'static str,
    line: usize,
    column: usize,
    message: &'a str,
    help: Option<&'a str>,
}

impl CheckArgs {
    /// Checks, prints, and says by the exit code whether the file can be used.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let file = self.file.display().to_string();
        let text = std::fs::read_to_string(&self.file).map_err(|e| {
            Failure::new(format!("cannot read {file}: {e}")).help("`jobrelay init` writes a routes.yaml to start from")
        })?;
        let secrets = Secrets { path: self.secrets.filter(|path| !path.as_os_str().is_empty()) };
        if let (Some(path), false) = (&secrets.path, self.no_env) {
            // Otherwise each name in it would be reported as unset, which is not the mistake.
            secrets.read().map_err(|e| Failure::new(format!("cannot read the secrets in {}: {e}", path.display())))?;
        }
        let (config, mut problems) =
            if self.no_env { config::load_without_secrets(&text) } else { config::load(&text, &secrets) };
        let config = config.filter(|config| self.no_env || clients_can_be_set_up(config, &text, &mut problems));
        let hindsight = match &config {
            Some(config) => self.since.look_back(&text, config, &mut problems)?,
            None => None,
        };
        let config = config.filter(|_| !problems.has_errors());
        match self.format {
            Format::Json => say_json(&machine(&file, &text, config.as_ref(), &problems, hindsight.as_ref()))?,
            Format::Human => {
                if !problems.is_empty() {
                    say(report(&file, &text, &problems, Look::of_terminal().color).trim_end())?;
                    say("")?;
                }
                if let Some(hindsight) = &hindsight {
                    say(hindsight)?;
                }
                say(summary(&file, config.as_ref(), &problems))?;
            }
        }
        Ok(if config.is_some() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// What `serve` would stumble over besides: certificates that cannot be read.
fn clients_can_be_set_up(config: &Config, text: &str, problems: &mut Problems) -> bool {
    let failed: Vec<_> = config
        .receivers
        .values()
        .filter_map(|receiver| Some((&receiver.name, Client::new(&receiver.common, false).err()?)))
        .collect();
    if failed.is_empty() {
        return true;
    }
    let root = yaml::parse(text, &mut Problems::default());
    let within = |node: &Node, key: &str| match &node.value {
        Value::Map(map) => map.get(key).map(|(_, node)| node.clone()),
        _ => None,
    };
    for (name, why) in &failed {
        let receiver = root.as_ref().and_then(|root| within(&within(root, "receivers")?, name));
        let place = receiver.as_ref().and_then(|node| within(node, "tls")).or(receiver);
        let span = place.map_or_else(Span::default, |node| node.span);
        problems.error(Code::UnusableReceiver, span, format!("receiver {name:?}: {why}"), None);
    }
    false
}

/// `routes.yaml: ok, 3 receivers, 5 routes`.
fn summary(file: &str, config: Option<&Config>, problems: &Problems) -> String {
    let number = |severity| problems.iter().filter(|p| p.severity == severity).count() as u64;
    let warnings = number(Severity::Warning);
    let also = if warnings > 0 { format!(", {}", count(warnings, "warning")) } else { String::new() };
    match config {
        Some(config) => {
            let receivers = count(config.receivers.len() as u64, "receiver");
            format!("{file}: ok, {receivers}, {}{also}", count(config.routes.routes.len() as u64, "route"))
        }
        None => format!("{file}: {}{also}", count(number(Severity::Error), "error")),
    }
}

fn machine<'a>(
    file: &'a str,
    text: &str,
    config: Option<&Config>,
    problems: &'a Problems,
    hindsight: Option<&'a Hindsight>,
) -> Report<'a> {
    let place = |p: &'a crate::yaml::Problem| {
        let (line, column) = position(text, p.span.start);
        let severity = match p.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        };
        Place { severity, code: p.code.name(), line, column, message: &p.message, help: p.help.as_deref() }
    };
    Report {
        file,
        ok: config.is_some(),
        receivers: config.map_or(0, |c| c.receivers.len()),
        routes: config.map_or(0, |c| c.routes.routes.len()),
        problems: problems.iter().map(place).collect(),
        hindsight,
    }
}

/// Line and column (from 1, in characters) of a byte offset.
fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_characters() {
        let text = "a: 1\nü: ö\n";
        for (offset, want) in [(0, (1, 1)), (3, (1, 4)), (5, (2, 1)), (9, (2, 4)), (99, (3, 1))] {
            assert_eq!(position(text, offset), want, "{offset}");
        }
    }
}
