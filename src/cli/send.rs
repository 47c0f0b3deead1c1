//! `send`: a sample event through a running relay, and what becomes of it; straight to receivers also without one.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Args;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::advice::advice;
use super::client::{RelayArgs, converse};
use super::deliveries::{next_try, state_word};
use super::drill::{ALL, DrillArgs, drill};
use super::explain::default_routes;
use super::failure::Failure;
use super::input::read_input;
use super::lanes::{lanes, trouble};
use super::output::{count, one_line, say, say_json};
use super::sample::{Wish, warn_of_slip};
use crate::delivery::api_client::{ApiClient, ApiError};
use crate::delivery::{Health, LaneStatus};
use crate::event::duration;
use crate::server::types::{ConfigView, DeliveryDetail, EventDetail, SendAnswer, SendRequest};
use crate::store::{Delivery, DeliveryState};

/// How often the relay is asked how the deliveries stand.
const ASK_EVERY: Duration = Duration::from_millis(150);

/// Send a sample event through the relay and watch what becomes of it
///
/// The event is routed and delivered as a real one would be, but always marked as a test: its messages say so, and it neither
/// opens nor closes an incident of a real job.
#[derive(Args)]
#[command(after_help = "Examples:
  jobrelay send                                                a failed update of Customers
  jobrelay send --type load_source --source CRM --outcome succeeded
  jobrelay send --reason OUT_OF_MEMORY --error 'java heap space' --data-product Orders
  jobrelay send --to data-ops                                  straight to one receiver: does it work?
  jobrelay send --to all                                       a fire drill: does every receiver work?
  jobrelay send --to all --routes new.yaml                     the same from a file alone, without a relay
  jobrelay send --file event.json                              an event recorded elsewhere

Exit codes: 0 if every delivery arrived, also if the routes tell nobody; 1 if one did not within --wait.")]
pub struct SendArgs {
    #[command(flatten)]
    wish: Wish,

    /// Send this JSON instead: a `CloudEvent` or a bare job event; `-` reads it from standard input
    #[arg(
        long,
        value_name = "FILE",
        conflicts_with_all = [
            "job_type", "state", "outcome", "reason", "error", "source", "data_product", "workflow", "destination", "job", "tenant",
            "queued_for", "ran_for", "event_type",
        ]
    )]
    file: Option<PathBuf>,

    /// Straight to this receiver, whatever the routes say; `all`: to every one, as a fire drill
    #[arg(long, value_name = "RECEIVER")]
    to: Option<String>,

    /// How long to watch the deliveries; 0s does not wait
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = duration::parse)]
    wait: Duration,

    #[command(flatten)]
    drill: DrillArgs,

    #[command(flatten)]
    relay: RelayArgs,
}

impl SendArgs {
    /// Sends and watches.
    pub fn run(self) -> Result<ExitCode, Failure> {
        warn_of_slip(self.wish.job_type.as_deref());
        let event = match &self.file {
            Some(file) => read_event(file)?,
            None => self.wish.sample().event(Timestamp::now(), fastrand::u128(..)).map_err(Failure::usage)?,
        };
        if let (Some(routes), Some(to)) = (&self.drill.routes, &self.to) {
            return self.by_file(routes, to, event);
        }
        let client = self.relay.client()?;
        let Some(to) = &self.to else { return self.by_relay(&client, &event, &[None]) };
        let running = converse(async { Ok(client.get::<ConfigView>("/api/v1/config", &[]).await) })?;
        match running {
            Ok(running) if to == ALL => {
                let all: Vec<_> = running.receivers.iter().map(|name| Some(&**name)).collect();
                self.by_relay(&client, &event, &all)
            }
            Err(ApiError::NoAnswer { base, .. }) if !self.relay.named() => {
                if !self.relay.json {
                    say(format_args!("no relay answers at {base}, so without one:"))?;
                }
                self.by_file(&default_routes(), to, event)
            }
            Ok(_) => self.by_relay(&client, &event, &[Some(to)]),
            Err(error) => Err(error.into()),
        }
    }

