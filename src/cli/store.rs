//! The store's file, for commands that read it themselves, beside a relay or without one.

use std::path::{Path, PathBuf};

use clap::Args;

use super::failure::Failure;
use super::serve::store_file;
use crate::store::History;

/// Which store.
#[derive(Args)]
pub struct StoreArgs {
    /// Where events and deliveries are kept. A relay may be running on it
    #[arg(
        long,
        env = "JOBRELAY_STORE",
        value_name = "sqlite:FILE",
        default_value = "sqlite:data/jobrelay.db",
        value_parser = store_file
    )]
    store: PathBuf,
}

impl StoreArgs {
    /// The file, which is there.
    pub fn path(&self) -> Result<&Path, Failure> {
        if self.store.exists() {
            return Ok(&self.store);
        }
        Err(Failure::new(format!("there is no store at {}", self.store.display()))
            .help("--store or JOBRELAY_STORE names the one that `jobrelay serve` writes"))
    }

    /// Opens it for reading.
    pub fn open(&self) -> Result<History, Failure> {
        History::open(self.path()?).map_err(|e| Failure::new(e.to_string()))
    }
}
