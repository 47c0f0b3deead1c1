//! `events`: what came in, what was decided, and how it went.

use std::process::ExitCode;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::advice::advice;
use super::bytes::write_raw;
use super::client::{RelayArgs, converse, list};
use super::deliveries::{next_try, state_word, why};
use super::failure::Failure;
use super::flat;
use super::lanes::{in_trouble, lanes, trouble};
use super::output::{count, one_line, say, say_json};
use super::sample::warn_of_slip;
use super::table::{Column, table};
use super::times::{Since, since, stamp};
use crate::delivery::LaneStatus;
use crate::event::vocabulary::{self, Use};
use crate::event::{EventId, duration};
use crate::receiver::Reason;
use crate::server::types::{DeliveryDetail, EventDetail, EventSummary, Names};
use crate::store::{Attempt, DeliveryState};

/// List the events that came in, newest first
#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  jobrelay events --outcome failed --since 2h
  jobrelay events --names                       words to copy into routes.yaml
  jobrelay events show evt_01k8zq4m7xb20        one event: what was decided, how each delivery went

Times are UTC."
)]
pub struct EventsArgs {
    #[command(subcommand)]
    one: Option<One>,

    /// Show which types, reasons, IDs and names have been seen, to copy into routes.yaml
    #[arg(long, conflicts_with_all = ["job_type", "outcome", "job", "since", "limit"])]
    names: bool,

    /// Only this job type, like `update_data_product`
    #[arg(long = "type", value_name = "TYPE")]
    job_type: Option<String>,

    /// Only jobs that ended so
    #[arg(long, value_parser = ["succeeded", "stopped", "failed"])]
    outcome: Option<String>,

    /// Only this job
    #[arg(long, value_name = "ID")]
    job: Option<String>,

    /// Only what was received since then: 2h, 3d, or 2026-01-31T09:00:00Z
    #[arg(long, value_name = "WHEN", value_parser = since)]
    since: Option<Since>,

    /// At most so many
    #[arg(long, value_name = "N", default_value = "20", value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    limit: usize,

    #[command(flatten)]
    relay: RelayArgs,
}

/// A closer look.
#[derive(Subcommand)]
enum One {
    /// Show one event: its words, what was decided, and how each delivery went
    Show {
        /// The event
        id: EventId,

        /// Write its body to standard output, as it came (a secret in it is shown as ***)
        #[arg(long, conflicts_with = "json")]
        raw: bool,

        #[command(flatten)]
        relay: RelayArgs,
    },
}

impl EventsArgs {
    /// Asks and prints.
    pub fn run(self) -> Result<ExitCode, Failure> {
        match &self.one {
            Some(One::Show { id, raw: true, relay }) => {
                let client = relay.client()?;
                let path = format!("/api/v1/events/{id}/body");
                write_raw(&converse(async { Ok(client.get_bytes(&path).await?) })?)?;
            }
            Some(One::Show { id, raw: false, relay }) => show(*id, relay)?,
            None if self.names => names(&self.relay)?,
            None => self.list()?,
        }
        Ok(ExitCode::SUCCESS)
    }

    fn list(&self) -> Result<(), Failure> {
        warn_of_slip(self.job_type.as_deref());
        let client = self.relay.client()?;
        let filter = self.filter(Timestamp::now());
        let events: Vec<EventSummary> =
            converse(async { Ok(list(&client, "/api/v1/events", &filter, self.limit).await?) })?;
        if self.relay.json {
            return say_json(&events);
        }
        if events.is_empty() {
            return say(if filter.is_empty() {
                "No events yet. `jobrelay send` posts a sample; the relay's log says at start what to type into the sender."
            } else {
                "No such events. `jobrelay events` shows the newest, `jobrelay events --names` the words they use."
            });
        }
        say(events_table(&events))
    }

    fn filter(&self, now: Timestamp) -> Vec<(&'static str, String)> {
        let mut filter = Vec::new();
        filter.extend(self.job_type.clone().map(|v| ("type", v)));
        filter.extend(self.outcome.clone().map(|v| ("outcome", v)));
        filter.extend(self.job.clone().map(|v| ("job", v)));
        filter.extend(self.since.map(|v| ("since", v.before(now))));
        filter
    }
}

fn events_table(events: &[EventSummary]) -> String {
    let columns = [
        Column::Fixed("ID"),
        Column::Spare("RECEIVED"),
        Column::Wraps("TYPE"),
        Column::Wraps("RESOURCE"),
        Column::Wraps("STATE"),
        Column::Spare("JOB"),
        Column::Wraps("ROUTES"),
    ];
    let row = |e: &EventSummary| {
        let text = |word| flat::word(&e.event, word).unwrap_or_default();
        let mark = if e.test { " (test)" } else { "" };
        let routes = if e.matched.is_empty() { "none".to_owned() } else { e.matched.join(", ") };
        vec![
            e.id.to_string(),
            stamp(e.received_at),
            flat::kind(&e.event) + mark,
            text("resource"),
            flat::standing(&e.event),
            text("job"),
            routes,
        ]
    };
    table(&columns, events.iter().map(row).collect())
}

