//! `schema`: what an editor needs to complete, explain and check routes.yaml.

use std::process::ExitCode;

use clap::Args;

use super::failure::Failure;
use super::output::say;
use crate::config;

/// Print the JSON Schema of routes.yaml, for editors
#[derive(Args)]
#[command(after_help = "`jobrelay init` writes it beside routes.yaml, whose first line names it; after an upgrade:

  jobrelay schema > routes.schema.json")]
pub struct SchemaArgs {}

impl SchemaArgs {
    /// Prints it.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let SchemaArgs {} = self;
        say(text().trim_end())?;
        Ok(ExitCode::SUCCESS)
    }
}

/// The file's text.
pub fn text() -> String {
    format!("{:#}\n", config::schema())
}
