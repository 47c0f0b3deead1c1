//! `health`: is the relay ready? Small and quick: containers ask every few seconds.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use serde_json::json;

use super::client::{RelayArgs, converse};
use super::failure::Failure;
use super::lanes::{lanes, trouble};
use super::output::{say, say_json};
use crate::delivery::Health;
use crate::server::types::Readiness;

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
        }
        answer.map(|_| ExitCode::SUCCESS)
    }
}
