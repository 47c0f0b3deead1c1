//! `deliveries`: what is owed, what arrived, what did not, and what its reader sees.

use std::process::ExitCode;
use std::str::FromStr;

use clap::Args;
use clap::builder::{PossibleValuesParser, RangedU64ValueParser};
use jiff::Timestamp;
use serde_json::json;

use super::bytes::shown;
use super::client::{RelayArgs, converse, list};
use super::events::delivery_text;
use super::failure::Failure;
use super::lanes::{in_trouble, lanes, troubles};
use super::output::{count, many_lines, one_line, say, say_json};
use super::table::{Column, table};
use super::times::{Since, since, stamp};
use crate::delivery::LaneStatus;
use crate::delivery::api_client::{ApiClient, ApiError};
use crate::event::{BadId, DeliveryId, EventId};
use crate::receiver::Reason;
use crate::server::types::{DeliveryDetail, MessageView, Stats};
use crate::store::{Delivery, DeliveryState, Totals};

/// `--message` without an ID.
const NEWEST: &str = "newest";

/// List deliveries, newest first, or show a message as its reader sees it
#[derive(Args)]
#[command(after_help = "Examples:
  jobrelay deliveries --state dead --since 1d       what did not arrive
  jobrelay deliveries --reason auth                 keys and addresses that were refused
  jobrelay deliveries dlv_01k8zq4m7xb21             one of them, with all its attempts
  jobrelay deliveries --receiver inbox --message    the newest message in the inbox
  jobrelay deliveries --message dlv_01k8zq4m7xb21   this message

States: owed (still to be sent), delivered, dead (given up, see its answer), dismissed. Times are UTC.")]
pub struct DeliveriesArgs {
    /// One delivery in full: each attempt and its answer
    id: Option<DeliveryId>,

    /// Only to this receiver
    #[arg(long, value_name = "NAME")]
    receiver: Option<String>,

    /// Only by this route
    #[arg(long, value_name = "NAME")]
    route: Option<String>,

    /// Only in this state
    #[arg(long, value_parser = PossibleValuesParser::new(["owed", "delivered", "dead", "dismissed"]))]
    state: Option<String>,

    /// Only those whose last try failed for this reason
    #[arg(long, value_parser = PossibleValuesParser::new(Reason::ALL.map(Reason::as_str)))]
    reason: Option<String>,

    /// Only since then: 2h, 3d, or 2026-01-31T09:00:00Z
    #[arg(long, value_name = "WHEN", value_parser = since)]
    since: Option<Since>,

    /// Only before then
    #[arg(long, value_name = "WHEN", value_parser = since)]
    until: Option<Since>,

    /// Only for this event
    #[arg(long, value_name = "ID")]
    event: Option<EventId>,

    /// At most so many
    #[arg(long, value_name = "N", default_value = "20", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    limit: usize,

    /// Show the message: of this delivery, or of the newest one that the other flags select
    #[arg(long, value_name = "ID", num_args = 0..=1, default_missing_value = NEWEST)]
    message: Option<Which>,

    #[command(flatten)]
    relay: RelayArgs,
}

/// Whose message is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Which {
    Newest,
    One(DeliveryId),
}

impl FromStr for Which {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Which, BadId> {
        if text == NEWEST { Ok(Which::Newest) } else { text.parse().map(Which::One) }
    }
}

