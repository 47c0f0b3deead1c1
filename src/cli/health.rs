//! `health`: is the relay ready? Small and quick: containers ask every few seconds.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::client::{RelayArgs, converse};
use super::failure::Failure;
use super::lanes::{lanes, trouble};
use super::output::{count, say, say_json};
use crate::delivery::Health;
use crate::server::types::{Readiness, Stats};
use crate::store::Totals;

const PATIENCE: Duration = Duration::from_secs(5);

/// Ask whether the relay is ready
#[derive(Args)]
#[command(after_help = "Also names the receivers that are down or blocked; these alone do not make the relay unready.

Exit codes: 0 if it can accept events and its deliveries move, 1 if not.")]
pub struct HealthArgs {
    #[command(flatten)]
    relay: RelayArgs,
}

impl HealthArgs {
    /// Asks `/readyz`.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let client = self.relay.client()?;
        let answer = converse(async {
            match tokio::time::timeout(PATIENCE, client.get_text("/readyz")).await {
                Ok(answer) => Ok(answer?),
                Err(_) => Err(Failure::new(format!("no answer from {} within {PATIENCE:?}", client.shown()))),
            }
        });
        let detail = answer.as_ref().ok().and_then(|body| serde_json::from_str::<Readiness>(body).ok()?.detail);
        if self.relay.json {
            let why = detail.clone().or_else(|| answer.as_ref().err().map(ToString::to_string));
            say_json(&json!({ "ready": answer.is_ok(), "detail": why }))?;
        } else if answer.is_ok() {
            say("ready")?;
            if let Some(detail) = detail {
                say(detail)?;
            }
            for lane in converse(async { Ok(lanes(&client).await) })? {
                if lane.health != Health::Open {
                    say(trouble(&lane))?;
                }
            }
            // Where the token is missing, the rest is said all the same.
            let stats = converse(async { Ok(client.get::<Stats>("/api/v1/stats", &[]).await) })?;
            stats.map_or(Vec::new(), |stats| letters(stats.totals)).into_iter().try_for_each(say)?;
        }
        answer.map(|_| ExitCode::SUCCESS)
    }
}

/// What waits for people.
fn letters(totals: Totals) -> Vec<String> {
    let Totals { quarantine, dead, dead_expired } = totals;
    let mut said = Vec::new();
    if dead + dead_expired > 0 {
        let gone = if dead_expired > 0 { format!(", {dead_expired} went past the retention") } else { String::new() };
        said.push(format!("{} dead{gone}: jobrelay deliveries --state dead", count(dead, "delivery")));
    }
    if quarantine.items + quarantine.dropped > 0 {
        let dropped = quarantine.dropped;
        let gone = if dropped > 0 { format!(", {dropped} older dropped") } else { String::new() };
        said.push(format!("{} in the quarantine{gone}: jobrelay quarantine", count(quarantine.items, "item")));
    }
    said
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::QuarantineTotals;

    #[test]
    fn what_waits_is_told_also_when_it_is_gone() {
        let quarantine = QuarantineTotals { items: 1_000, dropped: 37, ..QuarantineTotals::default() };
        assert_eq!(
            letters(Totals { quarantine, dead: 2, dead_expired: 0 }),
            [
                "2 deliveries dead: jobrelay deliveries --state dead",
                "1000 items in the quarantine, 37 older dropped: jobrelay quarantine"
            ]
        );
        assert!(letters(Totals { dead_expired: 1, ..Totals::default() })[0].starts_with("no deliveries dead, 1 went"));
        assert!(letters(Totals::default()).is_empty());
    }
}
