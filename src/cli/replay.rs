//! `replay`: owe something anew, or read again what could not be read.

use std::process::ExitCode;
use std::str::FromStr;

use clap::Args;
use jiff::Timestamp;
use serde_json::json;

use super::client::{RelayArgs, converse};
use super::failure::Failure;
use super::output::{count, say, say_json};
use super::quarantine::{self, not_an_item};
use super::range::{Deed, RangeArgs, Sum, counts_table};
use super::table::{Column, table};
use crate::delivery::api_client::{ApiClient, ApiError};
use crate::event::{DeliveryId, EventId};
use crate::server::types::{Range, ReplayAnswer, ReplayRequest};
use crate::store::Replayed;

const PATH: &str = "/api/v1/replay";
/// New deliveries that are listed one by one.
const LISTED: usize = 20;

/// Send something again, or to another receiver
#[derive(Args)]
#[command(
    after_help = "A replay is a new delivery with an ID of its own; a dead one is off the list with it. An event is decided anew, by the
routes of now. Of many, it is said which they are, and asked first: --yes does not ask. They go out in the order in which they
were owed, and none twice: if it is broken off, the same command goes on.

Examples:
  jobrelay replay dlv_01k8zq4m7xb21              this message, to the same receiver
  jobrelay replay dlv_01k8zq4m7xb21 --to ops     to another one
  jobrelay replay evt_01k8zq4m7xb20              everything today's routes make of this event
  jobrelay replay evt_01k8zq4m7xb20 --to ops     this event, straight to one receiver
  jobrelay replay --receiver data-ops            all its dead ones
  jobrelay replay --reason template --since 1d   what died for this since yesterday
  jobrelay replay --receiver data-ops --state delivered --since 2h --dry-run
  jobrelay replay --receiver old --to new        its dead ones and all it is still owed
  jobrelay replay --quarantine                   read again what could not be read, after an upgrade"
)]
pub struct ReplayArgs {
    /// Events or deliveries to replay; with --quarantine, numbers of items
    #[arg(
        value_name = "ID",
        required_unless_present_any = ["receiver", "route", "state", "reason", "since", "until", "quarantine"],
        conflicts_with_all = ["receiver", "route", "state", "reason", "since", "until"]
    )]
    ids: Vec<Id>,

    /// To this receiver instead; with --receiver alone, also what that one is still owed
    #[arg(long, value_name = "NAME")]
    to: Option<String>,

    /// Read items of the quarantine again: these, or all
    #[arg(long, conflicts_with_all = ["receiver", "route", "state", "reason", "since", "until", "to"])]
    quarantine: bool,

    /// Of many: also those that were replayed before
    #[arg(long, conflicts_with_all = ["ids", "quarantine"])]
    again: bool,

    #[command(flatten)]
    range: RangeArgs,

    #[command(flatten)]
    relay: RelayArgs,
}

/// What can be replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Id {
    Event(EventId),
    Delivery(DeliveryId),
    /// Of the quarantine.
    Item(i64),
}

impl FromStr for Id {
    type Err = String;

    fn from_str(text: &str) -> Result<Id, String> {
        let event = || text.parse().map(Id::Event).ok();
        let delivery = || text.parse().map(Id::Delivery).ok();
        let item = || text.parse().map(Id::Item).ok();
        event().or_else(delivery).or_else(item).ok_or_else(|| {
            format!("{text:?} is neither an event (evt_…) nor a delivery (dlv_…): copy the whole ID from a list")
        })
    }
}

impl ReplayArgs {
    /// Asks the relay to.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let client = self.relay.client()?;
        if self.quarantine {
            return quarantine::replay(&client, &self.ids, &self.range.care, self.relay.json);
        }
        if self.ids.is_empty() {
            return self.many(&client, &self.chosen(Timestamp::now()));
        }
        let requests = requests(&self.ids, self.to.as_deref())?;
        if self.range.care.dry_run {
            return Err(Failure::usage("--dry-run is for many at once: an ID names one")
                .help("`jobrelay explain evt_…` says what today's routes make of an event"));
        }
        let mut all = Sum::default();
        let asked = converse(async { Ok(ask(&client, &requests, &mut all).await?) });
        // What was replayed before a failure is told too, or it would be replayed once more.
        if asked.is_ok() || all.count > 0 {
            self.tell(&all)?;
        }
        asked.map(|()| ExitCode::SUCCESS)
    }

    /// Moving what is owed is meant where nothing but the receiver is chosen.
    fn chosen(&self, now: Timestamp) -> Range {
        let range = self.range.range(now);
        let receiver_alone = Range { receiver: range.receiver.clone(), ..Range::default() } == range;
        Range { owed: self.to.is_some() && range.receiver.is_some() && receiver_alone, ..range }
    }

    fn many(&self, client: &ApiClient, range: &Range) -> Result<ExitCode, Failure> {
        let deed = Deed { path: PATH, verb: "replay", done: "replayed", care: &self.range.care, json: self.relay.json };
        let request = |dry_run, before, next| ReplayRequest {
            range: Some(Range { before, ..range.clone() }),
            to: self.to.clone(),
            again: self.again,
            dry_run,
            next,
            ..ReplayRequest::default()
        };
        deed.run(client, request, |sum| self.tell(sum))
    }

    fn tell(&self, done: &Sum) -> Result<(), Failure> {
        if self.relay.json {
            return say_json(&json!({
                "replayed": done.replayed, "count": done.count, "moved": done.moved, "counts": done.counts,
            }));
        }
        say(text(done))
    }
}

