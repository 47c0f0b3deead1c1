//! `explain`: who gets an event and why, or why not; and what they read.

mod answer;
mod local;
mod messages;
mod reading;
mod report;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use jiff::Timestamp;

pub use local::unusable;

use local::Local;

use super::client::{RelayArgs, converse, list};
use super::failure::Failure;
use super::input::read_input;
use super::lanes::lanes;
use super::look::Look;
use super::output::{say, say_json};
use super::sample::{Wish, warn_of_slip};
use super::times::{Since, since};
use crate::delivery::api_client::ApiClient;
use crate::event::{self, DeliveryId, Event, EventId, Form, Received};
use crate::server::types::{DeliveryDetail, EventSummary, Explained};
use crate::store::DeliveryState;

/// Made-up events are the same each time, so that two files can be compared.
const CHANCE: u128 = 0x6a6f_6272_656c_6179;

/// Explain who gets an event and why, or why somebody does not
///
/// The event is a recorded one (its ID, the ID of one of its deliveries, or --last), a JSON file, or made up from flags. A recorded one
/// is explained by the routes.yaml that decided it, as the relay remembers it; any other, without a relay, by the file at hand.
#[derive(Args)]
#[command(after_help = "Examples:
  jobrelay explain --last --receiver data-ops              why did data-ops (not) get the latest failure?
  jobrelay explain evt_01k8zq4m7xb20                       every route, each condition, each delivery
  jobrelay explain evt_01k8zq4m7xb20 --routes new.yaml     what another file would do with it
  jobrelay explain --outcome failed --reason OUT_OF_MEMORY what would such an event do?
  jobrelay explain --outcome failed --message              and what would each reader see?
  jobrelay explain event.json --message --json             the exact requests, secrets redacted")]
pub struct ExplainArgs {
    /// An event's or delivery's ID, or a JSON file: a `CloudEvent` or a bare job event; `-` reads standard input
    #[arg(value_name = "EVENT", conflicts_with_all = ["Wish", "last"])]
    event: Option<String>,

    /// The latest event of a failed job that the relay has recorded; tests of `jobrelay send` are left out
    #[arg(long, conflicts_with = "Wish")]
    last: bool,

    /// Only the routes that could send to this receiver, and first of all whether it gets the event
    #[arg(long, value_name = "NAME")]
    receiver: Option<String>,

    /// Show the message as its readers see it; with --json, exactly what is sent
    #[arg(long)]
    message: bool,

    /// Show every condition of every route
    #[arg(long)]
    all: bool,

    /// Explain by this file [default: of a recorded event the one that decided, else `JOBRELAY_ROUTES` or routes.yaml]
    #[arg(long, value_name = "FILE")]
    routes: Option<PathBuf>,

    /// Take a file or made-up event as received at this time: 2026-01-31T09:00:00Z, or 2h ago [default: now]
    #[arg(long, value_name = "WHEN", value_parser = since)]
    at: Option<Since>,

    #[command(flatten)]
    wish: Wish,

    #[command(flatten)]
    relay: RelayArgs,
}

/// What is explained.
enum Subject {
    Recorded(EventId),
    Event(Box<Event>),
}

impl ExplainArgs {
    /// Finds the event, explains it, prints.
    pub fn run(mut self) -> Result<ExitCode, Failure> {
        let explained = match (self.subject()?, &self.routes) {
            (Subject::Recorded(id), None) => self.by_the_relay(id)?,
            (Subject::Recorded(id), Some(routes)) => {
                let detail = self.ask(async |client| Ok(client.get(&format!("/api/v1/events/{id}"), &[]).await?))?;
                Local::read(routes)?.recorded(&detail, &self.wanted())?
            }
            (Subject::Event(event), routes) => {
                let routes = routes.clone().unwrap_or_else(default_routes);
                Local::read(&routes)?.explain(*event, &self.wanted())?
            }
        };
        if self.relay.json {
            say_json(&explained)?;
        } else {
            let owed = explained.deliveries.iter().any(|delivery| delivery.state == DeliveryState::Owed);
            let lanes = if owed { self.ask(async |client| Ok(lanes(client).await))? } else { Vec::new() };
            say(report::text(&explained, &lanes, &self.wanted(), self.all, Look::of_terminal()))?;
        }
        Ok(ExitCode::SUCCESS)
    }