fn names(relay: &RelayArgs) -> Result<(), Failure> {
    let client = relay.client()?;
    let names: Names = converse(async { Ok(client.get("/api/v1/names", &[]).await?) })?;
    if relay.json {
        return say_json(&names);
    }
    if names.names.is_empty() {
        return say("No real events yet, so no names: those of tests do not count.");
    }
    say(names_text(&names))
}

fn names_text(names: &Names) -> String {
    let mut rows = Vec::new();
    for (word, values) in &names.names {
        let mut values: Vec<_> = values.iter().collect();
        values.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
        for (i, (value, seen)) in values.into_iter().enumerate() {
            let word = if i == 0 { word.clone() } else { String::new() };
            rows.push(vec![word, value.clone(), seen.to_string()]);
        }
    }
    let columns = [Column::Fixed("WORD"), Column::Wraps("VALUE"), Column::Fixed("EVENTS")];
    format!("{}\n\nSeen in the newest {}.", table(&columns, rows), count(names.events as u64, "event"))
}

fn show(id: EventId, relay: &RelayArgs) -> Result<(), Failure> {
    let client = relay.client()?;
    let event: EventDetail = converse(async { Ok(client.get(&format!("/api/v1/events/{id}"), &[]).await?) })?;
    if relay.json {
        return say_json(&event);
    }
    let lanes = converse(async { Ok(lanes(&client).await) })?;
    say(detail_text(&event, &lanes, Timestamp::now()))
}

fn detail_text(detail: &EventDetail, lanes: &[LaneStatus], now: Timestamp) -> String {
    let EventDetail { summary, version_since, deliveries, .. } = detail;
    let mark = if summary.test { "  (a test)" } else { "" };
    let words = vocabulary::names(Use::Show).filter_map(|word| {
        let text = flat::resource_with_id(&summary.event, word).filter(|_| vocabulary::is_resource(word));
        text.or_else(|| flat::word(&summary.event, word)).map(|text| vec![word.to_owned(), text])
    });
    let mut parts = vec![format!("{}  {}{mark}", summary.id, one_line(&flat::sentence(&summary.event)))];
    parts.push(indented(&table(&[Column::Fixed(""), Column::Wraps("")], words.collect())));
    let decided = match summary.matched.as_slice() {
        [] => "no route matched, so nobody is told".to_owned(),
        [one] => format!("route {one:?} matched"),
        several => {
            format!("routes {} matched", several.iter().map(|r| format!("{r:?}")).collect::<Vec<_>>().join(", "))
        }
    };
    let since = version_since.map(|at| format!(" (in force from {})", stamp(at))).unwrap_or_default();
    parts.push(format!("Decided by routes.yaml {}{since}: {decided}.", summary.version));
    if deliveries.is_empty() {
        parts.push("Nothing to deliver.".to_owned());
    } else {
        parts.extend(deliveries.iter().map(|delivery| delivery_text(delivery, lanes, now)));
    }
    parts.push(format!("Why, route by route: jobrelay explain {}", summary.id));
    parts.join("\n\n")
}

/// `blocked, auth`.
fn verdict(attempt: &Attempt) -> String {
    let verdict = format!("{:?}", attempt.verdict).to_lowercase();
    std::iter::once(verdict.as_str()).chain(attempt.reason.map(Reason::as_str)).collect::<Vec<_>>().join(", ")
}