impl DeliveriesArgs {
    /// Asks and prints.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let now = Timestamp::now();
        let filter = self.filter(now);
        let one = match (self.id, self.message) {
            (Some(_), Some(Which::One(_))) => {
                return Err(Failure::usage("two deliveries are named: `jobrelay deliveries ID --message` shows one"));
            }
            (Some(id), _) | (None, Some(Which::One(id))) => Some(id),
            (None, _) => None,
        };
        if one.is_some() && !filter.is_empty() {
            return Err(Failure::usage("an ID names one delivery: the other flags select nothing more"));
        }
        let client = self.relay.client()?;
        match (one, self.message) {
            (one, Some(_)) => self.message(&client, one.map_or(Which::Newest, Which::One), &filter)?,
            (Some(id), None) => self.one(&client, id, now)?,
            (None, None) => self.list(&client, &filter, now)?,
        }
        Ok(ExitCode::SUCCESS)
    }

    fn filter(&self, now: Timestamp) -> Vec<(&'static str, String)> {
        let mut filter = Vec::new();
        filter.extend(self.receiver.clone().map(|v| ("receiver", v)));
        filter.extend(self.route.clone().map(|v| ("route", v)));
        filter.extend(self.state.clone().map(|v| ("state", v)));
        filter.extend(self.since.map(|v| ("since", v.before(now))));
        filter.extend(self.until.map(|v| ("until", v.before(now))));
        filter.extend(self.reason.clone().map(|v| ("reason", v)));
        filter.extend(self.event.map(|v| ("event", v.to_string())));
        filter
    }

    fn list(&self, client: &ApiClient, filter: &[(&str, String)], now: Timestamp) -> Result<(), Failure> {
        let (mut deliveries, lanes, stats) = converse(async {
            let stats = client.get::<Stats>("/api/v1/stats", &[]).await;
            Ok((newest(client, filter, self.limit).await?, lanes(client).await, stats))
        })?;
        if self.relay.json {
            return say_json(&deliveries);
        }
        let dead = self.state.as_deref() == Some(state_word(DeliveryState::Dead));
        let totals = stats.ok().filter(|_| dead).and_then(|stats| dead_text(stats.totals, deliveries.len() as u64));
        if deliveries.is_empty() {
            say(nothing(filter))?;
            return totals.map_or(Ok(()), |totals| say(format_args!("\n{totals}")));
        }
        let troubles = troubles(&lanes, &deliveries);
        // A lane in trouble decides itself when the next try is.
        for delivery in deliveries.iter_mut().filter(|d| in_trouble(&lanes, &d.receiver).is_some()) {
            delivery.not_before = None;
        }
        say(deliveries_table(&deliveries, now))?;
        totals.map_or(Ok(()), |totals| say(format_args!("\n{totals}")))?;
        troubles.into_iter().try_for_each(|trouble| say(format_args!("\n{trouble}")))
    }

    fn one(&self, client: &ApiClient, id: DeliveryId, now: Timestamp) -> Result<(), Failure> {
        let detail: DeliveryDetail =
            converse(async { Ok(client.get(&format!("/api/v1/deliveries/{id}"), &[]).await?) })?;
        if self.relay.json {
            return say_json(&detail);
        }
        let path = format!("/api/v1/events/{}/body", detail.delivery.event);
        let (body, lanes) = converse(async { Ok((client.get_bytes(&path).await?, lanes(client).await)) })?;
        say(one_text(&detail, &lanes, &body, now))
    }

    fn message(&self, client: &ApiClient, which: Which, filter: &[(&str, String)]) -> Result<(), Failure> {
        let (delivery, view) = converse(async {
            let delivery = match which {
                Which::One(id) => {
                    client.get::<DeliveryDetail>(&format!("/api/v1/deliveries/{id}"), &[]).await?.delivery
                }
                Which::Newest => newest(client, filter, 1).await?.into_iter().next().ok_or_else(|| {
                    Failure::new("there is no such delivery").help("`jobrelay deliveries` lists the newest")
                })?,
            };
            let path = format!("/api/v1/deliveries/{}/message", delivery.id);
            let view: MessageView = client.get(&path, &[]).await?;
            Ok((delivery, view))
        })?;
        if self.relay.json {
            return say_json(&json!({ "delivery": delivery, "text": view.text, "sent": view.sent }));
        }
        say(message_text(&delivery, &view))
    }
}

async fn newest(client: &ApiClient, filter: &[(&str, String)], limit: usize) -> Result<Vec<Delivery>, ApiError> {
    list(client, "/api/v1/deliveries", filter, limit).await
}

fn nothing(filter: &[(&str, String)]) -> &'static str {
    if filter.is_empty() {
        "No deliveries yet. `jobrelay events` shows what came in and which routes matched; `jobrelay send` posts a sample."
    } else {
        "No such deliveries. `jobrelay deliveries` shows the newest of all receivers."
    }
}