    fn wanted(&self) -> Wanted<'_> {
        Wanted { receiver: self.receiver.as_deref(), message: self.message }
    }

    fn subject(&mut self) -> Result<Subject, Failure> {
        let recorded = match self.event.as_deref() {
            Some(text) if text.starts_with("evt_") => Some(text.parse().map_err(bad_id)?),
            Some(text) if text.starts_with("dlv_") => {
                let id: DeliveryId = text.parse().map_err(bad_id)?;
                let path = format!("/api/v1/deliveries/{id}");
                let detail: DeliveryDetail = self.ask(async |client| Ok(client.get(&path, &[]).await?))?;
                self.receiver.get_or_insert_with(|| detail.delivery.receiver.to_string());
                Some(detail.delivery.event)
            }
            None if self.last => Some(self.ask(last_failure)?),
            _ => None,
        };
        if let Some(id) = recorded {
            if self.at.is_some() {
                return Err(Failure::usage("--at goes with a file or flags: a recorded event has its own time"));
            }
            return Ok(Subject::Recorded(id));
        }
        let now = Timestamp::now();
        let at = self.at.map_or(now, |at| at.at(now));
        let event = if let Some(file) = self.event.as_deref() {
            of_file(Path::new(file), at)?
        } else {
            warn_of_slip(self.wish.job_type.as_deref());
            self.wish.sample().read(at, CHANCE).map_err(|contradiction| Failure::usage(contradiction.message))?
        };
        Ok(Subject::Event(Box::new(event)))
    }

    fn by_the_relay(&self, id: EventId) -> Result<Explained, Failure> {
        let mut query: Vec<(&str, String)> = Vec::new();
        query.extend(self.receiver.clone().map(|name| ("receiver", name)));
        query.extend(self.message.then(|| ("message", "true".to_owned())));
        let path = format!("/api/v1/events/{id}/explain");
        self.ask(async |client| Ok(client.get(&path, &query).await?))
    }

    fn ask<T>(&self, question: impl AsyncFnOnce(&ApiClient) -> Result<T, Failure>) -> Result<T, Failure> {
        let client = self.relay.client()?;
        converse(question(&client))
    }
}

/// What is asked for besides the reading of the routes.
pub(super) struct Wanted<'a> {
    pub receiver: Option<&'a str>,
    pub message: bool,
}

async fn last_failure(client: &ApiClient) -> Result<EventId, Failure> {
    let filter = [("outcome", "failed".to_owned()), ("test", "false".to_owned())];
    let newest: Vec<EventSummary> = list(client, "/api/v1/events", &filter, 1).await?;
    newest.first().map(|event| event.id).ok_or_else(|| {
        Failure::new("the relay has recorded no failed job")
            .help("`jobrelay explain --outcome failed` explains a made-up one, `jobrelay events` lists what came in")
    })
}

/// `JOBRELAY_ROUTES`, or routes.yaml.
pub fn default_routes() -> PathBuf {
    let named = std::env::var_os("JOBRELAY_ROUTES").filter(|name| !name.is_empty());
    named.map_or_else(|| "routes.yaml".into(), PathBuf::from)
}

fn of_file(file: &Path, at: Timestamp) -> Result<Event, Failure> {
    let (shown, text) = read_input(file).map_err(|failure| {
        failure.help("name a JSON file, or the ID (evt_…, dlv_…) of what was recorded: `jobrelay events` lists it")
    })?;
    let form = Form { content_type: "application/json".to_owned(), attributes: Vec::new() };
    let received = Received { form, body: text.into(), received_at: at };
    event::parse(received).map_err(|(_, why)| {
        Failure::new(format!("{shown} is no event: {}", why.message))
            .help("one event, as a CloudEvent or a bare job event")
    })
}

fn bad_id(error: impl std::fmt::Display) -> Failure {
    Failure::usage(error.to_string())
}