/// One delivery, its attempts, what it waits for and what to do.
pub fn delivery_text(detail: &DeliveryDetail, status: &[LaneStatus], now: Timestamp) -> String {
    let d = &detail.delivery;
    let state = state_word(d.state);
    let mut lines = vec![format!("{}  to {}, {}: {state}", d.id, d.receiver, why(d))];
    let attempts = detail.history.iter().map(|a| {
        let said = std::iter::once(&a.detail).chain(&a.notes).filter(|text| !text.is_empty());
        vec![
            a.number.to_string(),
            stamp(a.at),
            duration::readable(a.took),
            verdict(a),
            said.cloned().collect::<Vec<_>>().join("; "),
        ]
    });
    let columns = ["", "", "", ""].map(Column::Fixed).into_iter().chain([Column::Wraps("")]).collect::<Vec<_>>();
    if !detail.history.is_empty() {
        lines.push(indented(&table(&columns, attempts.collect())));
    }
    lines.extend(d.replayed_by.map(|new| format!("  replayed as {new}")));
    // A lane in trouble has its own time for the next try.
    match in_trouble(status, &d.receiver).filter(|_| d.state == DeliveryState::Owed) {
        Some(lane) => lines.push(format!("  {}", trouble(lane))),
        None => lines.extend(next_try(d, now).map(|next| format!("  {next}"))),
    }
    lines.extend(advice(d).map(|advice| format!("  what to do: {advice}")));
    lines.join("\n")
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use serde_json::json;

    use super::super::advice::tests::delivery;
    use super::super::lanes::tests::in_lane;
    use super::*;
    use crate::delivery::Health;
    use crate::event::Form;
    use crate::receiver::{Reason, Verdict};
    use crate::store::{Attempt, DeliveryState};

    fn summary(matched: &[&str]) -> EventSummary {
        EventSummary {
            id: EventId(1),
            received_at: "2026-01-31T09:05:00Z".parse().unwrap(),
            test: true,
            event: json!({
                "type": "update_data_product", "state": "DONE", "outcome": "failed", "reason": "PLANNING_FAILED",
                "error": "Something went\nwrong.", "job": "4711", "ran_for": 62.0,
                "resource": {"kind": "data_product", "id": "12", "name": "Customers"},
                "data_product": {"id": "12", "name": "Customers"},
            }),
            version: "0123456789ab".into(),
            matched: matched.iter().map(|&m| m.into()).collect(),
        }
    }

    #[test]
    fn a_list_of_events() {
        insta::assert_snapshot!(events_table(&[summary(&["failed jobs", "all"]), summary(&[])]), @r"
        ID                 RECEIVED              TYPE                        RESOURCE   STATE                    JOB   ROUTES
        evt_0000000000001  2026-01-31 09:05:00Z  update_data_product (test)  Customers  failed: PLANNING_FAILED  4711  failed jobs, all
        evt_0000000000001  2026-01-31 09:05:00Z  update_data_product (test)  Customers  failed: PLANNING_FAILED  4711  none
        ");
    }

    #[test]
    fn one_event_in_full() {
        let attempt = Attempt {
            number: 1,
            at: "2026-01-31T09:05:01Z".parse().unwrap(),
            took: Duration::from_millis(250),
            verdict: Verdict::Blocked,
            reason: Some(Reason::Auth),
            detail: "404 no_service".to_owned(),
            notes: vec!["title cut to 150 characters".to_owned()],
        };
        let delivery = delivery(DeliveryState::Owed, Some(Reason::Auth));
        let detail = EventDetail {
            summary: summary(&["failed jobs"]),
            version_since: Some("2026-01-30T08:00:00Z".parse().unwrap()),
            raw: json!({}),
            form: Form { content_type: "application/json".to_owned(), attributes: Vec::new() },
            deliveries: vec![DeliveryDetail { delivery, history: vec![attempt] }],
        };
        insta::assert_snapshot!(detail_text(&detail, &[], Timestamp::UNIX_EPOCH), @r#"
        evt_0000000000001  update_data_product Customers failed: PLANNING_FAILED  (a test)

          type          update_data_product
          state         DONE
          outcome       failed
          reason        PLANNING_FAILED
          error         Something went wrong.
          data_product  Customers (ID 12)
          job           4711
          ran_for       1m 2s

        Decided by routes.yaml 0123456789ab (in force from 2026-01-30 08:00:00Z): route "failed jobs" matched.

        dlv_0000000000002  to data-ops, by route "failed jobs": owed
          1  2026-01-31 09:05:01Z  250ms  blocked, auth  404 no_service; title cut to 150 characters
          what to do: renew the address or key of data-ops in routes.yaml or its secret; it is tried again by itself

        Why, route by route: jobrelay explain evt_0000000000001
        "#);
        let blocked = in_lane(Health::Blocked);
        assert!(detail_text(&detail, &[blocked], Timestamp::UNIX_EPOCH).contains(
            "owed\n  1  2026-01-31 09:05:01Z  250ms  blocked, auth  404 no_service; title cut to 150 characters\n  \
                 data-ops is blocked since 2026-01-31 09:00:00Z, 3 deliveries held"
        ));
    }

    #[test]
    fn names_by_how_often() {
        let seen = |pairs: &[(&str, u64)]| pairs.iter().map(|(v, n)| ((*v).to_owned(), *n)).collect::<BTreeMap<_, _>>();
        let names = Names {
            events: 12,
            names: BTreeMap::from([
                ("type".to_owned(), seen(&[("load_source", 3), ("update_data_product", 9)])),
                ("reason".to_owned(), seen(&[("PLANNING_FAILED", 2)])),
            ]),
        };
        insta::assert_snapshot!(names_text(&names), @r"
        WORD    VALUE                EVENTS
        reason  PLANNING_FAILED      2
        type    update_data_product  9
                load_source          3

        Seen in the newest 12 events.
        ");
    }
}
