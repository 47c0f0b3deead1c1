//! `init`: the commented sample, written where `serve` looks for it.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::failure::Failure;
use super::output::say;
use crate::config::SAMPLE;

/// Write a commented routes.yaml to start from
#[derive(Args)]
#[command(
    after_help = "The sample needs no account anywhere: its messages go to the log and to the relay's own inbox."
)]
pub struct InitArgs {
    /// The file to write
    #[arg(env = "JOBRELAY_ROUTES", default_value = "routes.yaml")]
    file: PathBuf,

    /// Replace the file if it is there
    #[arg(long)]
    force: bool,
}

impl InitArgs {
    /// Writes the sample.
    pub fn run(self) -> Result<ExitCode, Failure> {
        write(&self.file, self.force)?;
        let file = self.file.display();
        let (check, serve) = if self.file == Path::new("routes.yaml") {
            (String::new(), String::new())
        } else {
            (format!(" {file}"), format!(" --routes {file}"))
        };
        say(format_args!(
            "Wrote {file}. Next:
  1. edit it: receivers are where messages go, routes say which events go there
  2. jobrelay check{check}
  3. jobrelay serve{serve}
  4. jobrelay send           (in another terminal: a sample event, to see who is told)"
        ))?;
        Ok(ExitCode::SUCCESS)
    }
}

fn write(file: &Path, force: bool) -> Result<(), Failure> {
    let cannot = |e: &std::io::Error| Failure::new(format!("cannot write {}: {e}", file.display()));
    if force {
        return fs::write(file, SAMPLE).map_err(|e| cannot(&e));
    }
    match OpenOptions::new().write(true).create_new(true).open(file) {
        Ok(mut new) => new.write_all(SAMPLE.as_bytes()).map_err(|e| cannot(&e)),
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

    #[test]
    fn a_file_that_is_there_is_kept_unless_forced() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("routes.yaml");
        fs::write(&file, "mine").unwrap();
        let refused = write(&file, false).unwrap_err();
        assert!(refused.to_string().contains("is there already"), "{refused}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "mine");

        write(&file, true).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), SAMPLE);
    }

    #[test]
    fn a_new_file_is_the_sample() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("routes.yaml");
        write(&file, false).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), SAMPLE);
        assert!(write(&dir.path().join("missing/routes.yaml"), false).is_err());
    }
}