/// How many are dead, also of those that are not shown or gone.
fn dead_text(totals: Totals, listed: u64) -> Option<String> {
    let mut said = Vec::new();
    if totals.dead > 0 {
        said.push(format!(
            "{listed} of {} dead ones shown. Again, when it is mended: jobrelay replay --state dead --dry-run",
            totals.dead
        ));
    }
    if totals.dead_expired > 0 {
        said.push(format!(
            "{} went, still dead, when their retention was over.",
            count(totals.dead_expired, "delivery")
        ));
    }
    (!said.is_empty()).then(|| said.join("\n"))
}

fn one_text(detail: &DeliveryDetail, lanes: &[LaneStatus], body: &[u8], now: Timestamp) -> String {
    let Delivery { id, event, .. } = detail.delivery;
    format!(
        "{}\n\nThe event as it came, {}:\n{}\n\n\
         What it said: jobrelay deliveries --message {id}\nWhy it was owed: jobrelay explain {id}\nIts event: jobrelay events show {event}",
        delivery_text(detail, lanes, now),
        count(body.len() as u64, "byte"),
        shown(body, &format!("jobrelay events show {event} --raw writes all of them")),
    )
}

fn message_text(delivery: &Delivery, view: &MessageView) -> String {
    let Delivery { id, receiver, .. } = delivery;
    let tense = match (view.sent, delivery.at) {
        (true, Some(at)) => format!("as sent at {}", stamp(at)),
        (true, None) => "as sent".to_owned(),
        (false, Some(at)) if delivery.state == DeliveryState::Delivered => format!(
            "delivered at {}\n\nWhat was sent is not kept: only messages to people are. By the routes.yaml that runs now, \
             which may be another one since, this would be sent",
            stamp(at)
        ),
        (false, _) => "as it would be sent now".to_owned(),
    };
    format!("{id} to {receiver}, {tense}:\n\n{}", many_lines(view.text.trim_end()))
}

/// One line for each.
pub fn deliveries_table(deliveries: &[Delivery], now: Timestamp) -> String {
    let columns = [
        Column::Fixed("ID"),
        Column::Spare("EVENT"),
        Column::Wraps("RECEIVER"),
        Column::Spare("ROUTE"),
        Column::Fixed("STATE"),
        Column::Spare("TRIES"),
        Column::Fixed("LAST TRY"),
        Column::Spare("REASON"),
        Column::Wraps("ANSWER"),
    ];
    let row = |d: &Delivery| {
        let route =
            if d.closes.is_some() && d.route.is_empty() { "(recovery)".to_owned() } else { d.route.to_string() };
        vec![
            d.id.to_string(),
            d.event.to_string(),
            d.receiver.to_string(),
            route,
            state_word(d.state).to_owned(),
            d.attempts.to_string(),
            d.at.map(stamp).unwrap_or_default(),
            d.reason.map(Reason::as_str).unwrap_or_default().to_owned(),
            answer(d, now),
        ]
    };
    table(&columns, deliveries.iter().map(row).collect())
}

/// When an owed one is tried again; from then on it waits for its turn in the lane, which has times of its own.
pub fn next_try(d: &Delivery, now: Timestamp) -> Option<String> {
    let at = d.not_before.filter(|_| d.state == DeliveryState::Owed)?;
    Some(if at > now { format!("next try at {}", stamp(at)) } else { "waits for its receiver".to_owned() })
}

/// The service's words, and when the next try is.
fn answer(d: &Delivery, now: Timestamp) -> String {
    let said = d.detail.clone().filter(|text| !text.is_empty());
    said.into_iter().chain(next_try(d, now)).collect::<Vec<_>>().join("; ")
}

/// Why a delivery is there: `by route "failed jobs"`.
pub fn why(delivery: &Delivery) -> String {
    match (delivery.route.is_empty(), delivery.closes, delivery.replay_of) {
        (false, _, Some(old)) => format!("by route {:?}, replay of {old}", one_line(&delivery.route)),
        (false, _, None) => format!("by route {:?}", one_line(&delivery.route)),
        (true, Some(closed), _) => format!("the recovery that closes {closed}"),
        (true, None, Some(old)) => format!("replay of {old}"),
        (true, None, None) => "sent straight to it".to_owned(),
    }
}

