//! `backup`: a copy of the store, of one moment, while the relay runs.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;

use super::failure::Failure;
use super::output::{count, say, say_json};
use super::store::StoreArgs;
use crate::store::StoreError;

/// Copy the store to a file, while the relay runs
#[derive(Args)]
#[command(
    after_help = "The copy is the store of one moment, checked and on disk before it gets its name, and readable by its owner only.
To restore: stop the relay, copy the file to where the store is (and remove a `-wal` and `-shm` beside it), start the relay.
What was delivered after the backup is owed in it, so it is sent once more, under the same delivery ID.

Examples:
  jobrelay backup /backup/jobrelay.db --force
  jobrelay backup backup.db --store sqlite:/data/jobrelay.db
  jobrelay audit --store sqlite:backup.db

Exit codes: 0 done, 1 failed, 2 wrong usage."
)]
pub struct BackupArgs {
    /// The file to write
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// Replace the file if there is one
    #[arg(long)]
    force: bool,

    /// Print JSON, for programs
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    store: StoreArgs,
}

impl BackupArgs {
    /// Makes the copy.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let (file, store) = (&self.file, self.store.path()?);
        in_a_directory(file)?;
        if file.exists() {
            let same = matches!((file.canonicalize(), store.canonicalize()), (Ok(a), Ok(b)) if a == b);
            if same {
                return Err(Failure::usage(format!("{} is the store itself", file.display())).help("name another file"));
            }
            if !self.force {
                return Err(Failure::new(format!("{} exists", file.display())).help("--force replaces it"));
            }
        }
        let mut log = file.clone().into_os_string();
        log.push("-wal");
        let log = PathBuf::from(log);
        if !self.force && log.metadata().is_ok_and(|log| log.len() > 0) {
            return Err(Failure::new(format!("{} exists: the log of a store that was there", log.display()))
                .help("if that store may be missed, name another file; --force removes the log"));
        }
        let history = self.store.open()?;
        let made = history.back_up(store, file).map_err(|e| {
            // It is the copy that cannot be written: the store is only read.
            let why = match e {
                StoreError::Unwritable(why) => why,
                other => other.to_string(),
            };
            Failure::new(format!("no backup was made: {why}"))
        })?;
        if self.json {
            say_json(&made)?;
        } else {
            let (events, size) = (count(made.events, "event"), made.bytes.div_ceil(1024));
            say(format_args!(
                "{}: {events}, {} owed, {size} KiB, checked",
                file.display(),
                count(made.owed, "delivery")
            ))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The directory of the copy is there.
fn in_a_directory(file: &Path) -> Result<(), Failure> {
    let directory = file.parent().filter(|directory| !directory.as_os_str().is_empty() && !directory.exists());
    directory.map_or(Ok(()), |missing| {
        let missing = missing.display();
        Err(Failure::new(format!("no backup was made: there is no directory {missing}"))
            .help(format!("mkdir -p {missing}")))
    })
}
