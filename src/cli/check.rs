//! `check`: every problem of a routes.yaml, before it runs.

#[cfg(test)]
mod any_bytes;
#[cfg(test)]
mod broken;
mod print;
mod reference;
mod usable;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use clap::builder::FalseyValueParser;

use self::print::{Checked, Format};
use super::failure::Failure;
use super::look::Look;
use super::output::say;
use super::serve::maybe_path;
use super::since::SinceArgs;
use crate::config::{self, Secrets};
use crate::yaml::{self, Problems};

/// Find every mistake in a routes.yaml
#[derive(Args)]
#[command(after_help = "Secrets are looked up as `serve` would: an unset ${NAME} is an error.

Exit codes: 0 if the file can be used (warnings are shown; with --strict there are none), 1 if it cannot.")]
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

    /// As `serve --deny-private` runs it: private addresses are refused, too
    #[arg(long, env = "JOBRELAY_DENY_PRIVATE", value_parser = FalseyValueParser::new())]
    deny_private: bool,

    /// For people, JSON for programs, or annotations of a pull request on GitHub
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: Format,

    /// Warnings count as problems: exit code 1
    #[arg(long)]
    strict: bool,

    #[command(flatten)]
    since: SinceArgs,

    /// Explain a problem by the code its report names, such as unknown-key, with an example and its cure; checks nothing
    #[arg(long, value_name = "CODE")]
    explain: Option<String>,
}

/// Where a file's variables are looked up.
enum Variables<'a> {
    /// As `serve` would.
    Known(&'a Secrets),
    /// Nowhere.
    Imagined,
}

impl CheckArgs {
    /// Checks, prints, and says by the exit code whether the file can be used.
    pub fn run(self) -> Result<ExitCode, Failure> {
        if let Some(code) = &self.explain {
            say(reference::section(code)?)?;
            return Ok(ExitCode::SUCCESS);
        }
        let file = self.file.display().to_string();
        let bytes = config::read_file(&self.file).map_err(|e| {
            Failure::new(format!("cannot read {file}: {e}")).help("`jobrelay init` writes a routes.yaml to start from")
        })?;
        let secrets = Secrets { path: self.secrets.filter(|path| !path.as_os_str().is_empty()) };
        if let Some(path) = &secrets.path {
            // Otherwise each name in it would be reported as unset, which is not the mistake.
            secrets.read().map_err(|e| Failure::new(format!("cannot read the secrets in {}: {e}", path.display())))?;
        }
        let variables = if self.no_env { Variables::Imagined } else { Variables::Known(&secrets) };
        let mut checked = examine(&file, bytes, &variables, self.deny_private, self.strict);
        if let Some(config) = &checked.config {
            match self.since.look_back(&checked.text, config, &mut checked.problems) {
                Ok(hindsight) => checked.hindsight = hindsight,
                Err(failure) => {
                    // What the file says by itself is worth reading all the same.
                    say(checked.text(self.format, Look::of_terminal().color))?;
                    return Err(failure);
                }
            }
            checked.config = checked.config.filter(|_| !checked.problems.has_errors());
        }
        say(checked.text(self.format, Look::of_terminal().color))?;
        Ok(if checked.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// Everything that can be found wrong with a file by itself.
fn examine<'a>(
    file: &'a str,
    bytes: Vec<u8>,
    variables: &Variables<'_>,
    deny_private: bool,
    strict: bool,
) -> Checked<'a> {
    let mut problems = Problems::default();
    let text = yaml::decode(bytes, &mut problems);
    let (config, found) = match variables {
        Variables::Known(secrets) => config::load(&text, secrets),
        Variables::Imagined => config::load_without_secrets(&text),
    };
    problems.extend(found);
    if let (Some(config), Variables::Known(_)) = (&config, variables) {
        usable::check(config, &text, deny_private, &mut problems);
    }
    Checked { file, text, config: config.filter(|_| !problems.has_errors()), problems, strict, hindsight: None }
}
