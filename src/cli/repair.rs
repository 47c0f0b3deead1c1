//! `repair`: what can be read of a damaged store, into a new file.

use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::failure::Failure;
use super::output::{figure, say, say_json};
use super::serve::store_file;
use super::store::StoreArgs;
use crate::store::{Audit, History, Repair, StoreError, repair};

/// Save what can be read of a damaged store into a new file
#[derive(Args)]
#[command(after_help = "Stop the relay first. The damaged file is only read; its log beside it (`-wal`) is read too.

Every event that can be read is saved, with its deliveries, attempts and all that hangs on it. A delivery that was decided on and
whose row is lost is made again from the decision: as owed, unless an index tells that it was not. The new file is audited.

Example:
  jobrelay repair --store sqlite:data/jobrelay.db --into sqlite:data/repaired.db
  jobrelay serve --store sqlite:data/repaired.db

Exit codes: 0 if something was saved and is sound, 1 if not, 2 for wrong usage.")]
pub struct RepairArgs {
    #[command(flatten)]
    store: StoreArgs,

    /// The new store
    #[arg(long, value_name = "sqlite:FILE", value_parser = store_file)]
    into: PathBuf,

    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Report {
    whole: bool,
    #[serde(flatten)]
    repair: Repair,
    audit: Audit,
}

impl RepairArgs {
    /// Saves and tells.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let path = self.store.path()?;
        let into = self.into.display();
        if self.into.exists() {
            return Err(
                Failure::new(format!("{into} exists")).help("name a file that does not: nothing is overwritten")
            );
        }
        let failed = |e: StoreError| Failure::new(e.to_string());
        let repair = repair(path, &self.into).map_err(|error| match error {
            StoreError::InUse { .. } => {
                failed(error).help("stop it first; `jobrelay backup` copies a store while its relay runs")
            }
            error => failed(error),
        })?;
        let audit = History::open(&self.into).and_then(|history| history.audit()).map_err(failed)?;
        let sound = audit.findings.is_empty();
        let report = Report { whole: repair.is_whole(), repair, audit };
        if self.json {
            say_json(&report)?;
        } else {
            say(format_args!("{into}\n{report}"))?;
        }
        Ok(if sound { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Repair { saved, doubtful, events_lost, .. } = &self.repair;
        let rows = |rows: &std::collections::BTreeMap<String, u64>| {
            let rows: Vec<String> =
                rows.iter().filter(|(_, n)| **n > 0).map(|(table, n)| format!("{table} {n}")).collect();
            if rows.is_empty() { "nothing".to_owned() } else { rows.join(", ") }
        };
        writeln!(f, "saved:   {}", rows(saved))?;
        if self.whole {
            writeln!(f, "lost:    nothing")?;
        } else {
            let events = events_lost.map_or_else(|| "how many events is not known".to_owned(), |n| figure(n, "event"));
            writeln!(f, "lost:    {events}; rows that were there and cannot be trusted: {}", rows(doubtful))?;
            let Repair { damaged_pages, log_pages_lost, versions_lost, .. } = self.repair;
            writeln!(
                f,
                "damage:  {} of the file unreadable, {} of its log lost; the text of {} of routes.yaml lost",
                figure(damaged_pages, "page"),
                figure(log_pages_lost, "page"),
                figure(versions_lost, "version"),
            )?;
            let Repair { owed_again, ended, attempts_lost, .. } = self.repair;
            writeln!(
                f,
                "rebuilt: {} as owed (they may be sent twice), {} that had ended, as dismissed; {} of which only the number is known",
                figure(owed_again, "delivery"),
                figure(ended, "delivery"),
                figure(attempts_lost, "attempt"),
            )?;
        }
        if self.audit.findings.is_empty() {
            write!(f, "audit:   all is well")
        } else {
            write!(f, "audit:   something is wrong: `jobrelay audit --store` of the new file tells what")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_lost_is_told_in_figures() {
        let repair = Repair { events_lost: Some(3), damaged_pages: 1, owed_again: 2, ..Repair::default() };
        let report = Report { whole: false, repair, audit: Audit::default() };
        insta::assert_snapshot!(report.to_string(), @r"
        saved:   nothing
        lost:    3 events; rows that were there and cannot be trusted: nothing
        damage:  1 page of the file unreadable, 0 pages of its log lost; the text of 0 versions of routes.yaml lost
        rebuilt: 2 deliveries as owed (they may be sent twice), 0 deliveries that had ended, as dismissed; 0 attempts of which only the number is known
        audit:   all is well
        ");
    }
}
