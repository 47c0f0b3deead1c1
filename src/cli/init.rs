//! `init`: the commented sample, written where `serve` looks for it, and beside it what an editor needs.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::failure::Failure;
use super::output::say;
use super::schema;
use crate::config::SAMPLE;

/// Named by the sample's first line.
const SCHEMA: &str = "routes.schema.json";

/// Write a commented routes.yaml to start from
#[derive(Args)]
#[command(after_help = "The sample needs no account anywhere: its messages go to the log and to the relay's own inbox.

Beside it goes routes.schema.json, by which editors complete, explain and check the file.")]
pub struct InitArgs {
    /// The file to write
    #[arg(env = "JOBRELAY_ROUTES", default_value = "routes.yaml")]
    file: PathBuf,

    /// Replace what is there
    #[arg(long)]
    force: bool,
}

impl InitArgs {
    /// Writes the sample and the schema.
    pub fn run(self) -> Result<ExitCode, Failure> {
        write(&self.file, SAMPLE, self.force)?;
        let kept = keep_or_write(&self.file.with_file_name(SCHEMA), &schema::text(), self.force)?;
        let file = self.file.display();
        let (check, serve) = if self.file == Path::new("routes.yaml") {
            (String::new(), String::new())
        } else {
            (format!(" {file}"), format!(" --routes {file}"))
        };
        let beside = if kept {
            format!("{SCHEMA} was there and is kept; `jobrelay schema > {SCHEMA}` renews it for your editor.")
        } else {
            format!("Beside it, {SCHEMA} lets your editor complete, explain and check it.")
        };
        say(format_args!(
            "Wrote {file}. {beside} Next:
  1. edit it: receivers are where messages go, routes say which events go there
  2. jobrelay check{check}
  3. jobrelay serve{serve}
  4. jobrelay send           (in another terminal: a sample event, to see who is told)"
        ))?;
        Ok(ExitCode::SUCCESS)
    }
}

/// A schema that is there may be someone's own: it is kept unless it is replaced on purpose. Whether it was, and is another.
fn keep_or_write(file: &Path, text: &str, force: bool) -> Result<bool, Failure> {
    if !force && file.exists() {
        return Ok(fs::read_to_string(file).ok().as_deref() != Some(text));
    }
    write(file, text, force).map(|()| false)
}

fn write(file: &Path, text: &str, force: bool) -> Result<(), Failure> {
    let cannot = |e: &std::io::Error| Failure::new(format!("cannot write {}: {e}", file.display()));
    if force {
        return fs::write(file, text).map_err(|e| cannot(&e));
    }
    match OpenOptions::new().write(true).create_new(true).open(file) {
        Ok(mut new) => new.write_all(text.as_bytes()).map_err(|e| cannot(&e)),
        Err(e) if e.kind() == ErrorKind::AlreadyExists => {
            Err(Failure::new(format!("{} is there already", file.display()))
                .help("--force replaces it; `jobrelay check` tells whether it is right"))
        }
        Err(e) => Err(cannot(&e)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn init(dir: &Path, force: bool) -> Result<ExitCode, Failure> {
        InitArgs { file: dir.join("routes.yaml"), force }.run()
    }

    fn read(dir: &Path, name: &str) -> String {
        fs::read_to_string(dir.join(name)).unwrap_or_default()
    }

    #[test]
    fn a_file_that_is_there_is_kept_unless_forced() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("routes.yaml"), "mine").unwrap();
        let refused = init(dir.path(), false).unwrap_err();
        assert!(refused.to_string().contains("is there already"), "{refused}");
        assert_eq!((read(dir.path(), "routes.yaml"), read(dir.path(), SCHEMA)), ("mine".to_owned(), String::new()));

        init(dir.path(), true).unwrap();
        assert_eq!(read(dir.path(), "routes.yaml"), SAMPLE);
        assert_eq!(read(dir.path(), SCHEMA), schema::text());
    }

    #[test]
    fn a_schema_that_is_there_stops_nothing() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(SCHEMA), "{}").unwrap();
        init(dir.path(), false).unwrap();
        assert_eq!((read(dir.path(), "routes.yaml").as_str(), read(dir.path(), SCHEMA).as_str()), (SAMPLE, "{}"));
        init(dir.path(), true).unwrap();
        assert_eq!(read(dir.path(), SCHEMA), schema::text());
    }

    #[test]
    fn a_new_file_is_the_sample_and_names_its_schema() {
        let dir = tempfile::tempdir().unwrap();
        init(dir.path(), false).unwrap();
        assert_eq!(read(dir.path(), "routes.yaml"), SAMPLE);
        assert_eq!(read(dir.path(), SCHEMA), schema::text());
        assert!(SAMPLE.starts_with(&format!("# yaml-language-server: $schema={SCHEMA}\n")));
        assert!(init(&dir.path().join("missing"), false).is_err());
    }
}
