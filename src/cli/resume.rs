//! `resume`: try a receiver again now.

use std::process::ExitCode;

use clap::Args;
use serde_json::json;

use super::client::{RelayArgs, converse, segment};
use super::failure::Failure;
use super::output::{say, say_json};

/// Try a receiver that is down or blocked again at once
#[derive(Args)]
#[command(
    after_help = "Nothing owed is lost while a receiver is blocked, and it is tried again by itself every 5 minutes and when its \
settings change. This is for when you have just mended it at the other end."
)]
pub struct ResumeArgs {
    /// Name of the receiver in routes.yaml
    receiver: String,

    #[command(flatten)]
    relay: RelayArgs,
}

impl ResumeArgs {
    /// Asks the relay to.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let client = self.relay.client()?;
        let path = format!("/api/v1/receivers/{}/resume", segment(&self.receiver));
        converse(async { Ok(client.post_empty(&path).await?) })?;
        if self.relay.json {
            say_json(&json!({ "receiver": self.receiver, "resumed": true }))?;
        } else {
            let name = &self.receiver;
            say(format_args!("{name} is tried again now; `jobrelay deliveries --receiver {name}` shows how it goes"))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}