    fn by_file(&self, routes: &Path, to: &str, event: Value) -> Result<ExitCode, Failure> {
        let arrived = converse(drill(routes, self.drill.secrets.clone(), to, event, self.relay.json))?;
        Ok(if arrived { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// One event for each of `to`; `None`: as the routes say.
    fn by_relay(&self, client: &ApiClient, event: &Value, to: &[Option<&str>]) -> Result<ExitCode, Failure> {
        converse(async {
            let mut answers = Vec::new();
            for &to in to {
                let request = SendRequest { event: event.clone(), to: to.map(str::to_owned) };
                let answer: SendAnswer = client.post("/api/v1/send", &request).await?;
                if !self.relay.json {
                    say(decided(&answer, to))?;
                }
                answers.push(answer);
            }
            let watched = answers.iter().map(|answer| self.watch(client, answer));
            let deliveries = futures_util::future::try_join_all(watched).await?;
            if self.relay.json {
                let told = answers.iter().zip(&deliveries);
                let mut told: Vec<_> = told
                    .map(|(answer, deliveries)| json!({ "id": answer.id, "matched": answer.matched, "deliveries": deliveries }))
                    .collect();
                let one = self.to.as_deref() != Some(ALL);
                say_json(&if one { told.remove(0) } else { Value::Array(told) })?;
            }
            let arrived = deliveries.iter().flatten().all(|d| d.delivery.state == DeliveryState::Delivered);
            Ok(if arrived || self.wait.is_zero() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        })
    }

    /// Prints each delivery as it ends, and at last those that have not.
    async fn watch(&self, client: &ApiClient, answer: &SendAnswer) -> Result<Vec<DeliveryDetail>, Failure> {
        if answer.deliveries.is_empty() {
            return Ok(Vec::new());
        }
        let path = format!("/api/v1/events/{}", answer.id);
        let begun = Instant::now();
        let mut told = Vec::new();
        loop {
            // Asked before the state is read: what ends in between is then still seen.
            let last_look = begun.elapsed() >= self.wait;
            let deliveries = client.get::<EventDetail>(&path, &[]).await?.deliveries;
            let owed = |d: &DeliveryDetail| d.delivery.state == DeliveryState::Owed;
            if !self.relay.json {
                for d in deliveries.iter().filter(|d| !owed(d)) {
                    if !told.contains(&d.delivery.id) {
                        told.push(d.delivery.id);
                        say(ended(d, lane_of(client, &d.delivery).await.as_ref()))?;
                    }
                }
            }
            if last_look || !deliveries.iter().any(owed) {
                if !self.relay.json {
                    for d in deliveries.iter().filter(|d| owed(d)) {
                        let lane = lane_of(client, &d.delivery).await;
                        say(still_owed(&d.delivery, self.wait, lane.as_ref(), Timestamp::now()))?;
                    }
                }
                return Ok(deliveries);
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }
}

fn read_event(file: &Path) -> Result<Value, Failure> {
    let (shown, text) = read_input(file)?;
    serde_json::from_str(&text).map_err(|e| {
        Failure::new(format!("{shown} is not JSON: {e}")).help("one event, as a CloudEvent or a bare job event")
    })
}

/// What routing said.
fn decided(answer: &SendAnswer, to: Option<&str>) -> String {
    let id = answer.id;
    let quoted = || answer.matched.iter().map(|route| format!("{route:?}")).collect::<Vec<_>>().join(", ");
    let deliveries = count(answer.deliveries.len() as u64, "delivery");
    match (to, answer.matched.as_slice()) {
        (Some(to), _) => format!("{id}: a test, straight to {to}"),
        (None, []) => format!(
            "{id}: a test; no route matched, so nobody is told\n\
             `jobrelay events show {id}` shows the words that `when` in routes.yaml compares"
        ),
        (None, [_]) => format!("{id}: a test; route {} matched: {deliveries}", quoted()),
        (None, _) => format!("{id}: a test; routes {} matched: {deliveries}", quoted()),
    }
}

/// How a delivery ended.
fn ended(detail: &DeliveryDetail, lane: Option<&LaneStatus>) -> String {
    let d = &detail.delivery;
    let took = detail.history.last().filter(|_| d.state == DeliveryState::Delivered);
    let took = took.map(|attempt| format!(" in {}", duration::readable(attempt.took))).unwrap_or_default();
    let mut lines = vec![format!("  {}: {}{took}{}", d.receiver, state_word(d.state), said(d))];
    // Cuts and fallbacks matter also where it arrived.
    lines
        .extend(detail.history.last().into_iter().flat_map(|a| &a.notes).map(|n| format!("    note: {}", one_line(n))));
    lines.extend(what_to_do(d, lane));
    lines.join("\n")
}

fn still_owed(d: &Delivery, waited: Duration, lane: Option<&LaneStatus>, now: Timestamp) -> String {
    let tries = count(u64::from(d.attempts), "attempt");
    let after = if waited.is_zero() { String::new() } else { format!(" after {}", duration::readable(waited)) };
    let mut lines = vec![format!("  {}: still owed{after}, {tries}{}", d.receiver, said(d))];
    // A lane in trouble has its own time for the next try.
    match lane.filter(|lane| lane.health != Health::Open) {
        Some(lane) => lines.push(format!("    {}", trouble(lane))),
        None => lines.extend(next_try(d, now).map(|next| format!("    {next}"))),
    }
    lines.extend(what_to_do(d, lane));
    lines.join("\n")
}

/// The service's answer.
fn said(d: &Delivery) -> String {
    d.detail.as_deref().filter(|text| !text.is_empty()).map(|text| format!(": {}", one_line(text))).unwrap_or_default()
}

/// The kind knows its service best, so its lane's advice goes first.
fn what_to_do(d: &Delivery, lane: Option<&LaneStatus>) -> Option<String> {
    let said_already = lane.is_some_and(|lane| lane.health == Health::Blocked);
    let told = lane.and_then(|lane| lane.advice.clone()).or_else(|| advice(d)).filter(|_| !said_already);
    told.map(|advice| format!("    what to do: {}", one_line(&advice)))
}

/// The lane of a delivery that did not arrive.
async fn lane_of(client: &ApiClient, d: &Delivery) -> Option<LaneStatus> {
    if d.state == DeliveryState::Delivered {
        return None;
    }
    lanes(client).await.into_iter().find(|lane| lane.receiver == d.receiver)
}

#[cfg(test)]
mod tests {
    use super::super::advice::tests::delivery;
    use super::*;
    use crate::event::{DeliveryId, EventId};
    use crate::receiver::{Reason, Verdict};
    use crate::store::Attempt;

    fn answer(matched: &[&str], receivers: &[&str]) -> SendAnswer {
        SendAnswer {
            id: EventId(1),
            matched: matched.iter().map(|&m| m.into()).collect(),
            deliveries: receivers.iter().map(|&r| (DeliveryId(2), r.into())).collect(),
        }
    }

    #[test]
    fn what_was_decided() {
        let said = [
            decided(&answer(&["failed jobs"], &["a", "b"]), None),
            decided(&answer(&["failed jobs", "all"], &["a"]), None),
            decided(&answer(&["quiet"], &[]), None),
            decided(&answer(&[], &[]), None),
            decided(&answer(&[], &["a"]), Some("a")),
        ];
        insta::assert_snapshot!(said.join("\n"), @r#"
        evt_0000000000001: a test; route "failed jobs" matched: 2 deliveries
        evt_0000000000001: a test; routes "failed jobs", "all" matched: 1 delivery
        evt_0000000000001: a test; route "quiet" matched: no deliveries
        evt_0000000000001: a test; no route matched, so nobody is told
        `jobrelay events show evt_0000000000001` shows the words that `when` in routes.yaml compares
        evt_0000000000001: a test, straight to a
        "#);
    }

    #[test]
    fn how_deliveries_went() {
        let attempt = Attempt {
            number: 1,
            at: "2026-01-31T09:05:00Z".parse().unwrap(),
            took: Duration::from_millis(250),
            verdict: Verdict::Delivered,
            reason: None,
            detail: "200 ok".to_owned(),
            notes: vec!["title cut to 150 characters".to_owned()],
        };
        let detail =
            |state, reason| DeliveryDetail { delivery: delivery(state, reason), history: vec![attempt.clone()] };
        let mut waiting = delivery(DeliveryState::Owed, Some(Reason::Auth));
        waiting.not_before = Some("2026-01-31T09:10:00Z".parse().unwrap());
        let advised = LaneStatus {
            advice: Some("the webhook was revoked; make a new one".to_owned()),
            next_attempt: "2026-01-31T09:14:00Z".parse().ok(),
            ..LaneStatus::open("data-ops".into(), "slack".to_owned())
        };
        let told = [
            ended(&detail(DeliveryState::Delivered, None), None),
            ended(&detail(DeliveryState::Dead, Some(Reason::Form)), None),
            still_owed(&waiting, Duration::from_secs(10), Some(&advised), Timestamp::UNIX_EPOCH),
            still_owed(
                &waiting,
                Duration::from_secs(10),
                Some(&LaneStatus { health: Health::Blocked, ..advised.clone() }),
                Timestamp::UNIX_EPOCH,
            ),
        ];
        insta::assert_snapshot!(told.join("\n"), @r"
          data-ops: delivered in 250ms: in the service's words
            note: title cut to 150 characters
          data-ops: dead: in the service's words
            note: title cut to 150 characters
            what to do: the service cannot read the message's form: look at `message` and `body` of data-ops; then: jobrelay replay dlv_0000000000002
          data-ops: still owed after 10s, 1 attempt: in the service's words
            next try at 2026-01-31 09:10:00Z
            what to do: the webhook was revoked; make a new one
          data-ops: still owed after 10s, 1 attempt: in the service's words
            data-ops is blocked, no deliveries held: the webhook was revoked; make a new one; next try at 2026-01-31 09:14:00Z, or now: jobrelay resume data-ops
        ");
    }

    #[test]
    fn a_file_that_is_no_json_says_where() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("event.json");
        std::fs::write(&file, "{\n oops").unwrap();
        let error = read_event(&file).unwrap_err().to_string();
        assert!(error.contains("event.json is not JSON") && error.contains("line 2"), "{error}");
        assert!(read_event(&dir.path().join("none.json")).is_err());
    }
}
