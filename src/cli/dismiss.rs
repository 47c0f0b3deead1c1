//! `dismiss`: take deliveries off the list.

use std::process::ExitCode;

use clap::Args;

use super::client::{RelayArgs, converse};
use super::failure::Failure;
use super::output::{count, say, say_json};
use crate::event::DeliveryId;
use crate::server::types::{DismissAnswer, DismissRequest};

/// Give up deliveries, so that they are not listed as dead or owed any more
#[derive(Args)]
#[command(after_help = "Dismissed deliveries stay in the history, and can still be replayed.

Examples:
  jobrelay dismiss dlv_01k8zq4m7xb21
  jobrelay dismiss --receiver old-channel            all its dead ones
  jobrelay dismiss --receiver old-channel --owed     and what it is still owed")]
pub struct DismissArgs {
    /// Deliveries to dismiss, dead or owed
    #[arg(value_name = "DELIVERY", required_unless_present = "receiver", conflicts_with = "receiver")]
    ids: Vec<DeliveryId>,

    /// All dead deliveries of this receiver
    #[arg(long, value_name = "NAME")]
    receiver: Option<String>,

    /// Also those still owed to it
    #[arg(long, requires = "receiver")]
    owed: bool,

    #[command(flatten)]
    relay: RelayArgs,
}

impl DismissArgs {
    /// Asks the relay to.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let client = self.relay.client()?;
        let request = DismissRequest { deliveries: self.ids, receiver: self.receiver, owed: self.owed };
        let answer: DismissAnswer = converse(async { Ok(client.post("/api/v1/dismiss", &request).await?) })?;
        if self.relay.json {
            say_json(&answer)?;
        } else {
            let hint = if answer.dismissed == 0 { ": none was dead or owed" } else { "" };
            say(format_args!("{} dismissed{hint}", count(answer.dismissed, "delivery")))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
