//! `send --to` without a relay: a test message straight from routes.yaml to its receivers, one attempt each, nothing kept.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;

use super::explain::unusable;
use super::failure::Failure;
use super::output::{count, one_line, say, say_json};
use super::serve::maybe_path;
use crate::config::{Config, Secrets, load};
use crate::delivery::{Subject, Tried, prepare, try_once};
use crate::event::{self, DeliveryId, Event, duration, next_id};
use crate::receiver::{Outgoing, Reason, Receiver, Unsendable, Verdict};
use crate::server::{fresh_id, mark_as_test};
use crate::yaml::{Problems, decode, nearest};

/// Every receiver, as the word of `--to`.
pub const ALL: &str = "all";

/// The flags of a drill without a relay.
#[derive(Args)]
#[command(next_help_heading = "Without a relay")]
pub struct DrillArgs {
    /// Send from this file, without a relay [default: `JOBRELAY_ROUTES` or routes.yaml, if no relay answers and --url names none]
    #[arg(long, value_name = "FILE", requires = "to")]
    pub routes: Option<PathBuf>,

    /// Where ${NAME} is looked up before the environment: a directory with one file per name, or a file of NAME=value lines
    #[arg(long, env = "JOBRELAY_SECRETS", value_name = "PATH", value_parser = maybe_path())]
    pub secrets: Option<PathBuf>,
}

/// How one receiver took it.
#[derive(Serialize)]
struct Report {
    receiver: Arc<str>,
    kind: &'static str,
    /// Absent where there is nothing to try without a relay.
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<Verdict>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<Reason>,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<String>,
    /// Seconds until the answer was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    took: Option<f64>,
}

/// Sends `event`, marked as a test, to the receiver `to` of `routes`, or to all. Whether every one of them took it.
pub async fn drill(
    routes: &Path,
    secrets: Option<PathBuf>,
    to: &str,
    event: Value,
    json: bool,
) -> Result<bool, Failure> {
    let (shown, config) = read(routes, secrets)?;
    let receivers = chosen(&config, &shown, to)?;
    let received = mark_as_test(&event, &fresh_id(), Timestamp::now()).map_err(|why| Failure::new(why.message))?;
    let event = event::parse(received).map_err(|(_, why)| Failure::new(why.message))?;
    let event = Arc::new(event);
    if !json {
        let to = count(receivers.len() as u64, "receiver");
        say(format_args!("a test, straight from {shown} to {to}, one attempt each"))?;
    }
    let first = next_id(0, Timestamp::now().as_millisecond());
    let mut trials: FuturesUnordered<_> =
        receivers.iter().zip(first..).map(|(receiver, id)| trial(&config, receiver, &event, DeliveryId(id))).collect();
    let mut reports = Vec::new();
    while let Some(report) = trials.next().await {
        if !json {
            say(report.text())?;
        }
        reports.push(report);
    }
    if json {
        reports.sort_by(|a, b| a.receiver.cmp(&b.receiver));
        say_json(&reports)?;
    }
    Ok(reports.iter().all(Report::is_fine))
}

fn read(routes: &Path, secrets: Option<PathBuf>) -> Result<(String, Config), Failure> {
    let shown = routes.display().to_string();
    let bytes = std::fs::read(routes).map_err(|e| {
        Failure::new(format!("cannot read {shown}: {e}"))
            .help("--routes names another file, --url or JOBRELAY_URL a relay that knows its own")
    })?;
    let secrets = Secrets { path: secrets.filter(|path| !path.as_os_str().is_empty()) };
    let mut problems = Problems::default();
    let text = decode(bytes, &mut problems);
    let (config, found) = load(&text, &secrets);
    problems.extend(found);
    match config.filter(|_| !problems.has_errors()) {
        Some(config) => Ok((shown, config)),
        None => Err(unusable(&shown, &problems)),
    }
}

fn chosen<'c>(config: &'c Config, shown: &str, to: &str) -> Result<Vec<&'c Receiver>, Failure> {
    if to == ALL {
        return Ok(config.receivers.values().map(|receiver| &**receiver).collect());
    }
    if let Some(receiver) = config.receivers.get(to) {
        return Ok(vec![receiver]);
    }
    let names = || config.receivers.keys().map(|name| &**name);
    let help = match nearest(to, names()) {
        Some(near) => format!("did you mean {near}?"),
        None => format!("there are {}, and `all` means every one", names().collect::<Vec<_>>().join(", ")),
    };
    Err(Failure::new(format!("{shown} has no receiver {to:?}")).help(help))
}

async fn trial(config: &Config, receiver: &Receiver, event: &Arc<Event>, id: DeliveryId) -> Report {
    let subject = Subject { id, event: Arc::clone(event), route: Arc::from(""), closes: None, earlier: None };
    let report = Report {
        receiver: Arc::clone(&receiver.name),
        kind: receiver.kind_name,
        verdict: Some(Verdict::Refused),
        reason: None,
        detail: String::new(),
        advice: None,
        notes: Vec::new(),
        took: None,
    };
    let refused = |why: &str| config.redactor.redact(why).into_owned();
    match prepare(config, receiver, None, &subject, None, Timestamp::now(), false).map(|prepared| prepared.outgoing) {
        Ok(Outgoing::Console(_) | Outgoing::Inbox(_)) => {
            let detail = "it is the relay's own, there is nothing to try without one".to_owned();
            return Report { verdict: None, detail, ..report };
        }
        Ok(_) => {}
        Err(Unsendable(why)) => {
            let detail = format!("nothing can be sent: {}", refused(&why));
            let advice = Some("mend its `body` or `message` in routes.yaml".to_owned());
            return Report { reason: Some(Reason::Template), detail, advice, ..report };
        }
    }
    match try_once(config, receiver, &subject).await {
        Ok(Tried { judgement, took, notes, .. }) => Report {
            verdict: Some(judgement.verdict),
            reason: judgement.reason,
            detail: judgement.detail,
            advice: judgement.advice,
            notes,
            took: Some(took.as_secs_f64()),
            ..report
        },
        Err(why) => Report { detail: refused(&why), ..report },
    }
}

impl Report {
    fn is_fine(&self) -> bool {
        matches!(self.verdict, None | Some(Verdict::Delivered))
    }

    fn text(&self) -> String {
        let verdict = match self.verdict {
            None => "not tried",
            Some(Verdict::Delivered) => "delivered",
            Some(Verdict::Later) => "not delivered, a relay would try again",
            Some(Verdict::Refused) => "refused",
            Some(Verdict::Blocked) => "blocked, a relay would hold what is owed to it",
        };
        let took = self.took.filter(|_| self.verdict == Some(Verdict::Delivered));
        let took = took.map(Duration::from_secs_f64);
        let took = took.map(|took| format!(" in {}", duration::readable(took))).unwrap_or_default();
        let mut lines =
            vec![format!("  {} ({}): {verdict}{took}: {}", self.receiver, self.kind, one_line(&self.detail))];
        lines.extend(self.notes.iter().map(|note| format!("    note: {}", one_line(note))));
        lines.extend(self.advice.iter().map(|advice| format!("    what to do: {}", one_line(advice))));
        lines.join("\n")
    }
}