/// The word of the vocabulary.
pub fn state_word(state: DeliveryState) -> &'static str {
    match state {
        DeliveryState::Owed => "owed",
        DeliveryState::Delivered => "delivered",
        DeliveryState::Dead => "dead",
        DeliveryState::Dismissed => "dismissed",
    }
}

#[cfg(test)]
mod tests {
    use super::super::advice::tests::delivery;
    use super::*;

    #[test]
    fn a_list_of_deliveries() {
        let mut owed = delivery(DeliveryState::Owed, Some(Reason::Server));
        owed.detail = Some("503 busy".to_owned());
        owed.not_before = Some("2026-01-31T09:05:07Z".parse().unwrap());
        let mut recovery = delivery(DeliveryState::Delivered, None);
        recovery.route = "".into();
        recovery.closes = Some(DeliveryId(9));
        recovery.detail = Some("200 ok".to_owned());
        let due = owed.not_before.unwrap();
        let listed = deliveries_table(std::slice::from_ref(&owed), due);
        assert!(listed.ends_with("503 busy; waits for its receiver"), "{listed}");
        let before = "2026-01-31T09:05:06Z".parse().unwrap();
        insta::assert_snapshot!(deliveries_table(&[owed, recovery], before), @r"
        ID                 EVENT              RECEIVER  ROUTE        STATE      TRIES  LAST TRY              REASON  ANSWER
        dlv_0000000000002  evt_0000000000001  data-ops  failed jobs  owed       1      2026-01-31 09:05:00Z  server  503 busy; next try at 2026-01-31 09:05:07Z
        dlv_0000000000002  evt_0000000000001  data-ops  (recovery)   delivered  1      2026-01-31 09:05:00Z          200 ok
        ");
    }

    #[test]
    fn one_delivery_with_what_came() {
        let detail =
            DeliveryDetail { delivery: delivery(DeliveryState::Dead, Some(Reason::Form)), history: Vec::new() };
        insta::assert_snapshot!(one_text(&detail, &[], b"{\"jobId\": \"\x1b[2J\"}", Timestamp::UNIX_EPOCH), @r#"
        dlv_0000000000002  to data-ops, by route "failed jobs": dead
          what to do: the service cannot read the message's form: look at `message` and `body` of data-ops; then: jobrelay replay dlv_0000000000002

        The event as it came, 17 bytes:
        {"jobId": "\u{1b}[2J"}

        What it said: jobrelay deliveries --message dlv_0000000000002
        Why it was owed: jobrelay explain dlv_0000000000002
        Its event: jobrelay events show evt_0000000000001
        "#);
    }

    #[test]
    fn the_dead_are_counted_also_when_they_are_gone() {
        let said = dead_text(Totals { dead: 30, dead_expired: 2, ..Totals::default() }, 20).unwrap();
        assert!(
            said.starts_with("20 of 30 dead ones")
                && said.ends_with("2 deliveries went, still dead, when their retention was over."),
            "{said}"
        );
        assert_eq!(dead_text(Totals::default(), 0), None);
    }

    #[test]
    fn a_message_says_whether_it_was_sent() {
        let d = delivery(DeliveryState::Delivered, None);
        let view = |sent| MessageView { text: "**Customers** failed\n".to_owned(), sent };
        assert_eq!(
            message_text(&d, &view(true)),
            "dlv_0000000000002 to data-ops, as sent at 2026-01-31 09:05:00Z:\n\n**Customers** failed"
        );
        assert_eq!(
            message_text(&d, &view(false)),
            "dlv_0000000000002 to data-ops, delivered at 2026-01-31 09:05:00Z\n\nWhat was sent is not kept: only messages to people are. \
             By the routes.yaml that runs now, which may be another one since, this would be sent:\n\n**Customers** failed"
        );
        let owed = delivery(DeliveryState::Owed, None);
        assert!(message_text(&owed, &view(false)).contains("as it would be sent now"));
    }

    #[test]
    fn state_words_are_those_of_the_api() {
        for state in [DeliveryState::Owed, DeliveryState::Delivered, DeliveryState::Dead, DeliveryState::Dismissed] {
            assert_eq!(serde_json::to_value(state).unwrap(), state_word(state));
        }
    }
}
