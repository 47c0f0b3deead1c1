//! `replay`: owe something anew.

use std::process::ExitCode;
use std::str::FromStr;

use clap::Args;

use super::client::{RelayArgs, converse};
use super::failure::Failure;
use super::output::{count, say, say_json};
use super::table::{Column, table};
use crate::delivery::api_client::{ApiClient, ApiError};
use crate::event::{DeliveryId, EventId};
use crate::server::types::{ReplayAnswer, ReplayRequest};

/// Send something again, or to another receiver
#[derive(Args)]
#[command(
    after_help = "A replay is a new delivery with an ID of its own. An event is decided anew, by the routes of now.

Examples:
  jobrelay replay dlv_01k8zq4m7xb21              this message, to the same receiver
  jobrelay replay dlv_01k8zq4m7xb21 --to ops     to another one
  jobrelay replay evt_01k8zq4m7xb20              everything today's routes make of this event
  jobrelay replay evt_01k8zq4m7xb20 --to ops     this event, straight to one receiver
  jobrelay replay --receiver data-ops            all its dead ones
  jobrelay replay --receiver old --to new        its dead ones and all it is still owed"
)]
pub struct ReplayArgs {
    /// Events or deliveries to replay
    #[arg(value_name = "ID", required_unless_present = "receiver", conflicts_with = "receiver")]
    ids: Vec<Id>,

    /// All dead deliveries of this receiver; with --to, also what it is still owed
    #[arg(long, value_name = "NAME")]
    receiver: Option<String>,

    /// To this receiver instead
    #[arg(long, value_name = "NAME")]
    to: Option<String>,

    #[command(flatten)]
    relay: RelayArgs,
}

/// What can be replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Id {
    Event(EventId),
    Delivery(DeliveryId),
}

impl FromStr for Id {
    type Err = String;

    fn from_str(text: &str) -> Result<Id, String> {
        match text.parse() {
            Ok(event) => Ok(Id::Event(event)),
            Err(_) => text.parse().map(Id::Delivery).map_err(|_| {
                format!("{text:?} is neither an event (evt_…) nor a delivery (dlv_…): copy the whole ID from a list")
            }),
        }
    }
}

impl ReplayArgs {
    /// Asks the relay to.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let requests = requests(&self.ids, self.receiver.as_deref(), self.to.as_deref());
        let client = self.relay.client()?;
        let mut all = ReplayAnswer { replayed: Vec::new(), moved: 0 };
        let asked = converse(async { Ok(ask(&client, &requests, &mut all).await?) });
        // What was replayed before a failure is told too, or it would be replayed once more.
        if asked.is_ok() || !all.replayed.is_empty() {
            if self.relay.json { say_json(&all)? } else { say(text(&all))? }
        }
        asked.map(|()| ExitCode::SUCCESS)
    }
}

/// One request for all deliveries, one for each event.
fn requests(ids: &[Id], receiver: Option<&str>, to: Option<&str>) -> Vec<ReplayRequest> {
    let to = to.map(str::to_owned);
    if let Some(receiver) = receiver {
        return vec![ReplayRequest { receiver: Some(receiver.to_owned()), to, ..ReplayRequest::default() }];
    }
    let mut deliveries = Vec::new();
    let mut requests = Vec::new();
    for id in ids {
        match *id {
            Id::Delivery(id) => deliveries.push(id),
            Id::Event(id) => {
                requests.push(ReplayRequest { event: Some(id), to: to.clone(), ..ReplayRequest::default() });
            }
        }
    }
    if !deliveries.is_empty() {
        requests.push(ReplayRequest { deliveries, to, ..ReplayRequest::default() });
    }
    requests
}

async fn ask(client: &ApiClient, requests: &[ReplayRequest], all: &mut ReplayAnswer) -> Result<(), ApiError> {
    for request in requests {
        let answer: ReplayAnswer = client.post("/api/v1/replay", request).await?;
        all.replayed.extend(answer.replayed);
        all.moved += answer.moved;
    }
    Ok(())
}

fn text(answer: &ReplayAnswer) -> String {
    if answer.replayed.is_empty() && answer.moved == 0 {
        return "Nothing to replay: none is dead, or no route matches.".to_owned();
    }
    let mut parts = Vec::new();
    if !answer.replayed.is_empty() {
        let columns = [Column::Fixed("DELIVERY"), Column::Fixed("RECEIVER"), Column::Fixed("REPLAY OF")];
        let rows = answer.replayed.iter().map(|r| {
            let old = r.replay_of.map_or_else(|| "decided anew".to_owned(), |id| id.to_string());
            vec![r.delivery.to_string(), r.receiver.to_string(), old]
        });
        parts.push(table(&columns, rows.collect()));
        parts.push(format!("{} owed anew", count(answer.replayed.len() as u64, "delivery")));
    }
    if answer.moved > 0 {
        parts.push(format!("{} moved", count(answer.moved, "owed delivery")));
    }
    parts.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Replayed;

    #[test]
    fn events_one_by_one_and_deliveries_together() {
        let ids = [Id::Delivery(DeliveryId(1)), Id::Event(EventId(2)), Id::Delivery(DeliveryId(3))];
        let requests = requests(&ids, None, None);
        assert_eq!(requests.len(), 2);
        assert_eq!(requests[0].event, Some(EventId(2)));
        assert_eq!(requests[1].deliveries, [DeliveryId(1), DeliveryId(3)]);
    }

    #[test]
    fn each_can_go_to_another_receiver() {
        let both = requests(&[Id::Event(EventId(2)), Id::Delivery(DeliveryId(1))], None, Some("ops"));
        assert!(both.len() == 2 && both.iter().all(|r| r.to.as_deref() == Some("ops")));
        let moved = requests(&[], Some("old"), Some("new"));
        assert_eq!((moved[0].receiver.as_deref(), moved[0].to.as_deref()), (Some("old"), Some("new")));
    }

    #[test]
    fn what_is_said() {
        let replayed = |of| Replayed { delivery: DeliveryId(33), receiver: "data-ops".into(), replay_of: of };
        let answer = ReplayAnswer { replayed: vec![replayed(Some(DeliveryId(1))), replayed(None)], moved: 3 };
        insta::assert_snapshot!(text(&answer), @r"
        DELIVERY           RECEIVER  REPLAY OF
        dlv_0000000000011  data-ops  dlv_0000000000001
        dlv_0000000000011  data-ops  decided anew
        2 deliveries owed anew
        3 owed deliveries moved
        ");
        assert!(text(&ReplayAnswer { replayed: vec![], moved: 0 }).starts_with("Nothing to replay"));
    }
}