/// One request for all deliveries, one for each event.
fn requests(ids: &[Id], to: Option<&str>) -> Result<Vec<ReplayRequest>, Failure> {
    let to = to.map(str::to_owned);
    let mut deliveries = Vec::new();
    let mut requests = Vec::new();
    for id in ids {
        match *id {
            Id::Delivery(id) => deliveries.push(id),
            Id::Event(id) => {
                requests.push(ReplayRequest { event: Some(id), to: to.clone(), ..ReplayRequest::default() });
            }
            Id::Item(number) => return Err(not_an_item(number)),
        }
    }
    if !deliveries.is_empty() {
        requests.push(ReplayRequest { deliveries, to, ..ReplayRequest::default() });
    }
    Ok(requests)
}

async fn ask(client: &ApiClient, requests: &[ReplayRequest], all: &mut Sum) -> Result<(), ApiError> {
    for request in requests {
        let answer: ReplayAnswer = client.post(PATH, request).await?;
        all.count += answer.replayed.len() as u64;
        all.replayed.extend(answer.replayed);
    }
    Ok(())
}

const NOTHING: &str = "Nothing to replay: none is dead, or no route matches.";

fn text(done: &Sum) -> String {
    if done.all() == 0 {
        return NOTHING.to_owned();
    }
    let mut parts = Vec::new();
    if done.count > 0 {
        parts.push(if done.count <= LISTED as u64 || done.counts.is_empty() {
            replayed_table(&done.replayed)
        } else {
            counts_table(&done.counts)
        });
        parts.push(format!("{} owed anew", count(done.count, "delivery")));
    }
    if done.moved > 0 {
        parts.push(format!("{} moved", count(done.moved, "owed delivery")));
    }
    parts.join("\n")
}

fn replayed_table(replayed: &[Replayed]) -> String {
    let columns = [Column::Fixed("DELIVERY"), Column::Fixed("RECEIVER"), Column::Fixed("REPLAY OF")];
    let rows = replayed.iter().map(|r| {
        let old = r.replay_of.map_or_else(|| "decided anew".to_owned(), |id| id.to_string());
        vec![r.delivery.to_string(), r.receiver.to_string(), old]
    });
    table(&columns, rows.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::types::Counted;
    use crate::store::DeliveryState;

    #[test]
    fn events_one_by_one_and_deliveries_together() {
        let ids = [Id::Delivery(DeliveryId(1)), Id::Event(EventId(2)), Id::Delivery(DeliveryId(3))];
        let requests = requests(&ids, Some("ops")).unwrap();
        assert_eq!(requests.len(), 2);
        assert_eq!(requests[0].event, Some(EventId(2)));
        assert_eq!(requests[1].deliveries, [DeliveryId(1), DeliveryId(3)]);
        assert!(requests.iter().all(|r| r.to.as_deref() == Some("ops")), "each can go to another receiver");
    }

    #[test]
    fn a_number_is_an_item_of_the_quarantine() {
        assert_eq!("7".parse(), Ok(Id::Item(7)));
        let refused = requests(&[Id::Item(7)], None).unwrap_err().to_string();
        assert!(refused.contains("--quarantine 7"), "{refused}");
    }

    #[test]
    fn what_is_said() {
        let replayed = |of| Replayed { delivery: DeliveryId(33), receiver: "data-ops".into(), replay_of: of };
        let few =
            Sum { count: 2, moved: 3, replayed: vec![replayed(Some(DeliveryId(1))), replayed(None)], ..Sum::default() };
        insta::assert_snapshot!(text(&few), @r"
        DELIVERY           RECEIVER  REPLAY OF
        dlv_0000000000011  data-ops  dlv_0000000000001
        dlv_0000000000011  data-ops  decided anew
        2 deliveries owed anew
        3 owed deliveries moved
        ");
        let counted =
            Counted { receiver: "data-ops".into(), route: "".into(), state: DeliveryState::Dead, count: 1_000_000 };
        let many = Sum { count: 1_000_000, counts: vec![counted], ..Sum::default() };
        insta::assert_snapshot!(text(&many), @r"
        RECEIVER  ROUTE   STATE  DELIVERIES
        data-ops  (none)  dead   1000000
        1000000 deliveries owed anew
        ");
        assert!(text(&Sum::default()).starts_with("Nothing to replay"));
    }
}
