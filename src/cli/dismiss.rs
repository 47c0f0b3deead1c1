//! `dismiss`: take deliveries off the list, or items out of the quarantine.

use std::process::ExitCode;

use clap::Args;
use jiff::Timestamp;

use super::client::{RelayArgs, converse};
use super::failure::Failure;
use super::output::{count, say, say_json};
use super::quarantine::{self, not_an_item};
use super::range::{Deed, RangeArgs, Sum};
use super::replay::Id;
use crate::delivery::api_client::ApiClient;
use crate::event::DeliveryId;
use crate::server::types::{DismissAnswer, DismissRequest, Range};

const PATH: &str = "/api/v1/dismiss";

/// Give up deliveries, so that they are not listed as dead or owed any more
#[derive(Args)]
#[command(
    after_help = "Dismissed deliveries stay in the history, and can still be replayed. Of many, it is said which they are, and asked
first: --yes does not ask.

Examples:
  jobrelay dismiss dlv_01k8zq4m7xb21
  jobrelay dismiss --receiver old-channel            all its dead ones
  jobrelay dismiss --receiver old-channel --owed     and what it is still owed
  jobrelay dismiss --reason template --until 1d      dead for this, and before yesterday
  jobrelay dismiss --quarantine 7 8                  what could not be read and is of no use
  jobrelay dismiss --quarantine --all"
)]
pub struct DismissArgs {
    /// Deliveries to dismiss, dead or owed; with --quarantine, numbers of items
    #[arg(
        value_name = "ID",
        required_unless_present_any = ["receiver", "route", "state", "reason", "since", "until", "quarantine"],
        conflicts_with_all = ["receiver", "route", "state", "reason", "since", "until"]
    )]
    ids: Vec<Id>,

    /// Also those still owed to it
    #[arg(long, requires = "receiver", conflicts_with = "state")]
    owed: bool,

    /// Items of the quarantine
    #[arg(long, conflicts_with_all = ["receiver", "route", "state", "reason", "since", "until"])]
    quarantine: bool,

    /// All items of the quarantine
    #[arg(long, requires = "quarantine", conflicts_with = "ids")]
    all: bool,

    #[command(flatten)]
    range: RangeArgs,

    #[command(flatten)]
    relay: RelayArgs,
}

impl DismissArgs {
    /// Asks the relay to.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let client = self.relay.client()?;
        if self.quarantine {
            if self.ids.is_empty() && !self.all {
                return Err(
                    Failure::usage("which items? Say their numbers, or --all").help("`jobrelay quarantine` lists them")
                );
            }
            return quarantine::dismiss(&client, &self.ids, &self.range.care, self.relay.json);
        }
        if self.ids.is_empty() {
            let range = Range { owed: self.owed, ..self.range.range(Timestamp::now()) };
            return self.many(&client, &range);
        }
        let deliveries = self.ids.iter().map(|id| match id {
            Id::Delivery(id) => Ok(*id),
            Id::Event(id) => Err(Failure::usage(format!("{id} is an event: deliveries (dlv_…) can be dismissed"))),
            Id::Item(number) => Err(not_an_item(*number)),
        });
        let deliveries: Vec<DeliveryId> = deliveries.collect::<Result<_, _>>()?;
        if self.range.care.dry_run {
            return say(format_args!("{} would be dismissed", count(deliveries.len() as u64, "delivery")))
                .map(|()| ExitCode::SUCCESS);
        }
        let request = DismissRequest { deliveries, ..DismissRequest::default() };
        let answer: DismissAnswer = converse(async { Ok(client.post(PATH, &request).await?) })?;
        self.tell(&Sum { count: answer.dismissed, ..Sum::default() })?;
        Ok(ExitCode::SUCCESS)
    }

    fn many(&self, client: &ApiClient, range: &Range) -> Result<ExitCode, Failure> {
        let deed =
            Deed { path: PATH, verb: "dismiss", done: "dismissed", care: &self.range.care, json: self.relay.json };
        let request = |dry_run, before, next| DismissRequest {
            range: Some(Range { before, ..range.clone() }),
            dry_run,
            next,
            ..DismissRequest::default()
        };
        deed.run(client, request, |sum| self.tell(sum))
    }

    fn tell(&self, done: &Sum) -> Result<(), Failure> {
        if self.relay.json {
            return say_json(&serde_json::json!({ "dismissed": done.count, "counts": done.counts }));
        }
        let hint = if done.count == 0 { ": none was dead or owed" } else { "" };
        say(format_args!("{} dismissed{hint}", count(done.count, "delivery")))
    }
}
