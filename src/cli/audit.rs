//! `audit`: does everything in the store agree with everything else, and does the relay look after all that is owed?

mod print;
mod relay;

use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::client::{RelayArgs, converse};
use super::failure::Failure;
use super::output::{say, say_json};
use super::store::StoreArgs;
use crate::store::Audit;

/// Check that nothing in the store is lost, wrong or forgotten
#[derive(Args)]
#[command(
    after_help = "Reads the store's file, beside a running relay or without one, in short pages, and changes nothing.

Every event must be readable, unchanged and decided; every delivery that was decided on must be there, with its event, in a state
that its attempts bear out; indexes, open failures and threads must lead to rows that are there; the books must be what the rows
add up to.
With --url (or JOBRELAY_URL), the relay is asked too: is anything owed and due that no lane is at, and are its books those of the
store?

Exit codes: 0 if all is well, 1 if anything is wrong, 2 for wrong usage."
)]
pub struct AuditArgs {
    #[command(flatten)]
    store: StoreArgs,

    #[command(flatten)]
    relay: RelayArgs,
}

/// What is printed.
#[derive(Serialize)]
struct Report {
    ok: bool,
    /// The relay was asked too.
    relay: bool,
    #[serde(flatten)]
    audit: Audit,
}

impl AuditArgs {
    /// Checks and tells.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let history = self.store.open()?;
        let mut audit = history.audit().map_err(|e| Failure::new(e.to_string()))?;
        let relay = self.relay.named();
        if relay {
            let client = self.relay.client()?;
            converse(relay::look(&client, &history, &mut audit))?;
        }
        let report = Report { ok: audit.findings.is_empty(), relay, audit };
        if self.relay.json {
            say_json(&report)?;
        } else {
            say(&report)?;
        }
        Ok(if report.ok { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
